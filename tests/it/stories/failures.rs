//! Test runs that fail: GCk6 hears the code and the cause, the other runners are stopped, nothing is left.

use super::*;
use sim::api::call::Fault;
use sim::api::status::Status;
use sim::cloud::Trouble;
use sim::cloud::rest::Route;
use sim::k6::{Exit, Fails, Manners, Script, Version};
use sim::kube::plan::{Mishap, Place};

/// Runs three runners of which the second fares badly, and checks what GCk6 is told.
#[track_caller]
fn check(plan: PodPlan, within: Duration, finish_status: i64, code: i64, detail_part: &str) -> Story {
    let mut story = Story::new();
    story.tests_last(s(3600));
    story.plan("*-2", plan);
    let id = story.run(3);
    let run = story.over(id, within, finish_status);
    assert_eq!(told(&run), (vec![code], 1));
    assert!(detail(&run).contains(detail_part), "{:?} lacks {detail_part:?}", detail(&run));
    assert!(story.announced().contains(detail_part), "{}", story.announced());
    story
}

fn mid_run(mishap: Mishap) -> PodPlan {
    PodPlan {
        mishap: Some(mishap),
        script: Script { duration: s(3600), ..Script::default() },
        ..PodPlan::default()
    }
}

pub(super) fn a_runner_runs_out_of_memory() -> Story {
    check(mid_run(Mishap::OomKilled(s(20))), s(90), 6, 8032, "runner 2/3")
}

pub(super) fn an_archive_is_denied() -> Story {
    let exit = Exit::new(10, "expired: the archive's URL has expired; start the test again");
    check(PodPlan::mishap(Mishap::Init(exit)), s(60), 6, 8050, "has expired")
}

pub(super) fn setup_fails() -> Story {
    let mut story = Story::new();
    story.plan(
        "*",
        PodPlan::script(Script { setup_error: Some("ReferenceError: x".into()), ..Script::default() }),
    );
    let id = story.run(2);
    let run = story.over(id, s(60), 7);
    assert_eq!(told(&run), (vec![8030], 1));
    assert!(detail(&run).contains("ReferenceError: x"), "{}", detail(&run));
    assert!(story.drive.world.k6s.all("plz-test").all(|(_, runner)| runner.resumed.is_none()));
    story
}

pub(super) fn setup_returns_too_much() -> Story {
    let mut story = Story::new();
    let setup_data = json!("x".repeat(4 << 20));
    story.plan("*", PodPlan::script(Script { setup_data, ..Script::default() }));
    let id = story.run(2);
    let run = story.over(id, s(60), 7);
    assert_eq!(told(&run), (vec![8030], 1));
    assert!(detail(&run).contains("more than the 4 MiB"), "{}", detail(&run));
    let setups: usize = story.drive.world.k6s.all("plz-test").map(|(_, runner)| runner.setups.len()).sum();
    assert_eq!(setups, 1, "it is not run again for what it returns");
    story
}

pub(super) fn teardown_fails() -> Story {
    let mut story = Story::new();
    story.plan(
        "*",
        PodPlan::script(Script { teardown_error: Some("TypeError: y".into()), ..Script::default() }),
    );
    let id = story.run(2);
    let run = story.over(id, s(60), 3);
    assert_eq!(told(&run), (vec![8031], 0), "a failed teardown informs and does not abort");
    story
}

pub(super) fn an_image_cannot_be_pulled() -> Story {
    check(
        PodPlan::mishap(Mishap::Pull(Place::Main, "manifest unknown".into())),
        s(400),
        6,
        8050,
        "manifest unknown",
    )
}

pub(super) fn jobs_are_refused() -> Story {
    let mut story = Story::new();
    story.drive.world.api.faults = Some(Box::new(|_, call, _| {
        if call.verb == "create" && call.resource.plural == "jobs" {
            return Fault::Refuse(Status::new(403, "Forbidden", "exceeded quota: count/jobs.batch=0"), None);
        }
        Fault::None
    }));
    let id = story.run(2);
    let run = story.over(id, s(60), 6);
    assert_eq!(told(&run), (vec![8050], 1));
    assert!(detail(&run).contains("exceeded quota"), "{}", detail(&run));
    story
}

pub(super) fn the_test_run_is_refused() -> Story {
    let mut story = Story::new();
    story.drive.world.api.faults = Some(Box::new(|_, call, _| {
        if call.verb == "create" && call.resource.plural == "testruns" {
            return Fault::Refuse(
                Status::new(403, "Forbidden", "admission webhook denied the request"),
                None,
            );
        }
        Fault::None
    }));
    refused(story.run(2), &mut story, "admission webhook denied");
    story
}

#[track_caller]
fn refused(id: u64, story: &mut Story, detail_part: &str) {
    story.until(s(30), "GCk6 is told", |drive| !drive.world.cloud.runs[&id].events.is_empty());
    story.drive.run_for(s(60));
    let run = &story.drive.world.cloud.runs[&id];
    assert_eq!(told(run), (vec![8050], 1));
    assert!(detail(run).contains(detail_part), "{:?}", detail(run));
    assert!(test_run(&story.drive, id).is_null());
    assert!(story.announced().contains(detail_part), "{}", story.announced());
}

pub(super) fn gck6_is_gone_for_a_while() -> Story {
    let mut story = Story::new();
    let id = story.run(2);
    story.stage(id, "started", s(5));
    story.drive.world.cloud.trouble(None, Trouble::Down, 40);
    let run = story.over(id, s(1800), 3);
    assert_eq!(told(&run), (vec![], 0));
    story
}

/// The API server takes no status while a user aborts: the load stops all the same, and the cause is recorded later.
pub(super) fn the_api_server_stumbles_over_an_abort() -> Story {
    stumbles_over_an_abort(Script { duration: s(3600), ..Script::default() }, "started")
}

pub(super) fn the_api_server_stumbles_over_an_abort_in_setup() -> Story {
    stumbles_over_an_abort(Script { setup: s(120), ..Script::default() }, "created")
}

fn stumbles_over_an_abort(script: Script, stage: &str) -> Story {
    let mut story = Story::new();
    story.plan("*", PodPlan::script(script));
    let id = story.run(2);
    story.stage(id, stage, s(5));
    story.drive.run_for(s(1));
    let until = story.drive.now + s(40);
    story.drive.world.api.faults = Some(Box::new(move |now, call, _| {
        if call.subresource == "status" && now < until {
            return Fault::Refuse(Status::new(503, "ServiceUnavailable", "etcd leader changed"), None);
        }
        Fault::None
    }));
    story.drive.world.cloud.abort(id);
    let aborted = story.drive.now;
    let run = story.over(id, s(180), 5);
    assert_eq!(told(&run), (vec![], 0));
    for (_, runner) in story.drive.world.k6s.all("plz-test") {
        assert!(runner.stopped.is_some_and(|at| at - aborted <= s(14)), "{:?}", runner.stopped);
    }
    story
}

#[test]
fn abort_while_the_api_server_stumbles() {
    the_api_server_stumbles_over_an_abort();
}

#[test]
fn abort_in_setup_while_the_api_server_stumbles() {
    the_api_server_stumbles_over_an_abort_in_setup();
}

/// Two runners that would run for an hour, of which the second cuts its test short after 20 s. Says when both had ended.
fn cut_short(version: Version, exit: &Exit) -> (Story, Run) {
    let mut story = Story::new();
    story.plan("*", PodPlan::script(Script { duration: s(3600), version, ..Script::default() }));
    let aborts = Some((s(20), exit.clone()));
    story.plan("*-2", PodPlan::script(Script { duration: s(3600), version, aborts, ..Script::default() }));
    let id = story.run(2);
    story.stage(id, "started", s(5));
    let interrupted = story.drive.now + s(20);
    story.stage(id, "stopped", s(30));
    assert!(story.drive.now < interrupted + s(4), "the whole test ends with the runner");
    let run = story.over(id, s(60), run_status(exit.code));
    for (_, runner) in story.drive.world.k6s.all("plz-test") {
        assert!(runner.ends_at().is_some_and(|at| at < interrupted + s(4)), "{:?}", runner.ends_at());
    }
    assert_eq!(run.finishes[0].1["result_status"], 1, "it has not passed");
    (story, run)
}

fn run_status(code: i32) -> i64 {
    match code {
        99 => 8,
        105 => 6,
        _ => 5,
    }
}

#[track_caller]
fn check_cut(version: Version, code: i32, reason: &str, words: &str) -> Story {
    let (story, run) = cut_short(version, &Exit::new(code, "ended by itself"));
    let aborts: Vec<_> = run.events_of("TestRunAbortEvent").collect();
    assert_eq!(aborts.len(), 1, "{:?}", run.events);
    let told = format!("{:?} {}", run.events, detail(&run));
    for part in [words, "runner 2/2 (pod plz-test-"] {
        assert!(told.contains(part), "{told}");
        assert!(story.announced().contains(part), "{}", story.announced());
    }
    let ends = story.drive.core().census(Now { mono: s(0), wall: SystemTime::UNIX_EPOCH }).tally.ends();
    let counted: Vec<_> =
        ends.iter().filter(|(_, count)| *count > 0).map(|(cause, _)| cause.unwrap().reason()).collect();
    assert_eq!(counted, [reason]);
    story
}

pub(super) fn a_script_aborts_its_test() -> Story {
    check_cut(
        Version::V2_2_0,
        108,
        "Interrupted",
        "the script called test.abort(), or somebody stopped it through k6's REST API",
    )
}

#[test]
fn test_abort() {
    a_script_aborts_its_test();
}

#[test]
fn ends_of_a_k6_that_tells_its_exit_code() {
    for (code, reason, words) in [
        (99, "ThresholdsAborted", "thresholds with abortOnFail were crossed on"),
        (103, "StoppedOnRunner", "somebody stopped the test through k6's REST API on"),
        (105, "RunnerFailed", "GCk6 accepts no more metrics from it on"),
        (108, "ScriptAborted", "the script called test.abort() on"),
    ] {
        check_cut(Version::TellsExitCode, code, reason, words);
    }
}

#[test]
fn test_abort_in_all_runners() {
    let mut story = Story::new();
    let aborts = Some((s(5), Exit::new(108, "test aborted")));
    story.plan("*", PodPlan::script(Script { duration: s(3600), aborts, ..Script::default() }));
    let id = story.run(3);
    let run = story.over(id, s(60), 5);
    assert_eq!((told(&run), &run.finishes[0].1["result_status"]), ((vec![], 1), &json!(1)));
}

/// k6 stops by itself when GCk6 takes no more metrics, and that may be seen before GCk6 is asked in its turn.
#[test]
fn an_interruption_by_gck6_is_put_down_to_gck6() {
    for (status, version) in [(5, Version::V2_2_0), (8, Version::TellsExitCode)] {
        let mut story = Story::new();
        let aborts = Some((s(13), Exit::new(105, "error 403: test aborted")));
        story.plan("*", PodPlan::script(Script { duration: s(3600), version, aborts, ..Script::default() }));
        let id = story.run(2);
        story.stage(id, "started", s(5));
        story.drive.run_for(s(12));
        story.drive.world.cloud.runs.get_mut(&id).unwrap().status = status;
        let run = story.over(id, s(60), status);
        assert_eq!(told(&run), (vec![], 0));
    }
}

#[test]
fn an_interruption_is_told_although_gck6_does_not_say_whose_it_is() {
    let mut story = Story::new();
    let aborts = Some((s(5), Exit::new(108, "test aborted")));
    story.plan("*", PodPlan::script(Script { duration: s(3600), aborts, ..Script::default() }));
    let id = story.run(2);
    story.stage(id, "started", s(5));
    story.drive.world.cloud.trouble(Some(Route::State), Trouble::Down, 1000);
    let run = story.over(id, s(60), 5);
    assert_eq!(told(&run), (vec![], 1));
}

/// `test.fail()` marks the test and lets it run on: all runners go to their end, and the result is what was asked for.
fn marked_as_failed(version: Version, kill: bool) -> Story {
    let mut story = Story::new();
    story.plan("*", PodPlan::script(Script { version, ..Script::default() }));
    story.plan(
        "*-2",
        PodPlan::script(Script { duration: s(2), fails: Fails::Once, version, ..Script::default() }),
    );
    let id = story.run(3);
    if kill {
        story.stage(id, "stopped", s(20));
        story.kill();
    }
    let run = story.over(id, s(60), 3);
    assert_eq!(run.finishes[0].1["result_status"], 1);
    assert!(detail(&run).contains("the script called test.fail() on runner 2/3"), "{}", detail(&run));
    let (mut codes, aborts) = told(&run);
    codes.retain(|code| !kill || *code != 8031);
    codes.dedup();
    assert_eq!(
        (codes, aborts),
        (vec![8034], 0),
        "the teardown of an agent that was killed is another matter"
    );
    assert!(story.announced().contains("NotPassed: the script called test.fail()"), "{}", story.announced());
    for (_, runner) in story.drive.world.k6s.all("plz-test") {
        assert_eq!(runner.stopped, None);
    }
    story
}

#[test]
fn test_fail() {
    marked_as_failed(Version::V2_2_0, false);
    marked_as_failed(Version::TellsExitCode, false);
}

#[test]
fn how_a_test_came_out_outlives_the_agent() {
    marked_as_failed(Version::V2_2_0, true);
}

#[test]
fn thresholds_crossed_at_the_end() {
    let mut story = Story::new();
    let (version, exit) =
        (Version::TellsExitCode, Exit::new(99, "thresholds on metrics 'x' have been crossed"));
    story.plan("*", PodPlan::script(Script { version, exit, ..Script::default() }));
    let id = story.run(2);
    let run = story.over(id, s(60), 3);
    assert_eq!((told(&run), &run.finishes[0].1["result_status"]), ((vec![8034], 0), &json!(1)));
    assert!(detail(&run).contains("thresholds were crossed on runner 1/2"), "{}", detail(&run));
}

#[test]
fn test_abort_in_the_init_context() {
    let words = "level=error msg=\"test aborted: no token\"";
    let plan = PodPlan::mishap(Mishap::Exit(s(0), Exit::new(108, words)));
    let mut story = Story::new();
    story.plan("*-2", plan);
    let id = story.run(3);
    let run = story.over(id, s(60), 5);
    assert_eq!((told(&run), &run.finishes[0].1["result_status"]), ((vec![], 1), &json!(1)));
    let events = format!("{:?}", run.events);
    assert!(
        events.contains("the script called test.abort() on runner 2/3") && events.contains("no token"),
        "{events}"
    );
}

#[test]
fn k6_that_ends_well_before_its_test_could_start() {
    let plan = PodPlan::mishap(Mishap::Exit(s(0), Exit::default()));
    check(plan, s(60), 6, 8050, "k6 exited with code 0");
}

pub(super) fn answers_of_gck6_are_lost() -> Story {
    let mut story = Story::new();
    for route in [Route::Data, Route::State, Route::Finish, Route::Events] {
        story.drive.world.cloud.trouble(Some(route), Trouble::LostAnswer, 2);
    }
    let id = story.run(2);
    story.over(id, s(120), 3);
    story
}

pub(super) fn a_runner_does_not_answer_for_a_while() -> Story {
    let mut story = Story::new();
    let id = story.run(3);
    story.stage(id, "started", s(5));
    story.manners(Manners::Failing(500));
    story.drive.run_for(s(60));
    assert_eq!(test_run(&story.drive, id)["status"]["stage"], "started", "an error of a runner is no end");
    let running = condition(&test_run(&story.drive, id), "TestRunRunning");
    assert_eq!((&running["status"], &running["reason"]), (&json!("True"), &json!("RunnerSilent")));
    assert!(story.announced().contains("RunnerSilent: runner 1/3"), "{}", story.announced());
    story.manners(Manners::Good);
    story.over(id, s(60), 3);
    story
}

/// Runners that are reached through the API server are silent when that is, and what they are silent after it counts anew.
#[test]
fn the_silence_of_the_api_server_is_not_that_of_the_runners() {
    let (mut story, id) = Story::under_way(2, s(120));
    let back = story.drive.now + s(40);
    story.manners(Manners::Unreachable);
    story.drive.world.api.faults =
        Some(Box::new(move |now, _, _| if now < back { Fault::DropBefore } else { Fault::None }));
    story.drive.run_for(s(50));
    story.manners(Manners::Good);
    story.over(id, s(180), 3);
    assert_eq!(story.warnings(), Vec::<String>::new());
}

/// A start on a slow box, in which every step takes its time and none hangs, is no cause for a warning.
#[test]
fn a_slow_start_is_no_warning() {
    let mut story = Story::new();
    let delays = &mut story.drive.world.kube.config.delays;
    (delays.job, delays.schedule, delays.sandbox) = (s(3), s(3), s(20));
    (delays.pull, delays.init) = (s(20), s(20));
    story.plan("*", PodPlan::script(Script { boot: s(12), init: s(12), ..Script::default() }));
    let id = story.run(2);
    let mut said = Vec::new();
    story.until(s(150), "it has started", |drive| {
        let run = test_run(drive, id);
        said.push(condition(&run, "TestRunRunning")["message"].to_string());
        run["status"]["stage"] == "started"
    });
    story.over(id, s(90), 3);
    assert_eq!(story.warnings(), Vec::<String>::new());
    said.dedup();
    assert_eq!(said.len(), 3, "{said:?}");
}

#[test]
fn out_of_memory() {
    a_runner_runs_out_of_memory();
}

#[test]
fn evicted() {
    check(
        mid_run(Mishap::Evicted(s(20), "The node was low on memory".into())),
        s(90),
        6,
        8052,
        "low on memory",
    );
}

#[test]
fn disrupted() {
    check(mid_run(Mishap::Disrupted(s(20))), s(90), 6, 8052, "runner 2/3");
}

#[test]
fn deleted_by_somebody() {
    check(mid_run(Mishap::Deleted(s(20))), s(90), 6, 8052, "deleted");
}

#[test]
fn node_lost() {
    let mut story = Story::new();
    story.plan("*", mid_run(Mishap::NodeLost(s(20))));
    let id = story.run(1);
    // The pod never goes: its kubelet is not there to say so. The run ends all the same.
    story.until(s(600), "the TestRun is gone", |drive| {
        test_run(drive, id).is_null() && !drive.world.cloud.runs[&id].finishes.is_empty()
    });
    assert_eq!(told(&story.drive.world.cloud.runs[&id]), (vec![8052], 1));
}

#[test]
fn script_exception_mid_run() {
    let dies = Some((s(10), Exit::new(107, "TypeError: z is undefined")));
    let script = Script { duration: s(3600), dies, ..Script::default() };
    check(PodPlan::script(script), s(90), 7, 8035, "z is undefined");
}

#[test]
fn script_exception_at_the_start() {
    check(PodPlan::mishap(Mishap::Exit(s(0), Exit::new(107, "SyntaxError"))), s(60), 7, 8035, "SyntaxError");
}

#[test]
fn panic_of_k6() {
    check(mid_run(Mishap::Exit(s(10), Exit::new(109, "panic"))), s(90), 6, 8033, "panicked");
}

#[test]
fn archive_denied() {
    an_archive_is_denied();
}

#[test]
fn setup_returns_more_than_can_be_handed_on() {
    setup_returns_too_much();
}

#[test]
fn setup_throws() {
    setup_fails();
}

#[test]
fn teardown_throws() {
    teardown_fails();
}

#[test]
fn image_missing() {
    an_image_cannot_be_pulled();
}

#[test]
fn no_node() {
    let words = "0/3 nodes are available: insufficient cpu";
    check(PodPlan::mishap(Mishap::Unschedulable(words.into())), s(400), 6, 8050, "insufficient cpu");
}

#[test]
fn no_pod_for_a_quota() {
    check(
        PodPlan::mishap(Mishap::Quota("exceeded quota: pods=2".into())),
        s(400),
        6,
        8050,
        "exceeded quota: pods=2",
    );
}

/// What cannot pass by waiting ends the run within seconds, in the words of the refusal, and says what to set.
pub(super) fn a_pod_violates_pod_security() -> Story {
    let words = "violates PodSecurity \"restricted:latest\": runAsNonRoot != true (pod or container \"k6\" must set \
                 securityContext.runAsNonRoot=true)";
    let story = check(PodPlan::mishap(Mishap::Quota(words.into())), s(40), 6, 8050, words);
    assert!(story.announced().contains("seccompProfile: {type: RuntimeDefault}"), "{}", story.announced());
    let finish = story.drive.world.cloud.runs[&101].finishes[0].0;
    assert!(finish - story.drive.world.cloud.runs[&101].listed.unwrap() < s(10), "{finish:?}");
    let read = |what: &&sim::api::Counted| (what.verb, what.resource) == ("list", "events");
    let counts = story.drive.world.api.counts.iter();
    assert_eq!(counts.filter(|(what, _)| read(what)).map(|(_, count)| count).sum::<u64>(), 1);
    story
}

#[test]
fn no_pod_for_pod_security() {
    a_pod_violates_pod_security();
}

#[test]
fn jobs_over_quota() {
    jobs_are_refused();
}

#[test]
fn a_job_of_that_name_is_there_already() {
    let mut story = Story::new();
    let template = json!({"spec": {"restartPolicy": "Never", "containers": [{"name": "c", "image": "i"}]}});
    let job =
        json!({"metadata": {"name": "plz-test-101-2"}, "spec": {"suspend": true, "template": template}});
    story.drive.world.api.create(story.drive.now, Kind::Job, NAMESPACE, job).unwrap();
    let id = story.run(2);
    story.until(s(10), "the status says so", |drive| {
        condition(&test_run(drive, id), "TestRunRunning")["message"]
            .to_string()
            .contains("belongs to something else")
    });
    story.until(s(400), "the run is over", |drive| !drive.world.cloud.runs[&id].finishes.is_empty());
    assert!(
        detail(&story.drive.world.cloud.runs[&id])
            .contains("Job plz-test-101-2 exists and belongs to something else")
    );
    assert!(
        !story.drive.world.object(Kind::Job, NAMESPACE, "plz-test-101-2").is_null(),
        "it is not ours to delete"
    );
}

#[test]
fn a_test_run_of_that_name_is_there_already() {
    let mut story = Story::new();
    let spec = json!({"parallelism": 1, "script": {"localFile": "/x.js"}});
    let run = json!({"metadata": {"name": "plz-test-101"}, "spec": spec});
    story.drive.world.api.create(story.drive.now, Kind::TestRun, NAMESPACE, run).unwrap();
    let id = story.run(2);
    story.drive.run_for(s(5));
    assert!(story.announced().contains("TestRunNameTaken: "), "{}", story.announced());
    story.until(s(80), "GCk6 is told", |drive| told(&drive.world.cloud.runs[&id]) == (vec![8050], 1));
    assert!(!test_run(&story.drive, id).is_null(), "it is not ours to delete");
}

#[test]
fn admission_refuses() {
    the_test_run_is_refused();
}

#[test]
fn two_load_zones() {
    let mut story = Story::new();
    let data = json!({"load_zone_distribution": {"other": {"loadZone": "elsewhere", "percent": 50}}});
    let id = story.run_with(2, data);
    refused(id, &mut story, "load zone");
}

#[test]
fn no_archive() {
    let mut story = Story::new();
    let id = story.run_with(2, json!({"k8s_load_zones_config": {"k6_archive_temp_public_url": null}}));
    refused(id, &mut story, "archive");
}

#[test]
fn no_instances() {
    let mut story = Story::new();
    let id = story.run_with(2, json!({"k8s_load_zones_config": {"instance_count": 0}}));
    refused(id, &mut story, "0 runners");
}

#[test]
fn unreadable_data() {
    let mut story = Story::new();
    story.drive.world.cloud.trouble(Some(Route::Data), Trouble::Malformed, 1000);
    let id = story.run(1);
    story.until(s(180), "GCk6 is told", |drive| !drive.world.cloud.runs[&id].events.is_empty());
    assert_eq!(told(&story.drive.world.cloud.runs[&id]), (vec![8050], 1));
}

#[test]
fn an_abort_does_not_wait_for_runners_that_do_not_answer() {
    let (mut story, id) = Story::under_way(2, s(3600));
    story.manners(Manners::Slow(s(3600)));
    story.drive.world.cloud.abort(id);
    story.until(s(60), "it is over", |drive| !drive.world.cloud.runs[&id].finishes.is_empty());
    assert_eq!(story.drive.world.cloud.runs[&id].finishes[0].1["run_status"], 5);
}

#[test]
fn gck6_down() {
    gck6_is_gone_for_a_while();
}

#[test]
fn gck6_loses_answers() {
    answers_of_gck6_are_lost();
}

#[test]
fn http_errors_of_a_runner_are_no_end() {
    a_runner_does_not_answer_for_a_while();
}

#[test]
fn an_api_server_that_stumbles() {
    let mut story = Story::new();
    // By chance, since retries of the same pace can fall in step with faults that take turns.
    let mut rng = sim::rng::Rng::new(4);
    story.drive.world.api.faults = Some(Box::new(move |_, call, _| match rng.below(4) {
        0 if call.verb != "watch" => Fault::DropAfter,
        1 => Fault::Refuse(Status::new(503, "ServiceUnavailable", "etcd leader changed"), Some(1)),
        2 if call.verb != "watch" => Fault::DropBefore,
        _ => Fault::None,
    }));
    let id = story.run(3);
    story.over(id, s(600), 3);
}
