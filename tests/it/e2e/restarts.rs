//! The process ends in the middle of its work, and another one goes on.

use std::thread;

use super::*;

/// Moments of a run, in their order.
const MOMENTS: [(&str, fn(&World, u64) -> bool); 11] = [
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

fn killed_when(what: &str, moment: fn(&World, u64) -> bool) {
    let mut place = Place::new(Scheme::Http, &["--runner-access", "direct"]);
    let id = place.queue(2);
    place.start();
    place.until(what, |world| moment(world, id));
    place.kill();
    place.start();
    place.over(id, 3);
    place.sim.with(|world, _| {
        let events = &world.cloud.runs[&id].events;
        assert!(events.is_empty(), "killed when {what}: GCk6 was told of {events:?}");
        for (_, runner) in world.k6s.all("plz-test-") {
            assert!(runner.resumed.is_some() && runner.stopped.is_none(), "killed when {what}");
        }
        let registrations = world.cloud.counts.get(&sim::cloud::Route::Register);
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
    let slow = sim::cloud::Trouble::Slow(Duration::from_secs(20));
    place.sim.with(|world, _| world.cloud.trouble(None, slow, u32::MAX));
    let polls = |world: &World| world.cloud.zones[ZONE].polls;
    let before = place.sim.with(|world, _| polls(world));
    place.until("a poll is under way", |world| polls(world) > before);
    place.stop(Signal::Term);
}
