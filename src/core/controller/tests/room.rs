//! Whose turn it is to hold setup data.

use std::sync::Arc;

use super::*;
use crate::controller::room::SETUP_ROOM_BYTES;
use crate::runner::SETUP_BYTES_MAX;
use crate::testrun::state::{Setup, SetupData};

fn key(id: u64) -> ObjectKey {
    ObjectKey::new("ns", format!("plz-test-{id}"))
}

/// Runs that hold so many bytes each.
fn rig(held: &[usize]) -> Rig {
    let mut rig = Rig::with_zone();
    for (id, bytes) in (101..).zip(held) {
        let run = serde_json::from_value(test_run(id)).unwrap();
        let mut state = RunState::new(&run, 2, Block::Created, rig.mono);
        if *bytes > 0 {
            let text = Arc::new("x".repeat(*bytes));
            state.setup = Setup::Run(Some(SetupData { text, runner: 1, since: rig.mono }));
        }
        rig.core.runs.insert(key(id), Box::new(state));
    }
    rig
}

impl Rig {
    /// Whether a run may read its data now, as its turn asks.
    fn may_take(&mut self, id: u64) -> bool {
        let mut state = self.core.runs.remove(&key(id)).unwrap();
        let may = self.core.may_take_setup_data(self.mono, &key(id), &mut state);
        self.core.runs.insert(key(id), state);
        may
    }
}

#[test]
fn data_are_read_only_where_the_longest_would_fit() {
    for (held, may) in [
        (0, true),
        (SETUP_ROOM_BYTES - SETUP_BYTES_MAX, true),
        (SETUP_ROOM_BYTES - SETUP_BYTES_MAX + 1, false),
    ] {
        assert_eq!(rig(&[held, 0]).may_take(102), may, "{held}");
    }
}

#[test]
fn what_is_being_read_counts_as_long_as_it_may_be() {
    let mut rig = rig(&[0, 0, 0]);
    for id in [101, 102] {
        assert!(rig.may_take(id));
        rig.core.queue.push(TaskId::run(&key(id), testrun::Action::TakeSetupData(1)));
    }
    assert!(!rig.may_take(103));
}

#[test]
fn who_has_waited_longest_is_first() {
    let mut rig = rig(&[SETUP_ROOM_BYTES, 0, 0]);
    assert!(!rig.may_take(103));
    rig.mono += S;
    assert!(!rig.may_take(102));
    rig.run_state(101).setup = Setup::Run(None);
    assert!(!rig.may_take(102), "there is room, but for another");
    assert!(rig.may_take(103));
    assert!(rig.may_take(102), "the other waits no more");
}

#[test]
fn who_has_held_his_for_long_gives_them_away_while_others_wait() {
    let mut rig = rig(&[SETUP_ROOM_BYTES, 0]);
    rig.mono += 9 * S;
    assert!(!rig.may_take(102));
    assert_eq!(rig.run_state(101).setup.held_bytes(), SETUP_ROOM_BYTES);
    rig.mono += S;
    assert!(rig.may_take(102));
    assert_eq!(rig.run_state(101).setup, Setup::OnRunner(1), "they are read again in their turn");
}

/// They are freed only when the call has come home.
#[test]
fn data_that_calls_under_way_still_send_keep_their_room() {
    let mut rig = rig(&[SETUP_ROOM_BYTES, 0]);
    let Setup::Run(Some(data)) = &rig.run_state(101).setup else { panic!() };
    let sent = data.text.clone();
    rig.mono += 10 * S;
    assert!(!rig.may_take(102));
    drop(sent);
    assert!(rig.may_take(102));
}

#[test]
fn data_that_came_unasked_and_do_not_fit_stay_on_their_runner() {
    for (held, wanted) in [(SETUP_ROOM_BYTES - 7, true), (SETUP_ROOM_BYTES - 6, false)] {
        let mut rig = rig(&[held, 7]);
        rig.core.settle_setup_data(&key(102));
        assert_eq!(rig.run_state(102).setup.held_bytes() == 7, wanted, "{held}");
        if !wanted {
            assert_eq!(rig.run_state(102).setup, Setup::OnRunner(1));
        }
    }
}
