//! Objects that say they are something else: pods, Jobs and TestRuns that a tenant makes, with the names, labels and owners that
//! the agent's own have.

use std::sync::{Arc, Mutex};

use super::*;
use sim::api::{Call, Fault, Part, Propagation, Status};
use sim::cloud::Trouble;
use sim::cloud::rest::Route;
use sim::k6::Script;
use sim::kube::plan::Mishap;

/// A pod that carries all labels of a runner of the first test run, with a k6 that waits for somebody to start it.
fn pretender(story: &mut Story, namespace: &str, name: &str, owners: &Value) {
    let labels = json!({"app": "k6", "k6_cr": "plz-test-101", "runner": "true", "job-name": "plz-test-101-1",
        "batch.kubernetes.io/job-name": "plz-test-101-1"});
    let command = ["k6", "run", "/x.js", "--address=0.0.0.0:6565", "--paused", "--linger"];
    let pod = json!({
        "metadata": {"name": name, "labels": labels, "ownerReferences": owners},
        "spec": {"restartPolicy": "Never", "containers": [{"name": "k6", "image": "i", "command": command}]},
    });
    story.drive.world.api.create(story.drive.now, Kind::Pod, namespace, pod).unwrap();
}

fn job_owner(name: &str, uid: &str, controller: bool) -> Value {
    json!([{"apiVersion": "batch/v1", "kind": "Job", "name": name, "uid": uid, "controller": controller}])
}

/// Nobody has spoken to the pods that are none of our runners.
#[track_caller]
fn pretenders_are_ignored(story: &Story) {
    for (pod, runner) in story.drive.world.k6s.all("evil") {
        let untouched = runner.setups.is_empty()
            && runner.data_puts.is_empty()
            && runner.resumed.is_none()
            && runner.stopped.is_none()
            && runner.teardowns.is_empty();
        assert!(untouched, "{pod:?} was taken for a runner: {runner:?}");
    }
}

#[test]
fn pods_that_no_job_of_ours_controls_are_no_runners() {
    let mut story = Story::new();
    story.plan("plz-test-*", PodPlan::script(Script { duration: s(20), setup: s(1), ..Script::default() }));
    story.plan("evil-dies", PodPlan::mishap(Mishap::OomKilled(s(8))));
    pretender(&mut story, NAMESPACE, "evil-bare", &json!([]));
    pretender(&mut story, NAMESPACE, "evil-dies", &json!([]));
    for (name, job) in [("evil-other", "plz-test-101-1"), ("evil-far", "plz-test-101-4000000000")] {
        pretender(&mut story, NAMESPACE, name, &job_owner(job, "00000000-0000-4000-8000-000000000000", true));
    }
    let id = story.run(2);
    assert_eq!(id, 101);
    story.until(s(5), "the Jobs exist", |drive| drive.world.api.objects(Kind::Job, NAMESPACE).count() == 2);
    let job = story.drive.world.object(Kind::Job, NAMESPACE, "plz-test-101-1");
    let uid = job["metadata"]["uid"].as_str().unwrap().to_owned();
    pretender(&mut story, NAMESPACE, "evil-owned", &job_owner("plz-test-101-1", &uid, false));
    let elsewhere = json!({"metadata": {"name": "elsewhere"}});
    story.drive.world.api.create(story.drive.now, Kind::Namespace, "", elsewhere).unwrap();
    pretender(&mut story, "elsewhere", "evil-abroad", &job_owner("plz-test-101-1", &uid, true));
    story.stage(id, "started", s(10));
    story.drive.run_for(s(3));
    story.kill();
    story.drive.run_for(s(3));
    assert_eq!(test_run(&story.drive, id)["status"]["stage"], "started");
    let run = story.over(id, s(90), 3);
    assert_eq!(told(&run), (Vec::new(), 0), "the end of a pretender is no end of the run");
    pretenders_are_ignored(&story);
}

/// The agent is killed at a stage of a run, and learns again which Jobs are its own before it looks at any pod.
fn jobs_are_looked_up_after_a_restart(stage: &str) -> Story {
    let mut story = Story::new();
    story
        .plan("*", PodPlan::script(Script { boot: s(3), duration: s(20), flush: s(3), ..Script::default() }));
    let id = story.run(3);
    story.stage(id, stage, s(40));
    story.kill();
    story.over(id, s(90), 3);
    let count = |verb: &str| {
        let counts = story.drive.world.api.counts.iter();
        let of_jobs = counts.filter(|(what, _)| what.resource == "jobs" && what.verb == verb);
        of_jobs.map(|(_, count)| count).sum::<u64>()
    };
    assert_eq!((count("create"), count("get"), count("list")), (3, 3, 0), "{stage}");
    story
}

pub(super) fn jobs_are_looked_up_before_the_start() -> Story {
    jobs_are_looked_up_after_a_restart("created")
}

pub(super) fn jobs_are_looked_up_in_mid_run() -> Story {
    jobs_are_looked_up_after_a_restart("started")
}

pub(super) fn jobs_are_looked_up_at_the_end() -> Story {
    jobs_are_looked_up_after_a_restart("stopped")
}

#[test]
fn jobs_after_a_restart() {
    jobs_are_looked_up_before_the_start();
    jobs_are_looked_up_in_mid_run();
    jobs_are_looked_up_at_the_end();
}

#[test]
fn a_job_that_is_replaced_while_no_agent_runs_is_not_ours() {
    let (mut story, id) = Story::under_way(2, s(600));
    story.kill();
    let job = story.drive.world.object(Kind::Job, NAMESPACE, "plz-test-101-2");
    story.delete_by(Kind::Job, "plz-test-101-2", Propagation::Background);
    let mut forged = json!({"metadata": {"name": "plz-test-101-2", "labels": job["metadata"]["labels"]},
        "spec": {"backoffLimit": 0, "template": job["spec"]["template"]}});
    forged["spec"]["template"]["metadata"]["labels"] = job["metadata"]["labels"].clone();
    story.drive.world.api.create(story.drive.now, Kind::Job, NAMESPACE, forged).unwrap();
    story.until(s(90), "the run is over", |drive| !drive.world.cloud.runs[&id].finishes.is_empty());
    let run = &story.drive.world.cloud.runs[&id];
    assert_eq!(told(run), (vec![8052], 1));
    assert!(detail(run).contains("Job plz-test-101-2 of runner 2/2 was replaced"), "{}", detail(run));
    assert!(
        !story.drive.world.object(Kind::Job, NAMESPACE, "plz-test-101-2").is_null(),
        "it is not ours to delete"
    );
}

#[test]
fn a_runner_whose_job_is_deleted_without_it_runs_on() {
    let (mut story, id) = Story::under_way(2, s(30));
    story.delete(Kind::Job, "plz-test-101-2");
    story.drive.run_for(s(5));
    let pods = story.drive.world.api.objects(Kind::Pod, NAMESPACE);
    let orphans =
        pods.filter(|(_, pod)| pod["metadata"]["ownerReferences"].as_array().is_none_or(Vec::is_empty));
    assert_eq!(orphans.count(), 1, "a Job is deleted without its pods unless one asks for more");
    story.until(s(120), "the run is over", |drive| !drive.world.cloud.runs[&id].finishes.is_empty());
    assert_eq!(story.drive.world.cloud.runs[&id].finishes[0].1["run_status"], 3);
}

/// Its pod is no runner for the new agent, which does not know the Job. It may be one still.
#[test]
fn teardown_waits_for_a_runner_whose_job_is_deleted_while_no_agent_runs() {
    let mut story = Story::new();
    story.plan("*", PodPlan::script(Script { duration: s(600), flush: s(2), ..Script::default() }));
    let id = story.run(2);
    story.stage(id, "started", s(10));
    story.delete_by(Kind::Job, "plz-test-101-2", Propagation::Background);
    story.kill();
    let run = story.over(id, s(90), 6);
    assert_eq!(told(&run), (vec![8052], 1));
    assert!(detail(&run).contains("somebody deleted it"), "{}", detail(&run));
}

/// A `TestRun` as the agent makes it for a test run, with everything that a tenant would like to have done by somebody else.
fn forged(drive: &Drive, id: u64) -> Value {
    let uid = zone(drive)["metadata"]["uid"].clone();
    let owner = json!({"apiVersion": "k6.io/v1alpha1", "kind": "PrivateLoadZone", "name": ZONE, "uid": uid, "controller": true});
    json!({
        "metadata": {"name": format!("plz-test-{id}"), "ownerReferences": [owner]},
        "spec": {
            "testRunId": id.to_string(), "token": format!("{ZONE}-token"), "parallelism": 1,
            "script": {"localFile": "/x.js"},
            "runner": {"image": "evil", "serviceAccountName": "admin",
                "containerSecurityContext": {"privileged": true},
                "volumes": [{"name": "host", "hostPath": {"path": "/"}}]},
        },
    })
}

fn create(story: &mut Story, namespace: &str, run: Value) {
    story.drive.world.api.create(story.drive.now, Kind::TestRun, namespace, run).unwrap();
}

/// What was asked of GCk6 but polls.
fn asked_of_gck6(drive: &Drive) -> u64 {
    let counts = drive.world.cloud.counts.iter();
    counts.filter(|(route, _)| !matches!(route, Route::Poll | Route::Register)).map(|(_, count)| count).sum()
}

/// Counts calls by verb, resource and name from now on.
fn calls(story: &mut Story) -> Arc<Mutex<Vec<String>>> {
    let calls = Arc::new(Mutex::new(Vec::new()));
    let noted = Arc::clone(&calls);
    story.drive.world.api.faults = Some(Box::new(move |_, call, _| {
        if !matches!(call.verb, "list" | "watch") && call.resource.plural != "leases" {
            let Call { verb, name, .. } = call;
            noted.lock().unwrap().push(format!("{verb} {} {name}", call.resource.plural));
        }
        Fault::None
    }));
    calls
}

#[test]
fn who_bears_an_id_and_is_none_of_ours_is_told_so_and_ignored() {
    let mut story = Story::new();
    let reads = asked_of_gck6(&story.drive);
    let calls = calls(&mut story);
    let other = |run: &mut Value, spec: Value| {
        for (field, value) in spec.as_object().unwrap() {
            run["spec"][field] = value.clone();
        }
    };
    let whole = forged(&story.drive, 900);
    let mut bare = whole.clone();
    bare["metadata"] = json!({"name": "plz-test-900"});
    let mut named = whole.clone();
    named["metadata"]["name"] = json!("mine");
    let mut huge = bare.clone();
    huge["metadata"]["name"] = json!("huge");
    other(&mut huge, json!({"parallelism": 2_147_483_647, "token": "somebodys-secret"}));
    let mut token = whole;
    token["metadata"]["name"] = json!("plz-test-901");
    other(&mut token, json!({"testRunId": "901", "token": "somebodys-secret"}));
    let cases = [
        (bare, "no PrivateLoadZone of this namespace controls it"),
        (named, "named plz-test-900"),
        (huge, "named plz-test-900"),
        (token, "spec.token is not the Secret of PrivateLoadZone edge"),
    ];
    for (run, _) in &cases {
        create(&mut story, NAMESPACE, run.clone());
    }
    story.drive.run_for(s(30));
    for (run, part) in &cases {
        let name = run["metadata"]["name"].as_str().unwrap();
        let object = story.drive.world.object(Kind::TestRun, NAMESPACE, name);
        let said = condition(&object, "CloudPLZTestRun");
        assert_eq!(
            (&said["status"], &said["reason"]),
            (&json!("False"), &json!("NotMadeByAgent")),
            "{object:#}"
        );
        assert!(said["message"].as_str().unwrap().contains(part), "{said}");
        assert!(object["status"]["stage"].is_null(), "{object:#}");
        let wanted = [format!("patch testruns {name}")];
        let of_it = calls
            .lock()
            .unwrap()
            .iter()
            .filter(|call| call.ends_with(&format!(" {name}")))
            .cloned()
            .collect::<Vec<_>>();
        assert_eq!(of_it, wanted, "one write, and nothing else");
    }
    assert_eq!(story.announced().matches("NotMadeByAgent: ").count(), cases.len());
    assert_eq!(asked_of_gck6(&story.drive), reads);
    let is_foreign = |call: &String| call.contains(" jobs ") || call.contains("somebodys-secret");
    assert!(!calls.lock().unwrap().iter().any(is_foreign), "{calls:?}");
    story.kill();
    calls.lock().unwrap().clear();
    story.drive.run_for(s(60));
    let again: Vec<String> =
        calls.lock().unwrap().iter().filter(|call| !call.starts_with("get secrets")).cloned().collect();
    assert_eq!(again, Vec::<String>::new(), "what stands is not written again");
}

#[test]
fn the_id_of_another_zones_run_is_denied_and_that_run_is_not_touched() {
    let mut story = Story::new();
    story.tests_last(s(200));
    let elsewhere = json!({"metadata": {"name": "elsewhere"}});
    story.drive.world.api.create(story.drive.now, Kind::Namespace, "", elsewhere).unwrap();
    let now = story.drive.now;
    story.drive.world.apply_zone(now, "elsewhere", "victim");
    let id = story.drive.world.queue_run(now, "victim", 2);
    story.until(s(30), "the victim's run has started", |drive| {
        drive.world.object(Kind::TestRun, "elsewhere", &format!("plz-test-{id}"))["status"]["stage"]
            == "started"
    });
    let run = forged(&story.drive, id);
    create(&mut story, NAMESPACE, run);
    story.until(s(30), "it is refused", |drive| test_run(drive, id)["status"]["stage"] == "error");
    let aborted = condition(&test_run(&story.drive, id), "CloudTestRunAborted");
    assert_eq!(aborted["reason"], "NotOfZone", "{aborted}");
    assert!(aborted["message"].as_str().unwrap().contains("belongs to load zone victim"), "{aborted}");
    assert_eq!(story.drive.world.api.objects(Kind::Job, NAMESPACE).count(), 0);
    let victim = story.drive.world.cloud.runs[&id].clone();
    assert_eq!((victim.status, victim.events.len(), victim.finishes.len()), (2, 0, 0));
    // One that GCk6 does not know at all.
    let run = forged(&story.drive, 999);
    create(&mut story, NAMESPACE, run);
    story.until(s(60), "it is refused", |drive| test_run(drive, 999)["status"]["stage"] == "error");
    story.until(s(300), "the victim's run is over", |drive| !drive.world.cloud.runs[&id].finishes.is_empty());
    let victim = &story.drive.world.cloud.runs[&id];
    assert_eq!((victim.finishes[0].1["run_status"].as_i64(), told(victim)), (Some(3), (Vec::new(), 0)));
}

/// Who makes a zone's next `TestRun` before the agent does gets the test that GCk6 has, with what the zone asks for.
#[test]
fn jobs_are_made_of_what_gck6_and_the_zone_say() {
    let mut story = Story::new();
    story.drive.run_for(s(9));
    let now = story.drive.now;
    let id = story.drive.world.queue_run(now, ZONE, 1);
    let mut run = forged(&story.drive, id);
    run["spec"]["cleanup"] = json!("post");
    create(&mut story, NAMESPACE, run);
    story.stage(id, "started", s(30));
    let job = story.drive.world.object(Kind::Job, NAMESPACE, &format!("plz-test-{id}-1")).to_string();
    for part in ["evil", "privileged\":true", "hostPath", "admin"] {
        assert!(!job.contains(part), "{part} in {job}");
    }
    story.over(id, s(60), 3);

    let id = story.drive.world.queue_run(story.drive.now, ZONE, 3);
    let run = forged(&story.drive, id);
    create(&mut story, NAMESPACE, run);
    story.until(s(60), "GCk6 is told", |drive| !drive.world.cloud.runs[&id].finishes.is_empty());
    let run = &story.drive.world.cloud.runs[&id];
    assert!(detail(run).contains("asks for 1 runners but GCk6 asks for 3"), "{}", detail(run));
}

/// However many runners it asks for, the condition, the Event and GCk6 say the number, the limit and what to do.
#[test]
fn a_number_of_runners_beyond_reason_is_refused_in_words() {
    for count in [0_i64, -5, 1001, 100_000, 2_147_483_647] {
        // By GCk6's data.
        let mut story = Story::new();
        let id = story.run_with(1, json!({"k8s_load_zones_config": {"instance_count": count}}));
        story.until(s(20), "GCk6 is told", |drive| !drive.world.cloud.runs[&id].events.is_empty());
        let said = detail(&story.drive.world.cloud.runs[&id]);
        assert!(
            said.contains(&format!("asks for {count} runners, but the agent runs 1 to 1000; change")),
            "{said}"
        );
        assert!(story.announced().contains(&format!("asks for {count} runners")), "{}", story.announced());
        // By the object, as somebody else has made it for that very test, or left it behind with its Jobs.
        for stage in ["", "created"] {
            let mut story = Story::empty();
            story.drive.world.apply_zone(Duration::ZERO, NAMESPACE, ZONE);
            let now = story.drive.now;
            let id = story.drive.world.queue_run_with(
                now,
                ZONE,
                3,
                json!({"k8s_load_zones_config": {"instance_count": null}}),
            );
            if stage.is_empty() {
                story.drive.world.cloud.runs.get_mut(&id).unwrap().spec.data = json!({});
            }
            let mut run = forged(&story.drive, id);
            run["spec"]["parallelism"] = json!(count);
            create(&mut story, NAMESPACE, run);
            if !stage.is_empty() {
                let key = Key::new(Kind::TestRun, NAMESPACE, &format!("plz-test-{id}"));
                let set = |run: &mut Value| run["status"] = json!({"stage": stage});
                story.drive.world.api.modify(&key, Part::Status, set);
            }
            story.until(s(60), "it is refused", |drive| test_run(drive, id)["status"]["stage"] == "error");
            let aborted = condition(&test_run(&story.drive, id), "CloudTestRunAborted");
            let wanted = format!("asks for {count} runners, but the agent runs 1 to 1000; delete it");
            assert!(aborted["message"].to_string().contains(&wanted), "{stage} {aborted}");
            assert!(story.announced().contains(&wanted), "{}", story.announced());
            assert!(detail(&story.drive.world.cloud.runs[&id]).contains(&wanted));
            assert_eq!(story.drive.world.api.objects(Kind::Job, NAMESPACE).count(), 0);
        }
    }
}

/// The spec is edited at every stage, also while no agent looks.
#[test]
fn an_edit_of_the_spec_has_no_effect() {
    for (stage, restarts) in
        [("", false), ("", true), ("created", true), ("started", false), ("started", true)]
    {
        let mut story = Story::new();
        story.plan("*", PodPlan::script(Script { boot: s(2), duration: s(15), ..Script::default() }));
        if stage.is_empty() {
            story.drive.world.api.faults = no_jobs();
        }
        let id = story.run(3);
        story.until(s(20), "it has come so far", |drive| {
            let run = test_run(drive, id);
            !run.is_null() && run["status"]["stage"].as_str().unwrap_or_default() == stage
        });
        let key = Key::new(Kind::TestRun, NAMESPACE, &format!("plz-test-{id}"));
        story.drive.world.api.modify(&key, Part::Main, |run| {
            let evil = forged_spec();
            for (field, value) in evil.as_object().unwrap() {
                run["spec"][field] = value.clone();
            }
        });
        if restarts {
            story.kill();
        }
        story.drive.run_for(s(1));
        story.drive.world.api.faults = None;
        let run = story.over(id, s(90), 3);
        assert_eq!(told(&run), (Vec::new(), 0), "{stage} {restarts}");
        let runners = story.drive.world.k6s.all(&format!("plz-test-{id}")).count();
        assert_eq!(runners, 3, "{stage} {restarts}");
    }
}

fn forged_spec() -> Value {
    json!({"testRunId": "999", "token": "somebodys-secret", "parallelism": 100_000,
        "runner": {"image": "evil", "containerSecurityContext": {"privileged": true}}})
}

/// The API server takes no Job.
fn no_jobs() -> Option<sim::api::FaultHook> {
    Some(Box::new(|_, call, _| {
        let is_meant = call.verb == "create" && call.resource.plural == "jobs";
        let unavailable = || Status::new(503, "ServiceUnavailable", "etcd leader changed");
        if is_meant { Fault::Refuse(unavailable(), None) } else { Fault::None }
    }))
}

/// What the agent was restarted over is asked of GCk6 before its Jobs are made.
pub(super) fn a_run_is_confirmed_before_its_jobs_are_made() -> Story {
    let mut story = Story::new();
    story.drive.world.api.faults = no_jobs();
    let id = story.run(2);
    story.until(s(10), "the TestRun is made", |drive| !test_run(drive, id).is_null());
    story.drive.run_for(s(1));
    story.kill();
    story.drive.world.api.faults = None;
    story.drive.world.cloud.trouble(None, Trouble::Down, u32::MAX);
    story.until(s(20), "the status says what it waits for", |drive| {
        condition(&test_run(drive, id), "TestRunRunning")["message"]
            .to_string()
            .contains("has not confirmed since")
    });
    story.drive.run_for(s(1));
    assert!(story.announced().contains("Unconfirmed: "), "{}", story.announced());
    assert_eq!(
        story.drive.world.api.objects(Kind::Job, NAMESPACE).count(),
        0,
        "not before GCk6 has said whose it is"
    );
    story.drive.world.cloud.plagues.clear();
    let run = story.over(id, s(180), 3);
    assert_eq!(run.data_reads.len(), 2);
    story
}

#[test]
fn confirmed_before_its_jobs() {
    a_run_is_confirmed_before_its_jobs_are_made();
    a_run_is_confirmed_before_its_start();
}

/// GCk6 answers before the API server does.
fn jobs_are_looked_up_late(stage: &str) -> Story {
    let mut story = Story::new();
    story.plan("*", PodPlan::script(Script { boot: s(3), duration: s(20), ..Script::default() }));
    let id = story.run(2);
    story.stage(id, stage, s(20));
    story.kill();
    let mut left = 8;
    story.drive.world.api.faults = Some(Box::new(move |_, call, _| {
        let is_meant = call.verb == "get" && call.resource.plural == "jobs" && left > 0;
        left -= u32::from(is_meant);
        let unavailable = || Status::new(503, "ServiceUnavailable", "etcd leader changed");
        if is_meant { Fault::Refuse(unavailable(), None) } else { Fault::None }
    }));
    story.over(id, s(180), 3);
    story
}

pub(super) fn jobs_are_looked_up_late_before_the_start() -> Story {
    jobs_are_looked_up_late("created")
}

pub(super) fn jobs_are_looked_up_late_in_mid_run() -> Story {
    jobs_are_looked_up_late("started")
}

/// The agent is restarted before all runners are ready, and GCk6 is out of reach: nobody starts them until it is back.
pub(super) fn a_run_is_confirmed_before_its_start() -> Story {
    let mut story = Story::new();
    story.plan("*", PodPlan::script(Script { boot: s(3), duration: s(20), ..Script::default() }));
    let id = story.run(2);
    story.stage(id, "created", s(20));
    story.drive.world.cloud.trouble(None, Trouble::Down, u32::MAX);
    story.kill();
    story.drive.run_for(s(40));
    assert_eq!(test_run(&story.drive, id)["status"]["stage"], "created");
    story.drive.world.cloud.plagues.clear();
    story.over(id, s(180), 3);
    story
}

/// The agent is restarted as the run ends, and GCk6 is out of reach: the clean-up goes on, and the end is told later.
pub(super) fn a_run_ends_before_it_is_confirmed() -> Story {
    let mut story = Story::new();
    story.plan("*", PodPlan::script(Script { duration: s(5), flush: s(3), ..Script::default() }));
    let id = story.run(2);
    story.stage(id, "stopped", s(30));
    story.drive.world.cloud.trouble(None, Trouble::Down, u32::MAX);
    story.kill();
    story.until(s(60), "nothing is left of it", |drive| {
        drive.world.api.objects(Kind::Pod, NAMESPACE).count() == 0
    });
    story.drive.run_for(s(60));
    assert_eq!(test_run(&story.drive, id)["status"]["stage"], "stopped");
    story.drive.world.cloud.plagues.clear();
    story.over(id, s(180), 3);
    story
}

/// The same, and somebody deletes the `TestRun` meanwhile.
pub(super) fn a_run_is_deleted_before_it_is_confirmed() -> Story {
    let mut story = Story::new();
    story.tests_last(s(600));
    let id = story.run(2);
    story.stage(id, "started", s(30));
    story.drive.world.cloud.trouble(None, Trouble::Down, u32::MAX);
    story.kill();
    story.drive.run_for(s(30));
    let running = condition(&test_run(&story.drive, id), "TestRunRunning");
    assert_eq!((&running["status"], &running["reason"]), (&json!("True"), &json!("Unconfirmed")));
    let name = format!("plz-test-{id}");
    let key = Key::new(Kind::TestRun, NAMESPACE, &name);
    story.drive.world.api.modify(&key, Part::Main, |run| run["metadata"]["finalizers"] = json!([]));
    story.delete(Kind::TestRun, &name);
    story.drive.run_for(s(60));
    story.drive.world.cloud.plagues.clear();
    let run = story.over(id, s(180), 5);
    assert_eq!(told(&run), (Vec::new(), 1));
    story
}

#[test]
fn ends_before_it_is_confirmed() {
    a_run_ends_before_it_is_confirmed();
    a_run_is_deleted_before_it_is_confirmed();
    jobs_are_looked_up_late_before_the_start();
    jobs_are_looked_up_late_in_mid_run();
}

#[test]
fn more_runs_than_are_confirmed_at_a_time_are_all_taken_over() {
    let mut story = Story::new();
    story.tests_last(s(60));
    let now = story.drive.now;
    let ids: Vec<u64> = (0..20).map(|_| story.drive.world.queue_run(now, ZONE, 1)).collect();
    for id in &ids {
        story.stage(*id, "started", s(60));
    }
    story.kill();
    story.until(s(300), "all are over", |drive| {
        ids.iter().all(|id| !drive.world.cloud.runs[id].finishes.is_empty())
    });
    assert!(ids.iter().all(|id| story.drive.world.cloud.runs[id].finishes[0].1["run_status"] == 3));
}

/// A tenant makes `TestRun`s by the hundred, some of which could be his zone's.
#[test]
fn a_flood_of_forged_runs_holds_up_nobody() {
    let mut story = Story::new();
    let evil = json!({"metadata": {"name": "evil"}});
    story.drive.world.api.create(story.drive.now, Kind::Namespace, "", evil).unwrap();
    for n in 0..400 {
        let mut run = forged(&story.drive, 5000 + n);
        if n % 2 == 0 {
            run["metadata"]["ownerReferences"] = json!(null);
        }
        run["spec"]["parallelism"] = json!(1000);
        create(&mut story, "evil", run.clone());
    }
    let calls = calls(&mut story);
    let before = story.drive.now;
    let id = story.run(3);
    story.stage(id, "started", s(10));
    story.over(id, s(60), 3);
    let minutes = (story.drive.now - before).as_secs_f64();
    let noted = calls.lock().unwrap();
    let refusals = noted
        .iter()
        .filter(|call| call.starts_with("patch testruns") && !call.ends_with(&format!("plz-test-{id}")));
    let count = refusals.count() as f64;
    assert!(count > 10.0 && count <= minutes + 2.0, "{count} writes in {minutes} s");
    assert!(!noted.iter().any(|call| call.contains(" jobs plz-test-5")), "no Job is looked for");
}

/// Somebody takes the zone's finalizer off and deletes it in mid-run.
#[test]
fn a_run_whose_zone_is_gone_ends() {
    let (mut story, id) = Story::under_way(2, s(600));
    story.drive.cut(0, s(5));
    let key = Key::new(Kind::PrivateLoadZone, NAMESPACE, ZONE);
    story.drive.world.api.modify(&key, Part::Main, |zone| zone["metadata"]["finalizers"] = json!([]));
    story.delete(Kind::PrivateLoadZone, ZONE);
    story.until(s(120), "GCk6 is told", |drive| !drive.world.cloud.runs[&id].finishes.is_empty());
    assert_eq!(story.drive.world.cloud.runs[&id].finishes[0].1["run_status"], 5);
}
