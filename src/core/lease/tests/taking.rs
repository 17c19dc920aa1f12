//! A candidate, until it leads.

use serde_json::json;

use super::{MS, Round, S, at, error, lease, released, unreachable};
use crate::lease::Action;
use crate::lease::election::{LEAD_DURATION, RENEW_INTERVAL};

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
    check(&round, "not for another 15 s");
    round.step(15 * S, Action::Write, lease("me", 2, 0));
    round.step(20 * S, Action::Write, lease("me", 3, 0));
    round.step(25 * S, Action::Write, lease("me", 4, 0));
    assert_eq!(round.0.problem(), None);
}
