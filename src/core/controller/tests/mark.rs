//! What a mark reaches.

use super::*;

/// Zones `ns/edge` and `ns/other`, a namesake in `elsewhere`, and runs in both namespaces; nothing is dirty.
fn rig() -> Rig {
    let mut rig = Rig::active();
    for namespace in ["ns", "elsewhere"] {
        rig.core.store.absorb(None, Seen::Zone(applied(&zone(namespace))));
        rig.core.zones.insert(ObjectKey::new(namespace, "edge"), Box::new(ZoneState::new("u", S, 0)));
    }
    let mut other = zone("ns");
    other["metadata"]["name"] = json!("other");
    rig.core.store.absorb(None, Seen::Zone(applied(&other)));
    for (namespace, id) in [("ns", 101), ("ns", 102), ("elsewhere", 103)] {
        let mut run = test_run(id);
        run["metadata"]["namespace"] = json!(namespace);
        let run = serde_json::from_value(run).unwrap();
        let state = RunState::new(&run, 1, Block::New, S);
        rig.core.runs.insert(run.metadata.key(), Box::new(state));
    }
    let _ = rig.core.queue.take_due(Duration::MAX);
    rig
}

fn applied<T: serde::de::DeserializeOwned>(object: &Value) -> WatchEvent<T> {
    WatchEvent::Applied(serde_json::from_value(object.clone()).unwrap())
}

#[track_caller]
fn check(rig: &mut Rig, key: Key, wanted: &[&str]) {
    rig.core.mark(key);
    let marked: Vec<String> =
        rig.core.queue.take_due(Duration::ZERO).iter().map(ToString::to_string).collect();
    assert_eq!(marked, wanted);
}

#[test]
fn a_zone_reaches_its_namesakes_and_the_runs_of_its_namespace() {
    let zone = Key::Zone(ObjectKey::new("ns", "edge"));
    let wanted = [
        "PrivateLoadZone elsewhere/edge",
        "PrivateLoadZone ns/edge",
        "TestRun ns/plz-test-101",
        "TestRun ns/plz-test-102",
    ];
    check(&mut rig(), zone, &wanted);
}

#[test]
fn a_run_reaches_the_zones_of_its_namespace_that_wait_for_it() {
    let run = || Key::Run(ObjectKey::new("ns", "plz-test-101"));
    let mut rig = rig();
    check(&mut rig, run(), &["TestRun ns/plz-test-101"]);
    rig.zone_state("ns").leaving_since = Some(S);
    rig.zone_state("elsewhere").leaving_since = Some(S);
    check(&mut rig, run(), &["PrivateLoadZone ns/edge", "TestRun ns/plz-test-101"]);
}

#[test]
fn others_reach_nobody() {
    for (key, wanted) in [
        (Key::Token(ObjectKey::new("ns", "edge")), "Secret ns/edge"),
        (Key::Lease(ObjectKey::new("ns", "edge")), "Lease ns/edge"),
        (Key::Operator(ObjectKey::new("ns", "edge")), "Lease ns/edge"),
    ] {
        check(&mut rig(), key, &[wanted]);
    }
}

#[test]
fn who_does_not_act_marks_nothing() {
    let mut rig = Rig::new(settings());
    rig.sees_zone(&zone("ns"));
    assert_eq!(rig.core.queue.next_deadline(), None);
}
