//! How large a `TestRun` may be that the agent makes: no larger than what its own watch hands on.

use k8s::fields::Read as _;
use k8s::shape::Picks;
use k8s::sieve::{Limits, Sieve};

use crate::api::run::TestRun;
use crate::limits::LARGE_OBJECT_LIMITS;

/// What comes to a test run after it was made: what the API server adds, conditions, and the room that is kept for names.
const GROWTH_BYTES: usize = 32 * 1024;
/// The longest test run that is made.
const RUN_BYTES_MAX: usize = LARGE_OBJECT_LIMITS.text_bytes - GROWTH_BYTES;

/// Why a watch would not hand on a test run as a whole, once the API server has it; none if it would.
#[must_use]
pub fn excess(run: &TestRun) -> Option<String> {
    let text = serde_json::to_vec(run).unwrap_or_default();
    let kib = text.len().div_ceil(1024);
    if text.len() > RUN_BYTES_MAX {
        return Some(format!("{kib} KiB, but the agent reads at most {} KiB", RUN_BYTES_MAX / 1024));
    }
    let Limits { text_bytes, value_bytes } = LARGE_OBJECT_LIMITS;
    let limits = Limits { text_bytes, value_bytes: value_bytes - GROWTH_BYTES };
    let mut is_whole = true;
    let mut sieve = Sieve::new(TestRun::SHAPE, Picks::default(), limits, 1);
    let is_read = sieve.feed(&text, &mut |kept| is_whole = kept.left_out.is_none());
    let count = run.spec.args.len() + run.spec.runner.env.len();
    (is_read.is_err() || !is_whole)
        .then(|| format!("{kib} KiB with {count} arguments, which are more than the agent holds"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_run_that_a_watch_would_leave_out_is_not_made() {
        let run = |args: Vec<String>| {
            let mut run = TestRun::default();
            run.spec.args = args;
            run
        };
        let whole = |run: &TestRun| {
            let text = serde_json::to_vec(run).unwrap();
            let mut sieve = Sieve::new(TestRun::SHAPE, Picks::default(), LARGE_OBJECT_LIMITS, 1);
            let mut is_whole = false;
            sieve.feed(&text, &mut |kept| is_whole = kept.left_out.is_none()).unwrap();
            is_whole
        };
        for (count, bytes, wanted) in [
            (5, 100 * 1024, None),
            (6, 100 * 1024, Some("601 KiB, but the agent reads at most 544 KiB")),
            (1000, 100, None),
            (20_000, 2, Some("98 KiB with 20000 arguments, which are more than the agent holds")),
        ] {
            let run = run(vec!["x".repeat(bytes); count]);
            assert_eq!(excess(&run).as_deref(), wanted);
            assert_eq!(whole(&run), wanted.is_none());
        }
    }
}
