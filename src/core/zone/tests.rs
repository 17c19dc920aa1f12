//! A zone with nothing special about it, for the tests of what is decided about one.

mod calls;
mod conditions;
mod facts;
mod leaving;
mod memory;
mod pending;
mod polling;
mod registered;
mod registering;
mod starting;
mod turns;
mod writes;

use std::time::{Duration, SystemTime};

use serde_json::{Value, json};

use super::claim::Holder;
use super::decide::{Decision, decide};
use super::facts::Facts;
use super::reply::{Context, apply_reply};
use super::state::{Listed, ZoneState};
use super::table::{Block, Fact};
use super::{Action, table};
use crate::api::ObjectKey;
use crate::api::zone::{FINALIZER, PrivateLoadZone};
use crate::call::Reply;
use crate::cloud::{self, RunId};
use crate::outcome::Outcome;
use crate::rng::Rng;
use crate::testrun::prepared::Prepared;
use crate::testrun::template::Settings;
use crate::testrun::template::tests::{plain_data, settings};
use crate::token::TokenState;

const S: Duration = Duration::from_secs(1);
/// Late enough that something can have been for long.
const NOW: Duration = Duration::from_secs(10_000);
const POLL_INTERVAL: Duration = Duration::from_secs(10);
const ID: RunId = RunId(101);
const TOKEN: &str = "t0ps3cret";

/// All that decisions about a zone are made on.
struct World {
    zone: PrivateLoadZone,
    state: ZoneState,
    token: Option<TokenState>,
    holder: Option<Holder>,
    name_stays: bool,
    runs_left: usize,
    settings: Settings,
}

impl World {
    /// Adopted, with a good token and a whole spec; it only has to be registered.
    fn pending() -> Self {
        let zone = json!({
            "metadata": {
                "name": "edge", "namespace": "ns", "uid": "zone-uid", "resourceVersion": "7", "generation": 3,
                "finalizers": ["example.com/other", FINALIZER],
                "annotations": {"privateloadzones.k6.io/plz-uid": "provider-1"},
            },
            "spec": {"token": "k6-token", "resources": {"limits": {"cpu": "200m", "memory": "256Mi"}}},
        });
        Self {
            zone: serde_json::from_value(zone).unwrap(),
            state: ZoneState::new("zone-uid", NOW, 0),
            token: Some(token()),
            holder: None,
            name_stays: false,
            runs_left: 0,
            settings: settings(),
        }
    }

    /// Registered as it is, with nothing to do but to poll; the status says so.
    fn registered() -> Self {
        let mut world = Self::pending();
        world.state.registered = world.facts().registration().ok();
        let message = "GCk6 knows this cluster as load zone edge, provider id provider-1";
        world.condition(&json!({"type": "PLZRegistered", "status": "True", "reason": "Registered",
            "message": message, "observedGeneration": 3, "lastTransitionTime": "2026-01-01T00:00:00Z"}));
        world
    }

    /// Being deleted, and deregistered.
    fn leaving() -> Self {
        let mut world = Self::pending();
        world.zone.metadata.deletion_timestamp = Some("2026-01-01T00:00:00Z".to_owned());
        (world.state.leaving_since, world.state.deregistered) = (Some(NOW), true);
        world
    }

    fn condition(&mut self, condition: &Value) {
        self.zone.status.conditions.push(serde_json::from_value(condition.clone()).unwrap());
    }

    /// Another zone has the name, and may lose it from `lapses_at` on.
    fn named_after(&mut self, lapses_at: Option<Duration>) {
        self.holder = Some(Holder { zone: ObjectKey::new("elsewhere", "edge"), lapses_at });
    }

    fn without_finalizer(&mut self) {
        self.zone.metadata.finalizers.retain(|finalizer| finalizer != FINALIZER);
    }

    fn facts(&self) -> Facts<'_> {
        Facts {
            now: NOW,
            wall: SystemTime::UNIX_EPOCH,
            zone: &self.zone,
            state: &self.state,
            token: self.token.as_ref(),
            holder: self.holder.clone(),
            name_stays: self.name_stays,
            runs_left: self.runs_left,
            settings: &self.settings,
        }
    }

    fn decide(&self) -> Decision {
        decide(&self.facts())
    }

    /// Takes an answer as the core hands it on.
    fn answered(&mut self, now: Duration, action: Action, reply: Reply) -> Outcome {
        let context = Context {
            now,
            zone: &self.zone,
            data_room: usize::MAX,
            poll_interval: POLL_INTERVAL,
            settings: &self.settings,
        };
        apply_reply(&mut self.state, &context, &mut Rng::new(1), action, reply)
    }

    /// How far a listed test run is, in a word.
    fn run(&self, id: RunId) -> String {
        match self.state.listed.get(&id) {
            None if self.state.settled.contains(&id) => "settled".to_owned(),
            None => "not listed".to_owned(),
            Some(Listed::New { unreadable }) => format!("new, {unreadable} unreadable"),
            Some(Listed::Ready { .. }) => "ready".to_owned(),
            Some(Listed::Unclear { told: false, .. }) => "unclear".to_owned(),
            Some(Listed::Unclear { told: true, .. }) => "unclear, told".to_owned(),
            Some(Listed::Refused(why)) => format!("refused: {why}"),
        }
    }
}

fn token() -> TokenState {
    let mut token = TokenState::default();
    token.value = Some(crate::redact::Secret::new(TOKEN));
    token
}

fn ready(since: Duration) -> Listed {
    let prepared = Prepared::new(&World::pending().zone, ID, &plain_data(), &settings()).unwrap();
    Listed::Ready { prepared: Box::new(prepared), since }
}

/// A row as it is expected: what makes its fact hold, and what is started then.
type Expected = (Fact, fn(&mut World), &'static [Action]);

/// Each fact alone selects its row, and starts what the row says.
#[track_caller]
fn check_alone(block: Block, base: fn() -> World, rows: &[Expected]) {
    for (fact, make, actions) in rows {
        let mut world = base();
        make(&mut world);
        let decision = world.decide();
        assert_eq!(decision.row, (block, *fact), "{block}, {fact:?} alone");
        assert_eq!(decision.actions, *actions, "{block}, {fact:?} alone");
    }
}

/// Of two facts that both hold, the one that stands first in `rows` selects the row.
#[track_caller]
fn check_pairs(block: Block, base: fn() -> World, rows: &[Expected]) {
    let order: Vec<Fact> = rows.iter().map(|row| row.0).collect();
    let table: Vec<Fact> = table::rows(block).iter().map(|row| row.fact).collect();
    assert_eq!(order, table, "{block}: the rows, in order");
    for (at, (first, make_first, actions)) in rows.iter().enumerate() {
        for (second, make_second, _) in &rows[at + 1..] {
            let mut world = base();
            make_second(&mut world);
            make_first(&mut world);
            let facts = world.facts();
            assert!(facts.holds(*first) && facts.holds(*second), "{block}: {first:?} and {second:?}");
            let decision = world.decide();
            assert_eq!(decision.row, (block, *first), "{block}: {first:?} goes before {second:?}");
            let started: Vec<&Action> =
                actions.iter().filter(|action| **action != Action::WriteStatus).collect();
            let found: Vec<&Action> =
                decision.actions.iter().filter(|action| **action != Action::WriteStatus).collect();
            assert_eq!(found, started, "{block}: {first:?} and {second:?}");
        }
    }
}

/// The API server's answer, as `metav1.Status` where it is no success.
fn api_server(code: u16, reason: &str) -> Reply {
    let body = if code < 300 {
        json!({"kind": "PrivateLoadZone", "metadata": {"name": "edge", "namespace": "ns", "uid": "zone-uid", "resourceVersion": "8"}})
    } else {
        json!({"kind": "Status", "code": code, "reason": reason, "message": "no"})
    };
    api_server_says(code, &body.to_string())
}

fn api_server_says(code: u16, body: &str) -> Reply {
    Reply::Kubernetes(k8s::status::interpret(code, None, body.as_bytes().to_vec()))
}

fn api_server_asks_for(pause: Duration) -> Reply {
    Reply::Kubernetes(k8s::status::interpret(429, Some(pause), b"{}".to_vec()))
}

fn api_server_lost() -> Reply {
    Reply::Kubernetes(Err(k8s::Error::Timeout { server: "https://api".to_owned(), cause: "10 s".to_owned() }))
}

fn gck6(code: u16, body: &str) -> Reply {
    let reply = cloud::reply::interpret(code, None, body.as_bytes());
    Reply::Cloud(reply.map(|()| body.as_bytes().to_vec()))
}

fn gck6_asks_for(pause: Duration) -> Reply {
    Reply::Cloud(cloud::reply::interpret(503, Some(pause), b"").map(|()| Vec::new()))
}

fn gck6_lost() -> Reply {
    Reply::Cloud(Err(cloud::Error::Transport("timed out".to_owned())))
}

/// An outcome, in a word.
fn word(outcome: &Outcome) -> String {
    match outcome {
        Outcome::Done => "done".to_owned(),
        Outcome::Zone(zone) => format!("the zone, version {}", zone.metadata.resource_version),
        Outcome::Run(run) => format!("the run {}", run.metadata.name),
        Outcome::Again { after: None, .. } => "again".to_owned(),
        Outcome::Again { after: Some(after), .. } => format!("again in {} s", after.as_secs()),
        Outcome::EventRefused { code, .. } => format!("event refused, {code}"),
        Outcome::TokenRefused(_) => "token refused".to_owned(),
    }
}
