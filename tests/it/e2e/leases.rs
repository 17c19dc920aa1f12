//! Two agents of which one is active, as processes: what becomes of a run when that one ends.

use std::thread;

use super::*;

/// The Lease that the shipped Role is for.
const LEASE: &str = "plz-agent";
const LEASE_NAMESPACE: &str = "plz-agent-system";
/// Until the other one acts when the active one has given up the Lease.
const HANDOVER_MAX: Duration = Duration::from_secs(7);

fn holder(world: &World) -> String {
    let lease = world.object(Kind::Lease, LEASE_NAMESPACE, LEASE);
    sim::json::text(&lease, "spec.holderIdentity").to_owned()
}

/// A world with a run that is started, the agent that is active, and another one that stands by: the place's own.
fn two() -> (Place, Agent, u64) {
    let mut place =
        Place::new(Scheme::Https, &["--runner-access=direct", "--lease=plz-agent-system/plz-agent"]);
    place.sim.with(|world, now| {
        let namespace = json!({"metadata": {"name": LEASE_NAMESPACE}});
        world.api.create(now, Kind::Namespace, "", namespace).unwrap();
        let lease = json!({
            "metadata": {"name": LEASE, "annotations": {"plz-agent/released-by": "past"}},
            "spec": {"holderIdentity": "", "leaseDurationSeconds": 1},
        });
        world.api.create(now, Kind::Lease, LEASE_NAMESPACE, lease).unwrap();
    });
    let script = Script { duration: Duration::from_secs(5), ..Script::default() };
    place.sim.with(|world, _| world.kube.config.prefer("*", PodPlan::script(script)));
    let launch = place.launch.clone();
    place.launch = launch.clone().env("POD_NAME", "first");
    place.start();
    place.until("the first one is active", |world| holder(world).starts_with("first_"));
    let first = place.agent.take().expect("it was started");
    place.launch = launch.env("POD_NAME", "second");
    place.start();
    let id = place.queue(2);
    place.until("the run is started", |world| stage(world, id) == "started");
    let second = place.agent();
    assert!(second.log().contains("standby: first_"), "{}", second.log());
    (place, first, id)
}

fn killed() {
    let (mut place, mut first, id) = two();
    place.killed = true;
    first.signal(Signal::Kill).unwrap();
    assert!(first.wait(TIMEOUT).is_some());
    place.until("the second one is active", |world| holder(world).starts_with("second_"));
    place.over(id, 3);
    place.stop(Signal::Term);
}

/// It hangs, and goes on when another one has long taken over.
fn suspended() {
    let (mut place, mut first, id) = two();
    place.killed = true;
    first.signal(Signal::Stop).unwrap();
    place.until("the second one is active", |world| holder(world).starts_with("second_"));
    first.signal(Signal::Continue).unwrap();
    place.until("the first one stands by", |_| first.log().contains("standby: second_"));
    place.over(id, 3);
    first.signal(Signal::Term).unwrap();
    assert_eq!(first.wait(STOP_TIMEOUT).and_then(|status| status.code()), Some(0), "{}", first.log());
    assert!(place.sim.with(|world, _| holder(world)).starts_with("second_"), "it had nothing to give up");
    place.stop(Signal::Term);
}

fn terminated() {
    let (mut place, mut first, id) = two();
    first.signal(Signal::Term).unwrap();
    let status = first.wait(STOP_TIMEOUT).and_then(|status| status.code());
    assert_eq!(status, Some(0), "{}", first.log());
    let ended = place.sim.now();
    place.until("the second one is active", |world| holder(world).starts_with("second_"));
    let took = place.sim.now().saturating_sub(ended);
    assert!(took < HANDOVER_MAX, "{took:?}");
    assert!(first.log().contains("gave up the Lease"), "{}", first.log());
    place.over(id, 3);
    place.stop(Signal::Term);
    assert_eq!(place.sim.with(|world, _| holder(world)), "", "the second one has given it up too");
}

#[test]
fn the_other_one_ends_the_run() {
    thread::scope(|scope| {
        let ways: [(&str, fn()); 3] =
            [("killed", killed), ("suspended", suspended), ("terminated", terminated)];
        for (name, way) in ways {
            thread::Builder::new().name(name.to_owned()).spawn_scoped(scope, way).unwrap();
        }
    });
}
