//! Test runs that go as they should, or as somebody wants.

use super::*;
use sim::api::Part;
use sim::k6::Script;
use sim::world::requests_goal;

pub(super) fn a_run_goes_from_listed_to_gone() -> Story {
    let mut story = Story::new();
    let script = Script { setup_data: json!({"token": "abc"}), ..Script::default() };
    story.plan("*", PodPlan::script(script));
    let before = story.api_requests();
    let id = story.run(3);
    let listed = story.drive.now;
    story.stage(id, "started", s(5));
    assert!(story.drive.now - listed < s(2), "the start took {:?}", story.drive.now - listed);
    assert_eq!(condition(&test_run(&story.drive, id), "TestRunRunning")["status"], "True");
    let run = story.over(id, s(20), 3);

    let requests = story.api_requests() - before;
    assert!(requests <= requests_goal(3), "{requests} requests to the API server");
    let lasted = run.finishes[0].0 - run.listed.unwrap();
    assert!(lasted < s(10), "a test of 5 s took {lasted:?}");
    assert!(run.state_reads.len() as u64 <= lasted.as_secs() / 10 + 1, "{:?}", run.state_reads);
    assert_eq!(told(&run), (vec![], 0));
    for (_, runner) in story.drive.world.k6s.all(&format!("plz-test-{id}-")) {
        let put = runner.data_puts.last().and_then(|(_, data)| data.clone());
        assert_eq!(put, Some(json!({"token": "abc"})), "every runner has the data of the one setup");
    }
    let skew = story.drive.world.k6s.start_skew(&format!("plz-test-{id}-")).unwrap();
    assert!(skew < Duration::from_millis(50), "{skew:?}");
    assert!(
        story.announced().contains("Started: ") && story.announced().contains("Finished: "),
        "{}",
        story.announced()
    );
    story
}

pub(super) fn runs_go_side_by_side() -> Story {
    let mut story = Story::new();
    let ids: Vec<u64> = (0..4).map(|_| story.drive.world.queue_run(story.drive.now, ZONE, 2)).collect();
    for id in ids {
        story.over(id, s(40), 3);
    }
    story
}

pub(super) fn a_user_aborts_while_it_runs() -> Story {
    let (mut story, id) = Story::under_way(3, s(600));
    story.drive.run_for(s(25));
    story.drive.world.cloud.abort(id);
    let aborted = story.drive.now;
    story.stage(id, "stopped", s(12));
    let told_at_end = condition(&test_run(&story.drive, id), "CloudTestRunAborted");
    assert_eq!((&told_at_end["status"], &told_at_end["reason"]), (&json!("True"), &json!("AbortedByUser")));
    let run = story.over(id, s(60), 5);
    let prefix = format!("plz-test-{id}-");
    for (_, runner) in story.drive.world.k6s.all(&prefix) {
        assert!(runner.stopped.is_some_and(|at| at - aborted <= s(11)), "{:?}", runner.stopped);
    }
    assert_eq!(told(&run), (vec![], 0));
    let teardowns: usize = story.drive.world.k6s.all(&prefix).map(|(_, runner)| runner.teardowns.len()).sum();
    assert_eq!(teardowns, 1);
    story
}

pub(super) fn a_user_aborts_before_it_starts() -> Story {
    let mut story = Story::new();
    story.drive.world.kube.config.delays.pull = s(120);
    let id = story.run(2);
    story.stage(id, "created", s(5));
    story.drive.world.cloud.abort(id);
    let run = story.over(id, s(90), 5);
    assert_eq!(told(&run), (vec![], 0));
    let prefix = format!("plz-test-{id}-");
    assert!(story.drive.world.k6s.all(&prefix).all(|(_, runner)| runner.resumed.is_none()));
    story
}

/// A slow node ends one pod after another: each that goes is a sign that the others will, and the end is told after the last.
#[test]
fn the_end_is_told_after_the_last_pod() {
    let mut story = Story::new();
    story.drive.world.kube.config.delays.gone_each = s(3);
    let id = story.run(40);
    let run = story.over(id, s(300), 3);
    assert_eq!(story.drive.world.faults(id), Vec::<String>::new());
    let took = run.finishes[0].0 - run.listed.unwrap();
    assert!((s(117)..s(140)).contains(&took), "{took:?}");
}

/// Pods that go one a minute would hold it for ever: there is a bound, which grows with the runners.
#[test]
fn pods_are_not_waited_for_for_ever() {
    let mut story = Story::new();
    story.drive.world.kube.config.delays.gone_each = s(55);
    let id = story.run(5);
    story.until(s(200), "it is over", |drive| !drive.world.cloud.runs[&id].finishes.is_empty());
    let took =
        story.drive.world.cloud.runs[&id].finishes[0].0 - story.drive.world.cloud.runs[&id].listed.unwrap();
    assert!((s(70)..s(85)).contains(&took), "{took:?}");
}

pub(super) fn a_run_that_stays_listed_is_not_started_again() -> Story {
    let mut story = Story::new();
    let id = story.run(1);
    story.drive.world.cloud.runs.get_mut(&id).unwrap().spec.listed = sim::cloud::Listed::ForEver;
    story.over(id, s(30), 3);
    story.drive.run_for(s(120));
    assert!(test_run(&story.drive, id).is_null());
    story.kill();
    story.drive.run_for(s(120));
    assert!(test_run(&story.drive, id).is_null());
    assert_eq!(story.drive.world.cloud.runs[&id].finishes.len(), 1);
    story
}

pub(super) fn a_test_run_that_is_kept_stays() -> Story {
    let mut story = Story::new();
    let id = story.run(1);
    story.stage(id, "created", s(5));
    let key = Key::new(Kind::TestRun, NAMESPACE, &format!("plz-test-{id}"));
    story.drive.world.api.modify(&key, Part::Main, |run| {
        run["spec"].as_object_mut().unwrap().remove("cleanup");
    });
    story.stage(id, "finished", s(30));
    story.drive.run_for(s(60));
    assert_eq!(test_run(&story.drive, id)["status"]["stage"], "finished");
    assert_eq!(condition(&test_run(&story.drive, id), "CloudTestRunFinalized")["status"], "True");
    assert_eq!(condition(&test_run(&story.drive, id), "TeardownExecuted")["status"], "True");
    story.safe(id);
    story
}

pub(super) fn hundreds_of_runners_start_together() -> Story {
    let mut story = Story::new();
    let id = story.run(200);
    story.over(id, s(60), 3);
    story
}

/// k6-operator has recorded `started`, and its starter has reached only one of the runners.
pub(super) fn a_run_is_taken_over_that_was_started_in_part() -> Story {
    let mut story = Story::new();
    let id = story.run(2);
    let prefix = format!("plz-test-{id}-");
    let paused = |drive: &Drive| {
        drive.world.k6s.all(&prefix).filter(|(_, runner)| runner.ready_at() <= drive.now).count()
    };
    story.until(s(5), "both are paused", |drive| paused(drive) == 2);
    story.kill();
    let first = story.drive.world.k6s.all(&prefix).next().unwrap().0.1.clone();
    let now = story.drive.now;
    story.drive.world.k6s.runner_mut(NAMESPACE, &first).unwrap().resumed = Some(now);
    let key = Key::new(Kind::TestRun, NAMESPACE, &format!("plz-test-{id}"));
    story.drive.world.api.modify(&key, Part::Status, |run| run["status"]["stage"] = json!("started"));
    story.over(id, s(60), 3);
    assert!(
        story
            .drive
            .world
            .k6s
            .all(&prefix)
            .all(|(_, runner)| runner.resumed.is_some() && runner.setups.is_empty())
    );
    story
}

#[test]
fn taken_over_mid_start() {
    a_run_is_taken_over_that_was_started_in_part();
}

#[test]
fn listed_to_gone() {
    a_run_goes_from_listed_to_gone();
}

#[test]
fn side_by_side() {
    runs_go_side_by_side();
}

#[test]
fn abort_mid_run() {
    a_user_aborts_while_it_runs();
}

#[test]
fn abort_before_the_start() {
    a_user_aborts_before_it_starts();
}

#[test]
fn listed_for_ever() {
    a_run_that_stays_listed_is_not_started_again();
}

#[test]
fn without_cleanup() {
    a_test_run_that_is_kept_stays();
}

#[test]
fn two_hundred_runners() {
    hundreds_of_runners_start_together();
}
