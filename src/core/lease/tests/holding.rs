//! A leader, until it leads no more.

use serde_json::json;

use super::{MS, Round, S, at, error, lease, unreachable};
use crate::lease::Action;

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
