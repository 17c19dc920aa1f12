//! Tenants whose runners, scripts and webhooks do not answer, and the neighbours that must not feel it.

use super::*;
use sim::api::{Call, Fault};
use sim::k6::{Manners, Script};
use sim::world::World;

const BAD: &str = "bad";
/// Longer than anybody waits.
const NEVER: Duration = s(24 * 3600);
/// How much later a neighbour's run may start because of others.
const DELAY_MAX: Duration = Duration::from_millis(1000);

impl Story {
    /// Another tenant, with a zone of the same name as its namespace.
    fn tenant(&mut self, name: &str) {
        let now = self.drive.now;
        let namespace = json!({"metadata": {"name": name}});
        self.drive.world.api.create(now, Kind::Namespace, "", namespace).unwrap();
        self.drive.world.apply_zone(now, name, name);
        self.until(s(15), "its zone is registered", |drive| drive.world.cloud.zones.contains_key(name));
    }

    /// Queues runs of a zone, whose runners have this script.
    fn queue_of(&mut self, zone: &str, runs: usize, instances: u64, script: &Script) -> Vec<u64> {
        let now = self.drive.now;
        let queue = |world: &mut World| world.queue_run(now, zone, instances);
        let ids: Vec<u64> = (0..runs).map(|_| queue(&mut self.drive.world)).collect();
        for id in &ids {
            self.plan(&format!("plz-test-{id}-*"), PodPlan::script(script.clone()));
        }
        ids
    }

    /// Waits until all runners of a run are resumed; how long it took from when it was listed.
    #[track_caller]
    fn start_time(&mut self, id: u64, within: Duration) -> Duration {
        let prefix = format!("plz-test-{id}-");
        self.until(within, &format!("run {id} is resumed"), |drive| {
            drive.world.k6s.start_skew(&prefix).is_some() && drive.world.k6s.all(&prefix).count() > 0
        });
        let resumed = self.drive.world.k6s.all(&prefix).filter_map(|(_, runner)| runner.resumed).max();
        resumed.unwrap() - self.drive.world.cloud.runs[&id].listed.unwrap()
    }

    fn message(&self, namespace: &str, id: u64, type_: &str) -> String {
        let run = self.drive.world.object(Kind::TestRun, namespace, &format!("plz-test-{id}"));
        condition(&run, type_)["message"].as_str().unwrap_or_default().to_owned()
    }
}

fn quick() -> Script {
    Script { duration: s(5), ..Script::default() }
}

fn silent() -> Script {
    Script { manners: Manners::Slow(NEVER), ..Script::default() }
}

/// How long a run of three takes to start where nobody disturbs it.
fn undisturbed() -> Duration {
    let mut story = Story::new();
    let id = story.queue_of(ZONE, 1, 3, &quick())[0];
    story.start_time(id, s(60))
}

#[track_caller]
fn a_neighbour_starts_in_time(runs: usize, instances: u64, neighbour: &str, pauses: &[u64]) {
    let alone = undisturbed();
    let mut story = Story::new();
    story.tenant(BAD);
    story.queue_of(BAD, runs, instances, &silent());
    for pause in pauses {
        story.drive.run_for(s(*pause));
        let id = story.queue_of(neighbour, 1, 3, &quick())[0];
        let took = story.start_time(id, s(60));
        assert!(took <= alone + DELAY_MAX, "{took:?} instead of {alone:?} after {pause} s");
    }
}

#[test]
fn a_hundred_silent_runners_of_one_run_delay_nobody() {
    a_neighbour_starts_in_time(1, 100, ZONE, &[0, 5, 60]);
    a_neighbour_starts_in_time(1, 100, BAD, &[0, 5, 60]);
}

#[test]
fn a_hundred_silent_runs_delay_nobody() {
    a_neighbour_starts_in_time(100, 1, ZONE, &[0, 5, 60]);
    a_neighbour_starts_in_time(100, 1, BAD, &[0, 5, 60]);
}

#[test]
fn polls_that_hang_delay_nobody() {
    let mut story = Story::new();
    for n in 0..30 {
        story.tenant(&format!("bad-{n}"));
    }
    for n in 0..30 {
        story.drive.world.cloud.slow_polls.insert(format!("bad-{n}"), s(8));
    }
    story.drive.run_for(s(30));
    for _ in 0..3 {
        let now = story.drive.now;
        let id = story.drive.world.queue_run(now, ZONE, 1);
        story.until(s(12), "the run is listed", |drive| drive.world.cloud.runs[&id].listed.is_some());
        story.drive.run_for(s(7));
    }
}

/// A webhook that hangs for one namespace.
#[test]
fn writes_that_hang_in_one_namespace_delay_no_other() {
    let alone = undisturbed();
    let mut story = Story::new();
    story.tenant(BAD);
    let hang = |_: Duration, call: &Call, _: &Value| match call.verb {
        "list" | "watch" => Fault::None,
        _ if call.namespace == BAD => Fault::Late(s(20)),
        _ => Fault::None,
    };
    story.drive.world.api.faults = Some(Box::new(hang));
    story.queue_of(BAD, 50, 10, &quick());
    for pause in [0, 5, 30, 60] {
        story.drive.run_for(s(pause));
        let id = story.queue_of(ZONE, 1, 3, &quick())[0];
        let took = story.start_time(id, s(60));
        assert!(took <= alone + DELAY_MAX, "{took:?} instead of {alone:?} after {pause} s");
    }
}

#[test]
fn setups_that_hang_leave_a_place_to_others_and_who_waits_says_for_what() {
    let alone = undisturbed();
    let mut story = Story::new();
    story.tenant(BAD);
    let hangs = Script { setup: s(900), ..Script::default() };
    let ids = story.queue_of(BAD, 32, 1, &hangs);
    story.drive.run_for(s(30));
    let setups = |story: &Story, ids: &[u64]| {
        let prefixes = ids.iter().map(|id| format!("plz-test-{id}-"));
        prefixes.filter(|prefix| story.drive.world.k6s.all(prefix).any(|(_, r)| !r.setups.is_empty())).count()
    };
    assert_eq!(setups(&story, &ids), 18, "a namespace has 18");
    let id = story.queue_of(ZONE, 1, 3, &quick())[0];
    let took = story.start_time(id, s(60));
    assert!(took <= alone + DELAY_MAX, "{took:?} instead of {alone:?}");
    let waits = ids.iter().map(|id| story.message(BAD, *id, "TestRunRunning"));
    let waits: Vec<String> = waits.filter(|message| message.contains("is waiting for its turn")).collect();
    assert_eq!(waits.len(), 14, "{waits:?}");
    assert!(
        waits[0].ends_with(
            "setup() is waiting for its turn: 18 setup() and teardown() functions are running, 18 of them in namespace bad"
        ),
        "{}",
        waits[0]
    );
    let announced = story.drive.world.api.objects(Kind::Event, BAD);
    let announced =
        announced.filter(|(_, event)| event["message"].as_str().unwrap().contains("its turn")).count();
    assert_eq!(announced, 14);
}

#[test]
fn a_teardown_that_waits_says_for_what() {
    let mut story = Story::new();
    story.tenant(BAD);
    let hangs = Script { duration: s(1), teardown: s(120), ..Script::default() };
    let ids = story.queue_of(BAD, 20, 1, &hangs);
    story.drive.run_for(s(45));
    let messages: Vec<String> = ids.iter().map(|id| story.message(BAD, *id, "TeardownExecuted")).collect();
    let waits = messages
        .iter()
        .filter(|message| message.starts_with("teardown() is waiting for its turn: 18"))
        .count();
    assert_eq!(waits, 2, "{messages:#?}");
    story.until(s(400), "all are over", |drive| {
        ids.iter().all(|id| !drive.world.cloud.runs[id].finishes.is_empty())
    });
    for id in ids {
        let prefix = format!("plz-test-{id}-");
        assert_eq!(story.drive.world.k6s.faults(&prefix), Vec::<String>::new());
    }
}

#[test]
fn long_setup_data_of_many_runs_are_handed_on_in_turn() {
    let mut story = Story::new();
    let data = json!("x".repeat(3_900_000));
    let script = Script { setup_data: data.clone(), ..quick() };
    let ids = story.queue_of(ZONE, 8, 3, &script);
    for id in &ids {
        let took = story.start_time(*id, s(60));
        assert!(took <= s(30), "{took:?}");
    }
    for id in ids {
        for (_, runner) in story.drive.world.k6s.all(&format!("plz-test-{id}-")) {
            let there = runner.data_puts.last().and_then(|(_, there)| there.as_ref());
            assert!(there == Some(&data), "the data of the one setup");
        }
        story.over(id, s(120), 3);
    }
}

#[test]
fn setup_data_that_are_too_long_fail_the_run_once() {
    let mut story = Story::new();
    let script = Script { setup_data: json!("x".repeat(5_000_000)), ..quick() };
    let id = story.queue_of(ZONE, 1, 2, &script)[0];
    let run = story.over(id, s(120), 7);
    assert!(detail(&run).contains("more than the 4 MiB that can be passed on"), "{}", detail(&run));
    assert_eq!(told(&run), (vec![8030], 1));
}
