//! An API server that refuses rights: for a second after its start, as real ones do, and for good.

use plz_core::lease::Role;
use sim::api::{Fault, Rule, Status};
use sim::drive::candidate;
use sim::k6::Script;

use super::*;

fn rules_without(resource: &str, verb: &str) -> Vec<Rule> {
    let mut rules = Rule::from_yaml(include_str!("../../../manifests/rbac/rbac.yaml")).unwrap();
    for rule in &mut rules {
        if rule.resources == [resource] {
            rule.verbs.retain(|have| have != verb);
        }
    }
    rules
}

/// The issue's own tries, at every moment of a run and one way to reach runners after the other: a run is listed, its Jobs are
/// made, it is started, torn down and cleaned up while the API server comes back.
#[test]
fn a_restart_of_the_api_server_ends_no_run() {
    for step in 0..48u64 {
        let mut story = Story::new_with(if step % 3 == 0 { candidate(7, "a") } else { settings(7) });
        story.drive.agents[0].by_proxy = step % 2 == 0;
        let script = Script { setup_data: json!(1), duration: s(4), teardown: s(1), ..Script::default() };
        story.plan("*", PodPlan::script(script));
        let now = story.drive.now;
        let id = story.drive.world.queue_run(now, ZONE, 2);
        story.drive.run_for(Duration::from_millis(4_000 + step * 397));
        story.drive.restart_api(Duration::from_millis((step % 4) * 700));
        let run = story.over(id, s(180), 3);
        assert_eq!(told(&run), (vec![], 0), "step {step}: {}", detail(&run));
        let runners = story.drive.world.k6s.all("plz-test");
        let teardowns = runners.map(|(_, runner)| runner.teardowns.len()).sum::<usize>();
        assert_eq!(teardowns, 1, "step {step}");
    }
}

/// Everything is refused from the moment on in which it would be asked first.
#[test]
fn what_is_refused_is_told_while_it_is_tried_again_and_final_after_half_a_minute() {
    for (resource, says) in [("testruns", "plz"), ("jobs", "run"), ("secrets", "run")] {
        let mut story = Story::new();
        story.drive.world.api.rules = Some(rules_without(resource, "create"));
        let id = story.run(2);
        let started = story.drive.now;
        let words = format!("cannot create resource \"{resource}\"");
        story.until(s(12), "a condition says so", |drive| {
            let (zone, run) = (zone(drive), test_run(drive, id));
            let condition = match says {
                "plz" => condition(&zone, "PLZPolled"),
                _ => condition(&run, "TestRunRunning"),
            };
            condition["status"] == "False" && condition["message"].as_str().unwrap().contains(&words)
        });
        story.until(s(60), "GCk6 is told", |drive| !drive.world.cloud.runs[&id].events.is_empty());
        let took = story.drive.now - started;
        assert!((s(29)..s(55)).contains(&took), "{resource}: {took:?}");
        let run = &story.drive.world.cloud.runs[&id];
        assert_eq!(told(run), (vec![8050], 1), "{resource}: {}", detail(run));
        assert!(detail(run).contains(&words), "{}", detail(run));
        story.drive.world.api.rules = None;
        story.until(s(200), "the zone is well again", |drive| {
            condition(&zone(drive), "PLZPolled")["status"] != "False"
        });
    }
}

#[test]
fn rights_that_come_within_half_a_minute_let_the_run_start() {
    for resource in ["testruns", "jobs", "secrets"] {
        let mut story = Story::new();
        story.drive.world.api.rules = Some(rules_without(resource, "create"));
        let id = story.run(2);
        story.drive.run_for(s(20));
        story.drive.world.api.rules = None;
        let run = story.over(id, s(120), 3);
        assert_eq!(told(&run), (vec![], 0), "{}", detail(&run));
    }
}

/// A Job that may not be deleted is tried again, and an Event says so; the Event about anything is not lost to one refusal.
#[test]
fn deletions_and_events_outlive_a_refusal() {
    let mut story = Story::new();
    story.drive.world.api.rules = Some(rules_without("jobs", "delete"));
    let id = story.run(1);
    story.stage(id, "stopped", s(60));
    story.until(s(20), "an Event says so", |_| true);
    story.drive.run_for(s(20));
    assert!(story.announced().contains("cannot delete resource \"jobs\""), "{}", story.announced());
    story.drive.world.api.rules = None;
    story.over(id, s(120), 3);

    let mut story = Story::new();
    let mut left = 3;
    story.drive.world.api.faults = Some(Box::new(move |_, call, _| {
        if call.resource.plural == "events" && left > 0 {
            left -= 1;
            let words = "events is forbidden: User \"sim\" cannot create resource \"events\"";
            return Fault::Refuse(Status::new(403, "Forbidden", words), None);
        }
        Fault::None
    }));
    let id = story.run(1);
    story.over(id, s(90), 3);
    assert!(story.announced().contains("the test runs"), "{}", story.announced());
}

/// A leader whose renewal is refused once renews it again; nobody takes over.
#[test]
fn a_restart_of_the_api_server_does_not_change_the_leader() {
    for step in 0..12u64 {
        let mut story = Story::new_with(candidate(7, "a"));
        let second = story.drive.join(candidate(8, "b"));
        story.drive.run_for(s(6) + Duration::from_millis(step * 457));
        story.drive.restart_api(s(2));
        story.drive.run_for(s(60));
        assert_eq!(story.drive.active(), Some(0));
        assert!(matches!(story.drive.agents[second].core.role(), Role::Standby { holder } if holder == "a"));
    }
}
