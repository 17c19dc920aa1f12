//! Namespaces that are deleted with zones and test runs in them.

use super::*;
use sim::api::Fault;
use sim::api::status::Status;

const MESSAGE: &str = "namespace load is being deleted in the cluster, and the test run with it";

impl Story {
    /// One zone and a run of two runners at that stage, in a cluster in which pods go first, or everything at once.
    fn at_stage(stage: &str, pods_go_first: bool) -> (Self, u64) {
        let mut story = Self::new();
        story.drive.world.kube.config.pods_go_first = pods_go_first;
        story.tests_last(s(3600));
        if stage == "created" {
            story.drive.world.kube.config.delays.pull = s(20);
        }
        let id = story.run(2);
        story.stage(id, stage, s(10));
        (story, id)
    }

    fn delete_namespace(&mut self) {
        let key = Key::new(Kind::Namespace, "", NAMESPACE);
        self.drive.world.api.delete(self.drive.now, &key, &DeleteOptions::default()).unwrap();
        self.drive.world.tick(self.drive.now);
    }

    /// Nothing of it is left, and GCk6 knows the zone no more.
    #[track_caller]
    fn namespace_goes(&mut self, within: Duration) {
        self.until(within, "the namespace is gone", |drive| {
            drive.world.object(Kind::Namespace, "", NAMESPACE).is_null()
        });
        assert!(self.drive.world.cloud.zones.is_empty(), "still registered");
        assert_eq!(self.drive.world.cloud.complaints, Vec::<String>::new());
        self.drive.run_for(s(1));
        let requests = self.api_requests();
        self.drive.run_for(s(600));
        assert_eq!(self.api_requests(), requests, "silence");
    }
}

/// Why GCk6 was told to abort.
fn reason(run: &Run) -> String {
    let event = run.events_of("TestRunAbortEvent").next().expect("GCk6 was told to abort");
    event["event"]["reason"].as_str().unwrap_or_default().to_owned()
}

#[test]
fn gck6_is_told_that_the_namespace_goes() {
    for stage in ["created", "started"] {
        for pods_go_first in [true, false] {
            let (mut story, id) = Story::at_stage(stage, pods_go_first);
            story.delete_namespace();
            let run = story.over(id, s(120), 5);
            assert_eq!(told(&run), (vec![], 1), "{stage} {pods_go_first}");
            assert_eq!(reason(&run), MESSAGE, "{stage} {pods_go_first}: {run:#?}");
            story.namespace_goes(s(60));
        }
    }
}

/// Before anything of the run is deleted, the first refusal ends it: that of its Secret, or of a Job.
#[test]
fn what_cannot_be_made_any_more_ends_the_run_at_once() {
    for kind in ["secrets", "jobs"] {
        let mut story = Story::new();
        story.drive.world.kube.config.delays.collect = s(30);
        // So that there is time to delete the namespace.
        let mut left = 1;
        story.drive.world.api.faults = Some(Box::new(move |_, call, _| {
            if call.verb == "create" && call.resource.plural == kind && left > 0 {
                left -= 1;
                return Fault::Late(s(1));
            }
            Fault::None
        }));
        let id = story.run(1);
        story.until(s(5), "the TestRun exists", |drive| !test_run(drive, id).is_null());
        story.delete_namespace();
        story.until(s(5), "GCk6 is told", |drive| told(&drive.world.cloud.runs[&id]).1 == 1);
        assert_eq!(reason(&story.drive.world.cloud.runs[&id]), MESSAGE, "{kind}");
        story.over(id, s(10), 5);
        story.namespace_goes(s(120));
    }
}

/// A run that GCk6 lists, and for which nothing can be made.
#[test]
fn a_run_that_is_listed_too_late_is_refused_with_the_cause() {
    let mut story = Story::new();
    story.drive.world.kube.config.delays.collect = s(30);
    story.delete_namespace();
    let id = story.run(1);
    story.until(s(5), "it is refused", |drive| told(&drive.world.cloud.runs[&id]).1 == 1);
    let run = story.drive.world.cloud.runs[&id].clone();
    assert_eq!(told(&run).0, [8050]);
    let why = "TestRun plz-test-101 cannot be created: namespace load is being deleted in the cluster";
    assert!(detail(&run).contains(why), "{}", detail(&run));
    story.namespace_goes(s(120));
}

/// What somebody deletes in a namespace that stays is told as that: at once, or after 3 s when the API server does not say
/// whether the namespace stays.
#[test]
fn a_run_that_is_deleted_by_itself_is_told_as_that() {
    for (refused, least, most) in [(false, s(0), s(1)), (true, s(3), s(4))] {
        let (mut story, id) = Story::at_stage("started", true);
        story.drive.world.api.faults = Some(Box::new(move |_, call, _| {
            if call.verb == "create" && call.resource.plural == "events" && refused {
                return Fault::Refuse(
                    Status::new(500, "InternalError", "etcdserver: request timed out"),
                    None,
                );
            }
            Fault::None
        }));
        story.delete(Kind::TestRun, &format!("plz-test-{id}"));
        let deleted = story.drive.now;
        story.until(s(10), "GCk6 is told", |drive| told(&drive.world.cloud.runs[&id]).1 == 1);
        let took = story.drive.now - deleted;
        assert!((least..most).contains(&took), "{took:?}");
        let run = &story.drive.world.cloud.runs[&id];
        assert_eq!(reason(run), format!("TestRun load/plz-test-{id} is being deleted in the cluster"));
        story.drive.world.api.faults = None;
        story.over(id, s(60), 5);
    }
}

/// The Secret goes while the run comes to its end, and is looked for in vain: the token that was read is kept.
#[test]
fn a_zone_is_deregistered_although_its_secret_went_first() {
    let (mut story, id) = Story::at_stage("started", false);
    story.drive.world.kube.config.delays.gone = s(50);
    // The Secret is read again after 300 s.
    story.drive.run_for(s(280) - story.drive.now);
    story.delete_namespace();
    story.until(s(100), "the Secret is looked for", |drive| {
        let token = drive.world.object(Kind::Secret, NAMESPACE, "edge-token");
        let reads: u64 = drive
            .world
            .api
            .counts
            .iter()
            .filter(|(what, _)| {
                what.user_agent == USER_AGENT && (what.verb, what.resource) == ("get", "secrets")
            })
            .map(|(_, count)| count)
            .sum();
        assert!(drive.world.cloud.zones.contains_key(ZONE), "it is too late to tell");
        token.is_null() && reads > 2
    });
    story.over(id, s(120), 5);
    story.namespace_goes(s(60));
}

/// An agent that has never read the token cannot deregister the zone. It lets go of it all the same.
#[test]
fn a_namespace_does_not_hang_for_an_agent_that_came_too_late() {
    let mut story = Story::new();
    story.drive.agents[0].kill();
    story.delete_namespace();
    story.drive.run_for(s(10));
    assert!(story.drive.world.object(Kind::Secret, NAMESPACE, "edge-token").is_null());
    assert!(!zone(&story.drive).is_null(), "it waits for an agent");
    story.kill();
    let key = Key::new(Kind::Namespace, "", NAMESPACE);
    story.until(s(90), "the namespace is gone", |drive| drive.world.api.object(&key).is_none());
    assert!(story.drive.world.cloud.zones.contains_key(ZONE));
}
