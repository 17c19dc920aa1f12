//! Beginning to act, and ceasing to.

use super::*;
use crate::lease::{Candidacy, Role};

fn candidate() -> Rig {
    let lease = ObjectKey::new("plz", "agent");
    let candidacy = Some(Candidacy { lease, identity: "me".to_owned() });
    Rig::new(Settings { candidacy, ..settings() })
}

const READS_LEASE: &str = "Lease plz/agent: reading the Lease";
const WRITES_LEASE: &str = "Lease plz/agent: writing the Lease";

/// The Lease of the election.
fn lease(holder: &str, version: u32) -> Reply {
    let annotations = if holder.is_empty() { json!({"plz-agent/released-by": "other"}) } else { json!({}) };
    shows(&json!({
        "metadata": {"name": "agent", "namespace": "plz", "uid": "u", "resourceVersion": version.to_string(),
            "annotations": annotations},
        "spec": {"holderIdentity": holder, "leaseDurationSeconds": 15},
    }))
}

/// One that has just been given the lead, with a zone whose token is being read.
fn leader() -> Rig {
    let mut rig = candidate();
    assert_eq!(rig.turn(), [READS_LEASE]);
    rig.lists_nothing();
    rig.sees_zone(&zone("ns"));
    assert_eq!(rig.answer(READS_LEASE, lease("", 1)), [WRITES_LEASE], "nothing but the Lease");
    assert_eq!(rig.answer(WRITES_LEASE, lease("me", 2)), [READS]);
    assert_eq!(rig.core.role(), &Role::Active);
    rig
}

/// The next calls for the Lease are answered like this, until then.
fn lease_is(rig: &mut Rig, until: Duration, reply: fn() -> Reply) {
    while rig.mono < until {
        rig.wait(S);
        for call in [READS_LEASE, WRITES_LEASE] {
            if rig.in_hand.iter().any(|task| name(&task.id) == call) {
                rig.answer(call, reply());
            }
        }
    }
}

#[test]
fn who_has_not_heard_everything_hands_out_nothing_but_looks() {
    let mut rig = candidate();
    rig.sees_zone(&zone("ns"));
    assert_eq!(rig.turn(), [READS_LEASE]);
    assert_eq!((rig.core.role(), rig.core.acts_until()), (&Role::Starting, Duration::ZERO));
    // It does not run for the lead before it could work.
    assert_eq!(rig.answer(READS_LEASE, lease("", 1)), Vec::<String>::new());
    assert_eq!(rig.run_for(60 * S), Vec::<String>::new());
}

#[test]
fn the_lead_is_as_long_as_it_was_sent_for() {
    let rig = leader();
    assert_eq!(rig.core.acts_until(), rig.mono + crate::lease::election::LEAD_DURATION);
    let mut alone = Rig::active();
    assert_eq!(alone.core.acts_until(), Duration::MAX);
    let now = alone.now();
    assert!(alone.core.leave(now).is_none(), "there is nothing to give up");
    assert_eq!(alone.core.acts_until(), Duration::ZERO);
    alone.sees_zone(&zone("ns"));
    assert_eq!(alone.core.role(), &Role::standby(""));
}

#[test]
fn whoever_leaves_gives_up_the_lease_and_hands_out_nothing_more() {
    let mut rig = leader();
    let now = rig.now();
    let task = rig.core.leave(now).unwrap();
    assert_eq!(name(&task.id), WRITES_LEASE);
    rig.answer(READS, secret("t"));
    assert!(rig.in_hand.is_empty(), "{:?}", rig.in_hand);
}

#[test]
fn who_has_lost_the_lead_to_another_forgets_all_of_his_work() {
    let mut rig = leader();
    rig.sees_run(&test_run(101));
    rig.turn();
    rig.answer(READS, secret("t"));
    assert!(rig.has_run(101));
    rig.wait(6 * S);
    rig.answer(WRITES_LEASE, api_server(409, "Conflict"));
    let until = rig.mono + 3 * S;
    lease_is(&mut rig, until, || lease("other", 9));
    assert_eq!(rig.core.role(), &Role::standby("other"));
    let core = &rig.core;
    assert!(core.zones.is_empty() && core.runs.is_empty() && core.tokens.is_empty());
    assert!(core.zones() == 1, "what it has seen it knows");
    assert_eq!(core.acts_until(), Duration::ZERO);
}

#[test]
fn calls_in_hand_come_home_to_nobody_and_keep_their_lanes_until_then() {
    let mut rig = leader();
    rig.wait(6 * S);
    rig.answer(WRITES_LEASE, api_server(409, "Conflict"));
    let until = rig.mono + 3 * S;
    lease_is(&mut rig, until, || lease("other", 9));
    // The other one goes, and this one leads again.
    let until = rig.mono + 6 * S;
    lease_is(&mut rig, until, || lease("", 10));
    let until = rig.mono + S;
    lease_is(&mut rig, until, || lease("me", 11));
    assert!(rig.core.role().is_active());
    assert!(!rig.turn().contains(&READS.to_owned()), "the Secret is being read yet");
    // The answer to the earlier question teaches nothing; then it is asked anew.
    assert_eq!(rig.answer(READS, secret("old")), [READS]);
    assert!(rig.core.tokens.values().all(|token| token.value.is_none()));
    assert_eq!(rig.answer(READS, secret("new")), [REGISTERS]);
}

#[test]
fn a_lead_that_was_not_renewed_in_time_is_taken_up_where_it_was() {
    let mut rig = leader();
    rig.answer(READS, secret("t"));
    rig.task(REGISTERS);
    rig.zone_state("ns").settle(cloud::RunId(7));
    let until = rig.mono + 12 * S;
    lease_is(&mut rig, until, api_server_lost);
    assert_eq!(rig.core.role(), &Role::standby(""), "nobody is known to have it");
    assert_eq!(rig.core.zones.len(), 1, "nobody can have acted");
    assert!(rig.in_hand.is_empty(), "{:?}", rig.in_hand);
    let until = rig.mono + 3 * S;
    lease_is(&mut rig, until, || lease("me", 3));
    assert!(rig.core.role().is_active());
    assert_eq!(rig.zone_state("ns").settled.len(), 1, "and nothing is forgotten");
    assert!(rig.core.tokens.values().all(|token| token.value.is_some()));
}

#[test]
fn a_live_k6_operator_is_waited_for() {
    let mut rig = Rig::with_zone();
    let lease = json!({
        "metadata": {"name": "fcdfce80.io", "namespace": "k6", "uid": "u", "resourceVersion": "5"},
        "spec": {"holderIdentity": "op", "leaseDurationSeconds": 15},
    });
    let seen = k8s::status::decode("it", lease.to_string().as_bytes()).unwrap();
    rig.sees(Seen::Operator(WatchEvent::Applied(seen)));
    assert_eq!(rig.turn(), Vec::<String>::new());
    assert_eq!(rig.core.role(), &Role::waits_for_operator("k6", "op"));
    assert!(rig.core.zones.is_empty());
    let looks = "Lease k6/fcdfce80.io: looking for k6-operator's Lease";
    assert_eq!(rig.wait(16 * S), [looks]);
    let names = rig.answer(looks, shows(&json!({"items": []})));
    assert!(rig.core.role().is_active());
    assert_eq!(names, [READS], "from the beginning");
}

#[test]
fn a_standby_marks_nothing_and_wakes_for_the_lease_alone() {
    let mut rig = candidate();
    rig.turn();
    rig.lists_nothing();
    rig.answer(READS_LEASE, lease("other", 5));
    rig.sees_zone(&zone("ns"));
    rig.sees_run(&test_run(101));
    assert_eq!(rig.turn(), Vec::<String>::new());
    assert_eq!(rig.core.next_deadline(), Some(rig.mono + crate::lease::election::LOOK_INTERVAL));
    assert!(rig.core.census(rig.now()).zones.is_empty());
}
