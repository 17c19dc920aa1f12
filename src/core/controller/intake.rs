//! The room for what GCk6 has sent of test runs until their Jobs exist: one for all zones.
//!
//! Owns whether the data of one more may be asked for, and how large they may be. What does not fit stays at GCk6 and is asked for
//! again. Invariants: all that is held stays within [`DATA_BYTES_MAX`]; a namespace that holds something has a share, and the last of
//! the room is for those that hold nothing: whoever has hundreds of large test runs listed, or a webhook that lets none of them be
//! made, waits for himself.

use std::time::Duration;

use super::Core;
use crate::event::Action;
use crate::limits::{DATA_BYTES_MAX, LARGE_OBJECT_LIMITS};
use crate::{testrun, zone};

/// The last of the room, for namespaces that hold nothing: the largest data that a `TestRun` can be made of.
const SPARE_BYTES: usize = LARGE_OBJECT_LIMITS.text_bytes;
/// What a namespace may hold.
const SHARE_BYTES: usize = DATA_BYTES_MAX - SPARE_BYTES;
/// What is reckoned for data that are on their way. Most are a few KiB.
const AWAITED_BYTES: usize = 64 * 1024;
/// How often a zone or a test run that waits looks whether there is room.
pub(super) const ASK_INTERVAL: Duration = Duration::from_millis(200);

impl Core {
    /// Whether data of one more test run of a namespace may be asked for. `own` is what the object whose turn it is holds itself.
    pub(super) fn may_ask_for_data(&self, namespace: &str, own: usize) -> bool {
        let awaited =
            self.queue.under_way(brings_data).map(|key| (key.object().namespace.as_str(), AWAITED_BYTES));
        room(namespace, self.held_data().chain(awaited).chain([(namespace, own)])) >= AWAITED_BYTES
    }

    /// How large the data may be, in bytes, that the answer to an action brings for a namespace. Nearly all answers bring none, and
    /// nothing is added up for them.
    pub(super) fn data_room(&self, action: Action, namespace: &str) -> usize {
        if brings_data(action) { room(namespace, self.held_data()) } else { 0 }
    }

    fn held_data(&self) -> impl Iterator<Item = (&str, usize)> {
        let zones = self.zones.iter().map(|(key, state)| (key.namespace.as_str(), state.data_bytes()));
        let runs = self.runs.iter().map(|(key, state)| (key.namespace.as_str(), state.data_bytes()));
        zones.chain(runs)
    }
}

fn brings_data(action: Action) -> bool {
    matches!(action, Action::Zone(zone::Action::FetchData(_)) | Action::Run(testrun::Action::Confirm))
}

/// What a namespace may hold beside what is `held`, each by its namespace.
fn room<'a>(namespace: &str, held: impl Iterator<Item = (&'a str, usize)>) -> usize {
    let (mut of_namespace, mut of_all) = (0, 0);
    for (holder, bytes) in held {
        of_all += bytes;
        if holder == namespace {
            of_namespace += bytes;
        }
    }
    let left = |most: usize| most.saturating_sub(of_all);
    if of_namespace == 0 {
        left(DATA_BYTES_MAX)
    } else {
        left(DATA_BYTES_MAX - SPARE_BYTES).min(SHARE_BYTES.saturating_sub(of_namespace))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_namespace_has_its_share_and_who_has_nothing_still_gets_in() {
        let check = |held: &[(&str, usize)], wanted: usize| {
            assert_eq!(room("a", held.iter().copied()), wanted, "{held:?}");
        };
        check(&[], DATA_BYTES_MAX);
        check(&[("a", 0)], DATA_BYTES_MAX);
        check(&[("a", 1)], SHARE_BYTES - 1);
        check(&[("a", 1), ("a", SHARE_BYTES)], 0);
        check(&[("b", SHARE_BYTES)], SPARE_BYTES);
        check(&[("b", SHARE_BYTES), ("a", 1)], 0);
        check(&[("b", SHARE_BYTES), ("c", SPARE_BYTES)], 0);
        check(&[("b", 2 * DATA_BYTES_MAX)], 0);
    }
}
