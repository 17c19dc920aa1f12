//! The room for what GCk6 sends of test runs, as zones come to feel it.

use super::*;
use crate::cloud::RunId;
use crate::controller::intake::ASK_INTERVAL;
use crate::limits::DATA_BYTES_MAX;
use crate::zone::Action as Zone;
use crate::zone::state::Listed;

fn id(namespace: &str, run: u64) -> TaskId {
    TaskId::zone(&ObjectKey::new(namespace, "edge"), Zone::FetchData(RunId(run)))
}

#[test]
fn data_that_are_on_their_way_count() {
    let mut rig = Rig::with_zone();
    assert!(rig.core.may_ask_for_data("ns", 0));
    let mut asked = 0;
    while rig.core.may_ask_for_data("ns", 0) {
        asked += 1;
        rig.core.queue.push(id("ns", asked));
        assert!(asked < 1000);
    }
    assert!(asked > 1);
    assert!(rig.core.may_ask_for_data("other", 0), "who holds nothing gets in");
}

#[test]
fn only_answers_that_bring_data_have_room() {
    let rig = Rig::with_zone();
    for (action, wanted) in [
        (Action::Zone(Zone::FetchData(RunId(1))), DATA_BYTES_MAX),
        (Action::Run(testrun::Action::Confirm), DATA_BYTES_MAX),
        (Action::Zone(Zone::Poll), 0),
        (Action::Run(testrun::Action::CheckState), 0),
        (Action::Token(token::Action::Read), 0),
    ] {
        assert_eq!(rig.core.data_room(action, "ns"), wanted, "{action}");
    }
}

#[test]
fn a_zone_that_has_its_share_asks_again_in_a_moment() {
    let mut rig = Rig::with_zone();
    rig.zone_state("ns").listed.insert(RunId(101), Listed::NEW);
    let mut holder = RunState::new(&serde_json::from_value(test_run(7)).unwrap(), 1, Block::New, rig.mono);
    (holder.plan, holder.plan_bytes) = (Some(Box::default()), DATA_BYTES_MAX);
    rig.core.runs.insert(ObjectKey::new("other", "plz-test-7"), Box::new(holder));
    rig.core.mark(Key::Zone(ObjectKey::new("ns", "edge")));
    assert_eq!(rig.turn(), Vec::<String>::new());
    rig.core.runs.clear();
    assert!(rig.until("PrivateLoadZone ns/edge: fetching the data of test run 101") <= ASK_INTERVAL);
}
