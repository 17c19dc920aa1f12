//! The election on its own: what is asked when, and what follows from each answer.

use std::time::{Duration, SystemTime};

use k8s::status::Status;
use serde_json::json;

use super::election::{Election, LEAD_DURATION, RENEW_INTERVAL};
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
fn the_first_one_creates_the_lease_and_leads_once_nobody_can_act_on_one_that_is_gone() {
    let mut round = Round::new();
    assert!(!round.0.is_answered());
    round.step(S, Action::Read, error(404, "NotFound"));
    assert!(round.0.is_answered() && !round.0.leads(S));
    round.send(S, Action::Create);
    round.0.apply_reply(3 * S, Action::Create, lease("me", 1, 0));
    round.step(S + RENEW_INTERVAL, Action::Write, lease("me", 2, 0));
    round.step(11 * S, Action::Write, lease("me", 3, 0));
    round.step(16 * S, Action::Write, lease("me", 4, 0));
    assert!(!round.0.leads(16 * S), "the answer came 13 s ago");
    round.send(18 * S, Action::Write);
    round.0.apply_reply(20 * S, Action::Write, lease("me", 5, 0));
    // It counts from when it was sent.
    assert_eq!((round.0.lead_end(), round.0.term()), (Some(18 * S + LEAD_DURATION), 1));
    round.rests(18 * S + RENEW_INTERVAL);
    round.step(18 * S + RENEW_INTERVAL, Action::Write, lease("me", 6, 0));
    assert!(round.0.leads(18 * S + RENEW_INTERVAL + LEAD_DURATION - MS));
    assert!(!round.0.leads(18 * S + RENEW_INTERVAL + LEAD_DURATION));
}

#[test]
fn of_two_who_create_one_reads() {
    let mut round = Round::new();
    round.step(S, Action::Read, error(404, "NotFound"));
    round.step(S, Action::Create, error(409, "AlreadyExists"));
    assert!(!round.0.leads(S));
    round.step(S + 500 * MS, Action::Read, lease("other", 1, 0));
    assert_eq!(round.0.other_holder(), Some("other"));
}

/// Between two looks that find none another one can have made it, led, and lost it again.
#[test]
fn a_lease_that_is_gone_is_left_to_its_holder_for_a_while_and_costs_its_time_all_the_same() {
    let mut round = Round::new();
    round.step(S, Action::Read, lease("other", 1, 0));
    for second in [6, 11] {
        round.step(second * S, Action::Read, error(404, "NotFound"));
    }
    round.step(16 * S, Action::Create, lease("me", 9, 0));
    round.step(21 * S, Action::Write, lease("me", 10, 0));
    round.step(26 * S, Action::Write, lease("me", 11, 0));
    assert!(!round.0.leads(26 * S));
    round.step(31 * S, Action::Write, lease("me", 12, 0));
    assert!(round.0.leads(31 * S));

    // One that somebody else has made, and that is gone again.
    let mut round = Round::new();
    round.step(S, Action::Read, error(404, "NotFound"));
    round.step(S, Action::Create, error(409, "AlreadyExists"));
    round.step(30 * S, Action::Read, unreachable());
    round.step(60 * S, Action::Read, error(404, "NotFound"));
    round.step(65 * S, Action::Read, error(404, "NotFound"));
    round.send(70 * S, Action::Create);
}

/// Another one has led while we were cut off, and acts for a moment yet on the Lease that is gone.
#[test]
fn a_lease_that_was_ours_long_ago_and_is_gone_costs_its_time() {
    let mut round = Round::leader(S);
    round.step(40 * S, Action::Write, error(404, "NotFound"));
    round.step(40 * S, Action::Create, lease("me", 7, 0));
    assert!(!round.0.leads(40 * S));
    round.step(45 * S, Action::Write, lease("me", 8, 0));
    round.step(50 * S, Action::Write, lease("me", 9, 0));
    round.step(55 * S, Action::Write, lease("me", 10, 0));
    assert!(round.0.leads(55 * S));
    assert_eq!(round.0.term(), 2);
}

#[test]
fn whoever_does_not_renew_loses_it_after_its_duration_on_our_clock() {
    let mut round = Round::new();
    round.step(S, Action::Read, lease("other", 1, 3));
    round.step(6 * S, Action::Read, lease("other", 2, 3));
    round.step(11 * S, Action::Read, lease("other", 2, 3));
    // An answer that does not come is no change.
    round.step(16 * S, Action::Read, unreachable());
    round.rests(21 * S);
    round.send(21 * S, Action::Write);
    assert!(!round.0.leads(21 * S), "it takes the answer");
    round.0.apply_reply(21 * S, Action::Write, lease("me", 3, 4));
    assert!(round.0.leads(21 * S));
    assert_eq!(round.0.term(), 1);
}

/// Somebody has edited the Lease. Its holder acts for 10 s after a renewal all the same, and one that has died does not hold it
/// for 68 years.
#[test]
fn an_absurd_duration_neither_hands_the_lead_over_nor_keeps_it_for_ever() {
    for (seconds, free_at) in [(1, 16), (-5, 16), (0, 16), (i64::from(i32::MAX), 61), (i64::MAX, 61)] {
        let body = json!({"metadata": {"name": "l", "namespace": "ns", "uid": "u", "resourceVersion": "1"},
            "spec": {"holderIdentity": "other", "leaseDurationSeconds": seconds}});
        let answer = || Ok(body.to_string().into_bytes());
        let mut election = Round::new().0;
        let taken = (1..).find(|second| match election.call(at(S * *second)) {
            Some((Action::Read, _)) => {
                election.apply_reply(S * *second, Action::Read, answer());
                false
            }
            call => call.is_some(),
        });
        assert_eq!(taken, Some(free_at), "{seconds}");
    }
}

#[test]
fn a_record_that_changes_in_any_way_is_alive() {
    let mut round = Round::new();
    for (second, version) in (0..40u32).zip(1..) {
        // The transitions of another writer may even go back.
        round.step(S * second * 5, Action::Read, lease("other", version, 9 % (second + 1)));
    }
    assert_eq!((round.0.term(), round.0.lead_end()), (0, None));
}

#[test]
fn a_lease_that_was_given_up_is_taken_at_once() {
    let mut round = Round::new();
    round.step(S, Action::Read, lease("other", 1, 0));
    round.step(6 * S, Action::Read, released(2, 0));
    round.send(6 * S, Action::Write);
    // And another one was faster.
    round.0.apply_reply(6 * S, Action::Write, error(409, "Conflict"));
    round.rests(6 * S + 500 * MS);
    round.step(6 * S + 500 * MS, Action::Read, lease("third", 3, 1));
    assert_eq!(round.0.other_holder(), Some("third"));
    round.rests(11 * S + 500 * MS);
}

#[test]
fn a_write_that_is_taken_and_changes_nothing_is_not_repeated_at_once() {
    for (free, answer) in [(S, released(1, 0)), (16 * S, lease("", 1, 0)), (16 * S, lease("other", 1, 0))] {
        let mut round = Round::new();
        let body = answer.unwrap();
        round.step(S, Action::Read, Ok(body.clone()));
        round.looks(free, || Ok(body.clone()));
        round.step(free, Action::Write, Ok(body));
        assert!(!round.0.leads(free));
        round.rests(free + 500 * MS);
    }
}

#[test]
fn a_renewal_that_nobody_heard_of_is_found_in_the_lease() {
    let mut round = Round::leader(S);
    round.send(6 * S, Action::Write);
    round.0.apply_reply(8 * S, Action::Write, unreachable());
    round.step(8 * S + 500 * MS, Action::Write, error(409, "Conflict"));
    assert!(round.0.leads(9 * S), "nobody else can have it yet");
    round.step(9 * S, Action::Read, lease("me", 2, 0));
    assert_eq!(round.0.lead_end(), Some(11 * S), "a look is no renewal");
    round.step(9 * S, Action::Write, lease("me", 3, 0));
    assert_eq!((round.0.lead_end(), round.0.term()), (Some(19 * S), 1));
}

#[test]
fn a_lead_ends_though_the_answer_comes_late() {
    let mut round = Round::leader(S);
    round.send(6 * S, Action::Write);
    assert_eq!(round.0.next_call(), None);
    assert!(!round.0.leads(11 * S));
    round.0.apply_reply(17 * S, Action::Write, lease("me", 2, 0));
    assert!(!round.0.leads(17 * S), "it was sent 11 s ago");
    // Nobody has taken it meanwhile: the same term.
    round.step(17 * S, Action::Write, lease("me", 3, 0));
    assert!(round.0.leads(17 * S));
    assert_eq!(round.0.term(), 1);
}

#[test]
fn a_lease_that_others_have_taken_is_theirs() {
    let mut round = Round::leader(S);
    round.step(6 * S, Action::Write, error(409, "Conflict"));
    round.step(6 * S + 500 * MS, Action::Read, lease("other", 5, 1));
    assert!(!round.0.leads(6 * S + 500 * MS), "though its time is not over");
    assert_eq!((round.0.lead_end(), round.0.other_holder()), (None, Some("other")));
}

#[test]
fn a_leader_whose_lease_is_deleted_makes_it_anew_and_leads_on() {
    let mut round = Round::leader(S);
    round.step(6 * S, Action::Write, error(404, "NotFound"));
    assert!(round.0.leads(6 * S), "nobody else can lead before 15 s are over");
    round.send(6 * S, Action::Create);
    round.0.apply_reply(7 * S, Action::Create, lease("me", 9, 0));
    assert_eq!((round.0.lead_end(), round.0.term()), (Some(16 * S), 1));

    // The answer comes when the lead is over.
    let mut round = Round::leader(S);
    round.step(6 * S, Action::Write, error(404, "NotFound"));
    round.send(6 * S, Action::Create);
    round.0.apply_reply(11 * S, Action::Create, lease("me", 9, 0));
    for second in [11, 16, 21] {
        round.step(second * S, Action::Write, lease("me", second.into(), 0));
        assert!(!round.0.leads(second * S));
    }
    round.step(26 * S, Action::Write, lease("me", 30, 0));
    assert!(round.0.leads(26 * S));
    assert_eq!(round.0.term(), 2);
}

/// Each with the leader's view, and with that of a standby who sees the same.
#[test]
fn whatever_somebody_writes_into_the_lease_hands_the_lead_over_to_nobody() {
    for (holder, seconds) in [("me", 1), ("me", 15), ("", 0), ("", 15), ("me", 3600)] {
        let edited = || {
            let body = json!({"metadata": {"name": "l", "namespace": "ns", "uid": "u", "resourceVersion": "5"},
                "spec": {"holderIdentity": holder, "leaseDurationSeconds": seconds}});
            Ok(body.to_string().into_bytes())
        };
        let mut round = Round::leader(S);
        round.step(6 * S, Action::Write, error(409, "Conflict"));
        round.step(6 * S + 500 * MS, Action::Read, edited());
        round.step(6 * S + 500 * MS, Action::Write, lease("me", 6, 1));
        assert_eq!((round.0.lead_end(), round.0.term()), (Some(16 * S + 500 * MS), 1), "{holder:?}");

        // In whose name it is does not make it ours.
        let free = if seconds > 15 { 61 * S } else { 16 * S };
        let mut round = Round::new();
        round.step(S, Action::Read, edited());
        round.looks(free, edited);
        round.step(free, Action::Write, lease("me", 6, 1));
        assert!(round.0.leads(free), "{holder:?}");
    }
}

/// It is known by its time of renewal.
#[test]
fn a_first_write_that_nobody_heard_of_is_found_in_the_lease_and_takes_its_time() {
    let written = || {
        let body = json!({"metadata": {"name": "l", "namespace": "ns", "uid": "u", "resourceVersion": "2"},
            "spec": {"holderIdentity": "me", "renewTime": "1970-01-01T00:00:00.000000Z"}});
        Ok(body.to_string().into_bytes())
    };
    let gone = || error(404, "NotFound");
    for (answer, write, refusal) in
        [(released(1, 0), Action::Write, "Conflict"), (gone(), Action::Create, "AlreadyExists")]
    {
        let mut round = Round::new();
        round.step(S, Action::Read, answer);
        round.step(S, write, unreachable());
        round.step(6 * S, write, error(409, refusal));
        round.step(6 * S + 500 * MS, Action::Read, written());
        for half in [13, 23, 33] {
            round.step(half * S / 2, Action::Write, lease("me", half.into(), 0));
            assert!(!round.0.leads(half * S / 2));
        }
        round.step(21 * S + 500 * MS, Action::Write, lease("me", 99, 0));
        assert!(round.0.leads(21 * S + 500 * MS));
    }
}

/// The other one has taken it in the same microsecond, and somebody has put our name into what he wrote.
#[test]
fn a_write_that_was_refused_is_not_found_in_the_lease() {
    let theirs = json!({"metadata": {"name": "l", "namespace": "ns", "uid": "u", "resourceVersion": "3"},
        "spec": {"holderIdentity": "me", "renewTime": "1970-01-01T00:00:00.000000Z"}});
    let mut round = Round::new();
    round.step(S, Action::Read, released(1, 0));
    round.step(S, Action::Write, error(409, "Conflict"));
    round.step(S + 500 * MS, Action::Read, Ok(theirs.to_string().into_bytes()));
    round.looks(16 * S + 500 * MS, || Ok(theirs.to_string().into_bytes()));
    round.send(16 * S + 500 * MS, Action::Write);
}

#[test]
fn who_may_not_lead_yet_does_not_tell_others_that_they_may() {
    let mut round = Round::new();
    round.step(S, Action::Read, error(404, "NotFound"));
    round.step(S, Action::Create, lease("me", 1, 0));
    assert!(round.0.release(at(10 * S)).is_none());
    assert!(round.0.release(at(16 * S)).is_some());
}

#[test]
fn what_goes_wrong_is_kept_and_tried_again() {
    let mut round = Round::new();
    let broken = br#"{"metadata":{"resourceVersion":"1"},"spec":"x"}"#.to_vec();
    let check = |round: &Round, part: &str| {
        let problem = round.0.problem().unwrap_or_default();
        assert!(problem.contains(part), "{problem}");
    };
    round.step(S, Action::Read, Ok(broken));
    check(&round, "spec is not an object");
    round.step(3 * S, Action::Read, error(403, "Forbidden"));
    check(&round, "grant create on leases, and get and patch on leases l in namespace ns");
    assert!(!round.0.is_answered());
    round.step(5 * S, Action::Read, error(404, "NotFound"));
    round.step(5 * S, Action::Create, error(404, "NotFound"));
    check(&round, "create the namespace ns");
    round.step(10 * S, Action::Create, lease("me", 1, 0));
    check(&round, "not for 15 s");
    round.step(15 * S, Action::Write, lease("me", 2, 0));
    round.step(20 * S, Action::Write, lease("me", 3, 0));
    round.step(25 * S, Action::Write, lease("me", 4, 0));
    assert_eq!(round.0.problem(), None);
}

#[test]
fn only_a_lease_of_ours_is_given_up() {
    assert!(Round::new().0.release(at(S)).is_none());
    let mut round = Round::new();
    round.step(S, Action::Read, lease("other", 1, 0));
    assert!(round.0.release(at(S)).is_none());
    let mut round = Round::leader(S);
    let (action, request) = round.0.release(at(2 * S)).unwrap();
    assert_eq!(action, Action::Write);
    assert!(String::from_utf8_lossy(&request.body).contains(r#""holderIdentity":"""#));
    assert!(!round.0.leads(2 * S) && round.0.call(at(100 * S)).is_none());
}

#[test]
fn duties_in_words() {
    let check = |role: Role, text: &str| assert_eq!(role.to_string(), text);
    check(Role::Starting, "starting");
    check(Role::Active, "active");
    check(Role::Standby { holder: "a_1".to_owned() }, "standby, a_1 is active");
    check(Role::standby("a\nMAINPID=1\u{1b}[2J"), "standby, a MAINPID=1 [2J is active");
    check(Role::standby(""), "standby, nobody is known to hold the lease");
    check(
        Role::WaitsForOperator { namespace: "k6".to_owned(), holder: "op".to_owned() },
        "waiting for k6-operator in namespace k6 to stop (op)",
    );
}
