//! The process ends in the middle of its work, and another one goes on.

use std::thread;

use sim::api::Fault;
use sim::cloud::{Route, Trouble};
use sim::k6::Manners;

use super::*;

/// Whether the world with a run of this id has come to a moment.
type Moment = fn(&World, u64) -> bool;

/// Moments of a run, in their order.
const MOMENTS: [(&str, Moment); 11] = [
    ("it is listed", |world, id| world.cloud.runs[&id].listed.is_some()),
    ("the TestRun is there", |world, id| !test_run(world, id).is_null()),
    ("a Job is there", |world, _| world.api.objects(Kind::Job, "").next().is_some()),
    ("k6 runs", |world, _| world.k6s.all("").next().is_some()),
    ("setup runs", |world, _| world.k6s.all("").any(|(_, runner)| !runner.setups.is_empty())),
    ("a runner is started", |world, _| world.k6s.all("").any(|(_, runner)| runner.resumed.is_some())),
    ("the run is recorded as started", |world, id| stage(world, id) == "started"),
    ("the runners have ended", |world, _| {
        world.k6s.all("").next().is_some()
            && world.k6s.all("").all(|(_, runner)| runner.ends_at().is_some_and(|end| end <= world.now))
    }),
    ("teardown runs", |world, _| world.k6s.all("").any(|(_, runner)| !runner.teardowns.is_empty())),
    ("a runner is told to end", |world, _| world.k6s.all("").any(|(_, runner)| runner.terminated.is_some())),
    ("GCk6 knows that it is over", |world, id| !world.cloud.runs[&id].finishes.is_empty()),
];

/// How long every answer takes after its effect, so that a kill falls between the two.
const LATE: Duration = Duration::from_millis(150);

fn killed_when(what: &str, moment: Moment) {
    let mut place = Place::new(Scheme::Http, &["--runner-access", "direct"]);
    place.sim.with(|world, _| {
        let script = world.kube.config.plan("").script;
        let late = Script { manners: Manners::Slow(LATE), ..script };
        world.kube.config.prefer("*", PodPlan::script(late));
        world.cloud.trouble(None, Trouble::Slow(LATE), u32::MAX);
        world.api.faults = Some(Box::new(|_, call, _| match call.verb {
            "create" | "patch" | "delete" => Fault::Late(LATE),
            _ => Fault::None,
        }));
    });
    let id = place.queue(2);
    place.start();
    // A registration that is not written down yet is repeated, and is no matter of the run.
    place.until(what, |world| moment(world, id) && registered(world).0 == "True");
    place.kill();
    place.start();
    place.over(id, 3);
    place.sim.with(|world, _| {
        let events = &world.cloud.runs[&id].events;
        // A teardown whose end nobody has heard is told, and aborts nothing.
        let unheard = events.iter().all(|(_, event)| event["event"]["error_code"] == 8031);
        assert!(unheard, "killed when {what}: GCk6 was told of {events:?}");
        for (_, runner) in world.k6s.all("plz-test-") {
            assert!(runner.resumed.is_some() && runner.stopped.is_none(), "killed when {what}");
            let data = runner.data_puts.last().and_then(|(_, data)| data.clone());
            assert_eq!(data, Some(json!({"user": "e2e"})), "killed when {what}");
        }
        let registrations = world.cloud.counts.get(&Route::Register);
        assert_eq!(registrations, Some(&1), "killed when {what}");
    });
}

#[test]
fn killed_at_any_moment_of_a_run() {
    thread::scope(|scope| {
        for (what, moment) in MOMENTS {
            let spawned = thread::Builder::new().name(format!("killed when {what}"));
            spawned.spawn_scoped(scope, move || killed_when(what, moment)).unwrap();
        }
    });
}

#[test]
fn killed_again_and_again() {
    let mut place = Place::new(Scheme::Http, &["--runner-access", "direct"]);
    let id = place.queue(2);
    // Primes, so that the kills fall on other moments each time.
    for millis in [151, 307, 431, 557, 223, 641, 353, 499, 733] {
        place.start();
        let until = place.sim.now() + Duration::from_millis(millis);
        place.until("a while has passed", |world| world.now >= until);
        place.kill();
    }
    place.start();
    place.over(id, 3);
    place.sim.with(|world, _| assert_eq!(world.cloud.runs[&id].events_of("TestRunAbortEvent").count(), 0));
}

#[test]
fn killed_in_the_middle_of_setup() {
    let mut place = Place::new(Scheme::Http, &["--runner-access", "direct"]);
    let script = Script {
        setup: Duration::from_millis(700),
        setup_data: json!("slow"),
        duration: SCRIPT_DURATION,
        ..Script::default()
    };
    place.sim.with(|world, _| world.kube.config.prefer("*", PodPlan::script(script)));
    let id = place.queue(3);
    place.start();
    place.until("setup runs", |world| world.k6s.all("").any(|(_, runner)| !runner.setups.is_empty()));
    place.kill();
    place.start();
    place.over(id, 3);
    place.sim.with(|world, _| {
        for (_, runner) in world.k6s.all("plz-test-") {
            let (at, data) = runner.data_puts.last().expect("every runner has the data");
            assert_eq!(*data, Some(json!("slow")));
            assert!(
                runner.resumed.is_some_and(|resumed| resumed >= *at),
                "a runner was started before it had its data"
            );
        }
    });
}

#[test]
fn sigterm_leaves_the_run_to_the_next_process() {
    let mut place = Place::new(Scheme::Https, &["--runner-access", "direct"]);
    let id = place.queue(2);
    place.start();
    place.until("the run is started", |world| stage(world, id) == "started");
    place.stop(Signal::Term);
    let is_left = place.sim.with(|world, _| {
        let runners = world.k6s.all("plz-test-");
        world.cloud.runs[&id].finishes.is_empty()
            && runners.into_iter().all(|(_, runner)| runner.stopped.is_none() && runner.terminated.is_none())
    });
    assert!(is_left, "the run goes on without the agent");
    place.start();
    place.over(id, 3);
}

#[test]
fn sigterm_ends_an_agent_that_waits_for_its_calls() {
    let mut place = Place::new(Scheme::Http, &["--runner-access", "direct"]);
    place.start();
    place.until("the zone is registered", |world| registered(world).0 == "True");
    let slow = Trouble::Slow(Duration::from_secs(20));
    place.sim.with(|world, _| world.cloud.trouble(None, slow, u32::MAX));
    let polls = |world: &World| world.cloud.zones[ZONE].polls;
    let before = place.sim.with(|world, _| polls(world));
    place.until("a poll is under way", |world| polls(world) > before);
    place.stop(Signal::Term);
}

#[test]
fn sigterm_lets_the_write_in_hand_finish() {
    let mut place = Place::new(Scheme::Http, &["--runner-access", "direct"]);
    let id = place.queue(2);
    place.sim.with(|world, _| {
        world.api.faults = Some(Box::new(|_, call, _| match (call.verb, call.resource.kind) {
            ("create", Kind::TestRun) => Fault::Late(Duration::from_millis(500)),
            // Longer than the agent has: it may not wait for these.
            ("create", Kind::Event) => Fault::Late(Duration::from_secs(20)),
            _ => Fault::None,
        }));
    });
    place.start();
    place.until("the TestRun is made, and its maker not yet told so", |world| !test_run(world, id).is_null());
    place.stop(Signal::Term);
    place.sim.with(|world, _| world.api.faults = None);
    place.start();
    place.over(id, 3);
}
