//! The room for setup data: one for all runs.
//!
//! Owns who may hold data, and for how long while others wait. What does not fit stays on the runner where `setup()` has
//! returned it, and is read again later: nothing is lost, and nothing is run twice. Invariant: what all runs hold, what is
//! being read, and what calls under way still hold of runs that gave their room away, comes to no more than
//! [`SETUP_ROOM_BYTES`].

use std::sync::Arc;
use std::time::Duration;

use super::Core;
use crate::event::{Action, ObjectKey};
use crate::runner::SETUP_BYTES_MAX;
use crate::testrun;
use crate::testrun::state::{RunState, Setup};

/// What is held of the setup data of all runs, in bytes.
pub const SETUP_ROOM_BYTES: usize = 8 << 20;
/// How long a run may keep its data while another one waits: its runners do not take them, or are many.
const HOLD_TIME: Duration = Duration::from_secs(10);
/// How often a run that waits asks again. Room is made by others' calls, of which it hears nothing.
pub(super) const ASK_INTERVAL: Duration = Duration::from_millis(500);

/// What runs that gave their room away have left to calls under way.
#[derive(Debug, Default)]
pub(super) struct Leaving(Vec<Arc<String>>);

impl Leaving {
    /// Nobody needs the data any more, but for calls that are under way.
    pub(super) fn take(&mut self, setup: &mut Setup) {
        if let Setup::Run(Some(data)) = setup {
            self.0.push(data.text.clone());
            *setup = Setup::Run(None);
        }
    }

    fn bytes(&mut self) -> usize {
        self.0.retain(|text| Arc::strong_count(text) > 1);
        self.0.iter().map(|text| text.len()).sum()
    }
}

impl Core {
    /// Whether the run may read its data now. If not, it is noted that it waits. `state` is taken out of `self.runs`.
    pub(super) fn may_take_setup_data(
        &mut self,
        now: Duration,
        key: &ObjectKey,
        state: &mut RunState,
    ) -> bool {
        let since = *state.data_waits_since.get_or_insert(now);
        if self.setup_bytes() + SETUP_BYTES_MAX > SETUP_ROOM_BYTES {
            self.make_room(now);
        }
        let others = self.runs.iter().filter_map(|(key, run)| Some((run.data_waits_since?, key)));
        let is_first = others.min().is_none_or(|other| (since, key) < other);
        let may = is_first && self.setup_bytes() + SETUP_BYTES_MAX <= SETUP_ROOM_BYTES;
        if may {
            state.data_waits_since = None;
        }
        may
    }

    /// Data that have come with the answer to "run setup" were not asked for by their length. Where they do not fit they are
    /// left on their runner.
    pub(super) fn settle_setup_data(&mut self, key: &ObjectKey) {
        if self.setup_bytes() <= SETUP_ROOM_BYTES {
            return;
        }
        if let Some(state) = self.runs.get_mut(key)
            && let Setup::Run(Some(data)) = &state.setup
        {
            state.setup = Setup::OnRunner(data.runner);
        }
    }

    fn setup_bytes(&mut self) -> usize {
        let held: usize = self.runs.values().map(|run| run.setup.held_bytes()).sum();
        let is_read = |action| matches!(action, Action::Run(testrun::Action::TakeSetupData(_)));
        held + self.leaving.bytes() + self.queue.count_under_way(is_read) * SETUP_BYTES_MAX
    }

    /// Those who have held theirs for long give them away, and wait in their turn.
    fn make_room(&mut self, now: Duration) {
        for run in self.runs.values_mut() {
            if let Setup::Run(Some(data)) = &run.setup
                && now >= data.since + HOLD_TIME
            {
                self.leaving.0.push(data.text.clone());
                run.setup = Setup::OnRunner(data.runner);
            }
        }
    }
}
