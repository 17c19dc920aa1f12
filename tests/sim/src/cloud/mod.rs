//! Grafana Cloud k6: zones, test runs, events, as protocol.md has them.
//!
//! Owns what GCk6 knows and strict checking of what it is sent ([`rest`]); a control interface for people and tests
//! ([`control`]). Leaves the archive to [`crate::s3`].
//!
//! A test run is `initializing` (1) from the moment it is queued, `running` (2) from the first time its data is read, and
//! `finished` (3) when finish is called, unless its status was 4 or above by then: an abort stands. The real one sees runners
//! by their metrics; the stand-in may have none.
//! Invariant: nothing is answered to a wrong token, and every oddity of a request is a line in [`Cloud::complaints`].

pub mod control;
pub mod rest;

use std::collections::BTreeMap;
use std::time::Duration;

use serde_json::{Value, json};

pub use self::rest::Route;
use crate::http::Response;

/// `run_status`: initializing.
pub const INITIALIZING: i64 = 1;
/// `run_status`: running.
pub const RUNNING: i64 = 2;
/// `run_status`: finished.
pub const FINISHED: i64 = 3;
/// `run_status`: aborted by the user.
pub const ABORTED_BY_USER: i64 = 5;
/// `run_status`: aborted by the system.
pub const ABORTED_BY_SYSTEM: i64 = 6;
/// The first test run's id.
const FIRST_ID: u64 = 101;

/// A test run to be queued.
#[derive(Clone, Debug, PartialEq)]
pub struct RunSpec {
    /// Name of the zone that it is for.
    pub zone: String,
    /// Number of runners.
    pub instances: u64,
    /// Presigned URL of its archive; empty for none.
    pub archive_url: String,
    /// Merged (RFC 7396) into the document of its data before it is sent: `{"k8s_load_zones_config": {"environment": …}}`.
    pub data: Value,
    /// Until when polls list it.
    pub listed: Listed,
}

impl RunSpec {
    /// A run of `instances` runners in a zone.
    pub fn new(zone: &str, instances: u64, archive_url: &str) -> Self {
        let (zone, archive_url) = (zone.to_owned(), archive_url.to_owned());
        Self { zone, instances, archive_url, data: json!({}), listed: Listed::UntilOver }
    }
}

/// Until when polls list a run.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Listed {
    /// Until it is finished or aborted.
    #[default]
    UntilOver,
    /// For ever: a fault seen in the field.
    ForEver,
}

/// A registered zone.
#[derive(Clone, Debug, PartialEq)]
pub struct Zone {
    /// `provider_id` of its last registration.
    pub provider_id: String,
    /// The last registration's body.
    pub body: Value,
    /// How often it was registered.
    pub registrations: u64,
    /// How often it was polled.
    pub polls: u64,
}

/// A test run and what was heard of it.
#[derive(Clone, Debug, PartialEq)]
pub struct Run {
    /// What was queued.
    pub spec: RunSpec,
    /// `run_status`.
    pub status: i64,
    /// When it was queued.
    pub queued: Duration,
    /// When a poll first listed it.
    pub listed: Option<Duration>,
    /// When its data was read, each time.
    pub data_reads: Vec<Duration>,
    /// When its state was read, each time.
    pub state_reads: Vec<Duration>,
    /// Events in their order.
    pub events: Vec<(Duration, Value)>,
    /// Bodies of finish calls.
    pub finishes: Vec<(Duration, Value)>,
    /// When runners pushed metrics; first and last, and how often.
    pub metrics: Option<(Duration, Duration, u64)>,
}

/// What goes wrong with requests.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Trouble {
    /// The connection breaks before any effect.
    Down,
    /// The request takes effect, then the connection breaks.
    LostAnswer,
    /// This status, and the usual error document.
    Failing(u16),
    /// This status, and the page of a login portal that stands in the way.
    Portal(u16),
    /// 429 with `Retry-After` of so many seconds.
    Busy(u64),
    /// The answer takes this long.
    Slow(Duration),
    /// 401 as if the token were wrong.
    Unauthorized,
    /// 200 with a body that ends in the middle.
    Malformed,
    /// Every field of the answer's document is null.
    Nulls,
}

/// Trouble for a kind of request.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Plague {
    /// Which requests; none for all.
    pub route: Option<Route>,
    /// What befalls them.
    pub trouble: Trouble,
    /// How many more of them.
    pub left: u32,
}

/// GCk6.
#[derive(Debug, Default)]
pub struct Cloud {
    /// The token that is good; empty: any is.
    pub token: String,
    /// What goes wrong; the first that fits.
    pub plagues: Vec<Plague>,
    /// How long polls of a zone take, by its name, where they take long.
    pub slow_polls: BTreeMap<String, Duration>,
    /// Registered zones by name.
    pub zones: BTreeMap<String, Zone>,
    /// Test runs by id.
    pub runs: BTreeMap<u64, Run>,
    /// Registrations under a provider id that differs from the zone's former one: `(zone, id)`.
    pub doubles: Vec<(String, String)>,
    /// Zones that were deregistered, in order.
    pub deregistered: Vec<String>,
    /// When each of them last was.
    deregistered_at: BTreeMap<String, Duration>,
    /// Bodies of `POST /v1/tests`: test runs that plain TestRuns made.
    pub created: Vec<Value>,
    /// What was odd about requests, in words.
    pub complaints: Vec<String>,
    /// Requests by route.
    pub counts: BTreeMap<Route, u64>,
    /// Other organisations, each with a token and with zones and test runs of its own.
    pub others: Vec<Self>,
    answered: BTreeMap<String, (Route, Response)>,
    next: u64,
}

impl Cloud {
    /// A GCk6 that takes one token; empty: any.
    pub fn new(token: &str) -> Self {
        Self { token: token.to_owned(), next: FIRST_ID, ..Self::default() }
    }

    /// Queues a test run and returns its id.
    pub fn queue(&mut self, now: Duration, spec: RunSpec) -> u64 {
        let id = self.next_id();
        self.insert(now, id, spec);
        id
    }

    /// The id that [`Cloud::queue`] will give next: archives are named by it.
    pub fn upcoming(&self) -> u64 {
        self.next
    }

    /// What the user does by pressing "abort".
    pub fn abort(&mut self, id: u64) {
        self.set_status(id, ABORTED_BY_USER);
    }

    /// Sets `run_status` of a run; nothing happens if there is none.
    pub fn set_status(&mut self, id: u64, status: i64) {
        if let Some(run) = self.runs.get_mut(&id) {
            run.status = status;
        }
    }

    /// Lets the next `times` requests of a route (none: any) run into trouble.
    pub fn trouble(&mut self, route: Option<Route>, trouble: Trouble, times: u32) {
        self.plagues.push(Plague { route, trouble, left: times });
    }

    /// Requests so far, all routes together.
    pub fn requests(&self) -> u64 {
        self.counts.values().sum()
    }

    fn next_id(&mut self) -> u64 {
        self.next = self.next.max(FIRST_ID) + 1;
        self.next - 1
    }

    fn insert(&mut self, now: Duration, id: u64, spec: RunSpec) {
        let run = Run {
            spec,
            status: INITIALIZING,
            queued: now,
            listed: None,
            data_reads: Vec::new(),
            state_reads: Vec::new(),
            events: Vec::new(),
            finishes: Vec::new(),
            metrics: None,
        };
        self.runs.insert(id, run);
    }
}

impl Run {
    /// Whether polls list the run.
    fn is_listed(&self) -> bool {
        self.spec.listed == Listed::ForEver || self.status < FINISHED
    }

    /// The events of a type (`TestRunAbortEvent`).
    pub fn events_of(&self, kind: &str) -> impl Iterator<Item = &Value> {
        self.events.iter().map(|(_, event)| event).filter(move |event| event["event_type"] == kind)
    }

    /// The document of test run data.
    fn data(&self, id: u64) -> Value {
        let mut data = json!({
            "id": id, "run_status": self.status,
            "k8s_load_zones_config": {
                "load_runner_image": "grafana/k6:latest", "instance_count": self.spec.instances,
                "k6_archive_temp_public_url": self.spec.archive_url,
                "cli_flags": {"blacklist_ips": null, "blocked_hostnames": null, "include_system_env_vars": true, "tags": {}},
                "environment": {}, "gck6_env_vars": {},
            },
            "k6_runtime_config": {"aggregationPeriod": "3s", "aggregationWaitPeriod": "8s", "metricPushInterval": "1s", "metricPushConcurrency": 1},
            "load_zone_distribution": {"distribution-1": {"loadZone": self.spec.zone, "percent": 100}},
            "test_run_token": null, "secrets_config": null,
        });
        crate::json::merge(&mut data, &self.spec.data);
        data
    }
}

#[cfg(test)]
mod tests;
