//! The election on its own: what is asked when, and what follows from each answer.

mod holding;
mod taking;

use std::time::{Duration, SystemTime};

use k8s::status::Status;
use serde_json::json;

use super::election::Election;
use super::{Candidacy, Role};
use crate::api::ObjectKey;
use crate::lease::action::Action;
use crate::now::Now;

type Answer = Result<Vec<u8>, k8s::Error>;

const S: Duration = Duration::from_secs(1);
const MS: Duration = Duration::from_millis(1);

fn at(mono: Duration) -> Now {
    Now { mono, wall: SystemTime::UNIX_EPOCH }
}

fn error(code: u16, reason: &str) -> Answer {
    let (reason, message) = (reason.to_owned(), "no".to_owned());
    let status = Status { code, reason, message, ..Status::default() };
    Err(k8s::Error::Api { status })
}

fn unreachable() -> Answer {
    Err(k8s::Error::Transport { server: "s".to_owned(), cause: "cut".to_owned() })
}

/// A Lease; its times are those of a clock that is years off.
fn lease(holder: &str, version: u64, transitions: u32) -> Answer {
    let renewed =
        if version.is_multiple_of(2) { "2099-01-01T00:00:00.000000Z" } else { "1980-01-01T00:00:00.000000Z" };
    Ok(json!({
        "metadata": {"name": "l", "namespace": "ns", "uid": "u", "resourceVersion": version.to_string()},
        "spec": {"holderIdentity": holder, "leaseDurationSeconds": 15, "leaseTransitions": transitions,
            "renewTime": renewed, "acquireTime": renewed},
    })
    .to_string()
    .into_bytes())
}

/// A Lease that its leader has given up.
fn released(version: u64, transitions: u32) -> Answer {
    let mut lease: serde_json::Value =
        serde_json::from_slice(&lease("", version, transitions).unwrap()).unwrap();
    lease["metadata"]["annotations"] = json!({"plz-agent/released-by": "other"});
    Ok(lease.to_string().into_bytes())
}

/// An election of which `me` is a candidate.
struct Round(Election);

impl Round {
    fn new() -> Self {
        let lease = ObjectKey::new("ns", "l");
        Self(Election::new(Candidacy { lease, identity: "me".to_owned() }))
    }

    /// The call that is due at a time, and its answer at the same time.
    #[track_caller]
    fn step(&mut self, now: Duration, expected: Action, answer: Answer) {
        self.send(now, expected);
        self.0.apply_reply(now, expected, answer);
    }

    #[track_caller]
    fn send(&mut self, now: Duration, expected: Action) {
        assert_eq!(self.0.next_call().map(|at| at.max(now)), Some(now), "the next call at {now:?}");
        let call = self.0.call(at(now));
        assert_eq!(call.map(|(action, _)| action), Some(expected), "at {now:?}");
        assert!(self.0.call(at(now + 100 * S)).is_none(), "one call at a time");
    }

    #[track_caller]
    fn rests(&mut self, until: Duration) {
        assert_eq!(self.0.next_call(), Some(until));
        assert!(self.0.call(at(until - MS)).is_none());
    }

    /// One who leads since `now`.
    fn leader(now: Duration) -> Self {
        let mut round = Self::new();
        round.step(now, Action::Read, released(0, 0));
        round.step(now, Action::Write, lease("me", 1, 0));
        assert!(round.0.leads(now));
        round
    }

    /// Looks until then, and always sees the same.
    #[track_caller]
    fn looks(&mut self, until: Duration, answer: impl Fn() -> Answer) {
        while let Some(at) = self.0.next_call().filter(|at| *at < until) {
            self.step(at, Action::Read, answer());
        }
    }
}

#[test]
fn duties_in_words() {
    let check = |role: Role, text: &str| assert_eq!(role.to_string(), text);
    check(Role::Starting, "starting");
    check(Role::Active, "active");
    check(Role::Standby { holder: "a_1".to_owned() }, "standby, a_1 is active");
    check(Role::standby("a\nMAINPID=1\u{1b}[2J"), "standby, a MAINPID=1 [2J is active");
    check(Role::standby(""), "standby, no holder of the Lease is known");
    check(
        Role::WaitsForOperator { namespace: "k6".to_owned(), holder: "op".to_owned() },
        "waiting for k6-operator in namespace k6 to stop (op)",
    );
}
