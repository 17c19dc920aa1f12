//! Objects that say they are something else: pods, Jobs and TestRuns that a tenant makes, with the names, labels and owners that
//! the agent's own have.

use super::*;
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
    let mut story = Story::new();
    story.plan("*", PodPlan::script(Script { duration: s(600), ..Script::default() }));
    let id = story.run(2);
    story.stage(id, "started", s(10));
    story.kill();
    let job = story.drive.world.object(Kind::Job, NAMESPACE, "plz-test-101-2");
    let background =
        DeleteOptions { propagation: Some(sim::api::Propagation::Background), ..DeleteOptions::default() };
    let key = Key::new(Kind::Job, NAMESPACE, "plz-test-101-2");
    story.drive.world.api.delete(story.drive.now, &key, &background).unwrap();
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
    let mut story = Story::new();
    story.plan("*", PodPlan::script(Script { duration: s(30), ..Script::default() }));
    let id = story.run(2);
    story.stage(id, "started", s(10));
    story.delete(Kind::Job, "plz-test-101-2");
    story.drive.run_for(s(5));
    let pods = story.drive.world.api.objects(Kind::Pod, NAMESPACE);
    let orphans =
        pods.filter(|(_, pod)| pod["metadata"]["ownerReferences"].as_array().is_none_or(Vec::is_empty));
    assert_eq!(orphans.count(), 1, "a Job is deleted without its pods unless one asks for more");
    story.until(s(120), "the run is over", |drive| !drive.world.cloud.runs[&id].finishes.is_empty());
    assert_eq!(story.drive.world.cloud.runs[&id].finishes[0].1["run_status"], 3);
}
