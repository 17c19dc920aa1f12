//! A run in a block of the table with nothing special about it, and ways to make it special.

use std::time::{Duration, SystemTime};

use k8s::{Pod, WatchEvent};
use serde_json::{Value, json};

use crate::api::ObjectKey;
use crate::api::run::{FINALIZER, Stage, TestRun};
use crate::cloud::RunId;
use crate::objects::ledger::Ledger;
use crate::redact::Secret;
use crate::runner::{self, RunnerStatus};
use crate::testrun::action::StatusWrite;
use crate::testrun::conditions;
use crate::testrun::decide::{self, Decision};
use crate::testrun::facts::Facts;
use crate::testrun::pods::Pods;
use crate::testrun::proof::Proof;
use crate::testrun::state::{Job, Keeping, RunState, Setup, Teardown};
use crate::testrun::table::Block;
use crate::testrun::template::{self, tests as zones};
use crate::testrun::termination::{Cause, Termination};

/// Late enough for every deadline to have passed before it.
pub(super) const NOW: Duration = Duration::from_secs(1_000_000);
/// So many runners, that one can run, one end and one be without its Job.
pub(super) const RUNNERS: u32 = 3;

/// `status` of k6: see [`RunnerStatus`].
pub(super) const PAUSED: u32 = 4;
pub(super) const RUNNING: u32 = 7;
pub(super) const ENDED: u32 = 9;
pub(super) const INTERRUPTED: u32 = 10;
pub(super) const MARKED_AS_FAILED: u32 = 11;

/// All that decisions about one run are made on.
pub(super) struct World {
    pub(super) now: Duration,
    pub(super) run: TestRun,
    pods: Pods,
    ledger: Ledger,
    versions: u32,
    pub(super) state: RunState,
    pub(super) zone_deleting: bool,
    pub(super) start_deadline: Duration,
}

impl World {
    /// A run of which no fact of `block` holds but the last.
    pub(super) fn new(block: Block) -> Self {
        let runners = if block == Block::Done { 0 } else { RUNNERS };
        let run = test_run();
        let mut state = RunState::new(&run, runners, block, NOW);
        state.identity.id = RunId(101);
        state.identity.zone = ObjectKey::new("load", "edge");
        state.identity.zone_uid = "zone-uid".to_owned();
        state.proof = Proof::Proven;
        state.told = true;
        let mut world = Self {
            now: NOW,
            run,
            pods: Pods::default(),
            ledger: Ledger::default(),
            versions: 0,
            state,
            zone_deleting: false,
            start_deadline: Duration::from_secs(600),
        };
        match block {
            Block::New => world.about_to_be_created(),
            Block::Created => world.about_to_be_started(),
            Block::Started => world.about_to_stop(),
            Block::Stopped => world.about_to_finish(),
            Block::Done => {
                world.run.status.stage = Stage::Finished;
                world.run.metadata.finalizers.clear();
                world.run.spec.cleanup.clear();
            }
            Block::Gone => world.state.finish = Some(Ok(())),
        }
        world
    }

    fn about_to_be_created(&mut self) {
        self.state.plan = Some(Box::new(test_run()));
        self.state.keeping = Keeping::Kept;
        (1..=RUNNERS).for_each(|n| self.job(n, ours(n)));
    }

    fn about_to_be_started(&mut self) {
        self.run.status.stage = Stage::Created;
        self.state.setup = Setup::Run(None);
        for n in 1..=RUNNERS {
            self.job(n, ours(n));
            self.pod(n);
            self.answers(n, RUNNING);
            self.runner(n).resumed = true;
            self.runner(n).data_sent = true;
        }
    }

    fn about_to_stop(&mut self) {
        self.about_to_be_started();
        self.run.status.stage = Stage::Started;
        (1..=RUNNERS).for_each(|n| self.answers(n, ENDED));
    }

    fn about_to_finish(&mut self) {
        self.run.status.stage = Stage::Stopped;
        self.state.teardown = Teardown::Done;
        self.state.finish = Some(Ok(()));
        (1..=RUNNERS).for_each(|n| self.job(n, Job::Deleted(uid_of_job(n))));
    }

    pub(super) fn facts(&self) -> Facts<'_> {
        self.facts_at(self.now)
    }

    pub(super) fn facts_at(&self, now: Duration) -> Facts<'_> {
        let clocks = (now, SystemTime::UNIX_EPOCH);
        Facts::new(clocks, &self.run, &self.pods, &self.state, self.zone_deleting, self.start_deadline)
    }

    pub(super) fn decide(&self) -> Decision {
        decide::decide(&self.facts())
    }

    pub(super) fn runner(&mut self, n: u32) -> &mut crate::testrun::state::RunnerMemory {
        self.state.runners.get_mut(&n).unwrap()
    }

    /// What is known of the Job of a runner.
    pub(super) fn job(&mut self, n: u32, job: Job) {
        self.runner(n).job = job;
    }

    /// The runner has last answered that it is in this status.
    pub(super) fn answers(&mut self, n: u32, status: u32) {
        self.runner(n).status = Some(runner_status(&json!({ "status": status })));
    }

    /// The runner waits to be let go.
    pub(super) fn waits(&mut self, n: u32) {
        self.answers(n, PAUSED);
        self.runner(n).resumed = false;
    }

    /// k6 runs in the pod of the runner.
    pub(super) fn pod(&mut self, n: u32) {
        self.pod_with(
            n,
            &json!({
                "phase": "Running", "podIP": format!("10.0.0.{n}"),
                "containerStatuses": [{ "name": "k6", "state": { "running": {} } }],
            }),
        );
    }

    /// The pod of the runner, with this status.
    pub(super) fn pod_with(&mut self, n: u32, status: &Value) {
        self.pod_of(n, &json!({}), status);
    }

    /// The pod of the runner, with more in its metadata.
    pub(super) fn pod_of(&mut self, n: u32, more: &Value, status: &Value) {
        self.versions += 1;
        let mut metadata = json!({
            "name": format!("plz-test-101-{n}-x"), "namespace": "load", "uid": format!("pod-{n}"),
            "resourceVersion": self.versions.to_string(),
            "labels": { "k6_cr": "plz-test-101", "runner": "true" },
            "ownerReferences": [{
                "apiVersion": "batch/v1", "kind": "Job", "name": format!("plz-test-101-{n}"),
                "uid": uid_of_job(n), "controller": true,
            }],
        });
        metadata.as_object_mut().unwrap().extend(more.as_object().unwrap().clone());
        let pod: Pod = serde_json::from_value(json!({ "metadata": metadata, "status": status })).unwrap();
        let _ = self.pods.absorb(&mut self.ledger, None, WatchEvent::Applied(pod));
    }

    /// Something ends the run now.
    pub(super) fn ends(&mut self, cause: Cause) {
        self.state.ending = Some(Termination { cause, message: "why".to_owned() });
        self.state.ending_since = self.now;
    }

    /// What a status write says of a condition: status, reason and message.
    #[track_caller]
    pub(super) fn claim(&self, write: StatusWrite, type_: &str) -> [String; 3] {
        let patch = conditions::patch(&self.facts(), write);
        let list = patch["status"]["conditions"].as_array().unwrap();
        let found = list.iter().find(|condition| condition["type"] == type_);
        let found = found.unwrap_or_else(|| panic!("no {type_} in {patch}"));
        ["status", "reason", "message"].map(|field| found[field].as_str().unwrap().to_owned())
    }
}

/// The `TestRun` as the agent makes it, and as it comes back from the API server.
pub(super) fn test_run() -> TestRun {
    let data = zones::data(&json!({ "instance_count": RUNNERS }));
    let mut run = template::test_run(&zones::plain_zone(), RunId(101), &data, &zones::settings()).unwrap();
    run.metadata.uid = "run-uid".to_owned();
    run.metadata.resource_version = "7".to_owned();
    run.metadata.generation = 1;
    assert_eq!(run.metadata.finalizers, [FINALIZER]);
    run
}

pub(super) fn uid_of_job(n: u32) -> String {
    format!("job-{n}")
}

pub(super) fn ours(n: u32) -> Job {
    Job::Ours(uid_of_job(n))
}

pub(super) fn token() -> Secret {
    Secret::new("t0ken")
}

/// A status with these attributes.
pub(super) fn runner_status(attributes: &Value) -> RunnerStatus {
    let body = json!({ "data": { "attributes": attributes } });
    runner::status_reply(body.to_string().as_bytes()).unwrap()
}
