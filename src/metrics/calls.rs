//! What the loop counts of its workers' calls.
//!
//! Invariant: keys come from the code and from HTTP statuses, so that nothing grows without bound.

use std::time::Duration;

use plz_core::metrics::{CALL_BOUNDS, Histogram};

/// A call as it is counted.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct CallDone {
    /// `kubernetes`, `gck6` or `runner`.
    pub target: &'static str,
    /// What RBAC calls it, or the HTTP method in small letters.
    pub verb: &'static str,
    /// The HTTP status; none if no answer came.
    pub code: Option<u16>,
    /// From the first byte sent, or the wish to, to the last byte received.
    pub took: Duration,
}

/// The status that a call is counted by: uncommon ones by their first digit, since whoever runs a test can have his runners answer
/// with each of a thousand.
fn counted(code: u16) -> u16 {
    let is_common = matches!(
        code,
        200..=202 | 204 | 301 | 302 | 307 | 308 | 400 | 401 | 403..=405 | 408..=410 | 413 | 415 | 422 | 429 | 500..=504
    );
    if is_common { code } else { code / 100 }
}

/// Target, verb, code; or the first digit of an uncommon one.
type CallKey = (&'static str, &'static str, Option<u16>);

/// What the loop counts of its workers' calls.
#[derive(Clone, Debug, Default)]
pub struct Calls {
    counts: Vec<(CallKey, u64)>,
    durations: Vec<((&'static str, &'static str), Histogram)>,
}

impl Calls {
    /// A call is done.
    pub fn done(&mut self, call: CallDone) {
        add(&mut self.counts, &(call.target, call.verb, call.code.map(counted)), 0, |count| *count += 1);
        let key = (call.target, call.verb);
        add(&mut self.durations, &key, Histogram::new(CALL_BOUNDS), |known| known.observe(call.took));
    }

    /// How many calls there were, by target, verb and code.
    #[must_use]
    pub fn counts(&self) -> &[(CallKey, u64)] {
        &self.counts
    }

    /// How long they took, by target and verb.
    #[must_use]
    pub fn durations(&self) -> &[((&'static str, &'static str), Histogram)] {
        &self.durations
    }
}

/// Changes the value of a key, which is `new` if it is not there yet. There are a few dozen keys at the most, so a list
/// that is searched is as good as a map and less code.
fn add<K: PartialEq + Clone, V>(rows: &mut Vec<(K, V)>, key: &K, new: V, change: impl FnOnce(&mut V)) {
    let at = rows.iter().position(|(known, _)| known == key).unwrap_or_else(|| {
        rows.push((key.clone(), new));
        rows.len() - 1
    });
    change(&mut rows[at].1);
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn calls_are_counted_by_code_and_timed_without() {
        let mut calls = Calls::default();
        for code in [Some(200), Some(200), None, Some(503)] {
            let took = Duration::from_millis(3);
            calls.done(CallDone { target: "gck6", verb: "get", code, took });
        }
        (300..2000).for_each(|code| {
            let took = Duration::ZERO;
            calls.done(CallDone { target: "runner", verb: "get", code: Some(code), took });
        });
        let of_runners = calls.counts.iter().filter(|((target, ..), _)| *target == "runner");
        assert!(of_runners.count() < 50);
        calls.counts.retain(|((target, ..), _)| *target != "runner");
        calls.durations.retain(|((target, _), _)| *target != "runner");
        let key = |code| ("gck6", "get", code);
        assert_eq!(calls.counts(), [(key(Some(200)), 2), (key(None), 1), (key(Some(503)), 1)]);
        assert_eq!(calls.durations().len(), 1);
        assert_eq!(calls.durations()[0].1.count(), 4);
    }
}
