//! The agent's own binary, as a process, against the stand-ins on loopback: what only shows with sockets, signals and files.
//!
//! Owns a [`Place`] for each test: a world of its own with its own ports, so that tests run side by side. The stories beside
//! this module go through the states; here is one test for each way the process meets its surroundings.
//! Invariant: whatever a test does, at its end the agent's log shows no credential and the shipped rules permit every
//! request.

mod check;
mod fetch;
mod hammer;
mod leases;
mod listen;
mod network;
mod notify;
mod outages;
mod restarts;
mod runs;
mod usage;

use std::path::Path;
use std::time::Duration;

use serde_json::{Value, json};
use sim::agent::{Agent, Launch, Scratch, Signal};
use sim::api::rbac::refused;
use sim::api::{Kind, Rule};
use sim::k6::Script;
use sim::kube::PodPlan;
use sim::loopback::proxy::Proxy;
use sim::loopback::{Family, Loopback, Scheme};
use sim::world::{Options, World};

const AGENT: &str = env!("CARGO_BIN_EXE_plz-agent");
const RULES: [&str; 2] = [
    include_str!("../../../manifests/rbac/rbac.yaml"),
    include_str!("../../../manifests/outside/proxy.yaml"),
];

pub(crate) const NAMESPACE: &str = "load";
pub(crate) const ZONE: &str = "edge";
const CLOUD_TOKEN: &str = "glc_e2e-3f1c07d2a9";
const BEARER_TOKEN: &str = "sa_e2e-b64f0e58c1";

/// For anything to happen; on a busy machine everything takes longer.
pub(crate) const TIMEOUT: Duration = Duration::from_secs(40);
/// What the agent has after SIGTERM.
const STOP_TIMEOUT: Duration = Duration::from_secs(2);
/// How long test runs last.
const SCRIPT_DURATION: Duration = Duration::from_secs(1);
const LOG_TAIL_LINES: usize = 40;

/// A world, and how the agent is started in it.
pub(crate) struct Place {
    pub(crate) sim: Loopback,
    scratch: Scratch,
    launch: Launch,
    agent: Option<Agent>,
    /// Whether the agent was killed: then a setup whose end it did not hear of is run again.
    killed: bool,
}

impl Place {
    /// A world with one zone in the namespace `load`; `args` are added to those that an agent there needs.
    pub(crate) fn new(scheme: Scheme, args: &[&str]) -> Self {
        Self::new_on(Family::V4, scheme, args)
    }

    /// The same on addresses of a family.
    fn new_on(family: Family, scheme: Scheme, args: &[&str]) -> Self {
        let mut options = Options { token: CLOUD_TOKEN.to_owned(), ..Options::default() };
        let script =
            Script { duration: SCRIPT_DURATION, setup_data: json!({"user": "e2e"}), ..Script::default() };
        options.kube.prefer("*", PodPlan::script(script));
        let sim = Loopback::start_on(family, options, scheme).unwrap();
        sim.require_bearer(Some(BEARER_TOKEN));
        sim.with(|world, now| {
            world.api.rules = Some(rules());
            let namespace = json!({"metadata": {"name": NAMESPACE}});
            world.api.create(now, Kind::Namespace, "", namespace).unwrap();
            world.bind_policy(now);
            world.apply_zone(now, NAMESPACE, ZONE);
        });
        let scratch = Scratch::new().unwrap();
        let launch = Launch::new(Path::new(AGENT), &scratch.file("log"));
        // What is large is given back at once, as by the allocator of the shipped binary.
        let launch = launch.env("MALLOC_MMAP_THRESHOLD_", "131072");
        let launch = launch.against(&sim, &scratch).unwrap().args(args);
        Self { sim, scratch, launch, agent: None, killed: false }
    }

    /// Starts the agent.
    pub(crate) fn start(&mut self) {
        self.agent = Some(self.launch.spawn().unwrap());
    }

    pub(crate) fn agent(&mut self) -> &mut Agent {
        self.agent.as_mut().expect("the agent was started")
    }

    /// Kills the agent as a power cut would.
    fn kill(&mut self) {
        self.killed = true;
        self.agent().signal(Signal::Kill).unwrap();
        assert!(self.agent().wait(TIMEOUT).is_some());
    }

    /// Asks the agent to stop and checks that it does so in time and in peace.
    #[track_caller]
    pub(crate) fn stop(&mut self, signal: Signal) {
        self.agent().signal(signal).unwrap();
        let status = self.agent().wait(STOP_TIMEOUT);
        assert_eq!(
            status.and_then(|status| status.code()),
            Some(0),
            "{}",
            self.agent().log_tail(LOG_TAIL_LINES)
        );
    }

    pub(crate) fn queue(&self, instances: u64) -> u64 {
        self.sim.with(|world, now| world.queue_run(now, ZONE, instances))
    }

    /// Waits until something holds of the world, while the agent lives.
    #[track_caller]
    pub(crate) fn until(&mut self, what: &str, holds: impl FnMut(&World) -> bool) {
        self.within(TIMEOUT, what, holds);
    }

    /// The same, for something that takes its time.
    #[track_caller]
    pub(crate) fn within(&mut self, timeout: Duration, what: &str, mut holds: impl FnMut(&World) -> bool) {
        let Self { sim, agent, .. } = self;
        let mut died = None;
        let mut is_reached = false;
        sim.wait(timeout, |world| {
            is_reached = holds(world);
            died = agent.as_mut().and_then(Agent::exited);
            is_reached || died.is_some()
        });
        if !is_reached {
            let log = agent.as_ref().map(|agent| agent.log_tail(LOG_TAIL_LINES)).unwrap_or_default();
            panic!("it did not come to pass that {what}; the agent's end: {died:?}; its log:\n{log}");
        }
    }

    /// Waits until the run has left the cluster, then checks what holds for every run that was brought to its end.
    #[track_caller]
    pub(crate) fn over(&mut self, id: u64, finish_status: i64) {
        self.until(&format!("run {id} is finished and cleaned up"), |world| {
            test_run(world, id).is_null() && !world.cloud.runs[&id].finishes.is_empty()
        });
        self.sim.with(|world, _| {
            let statuses: Vec<_> =
                world.cloud.runs[&id].finishes.iter().map(|(_, body)| &body["run_status"]).collect();
            assert_eq!(statuses, [&json!(finish_status)], "finish calls of run {id}");
            let mut faults = world.faults(id);
            faults.retain(|fault| !(self.killed && fault.starts_with("setup ran")));
            assert_eq!(faults, Vec::<String>::new());
            let prefix = format!("plz-test-{id}-");
            for kind in [Kind::Job, Kind::Pod] {
                let left =
                    world.api.objects(kind, "").filter(|(key, _)| key.name.starts_with(&prefix)).count();
                assert_eq!(left, 0, "{kind:?} objects of run {id} are left");
            }
        });
        self.is_discreet();
    }

    /// Checks what holds at any time: no complaint, no request beyond the rights, no credential in the log.
    #[track_caller]
    fn is_discreet(&mut self) {
        let log = self.agent().log();
        self.sim.with(|world, _| {
            assert_eq!(world.cloud.complaints, Vec::<String>::new());
            assert_eq!(world.cloud.doubles, Vec::new());
            assert_eq!(refused(&rules(), world.api.counts.keys()), Vec::<&sim::api::Counted>::new());
            for run in world.cloud.runs.values() {
                let (_, query) = run.spec.archive_url.split_once('?').expect("URLs are presigned");
                assert!(!log.contains(query), "a presigned URL shows in the log");
            }
        });
        for secret in [CLOUD_TOKEN, BEARER_TOKEN, "X-Amz-"] {
            assert!(!log.contains(secret), "{secret} shows in the log");
        }
        assert!(log.contains("plz-agent "), "the log is there: {log}");
    }
}

fn rules() -> Vec<Rule> {
    RULES.iter().flat_map(|yaml| Rule::from_yaml(yaml).unwrap()).collect()
}

fn test_run(world: &World, id: u64) -> Value {
    world.object(Kind::TestRun, NAMESPACE, &format!("plz-test-{id}"))
}

fn stage(world: &World, id: u64) -> String {
    sim::json::text(&test_run(world, id), "status.stage").to_owned()
}

/// Status and message of the zone's condition.
fn registered(world: &World) -> (String, String) {
    let zone = world.object(Kind::PrivateLoadZone, NAMESPACE, ZONE);
    let conditions = sim::json::list(&zone, "status.conditions").to_vec();
    let found =
        conditions.into_iter().find(|condition| condition["type"] == "PLZRegistered").unwrap_or_default();
    let text = |field| sim::json::text(&found, field).to_owned();
    (text("status"), text("message"))
}
