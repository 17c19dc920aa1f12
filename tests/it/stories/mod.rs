//! Stories of zones and test runs, told to the agent's core by the models under a virtual clock.
//!
//! Each story ends with [`Story::over`]: every safety rule that holds for all of them is checked there. The stories also have
//! to go through every row of both tables, see `coverage`.

mod coverage;
mod crashes;
mod credentials;
mod deletions;
mod explained;
mod failures;
mod identity;
mod leases;
mod lookout;
mod names;
mod namespaces;
mod network;
mod outages;
mod oversized;
mod rights;
mod runs;
mod sidecars;
mod starving;
mod swarm;
mod zones;

use std::time::{Duration, SystemTime};

use plz_core::controller::{Row, Settings};
use plz_core::event::Now;
use serde_json::{Value, json};
use sim::api::{DeleteOptions, Key, Kind, Propagation};
use sim::cloud::{FINISHED, Run};
use sim::drive::{Drive, USER_AGENT, settings};
use sim::k6::{Manners, Script};
use sim::kube::plan::PodPlan;
use sim::world::Options;
use std::collections::BTreeMap;

const NAMESPACE: &str = "load";
const ZONE: &str = "edge";

/// More requests to the API server than any story needs: an agent that asks so often spins.
const REQUESTS_MAX: u64 = 2_000;

const fn s(seconds: u64) -> Duration {
    Duration::from_secs(seconds)
}

/// A world with one zone, and the agent in it.
struct Story {
    drive: Drive,
    /// Whether the agent was killed: then a setup that was cut short, or whose end it did not hear of, is run again.
    killed: bool,
}

impl Story {
    /// Nothing but the namespace.
    fn empty() -> Self {
        Self::empty_with(settings(7))
    }

    /// The same, for an agent with other settings. An election is not the first: an agent of the past has left its Lease.
    fn empty_with(settings: Settings) -> Self {
        let has_lease = settings.candidacy.is_some();
        let mut story = Self::bare_with(settings);
        if has_lease {
            let lease = json!({
                "metadata": {"name": "plz-agent", "annotations": {"plz-agent/released-by": "past"}},
                "spec": {"holderIdentity": "", "leaseDurationSeconds": 1, "leaseTransitions": 0},
            });
            story.drive.world.api.create(Duration::ZERO, Kind::Lease, "default", lease).unwrap();
        }
        story
    }

    /// The same, where no agent has ever been.
    fn bare_with(settings: Settings) -> Self {
        let mut drive = Drive::new(Options::default(), settings);
        let namespace = json!({"metadata": {"name": NAMESPACE}});
        drive.world.api.create(Duration::ZERO, Kind::Namespace, "", namespace).unwrap();
        Self { drive, killed: false }
    }

    /// One zone, registered.
    fn new() -> Self {
        Self::new_with(settings(7))
    }

    fn new_with(settings: Settings) -> Self {
        let mut story = Self::empty_with(settings);
        story.drive.world.apply_zone(Duration::ZERO, NAMESPACE, ZONE);
        story.until(s(5), "the zone is registered", |drive| {
            condition(&zone(drive), "PLZRegistered")["status"] == "True"
        });
        story
    }

    /// Waits until a condition of the zone has that reason.
    #[track_caller]
    fn zone_says(&mut self, type_: &str, reason: &str, within: Duration) {
        self.until(within, &format!("{type_} says {reason}"), |drive| {
            condition(&zone(drive), type_)["reason"] == reason
        });
    }

    /// One zone, and a run of so many runners under way that lasts that long.
    fn under_way(instances: u64, duration: Duration) -> (Self, u64) {
        let mut story = Self::new();
        story.tests_last(duration);
        let id = story.run(instances);
        story.stage(id, "started", s(5));
        (story, id)
    }

    /// Queues a run of `instances` runners and waits until it is listed.
    fn run(&mut self, instances: u64) -> u64 {
        self.run_with(instances, json!({}))
    }

    fn run_with(&mut self, instances: u64, data: Value) -> u64 {
        let now = self.drive.now;
        let id = self.drive.world.queue_run_with(now, ZONE, instances, data);
        self.until(s(15), "the run is listed", |drive| drive.world.cloud.runs[&id].listed.is_some());
        id
    }

    /// Has all tests take that long.
    fn tests_last(&mut self, duration: Duration) {
        self.plan("*", PodPlan::script(Script { duration, ..Script::default() }));
    }

    /// Lets the pods of one runner fare badly, or run another script.
    fn plan(&mut self, pattern: &str, plan: PodPlan) {
        self.drive.world.kube.config.prefer(pattern, plan);
    }

    #[track_caller]
    fn until(&mut self, within: Duration, what: &str, holds: impl FnMut(&Drive) -> bool) {
        let deadline = self.drive.now + within;
        if !self.drive.run_until(deadline, holds) {
            let runs: Vec<_> = self
                .drive
                .world
                .api
                .objects(Kind::TestRun, "")
                .map(|(_, run)| run["status"].clone())
                .collect();
            let zones: Vec<_> = self
                .drive
                .world
                .api
                .objects(Kind::PrivateLoadZone, "")
                .map(|(_, zone)| zone["status"].clone())
                .collect();
            panic!(
                "not within {within:?}: {what}\nruns: {runs:#?}\nzones: {zones:#?}\nGCk6: {:#?}",
                self.drive.world.cloud.runs
            );
        }
    }

    /// Waits until the run has reached a stage.
    #[track_caller]
    fn stage(&mut self, id: u64, stage: &str, within: Duration) {
        self.until(within, &format!("run {id} is {stage}"), |drive| {
            test_run(drive, id)["status"]["stage"] == stage
        });
    }

    /// Waits until the run has left the cluster, and checks what holds for every run that was brought to its end.
    #[track_caller]
    fn over(&mut self, id: u64, within: Duration, finish_status: i64) -> Run {
        self.until(within, "the TestRun is gone", |drive| {
            test_run(drive, id).is_null() && !drive.world.cloud.runs[&id].finishes.is_empty()
        });
        self.drive.run_for(s(40));
        self.safe(id);
        let run = self.drive.world.cloud.runs[&id].clone();
        let statuses: Vec<_> =
            run.finishes.iter().map(|(_, body)| body["run_status"].as_i64().unwrap()).collect();
        assert_eq!(statuses, [finish_status], "finish calls");
        self.is_counted();
        run
    }

    /// Checks the agent's own account: each test run that is over was counted once, by its outcome. An agent that was killed,
    /// or is one of several, has not seen all of them.
    #[track_caller]
    fn is_counted(&self) {
        if self.killed || self.drive.agents.len() > 1 {
            return;
        }
        let runs = self.drive.world.cloud.runs.values();
        let finished: Vec<_> = runs.filter_map(|run| run.finishes.last()).collect();
        let census = self.drive.core().census(Now { mono: self.drive.now, wall: SystemTime::UNIX_EPOCH });
        let ends = census.tally.ends();
        let counted: u64 = ends.iter().map(|(_, count)| count).sum();
        assert_eq!(counted, finished.len() as u64, "{ends:?}");
        let is_well = |body: &Value| body["run_status"] == FINISHED && body["result_status"] == 0;
        let well = finished.iter().filter(|(_, body)| is_well(body)).count();
        assert_eq!(ends.iter().find(|(cause, _)| cause.is_none()), Some(&(None, well as u64)), "{ends:?}");
        let under_way: usize = census.stages.iter().map(|stage| stage.count).sum();
        assert_eq!(under_way, self.drive.core().runs_under_way(), "{:?}", census.stages);
    }

    /// Kills the agent and starts it anew.
    fn kill(&mut self) {
        self.killed = true;
        self.drive.restart();
    }

    /// What holds at any time for a run.
    #[track_caller]
    fn safe(&self, id: u64) {
        let drive = &self.drive;
        explained::check(drive);
        let prefix = format!("plz-test-{id}-");
        assert!(self.api_requests() < REQUESTS_MAX, "{} requests to the API server", self.api_requests());
        let mut faults = drive.world.k6s.faults(&prefix);
        faults.retain(|fault| !(self.killed && fault.starts_with("setup ran")));
        assert_eq!(faults, Vec::<String>::new());
        assert_eq!(drive.world.cloud.complaints, Vec::<String>::new());
        assert_eq!(drive.world.cloud.doubles, Vec::new());
        for kind in [Kind::Job, Kind::Pod] {
            let left: Vec<_> =
                drive.world.api.objects(kind, NAMESPACE).map(|(key, _)| key.name.clone()).collect();
            assert!(!left.iter().any(|name| name.starts_with(&prefix)), "left behind: {left:?}");
        }
    }

    #[track_caller]
    fn delete(&mut self, kind: Kind, name: &str) {
        let key = Key::new(kind, NAMESPACE, name);
        self.drive.world.api.delete(self.drive.now, &key, &DeleteOptions::default()).unwrap();
    }

    /// How often teardown was run, on whatever runner.
    fn teardowns(&self) -> usize {
        self.drive.world.k6s.all("plz-test").map(|(_, runner)| runner.teardowns.len()).sum()
    }

    /// From now on all runners answer like this.
    fn manners(&mut self, manners: Manners) {
        let pods: Vec<_> = self.drive.world.k6s.all("plz-test").map(|(pod, _)| pod.clone()).collect();
        for (namespace, pod) in pods {
            self.drive.world.k6s.runner_mut(&namespace, &pod).unwrap().script.manners = manners;
        }
    }

    /// Deletes as `kubectl delete --cascade=…` does.
    #[track_caller]
    fn delete_by(&mut self, kind: Kind, name: &str, propagation: Propagation) {
        let key = Key::new(kind, NAMESPACE, name);
        let options = DeleteOptions { propagation: Some(propagation), ..DeleteOptions::default() };
        self.drive.world.api.delete(self.drive.now, &key, &options).unwrap();
    }

    /// The agents' writes and reads of single objects: lists, watches and Leases do not belong to a run.
    fn api_requests(&self) -> u64 {
        let counts = &self.drive.world.api.counts;
        let of_agent = counts.iter().filter(|(what, _)| what.user_agent == USER_AGENT);
        of_agent
            .filter(|(what, _)| !matches!(what.verb, "list" | "watch") && what.resource != "leases")
            .map(|(_, count)| count)
            .sum()
    }

    /// Messages of the Events about anything.
    fn announced(&self) -> String {
        let events = self.drive.world.api.objects(Kind::Event, NAMESPACE);
        events
            .map(|(_, event)| {
                format!("{}: {}\n", event["reason"].as_str().unwrap(), event["message"].as_str().unwrap())
            })
            .collect()
    }

    /// Those of them that warn.
    fn warnings(&self) -> Vec<String> {
        let events = self.drive.world.api.objects(Kind::Event, NAMESPACE);
        let warnings = events.filter(|(_, event)| event["type"] == "Warning");
        warnings.map(|(_, event)| format!("{}: {}", event["reason"], event["message"])).collect()
    }

    fn rows(&self) -> BTreeMap<Row, u64> {
        self.drive.core().rows_chosen().clone()
    }
}

fn zone(drive: &Drive) -> Value {
    drive.world.object(Kind::PrivateLoadZone, NAMESPACE, ZONE)
}

fn test_run(drive: &Drive, id: u64) -> Value {
    drive.world.object(Kind::TestRun, NAMESPACE, &format!("plz-test-{id}"))
}

fn condition(object: &Value, type_: &str) -> Value {
    let conditions = object["status"]["conditions"].as_array().cloned().unwrap_or_default();
    conditions.into_iter().find(|condition| condition["type"] == type_).unwrap_or_default()
}

/// The error codes that GCk6 was told, and how often it was told to abort.
fn told(run: &Run) -> (Vec<i64>, usize) {
    let codes = run
        .events_of("TestRunErrorEvent")
        .map(|event| event["event"]["error_code"].as_i64().unwrap())
        .collect();
    (codes, run.events_of("TestRunAbortEvent").count())
}

fn detail(run: &Run) -> String {
    let mut events = run.events_of("TestRunErrorEvent");
    events.next().map(|event| event["event"]["error_detail"].as_str().unwrap().to_owned()).unwrap_or_default()
}
