//! Test runs that somebody deletes: they are brought to their end before they go, whoever deletes them in whatever way.

use super::*;
use sim::api::Part;
use sim::api::call::Fault;
use sim::api::status::Status;
use sim::cloud::Listed;

const FINALIZER: &str = "testruns.k6.io/plz-agent";

fn run_key(id: u64) -> Key {
    Key::new(Kind::TestRun, NAMESPACE, &format!("plz-test-{id}"))
}

pub(super) fn a_test_run_is_deleted_while_it_runs() -> Story {
    deleted_while_it_runs(Kind::TestRun, Propagation::Background)
}

/// What is deleted, a run or the zone, ends the run; teardown is run once and GCk6 is told once.
fn deleted_while_it_runs(kind: Kind, propagation: Propagation) -> Story {
    let (mut story, id) = Story::under_way(2, s(3600));
    assert_eq!(test_run(&story.drive, id)["metadata"]["finalizers"], json!([FINALIZER]));
    story.drive.world.cloud.runs.get_mut(&id).unwrap().spec.listed = Listed::ForEver;
    let name = if kind == Kind::TestRun { format!("plz-test-{id}") } else { ZONE.to_owned() };
    story.delete_by(kind, &name, propagation);
    let run = story.over(id, s(90), 5);
    assert_eq!(told(&run), (vec![], 1), "{kind:?} {propagation:?}");
    assert_eq!(story.teardowns(), 1, "{kind:?} {propagation:?}");
    if kind == Kind::PrivateLoadZone {
        assert!(zone(&story.drive).is_null());
        assert!(story.drive.world.cloud.zones.is_empty());
    }
    story
}

#[test]
fn teardown_is_run_however_somebody_deletes() {
    for kind in [Kind::TestRun, Kind::PrivateLoadZone] {
        for propagation in [Propagation::Background, Propagation::Foreground] {
            deleted_while_it_runs(kind, propagation);
        }
    }
}

/// A run that is over before the answer to its creation comes, or the news that somebody else has made it, is not made again.
#[test]
fn deleted_while_the_answer_to_its_creation_is_on_its_way() {
    for is_refused in [false, true] {
        let mut story = Story::new();
        story.tests_last(s(3600));
        let mut left = 1;
        story.drive.world.api.faults = Some(Box::new(move |_, call, _| {
            if (call.verb, call.resource.plural) == ("create", "testruns") && left > 0 {
                left -= 1;
                return if is_refused { Fault::DropAfter } else { Fault::Late(s(20)) };
            }
            Fault::None
        }));
        let id = story.run(2);
        story.until(s(5), "it exists", |drive| !test_run(drive, id).is_null());
        story.drive.run_for(s(1) / 10);
        story.drive.world.cloud.runs.get_mut(&id).unwrap().spec.listed = Listed::ForEver;
        story.delete(Kind::TestRun, &format!("plz-test-{id}"));
        story.over(id, s(90), 5);
        let made = story.drive.world.api.changes_since(0);
        let made = made.filter(|change| change.key == run_key(id) && change.before.is_none());
        assert_eq!(made.count(), 1, "made again: {is_refused}");
    }
}

/// Deleted while no agent is there: the next one brings it to its end, and does not make it again.
#[test]
fn deleted_while_no_agent_runs() {
    for stage in ["created", "started"] {
        let mut story = Story::new();
        story.tests_last(s(3600));
        if stage == "created" {
            story.drive.world.kube.config.delays.pull = s(20);
        }
        let id = story.run(2);
        story.drive.world.cloud.runs.get_mut(&id).unwrap().spec.listed = Listed::ForEver;
        story.stage(id, stage, s(5));
        story.drive.agents[0].kill();
        story.delete(Kind::TestRun, &format!("plz-test-{id}"));
        story.drive.run_for(s(15));
        assert!(!test_run(&story.drive, id).is_null(), "it waits for an agent");
        let uid = test_run(&story.drive, id)["metadata"]["uid"].clone();
        story.kill();
        let run = story.over(id, s(90), 5);
        assert_eq!(told(&run), (vec![], 1), "{stage}");
        assert_eq!(story.teardowns(), usize::from(stage == "started"), "{stage}");
        let uids = story.drive.world.api.changes_since(0).filter(|change| change.key == run_key(id));
        assert!(uids.into_iter().all(|change| change.object["metadata"]["uid"] == uid), "made again");
    }
}

/// A run whose status cannot be written is let go 180 s after its deletion, wherever it stands.
fn let_go_in(stage: &'static str) -> Story {
    let mut story = Story::new();
    story.tests_last(s(3600));
    story.drive.world.api.faults = Some(Box::new(move |_, call, body| {
        let written = &body["status"]["stage"];
        let is_refused = match stage {
            "" => true,
            "created" => *written != "created",
            "started" => *written == "stopped",
            _ => *written == "finished" || *written == "error",
        };
        if call.subresource == "status" && call.resource.plural == "testruns" && is_refused {
            return Fault::Refuse(Status::new(500, "InternalError", "the webhook has no endpoints"), None);
        }
        Fault::None
    }));
    let id = story.run(2);
    story.until(s(20), stage, |drive| {
        let run = test_run(drive, id);
        let jobs = drive.world.api.objects(Kind::Job, NAMESPACE).count();
        jobs == 2 && (stage == "stopped" || run["status"]["stage"].as_str().unwrap_or_default() == stage)
    });
    story.delete(Kind::TestRun, &format!("plz-test-{id}"));
    let deleted = story.drive.now;
    story.until(s(200), "it is let go", |drive| test_run(drive, id).is_null());
    let took = story.drive.now - deleted;
    assert!((s(180)..s(185)).contains(&took), "{stage}: {took:?}");
    story.drive.run_for(s(90));
    let run = &story.drive.world.cloud.runs[&id];
    assert_eq!((told(run), run.finishes.len()), ((vec![], 1), 1), "{stage}");
    story.safe(id);
    story
}

pub(super) fn let_go_when_new() -> Story {
    let_go_in("")
}

pub(super) fn let_go_when_created() -> Story {
    let_go_in("created")
}

pub(super) fn let_go_when_started() -> Story {
    let_go_in("started")
}

pub(super) fn let_go_when_stopped() -> Story {
    let_go_in("stopped")
}

#[test]
fn let_go_in_time_whatever_fails() {
    let_go_when_new();
    let_go_when_created();
    let_go_when_started();
    let_go_when_stopped();
}

/// A run of an earlier version, or of k6-operator, has no finalizer: it is gone at once, and GCk6 is told.
pub(super) fn a_test_run_without_finalizer_is_deleted() -> Story {
    let (mut story, id) = Story::under_way(2, s(3600));
    story.drive.world.api.modify(&run_key(id), Part::Main, |run| run["metadata"]["finalizers"] = json!([]));
    story.drive.run_for(s(1));
    story.delete(Kind::TestRun, &format!("plz-test-{id}"));
    assert!(test_run(&story.drive, id).is_null());
    let run = story.over(id, s(90), 5);
    assert_eq!(told(&run), (vec![], 1));
    story
}

#[test]
fn without_finalizer() {
    a_test_run_without_finalizer_is_deleted();
}

/// Finalizers of others stay, and a write of theirs at the wrong moment costs a try.
#[test]
fn others_hold_it_too() {
    let mut story = Story::new();
    let id = story.run(2);
    story.stage(id, "started", s(5));
    story.drive.world.api.modify(&run_key(id), Part::Main, |run| {
        run["metadata"]["finalizers"] = json!([FINALIZER, "audit.example.com/keep"]);
    });
    let mut left = 3;
    story.drive.world.api.faults = Some(Box::new(move |_, call, body| {
        if call.verb == "patch" && !body["metadata"]["finalizers"].is_null() && left > 0 {
            left -= 1;
            return Fault::Refuse(Status::modified(&run_key(id)), None);
        }
        Fault::None
    }));
    story.until(s(60), "we have let go", |drive| {
        let metadata = &test_run(drive, id)["metadata"];
        metadata["finalizers"] == json!(["audit.example.com/keep"])
            && metadata["deletionTimestamp"].is_string()
    });
    story.drive.run_for(s(5));
    let requests = story.api_requests();
    story.drive.run_for(s(200));
    assert_eq!(story.api_requests(), requests, "silence while others keep it");
    story.drive.world.api.modify(&run_key(id), Part::Main, |run| run["metadata"]["finalizers"] = json!([]));
    story.over(id, s(10), 3);
}

/// A run that is kept after its end is not held by anybody.
#[test]
fn a_kept_run_is_free() {
    let mut story = runs::a_test_run_that_is_kept_stays();
    story.drive.agents[0].kill();
    let name = "plz-test-101";
    assert!(test_run(&story.drive, 101)["metadata"]["finalizers"].is_null());
    story.delete(Kind::TestRun, name);
    assert!(test_run(&story.drive, 101).is_null());
}

/// Our finalizer on what is no run of ours: nobody waits for anything, and it goes when it is deleted.
#[test]
fn a_forged_finalizer_holds_nothing() {
    let mut story = Story::new();
    let run = json!({"metadata": {"name": "hers", "finalizers": [FINALIZER]},
        "spec": {"testRunId": "x", "parallelism": 1, "script": {"localFile": "/x.js"}}});
    story.drive.world.api.create(story.drive.now, Kind::TestRun, NAMESPACE, run).unwrap();
    story.drive.run_for(s(5));
    let mut left = 2;
    story.drive.world.api.faults = Some(Box::new(move |_, call, _| {
        if call.verb == "patch" && call.resource.plural == "testruns" && left > 0 {
            left -= 1;
            return Fault::Refuse(Status::new(500, "InternalError", "no"), None);
        }
        Fault::None
    }));
    story.delete(Kind::TestRun, "hers");
    story.until(s(30), "it is gone", |drive| drive.world.object(Kind::TestRun, NAMESPACE, "hers").is_null());
    assert!(story.api_requests() < 20, "{}", story.api_requests());
}
