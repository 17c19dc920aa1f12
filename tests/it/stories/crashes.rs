//! The agent is killed at every moment of a run, and started again with an empty memory.

use super::*;
use sim::api::call::Fault;
use sim::k6::{Manners, Script};

/// How a run goes whose agent is killed `at` after it was queued.
fn killed(at: Duration, script: &Script) -> Story {
    let mut story = Story::new();
    story.plan("*", PodPlan::script(script.clone()));
    let now = story.drive.now;
    let id = story.drive.world.queue_run(now, ZONE, 3);
    story.drive.run_for(at);
    story.kill();
    let run = story.over(id, s(60), 3);
    // A teardown whose end nobody has heard is told, and aborts nothing.
    let (codes, aborts) = told(&run);
    assert!(codes.iter().all(|code| *code == 8031) && aborts == 0, "killed after {at:?}: {codes:?}");
    story
}

#[test]
fn killed_at_any_moment_of_a_run() {
    let script = Script { setup_data: json!(1), duration: s(3), ..Script::default() };
    // The whole of a run, in steps shorter than any of its calls takes.
    for step in 0..700u64 {
        let story = killed(Duration::from_millis(step * 23), &script);
        let put = story.drive.world.k6s.all("plz-test").flat_map(|(_, runner)| &runner.data_puts);
        assert!(put.into_iter().all(|(_, data)| *data == Some(json!(1))), "step {step}");
    }
}

/// What the condition `TeardownExecuted` said when the run was recorded as over: status and reason.
fn teardown_recorded(drive: &Drive, id: u64) -> (Value, Value) {
    let name = format!("plz-test-{id}");
    let ends: Vec<_> = drive
        .world
        .api
        .changes_since(0)
        .filter(|change| change.key.kind == Kind::TestRun && change.key.name == name)
        .filter(|change| matches!(change.object["status"]["stage"].as_str(), Some("finished" | "error")))
        .map(|change| condition(&change.object, "TeardownExecuted"))
        .collect();
    let last = ends.last().expect("the end was recorded");
    (last["status"].clone(), last["reason"].clone())
}

/// A run of three whose pods take their time to go; `end` brings it to its end.
fn until_a_job_is_deleted(end: impl FnOnce(&mut Story, u64)) -> (Story, u64) {
    let mut story = Story::new();
    story.drive.world.kube.config.delays.gone = s(4);
    story.tests_last(s(20));
    let id = story.run(3);
    story.stage(id, "started", s(5));
    end(&mut story, id);
    let jobs = |drive: &Drive| drive.world.api.objects(Kind::Job, NAMESPACE).count();
    story.until(s(30), "a Job is deleted", |drive| jobs(drive) < 3);
    (story, id)
}

pub(super) fn killed_after_teardown() -> Story {
    let mut last = None;
    for step in 0..45u64 {
        let (mut story, id) = until_a_job_is_deleted(|_, _| {});
        story.drive.run_for(Duration::from_millis(step * 97));
        story.kill();
        // And once more, while the pods go.
        story.drive.run_for(Duration::from_millis(400));
        story.kill();
        let run = story.over(id, s(60), 3);
        assert_eq!(told(&run), (vec![], 0), "step {step}");
        assert_eq!(
            teardown_recorded(&story.drive, id),
            (json!("True"), json!("TeardownExecuted")),
            "step {step}"
        );
        last = Some(story);
    }
    last.unwrap()
}

#[test]
fn a_jobs_end_proves_that_teardown_is_over() {
    killed_after_teardown();
}

#[test]
fn a_jobs_end_proves_that_teardown_is_over_when_the_agent_is_told_to_end() {
    let (mut story, id) = until_a_job_is_deleted(|_, _| {});
    story.killed = true;
    story.drive.terminate(0);
    story.drive.run_for(s(2));
    story.drive.join(settings(8));
    let run = story.over(id, s(60), 3);
    assert_eq!(told(&run), (vec![], 0));
}

/// One runner has never taken "stop", and its Job is the last to be deleted: it says that it runs, which proves nothing.
#[test]
fn a_jobs_end_proves_it_after_an_abort_too() {
    for step in [0, 1, 3, 10, 100, 2_000] {
        let (mut story, id) = until_a_job_is_deleted(|story, id| {
            let prefix = format!("plz-test-{id}-3");
            for (_, runner) in story.drive.world.k6s.all_mut(&prefix) {
                runner.script.manners = Manners::Unreachable;
            }
            story.drive.world.api.faults = Some(Box::new(move |_, call, _| match call.verb {
                "delete" if call.name == prefix => Fault::DropBefore,
                _ => Fault::None,
            }));
            story.drive.world.cloud.abort(id);
        });
        story.drive.run_for(Duration::from_millis(step));
        story.kill();
        story.drive.world.api.faults = None;
        for (_, runner) in story.drive.world.k6s.all_mut("plz-test") {
            runner.script.manners = Manners::Good;
        }
        story.until(s(60), "it is over", |drive| !drive.world.cloud.runs[&id].finishes.is_empty());
        let run = &story.drive.world.cloud.runs[&id];
        assert_eq!(
            (told(run), run.finishes[0].1["run_status"].as_i64()),
            ((vec![], 0), Some(5)),
            "{step} ms"
        );
        story.drive.run_for(s(5));
        assert_eq!(teardown_recorded(&story.drive, id).0, "True", "after {step} ms");
        assert_eq!(story.teardowns(), 1, "after {step} ms");
    }
}

/// The process dies while teardown runs: nobody knows how that went, and GCk6 hears so.
#[test]
fn a_teardown_that_is_cut_short_is_told() {
    let mut story = Story::new();
    story.plan("*", PodPlan::script(Script { teardown: s(3), ..Script::default() }));
    let id = story.run(2);
    story.until(s(30), "teardown runs", |drive| {
        drive.world.k6s.all("plz-test").any(|(_, runner)| !runner.teardowns.is_empty())
    });
    story.drive.run_for(s(1));
    story.kill();
    let run = story.over(id, s(60), 3);
    assert_eq!(told(&run), (vec![8031], 0));
    assert_eq!(teardown_recorded(&story.drive, id), (json!("Unknown"), json!("TeardownUnknown")));
}

#[test]
fn killed_again_and_again() {
    for pause in [300, 700, 1100, 1900, 2500] {
        let mut story = Story::new();
        let now = story.drive.now;
        let id = story.drive.world.queue_run(now, ZONE, 2);
        for _ in 0..12 {
            story.drive.run_for(Duration::from_millis(pause));
            story.kill();
        }
        story.over(id, s(60), 3);
    }
}

#[test]
fn killed_while_a_failure_is_dealt_with() {
    for step in 0..120u64 {
        let mut story = Story::new();
        let mishap = sim::kube::plan::Mishap::OomKilled(s(2));
        let script = Script { duration: s(600), ..Script::default() };
        story.plan("*", PodPlan::script(script.clone()));
        story.plan("*-1", PodPlan { mishap: Some(mishap), script, ..PodPlan::default() });
        let id = story.run(2);
        story.stage(id, "started", s(5));
        story.drive.run_for(s(1) + Duration::from_millis(step * 17));
        story.kill();
        let run = story.over(id, s(90), 6);
        // The same event twice has the same idempotency key; GCk6 sees it once unless its memory is short. A teardown
        // whose end nobody has heard is told beside it.
        let (mut codes, aborts) = told(&run);
        codes.retain(|code| *code != 8031);
        assert!(
            codes.iter().all(|code| *code == 8032) && !codes.is_empty() && aborts == codes.len(),
            "{codes:?}"
        );
    }
}

#[test]
fn killed_while_an_abort_is_dealt_with() {
    for step in 0..150u64 {
        let (mut story, id) = Story::under_way(2, s(600));
        story.drive.world.cloud.abort(id);
        story.until(s(12), "the check", |drive| drive.world.cloud.runs[&id].state_reads.len() == 1);
        story.drive.run_for(Duration::from_millis(step));
        story.kill();
        story.over(id, s(90), 5);
    }
}

/// A runner does not take "stop" for a while, and the agent is killed in the meantime: teardown is still owed.
pub(super) fn killed_while_a_runner_is_slow_to_stop() -> Story {
    let (mut story, id) = Story::under_way(2, s(600));
    let pod = story.drive.world.k6s.all("plz-test").last().unwrap().0.1.clone();
    story.drive.world.k6s.runner_mut(NAMESPACE, &pod).unwrap().script.manners = Manners::Unreachable;
    story.drive.world.cloud.abort(id);
    story.stage(id, "stopped", s(12));
    story.drive.run_for(s(2));
    story.kill();
    story.drive.world.k6s.runner_mut(NAMESPACE, &pod).unwrap().script.manners = Manners::Good;
    story.over(id, s(90), 5);
    assert_eq!(story.teardowns(), 1);
    story
}

#[test]
fn killed_before_teardown() {
    killed_while_a_runner_is_slow_to_stop();
}

#[test]
fn killed_while_setup_fails() {
    for step in 0..150u64 {
        let mut story = Story::new();
        let setup_error = Some("ReferenceError: x".to_owned());
        story.plan("*", PodPlan::script(Script { setup: s(1), setup_error, ..Script::default() }));
        let id = story.run(2);
        story.until(s(10), "setup runs", |drive| {
            drive.world.k6s.all("plz-test").any(|(_, k6)| !k6.setups.is_empty())
        });
        story.drive.run_for(Duration::from_millis(900 + step * 2));
        story.kill();
        story.until(s(120), "it is over", |drive| !drive.world.cloud.runs[&id].finishes.is_empty());
        let finish = &story.drive.world.cloud.runs[&id].finishes[0].1;
        assert_eq!(finish["run_status"], 7, "step {step}");
    }
}

#[test]
fn killed_while_a_zone_leaves() {
    for step in 0..40u64 {
        let mut story = Story::new();
        story.delete(Kind::PrivateLoadZone, ZONE);
        story.drive.run_for(Duration::from_millis(step));
        story.kill();
        story.until(s(60), "the zone is gone", |drive| zone(drive).is_null());
        assert!(story.drive.world.cloud.zones.is_empty());
    }
}
