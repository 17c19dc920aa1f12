//! The look-out for k6-operator: whose Lease counts, and what an agent believes whose watch is silent, cut or refused.

use plz_core::lease::Role;
use plz_core::lease::operator::{REFUSED_AT_START, REFUSED_LIVE};
use sim::api::Rule;
use sim::drive::candidate;

use super::leases::{OPERATOR, operates, operator, operator_in, takes_over, waits};
use super::outages::{keep_log, lines};
use super::*;

/// How late the first look may be after the Lease has run out.
const LOOK_MAX: Duration = s(1);

fn rules() -> Vec<Rule> {
    Rule::from_yaml(include_str!("../../../manifests/rbac/rbac.yaml")).unwrap()
}

fn rules_without_leases() -> Vec<Rule> {
    rules().into_iter().filter(|rule| !rule.names.contains(&"fcdfce80.io".to_owned())).collect()
}

/// An agent of this one namespace, with the shipped rights there.
fn of_one_namespace(named: &[&str]) -> Settings {
    let operator_namespaces = named.iter().map(|name| (*name).to_owned()).collect();
    Settings { scopes: vec![Some(NAMESPACE.to_owned())], operator_namespaces, ..settings(7) }
}

fn elsewhere(story: &Story) -> usize {
    let now = Now { mono: story.drive.now, wall: SystemTime::UNIX_EPOCH };
    story.drive.core().census(now).operators_elsewhere
}

fn warnings() -> Vec<String> {
    lines().into_iter().filter(|line| line.contains("fcdfce80.io")).collect()
}

/// In the zone's own namespace, and in one that has nothing to do with it; before the agent begins, and during a run.
#[test]
fn a_lease_that_a_tenant_has_made_holds_up_nobody_and_is_told() {
    for namespace in [NAMESPACE, "team"] {
        for settings in [settings(7), candidate(7, "a")] {
            keep_log();
            let mut story = Story::empty_with(settings);
            operator_in(&mut story, namespace, "op_1", 0);
            story.drive.world.apply_zone(Duration::ZERO, NAMESPACE, ZONE);
            takes_over(&mut story, 0, s(1));
            assert_eq!(elsewhere(&story), 1);
            let now = story.drive.now;
            let id = story.drive.world.queue_run(now, ZONE, 2);
            for renewal in 1..120 {
                operator_in(&mut story, namespace, "op_1", renewal);
                story.drive.run_for(Duration::from_millis(500));
                assert_eq!(story.drive.active(), Some(0));
            }
            story.over(id, s(60), 3);
            let said = warnings();
            assert_eq!(said.len(), 1, "{said:?}");
            let words = format!("in namespace {namespace}, held by op_1, is ignored");
            assert!(said[0].contains(&words) && said[0].contains("--operator-namespace"), "{said:?}");
            story.drive.run_for(s(20));
            assert_eq!(elsewhere(&story), 0, "nobody renews it any more");
        }
    }
}

#[test]
fn an_agent_of_one_namespace_sees_an_operator_where_it_may_look() {
    // With the right to look.
    let mut story = Story::empty_with(of_one_namespace(&[OPERATOR]));
    operates(&mut story, 30);
    assert!(waits(&story.drive, 0));
    takes_over(&mut story, 0, s(16));
    // Without it.
    keep_log();
    let mut story = Story::empty_with(of_one_namespace(&[OPERATOR]));
    story.drive.world.api.rules = Some(rules_without_leases());
    story.drive.run_for(REFUSED_AT_START);
    assert_eq!(story.drive.active(), None);
    takes_over(&mut story, 0, s(3));
    story.drive.run_for(s(600));
    let said = warnings();
    let about = |namespace: &str| {
        let words = format!("in namespace {namespace}, assuming that it is not");
        said.iter().filter(|line| line.contains(&words)).count()
    };
    assert_eq!((said.len(), about(OPERATOR), about(NAMESPACE)), (2, 1, 1), "{said:?}");
    // In its own, as it was named or not.
    for (named, acts) in [(OPERATOR, true), (NAMESPACE, false)] {
        let mut story = Story::empty_with(of_one_namespace(&[named]));
        operator_in(&mut story, NAMESPACE, "op_1", 0);
        story.drive.run_for(s(10));
        assert_eq!((story.drive.active().is_some(), elsewhere(&story)), (acts, usize::from(acts)));
    }
}

/// Until it knows its own roles, about a second, an API server answers 403; so does one whose binding is taken away for a while.
#[test]
fn a_refusal_that_passes_does_not_let_the_agent_act_beside_an_operator() {
    for (at, refused) in [(0, 2), (0, 4), (30, 2), (30, 14), (30, 29), (41, 29)] {
        let mut story = Story::empty();
        let forbids = |second| (at..at + refused).contains(&second);
        for second in 0..120 {
            if second % 2 == 0 {
                operator(&mut story, "op_1", second);
            }
            story.drive.world.api.rules =
                Some(if forbids(second) { rules_without_leases() } else { rules() });
            if second == at {
                story.drive.cut_watches();
            }
            story.drive.run_for(s(1));
            assert_eq!(story.drive.active(), None, "from {at} s for {refused} s: at {second} s");
        }
        takes_over(&mut story, 0, s(14) + LOOK_MAX);
    }
    for away in [0, 3, 20] {
        let mut story = Story::empty();
        operates(&mut story, 20);
        story.drive.restart_api(s(away));
        operates(&mut story, 60);
        assert!(waits(&story.drive, 0), "{away}");
    }
}

#[test]
fn a_refusal_that_stands_does() {
    keep_log();
    let mut story = Story::empty();
    operates(&mut story, 10);
    story.drive.world.api.rules = Some(rules_without_leases());
    story.drive.cut_watches();
    story.drive.run_for(s(14));
    assert!(waits(&story.drive, 0));
    story.drive.run_for(REFUSED_LIVE - s(1));
    assert!(waits(&story.drive, 0));
    takes_over(&mut story, 0, s(7));
    let said = warnings();
    assert_eq!(said.len(), 1, "{said:?}");
}

/// A connection that is dead and does not know it: the Lease is renewed, and no event comes.
#[test]
fn a_watch_that_hears_nothing_does_not_make_an_operator_dead() {
    let mut story = Story::empty();
    operates(&mut story, 20);
    story.drive.agents[0].deaf_until = story.drive.now + s(90);
    operates(&mut story, 90);
    assert!(waits(&story.drive, 0));
    operates(&mut story, 20);
    assert!(waits(&story.drive, 0));
    // The API server is away, and so is the operator, of which nobody hears.
    story.drive.cut(0, s(40));
    story.drive.run_for(s(39));
    assert!(waits(&story.drive, 0));
    takes_over(&mut story, 0, s(8));
}

/// While it waits, one event for each renewal and not one call.
#[test]
fn a_live_operator_is_followed_without_calls() {
    let mut story = Story::empty();
    operates(&mut story, 10);
    let calls = |story: &Story| {
        let counts = &story.drive.world.api.counts;
        counts.iter().filter(|(what, _)| what.verb != "watch").map(|(_, count)| count).sum::<u64>()
    };
    let before = calls(&story);
    operates(&mut story, 200);
    assert_eq!(calls(&story), before);
    let waiting = |drive: &Drive| matches!(drive.core().role(), Role::WaitsForOperator { .. });
    assert!(waiting(&story.drive));
    // One look, at the end.
    takes_over(&mut story, 0, s(13) + LOOK_MAX);
    assert_eq!(calls(&story), before + 1);
}
