//! What the core counts as it happens: ends of test runs, polls, objects that it does not take in.
//!
//! Invariant: keys come from the code, never from names in the cluster, so that nothing grows without bound.

use std::time::Duration;

use super::histogram::{Histogram, SKEW_BOUNDS};
use crate::ignored::Ignored;
use crate::testrun::termination::Cause;
use crate::watched;

/// How a poll went.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Poll {
    /// GCk6 has answered.
    Ok,
    /// GCk6 rejects the token.
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
    ignored: [[u64; Ignored::ALL.len()]; watched::RESOURCES.len()],
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
        if let Some(at) = watched::RESOURCES.iter().position(|known| *known == resource) {
            self.ignored[at][cause as usize] += 1;
        }
    }

    /// How many objects were not taken in, by resource and cause.
    pub fn ignored_objects(&self) -> impl Iterator<Item = (&'static str, &'static str, u64)> + '_ {
        let resources = watched::RESOURCES.iter().zip(&self.ignored);
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
        *count_of(&mut self.ended, cause) += 1;
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

/// The count of a cause, which is there from the beginning.
fn count_of(rows: &mut Vec<(Option<Cause>, u64)>, cause: Option<Cause>) -> &mut u64 {
    let at = rows.iter().position(|(known, _)| *known == cause).unwrap_or_else(|| {
        rows.push((cause, 0));
        rows.len() - 1
    });
    &mut rows[at].1
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
    fn objects_that_are_left_out_are_counted_by_resource_and_cause() {
        let mut tally = Tally::default();
        for (times, cause) in (1..).zip([Ignored::Unreadable, Ignored::TooLarge, Ignored::NoRoom]) {
            (0..times).for_each(|_| tally.ignored("pods", cause));
        }
        tally.ignored("secrets", Ignored::NoRoom);
        let counted: Vec<_> = tally.ignored_objects().filter(|(.., count)| *count > 0).collect();
        assert_eq!(counted, [("pods", "unreadable", 1), ("pods", "too_large", 2), ("pods", "no_room", 3)]);
        let resources: Vec<_> = tally.ignored_objects().step_by(3).map(|(resource, ..)| resource).collect();
        assert_eq!(resources, ["privateloadzones", "testruns", "pods", "leases"]);
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
}
