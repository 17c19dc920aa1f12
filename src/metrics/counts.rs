//! What is counted as it happens: ends of test runs, polls, calls.
//!
//! Plain structs with an owner each: [`Tally`] is the core's, [`Calls`] the loop's. Invariant: keys come from the code and
//! from HTTP statuses, never from names in the cluster, so that nothing grows without bound.

use std::time::Duration;

use super::histogram::{CALL_BOUNDS, Histogram, SKEW_BOUNDS};
use crate::core::notices::Cause as Ignored;
use crate::health::Watches;
use crate::testrun::ending::Cause;

/// How a poll went.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Poll {
    /// GCk6 has answered.
    Ok,
    /// GCk6 refuses the token.
    Refused,
    /// Anything else.
    Error,
}

impl Poll {
    /// All of them, with their label.
    pub const ALL: [(Self, &'static str); 3] =
        [(Self::Ok, "ok"), (Self::Refused, "refused"), (Self::Error, "error")];
}

/// What the core counts.
#[derive(Clone, Debug)]
pub struct Tally {
    /// By [`Poll`], in the order of [`Poll::ALL`].
    polls: [u64; Poll::ALL.len()],
    ended: Vec<(Option<Cause>, u64)>,
    skew: Histogram,
    /// By resource and, in the order of [`Ignored::ALL`], cause.
    ignored: [[u64; Ignored::ALL.len()]; Watches::RESOURCES.len()],
}

impl Default for Tally {
    /// Every cause is there from the beginning: a counter that only appears with its first value hides that one.
    fn default() -> Self {
        let causes = [None].into_iter().chain(Cause::ALL.map(Some));
        Self {
            polls: [0; Poll::ALL.len()],
            ended: causes.map(|cause| (cause, 0)).collect(),
            skew: Histogram::new(SKEW_BOUNDS),
            ignored: Default::default(),
        }
    }
}

impl Tally {
    /// An object of this kind was not taken in.
    pub fn ignored(&mut self, resource: &str, cause: Ignored) {
        if let Some(at) = Watches::RESOURCES.iter().position(|known| *known == resource) {
            self.ignored[at][cause as usize] += 1;
        }
    }

    /// How many objects were not taken in, by resource and cause.
    pub fn ignored_objects(&self) -> impl Iterator<Item = (&'static str, &'static str, u64)> + '_ {
        let resources = Watches::RESOURCES.iter().zip(&self.ignored);
        resources.flat_map(|(resource, counts)| {
            Ignored::ALL.iter().zip(counts).map(|((_, cause), count)| (*resource, *cause, *count))
        })
    }

    /// A poll is done.
    pub fn polled(&mut self, poll: Poll) {
        self.polls[poll as usize] += 1;
    }

    /// A test run has come to its end: its own, or for a cause.
    pub fn ended(&mut self, cause: Option<Cause>) {
        add(&mut self.ended, &cause, 0, |count| *count += 1);
    }

    /// All runners of a test run were let go, the last this much later than the first.
    pub fn started(&mut self, skew: Duration) {
        self.skew.observe(skew);
    }

    /// Polls, by the label of their result.
    pub fn polls(&self) -> impl Iterator<Item = (&'static str, u64)> + '_ {
        Poll::ALL.iter().map(|(_, label)| *label).zip(self.polls.iter().copied())
    }

    /// Test runs that have ended, by cause.
    #[must_use]
    pub fn ends(&self) -> &[(Option<Cause>, u64)] {
        &self.ended
    }

    /// How far apart runners were let go.
    #[must_use]
    pub fn skew(&self) -> &Histogram {
        &self.skew
    }
}

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
    fn polls_are_counted_by_result() {
        let mut tally = Tally::default();
        for (poll, _) in Poll::ALL {
            tally.polled(poll);
        }
        tally.polled(Poll::Refused);
        assert_eq!(tally.polls().collect::<Vec<_>>(), [("ok", 1), ("refused", 2), ("error", 1)]);
    }

    #[test]
    fn ends_are_counted_by_cause_and_all_causes_are_there() {
        let mut tally = Tally::default();
        tally.ended(None);
        tally.ended(Some(Cause::SetupFailed));
        assert_eq!(tally.ends().len(), Cause::ALL.len() + 1);
        let counted: Vec<_> = tally.ends().iter().filter(|(_, count)| *count > 0).collect();
        assert_eq!(counted, [&(None, 1), &(Some(Cause::SetupFailed), 1)]);
    }

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
