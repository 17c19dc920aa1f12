//! A core that is fed by hand: what is seen, what is answered, and what it hands out then.

mod aliens;
mod census;
mod intake;
mod leadership;
mod mark;
mod reach;
mod rejected;
mod reports;
mod room;
mod runs;
mod tokens;
mod zones;

use std::time::SystemTime;

use k8s::WatchEvent;
use serde_json::{Value, json};

use super::*;
use crate::event::{Call, Reply, Report, TaskId};
use crate::testrun::template::tests::settings as template_settings;
use crate::{cloud, pace, token};

const S: Duration = Duration::from_secs(1);
/// More turns in one test than any needs.
const TURNS_MAX: usize = 10_000;

/// See the module. Its clock stands still but for [`Rig::wait`].
struct Rig {
    core: Core,
    mono: Duration,
    in_hand: Vec<Task>,
}

fn settings() -> Settings {
    Settings {
        scopes: vec![None],
        operator_namespaces: BTreeSet::from(["k6".to_owned()]),
        candidacy: None,
        // So many that nothing waits for a place.
        workers: 16,
        poll_interval: 10 * S,
        start_deadline: 300 * S,
        template: template_settings(),
        seed: 7,
    }
}

impl Rig {
    /// One that has listed nothing yet.
    fn new(settings: Settings) -> Self {
        Self { core: Core::new(settings), mono: 100 * S, in_hand: Vec::new() }
    }

    /// An active agent in an empty cluster.
    fn active() -> Self {
        let mut rig = Self::new(settings());
        rig.lists_nothing();
        assert_eq!(rig.turn(), Vec::<String>::new());
        assert!(rig.core.role().is_active());
        rig
    }

    fn now(&self) -> Now {
        Now { mono: self.mono, wall: SystemTime::UNIX_EPOCH + self.mono }
    }

    fn lists_nothing(&mut self) {
        fn listed<T>() -> WatchEvent<T> {
            WatchEvent::Listed { resource_version: "1".to_owned() }
        }
        for what in [Seen::Zone(listed()), Seen::Run(listed()), Seen::Pod(listed()), Seen::Operator(listed())]
        {
            self.sees(what);
        }
    }

    fn sees(&mut self, what: Seen) {
        let now = self.now();
        self.core.absorb(now, Event::Seen { scope: None, what: Box::new(what) });
    }

    fn sees_zone(&mut self, zone: &Value) {
        self.sees(Seen::Zone(WatchEvent::Applied(serde_json::from_value(zone.clone()).unwrap())));
    }

    fn sees_run(&mut self, run: &Value) {
        self.sees(Seen::Run(WatchEvent::Applied(serde_json::from_value(run.clone()).unwrap())));
    }

    /// What a turn hands out, as `key: action`.
    fn turn(&mut self) -> Vec<String> {
        let tasks = self.core.turn(self.now());
        let names = tasks.iter().map(|task| name(&task.id)).collect();
        self.in_hand.extend(tasks);
        names
    }

    /// Lets time pass, without a turn in between.
    fn wait(&mut self, time: Duration) -> Vec<String> {
        self.mono += time;
        self.turn()
    }

    /// All that is handed out within a time, with a turn whenever one is due.
    fn run_for(&mut self, time: Duration) -> Vec<String> {
        let end = self.mono + time;
        let mut names = self.turn();
        let mut turns = 0;
        while let Some(at) = self.core.next_deadline().filter(|at| *at <= end) {
            turns += 1;
            assert!(turns < TURNS_MAX, "a turn that is due at {at:?} again and again");
            self.mono = self.mono.max(at);
            names.extend(self.turn());
        }
        self.mono = end;
        names.extend(self.turn());
        names
    }

    /// Goes on until a task is handed out, and says how long that took.
    #[track_caller]
    fn until(&mut self, wanted: &str) -> Duration {
        let (begun, mut turns) = (self.mono, 0);
        while !self.turn().iter().any(|name| name == wanted) {
            let next = self.core.next_deadline().unwrap_or_else(|| panic!("{wanted} never comes"));
            turns += 1;
            assert!(turns < TURNS_MAX && next < begun + 3600 * S, "{wanted} does not come");
            self.mono = self.mono.max(next);
        }
        self.mono - begun
    }

    /// Takes a task that was handed out.
    #[track_caller]
    fn task(&mut self, wanted: &str) -> Task {
        let names: Vec<String> = self.in_hand.iter().map(|task| name(&task.id)).collect();
        let at = names.iter().position(|name| name == wanted);
        self.in_hand.remove(at.unwrap_or_else(|| panic!("{wanted} is none of {names:#?}")))
    }

    /// Answers a task that was handed out. What the next turn hands out.
    #[track_caller]
    fn answer(&mut self, wanted: &str, reply: Reply) -> Vec<String> {
        let id = self.task(wanted).id;
        self.core.absorb(self.now(), Event::Done(Report { id, reply }));
        self.turn()
    }

    /// The JSON that a task that was handed out sends.
    #[track_caller]
    fn body(&self, wanted: &str) -> Value {
        let task = self.in_hand.iter().find(|task| name(&task.id) == wanted);
        match &task.unwrap_or_else(|| panic!("{wanted} was not handed out")).call {
            Call::Kubernetes(request) => serde_json::from_slice(&request.body).unwrap(),
            Call::Cloud { request, .. } => serde_json::from_slice(request.body.as_deref().unwrap()).unwrap(),
            Call::Runner { .. } => panic!("{wanted} goes to a runner"),
        }
    }

    fn zone_state(&mut self, namespace: &str) -> &mut ZoneState {
        self.core.zones.get_mut(&ObjectKey::new(namespace, "edge")).unwrap()
    }

    fn run_state(&mut self, id: u64) -> &mut RunState {
        self.core.runs.get_mut(&ObjectKey::new("ns", format!("plz-test-{id}"))).unwrap()
    }

    fn has_run(&self, id: u64) -> bool {
        self.core.runs.contains_key(&ObjectKey::new("ns", format!("plz-test-{id}")))
    }

    /// A registered zone whose token was read and is taken.
    fn with_zone() -> Self {
        let mut rig = Self::active();
        rig.sees_zone(&registered_zone("ns"));
        rig.turn();
        rig.answer(READS, secret("t"));
        rig.zone_state("ns").next_poll = 10_000 * S;
        rig
    }

    /// The same with a `TestRun` of the zone, of which GCk6 has not said yet whose it is.
    fn with_run() -> Self {
        let mut rig = Self::with_zone();
        rig.sees_run(&test_run(101));
        assert_eq!(rig.turn(), [CONFIRMS]);
        rig
    }
}

const READS: &str = "Secret ns/k6-token: reading the Secret";
const POLLS: &str = "PrivateLoadZone ns/edge: polling GCk6";
const REGISTERS: &str = "PrivateLoadZone ns/edge: registering with GCk6";
const WRITES: &str = "PrivateLoadZone ns/edge: writing the status";
const ANNOUNCES: &str = "PrivateLoadZone ns/edge: posting an Event";
const CONFIRMS: &str = "TestRun ns/plz-test-101: confirming the test run with GCk6";

fn name(id: &TaskId) -> String {
    format!("{}: {}", id.key, id.action)
}

/// A zone of the name `edge` that is adopted.
fn zone(namespace: &str) -> Value {
    json!({
        "metadata": {
            "name": "edge", "namespace": namespace, "uid": format!("zone-{namespace}"), "resourceVersion": "2", "generation": 1,
            "creationTimestamp": "2026-01-01T00:00:00Z",
            "finalizers": ["privateloadzones.k6.io/finalizer"],
            "annotations": {"privateloadzones.k6.io/plz-uid": "p"},
        },
        "spec": {"token": "k6-token", "resources": {"limits": {"cpu": "1", "memory": "1Gi"}}},
    })
}

/// One that an earlier process has registered, as its status says.
fn registered_zone(namespace: &str) -> Value {
    let mut zone = zone(namespace);
    zone["status"]["conditions"] = json!([{"type": "PLZRegistered", "status": "True", "reason": "Registered",
        "message": "GCk6 knows this cluster as load zone edge, provider id p", "observedGeneration": 1,
        "lastTransitionTime": "2026-01-01T00:00:00Z"}]);
    zone
}

/// A `TestRun` as the agent makes it for the zone in `ns`.
fn test_run(id: u64) -> Value {
    json!({
        "metadata": {
            "name": format!("plz-test-{id}"), "namespace": "ns", "uid": format!("run-{id}"), "resourceVersion": "3",
            "generation": 1, "finalizers": ["testruns.k6.io/plz-agent"],
            "ownerReferences": [{"kind": "PrivateLoadZone", "name": "edge", "uid": "zone-ns", "controller": true}],
        },
        "spec": {"testRunId": id.to_string(), "token": "k6-token", "parallelism": 1},
    })
}

fn secret(token: &str) -> Reply {
    use base64::Engine as _;
    let token = base64::engine::general_purpose::STANDARD.encode(token);
    shows(&json!({"data": {"token": token}}))
}

/// The API server shows an object.
fn shows(object: &Value) -> Reply {
    Reply::Kubernetes(Ok(object.to_string().into_bytes()))
}

fn api_server(code: u16, reason: &str) -> Reply {
    let body = json!({"kind": "Status", "code": code, "reason": reason, "message": "no"});
    Reply::Kubernetes(k8s::status::interpret(code, None, body.to_string().into_bytes()))
}

fn api_server_lost() -> Reply {
    Reply::Kubernetes(Err(k8s::Error::Timeout { server: "https://api".to_owned(), cause: "10 s".to_owned() }))
}

fn gck6(code: u16, body: &str) -> Reply {
    let reply = cloud::reply::interpret(code, None, body.as_bytes());
    Reply::Cloud(reply.map(|()| body.as_bytes().to_vec()))
}

fn gck6_lost() -> Reply {
    Reply::Cloud(Err(cloud::Error::Transport("timed out".to_owned())))
}

/// What GCk6 says of test run 101.
fn data() -> Reply {
    let config = json!({"load_runner_image": "grafana/k6:latest", "instance_count": 1,
        "k6_archive_temp_public_url": "https://s3/a.tar?X-Amz-Expires=300"});
    let body = json!({"id": 101, "run_status": 1, "k8s_load_zones_config": config,
        "load_zone_distribution": {"label": {"loadZone": "edge", "percent": 100}}});
    gck6(200, &body.to_string())
}
