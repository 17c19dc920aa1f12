//! Several agents of which one acts, and agents beside a k6-operator. The driver checks at every step that no agent begins to
//! act while another one could.

use plz_core::lease::Role;
use sim::api::{Part, Rule};
use sim::drive::candidate;
use sim::k6::Script;

use super::*;

/// A day and ten years: clocks that nobody has ever set.
const SKEWS_S: [i64; 2] = [86_400, -315_360_000];
/// Until a standby acts whose leader has died: the last renewal is seen 5 s late, and is good for 15 s.
const TAKEOVER_MAX: Duration = s(21);
/// Until a standby acts whose leader has given up the Lease: it looks every 5 s.
const HANDOVER_MAX: Duration = s(6);

/// A world with a zone and two agents, the first of which is active.
fn two() -> Story {
    let mut story = Story::new_with(candidate(7, "a"));
    let second = story.drive.join(candidate(8, "b"));
    for (agent, skew_s) in story.drive.agents.iter_mut().zip(SKEWS_S) {
        agent.skew_s = skew_s;
    }
    story.until(s(1), "the second one stands by", |drive| {
        *drive.agents[second].core.role() == Role::Standby { holder: "a".to_owned() }
    });
    assert_eq!(story.drive.active(), Some(0));
    story
}

fn script(duration: Duration) -> PodPlan {
    PodPlan::script(Script { setup_data: json!(1), duration, ..Script::default() })
}

/// Waits until this agent acts.
#[track_caller]
pub(super) fn takes_over(story: &mut Story, agent: usize, within: Duration) {
    story.until(within, &format!("agent {agent} is active"), |drive| drive.active() == Some(agent));
}

fn lease(story: &Story) -> Value {
    story.drive.world.object(Kind::Lease, "default", "plz-agent")["spec"].clone()
}

/// Requests so far by verb and resource.
fn requests(story: &Story) -> BTreeMap<String, u64> {
    let mut requests = BTreeMap::new();
    for (what, count) in &story.drive.world.api.counts {
        *requests.entry(format!("{} {}", what.verb, what.resource)).or_default() += count;
    }
    requests
}

/// What was asked since then, watches and lists of anything else than Leases left out.
fn asked_since(story: &Story, before: &BTreeMap<String, u64>) -> BTreeMap<String, u64> {
    let mut asked = requests(story);
    for (what, count) in &mut asked {
        *count -= before.get(what).copied().unwrap_or_default();
    }
    let is_watch =
        |what: &str| what.starts_with("watch ") || what.starts_with("list ") && !what.ends_with("leases");
    asked.retain(|what, count| *count > 0 && !is_watch(what));
    asked
}

#[test]
fn the_other_one_ends_the_run_whenever_the_active_one_dies() {
    for step in 0..60u64 {
        let mut story = two();
        story.plan("*", script(s(3)));
        let now = story.drive.now;
        let id = story.drive.world.queue_run(now, ZONE, 2);
        story.drive.run_for(Duration::from_millis(step * 271));
        story.killed = true;
        story.drive.agents[0].kill();
        takes_over(&mut story, 1, TAKEOVER_MAX);
        story.over(id, s(60), 3);
        assert_eq!(
            (&lease(&story)["holderIdentity"], &lease(&story)["leaseTransitions"]),
            (&json!("b"), &json!(2))
        );
    }
}

#[test]
fn sigterm_hands_over_at_once() {
    for step in 0..20u64 {
        let mut story = two();
        story.plan("*", script(s(3)));
        let id = story.run(2);
        story.drive.run_for(Duration::from_millis(step * 331));
        story.killed = true;
        story.drive.terminate(0);
        story.until(s(2), "it ends", |drive| drive.agents[0].is_over());
        assert_eq!(lease(&story)["holderIdentity"], "", "given up");
        takes_over(&mut story, 1, HANDOVER_MAX);
        story.over(id, s(60), 3);
    }
}

#[test]
fn a_question_that_nobody_answers_does_not_hold_up_the_handover() {
    let mut story = two();
    story.plan("*", script(s(60)));
    let id = story.run(2);
    story.stage(id, "started", s(30));
    story.drive.run_for(s(5));
    story.killed = true;
    // Runners and GCk6 are asked how far they are; nothing is written in the meantime.
    story.drive.agents[0].lag = s(45);
    story.drive.run_for(s(4));
    story.drive.terminate(0);
    takes_over(&mut story, 1, HANDOVER_MAX + s(2));
    story.over(id, s(180), 3);
}

#[test]
fn an_agent_alone_gives_up_the_lease_and_its_successor_need_not_wait() {
    let mut story = Story::new_with(candidate(7, "a"));
    story.drive.terminate(0);
    story.until(s(2), "it ends", |drive| drive.agents[0].is_over());
    let next = story.drive.join(candidate(8, "b"));
    takes_over(&mut story, next, s(1));
}

#[test]
fn a_leader_that_is_cut_off_stops_in_time_and_stands_by_afterwards() {
    for step in 0..20u64 {
        let mut story = two();
        story.plan("*", script(s(40)));
        let id = story.run(2);
        story.drive.run_for(Duration::from_millis(step * 257));
        story.killed = true;
        story.drive.cut(0, s(20));
        story.until(s(11), "it stops acting", |drive| drive.active().is_none());
        takes_over(&mut story, 1, TAKEOVER_MAX);
        story.until(s(15), "the first one stands by", |drive| {
            *drive.agents[0].core.role() == Role::Standby { holder: "b".to_owned() }
        });
        story.over(id, s(90), 3);
        assert_eq!(story.drive.active(), Some(1));
    }
}

#[test]
fn who_is_cut_off_alone_goes_on_as_if_nothing_had_been() {
    for (cut, script_s) in [(s(8), 40), (s(20), 40), (s(60), 90)] {
        let mut story = Story::new_with(candidate(7, "a"));
        story.plan("*", script(s(script_s)));
        let id = story.run(2);
        story.stage(id, "started", s(10));
        story.drive.cut(0, cut);
        story.drive.run_for(cut);
        takes_over(&mut story, 0, s(6));
        // Not as after a restart: that no setup is run again is checked because it was not killed.
        story.over(id, s(120), 3);
        assert_eq!(lease(&story)["leaseTransitions"], 1);
    }
}

#[test]
fn a_cut_in_the_middle_of_setup_does_not_repeat_it() {
    let mut story = Story::new_with(candidate(7, "a"));
    let slow = Script { setup: s(30), setup_data: json!(1), duration: s(3), ..Script::default() };
    story.plan("*", PodPlan::script(slow));
    let id = story.run(2);
    story.until(s(10), "setup runs", |drive| {
        drive.world.k6s.all("plz-test").any(|(_, k6)| !k6.setups.is_empty())
    });
    story.drive.cut(0, s(20));
    story.over(id, s(120), 3);
}

/// A teardown that waits for a worker beyond the end of the lead is not begun, and neither taken for one that was.
#[test]
fn what_waited_too_long_is_done_when_the_lead_is_back() {
    let mut story = Story::new_with(candidate(7, "a"));
    story.plan("*", script(s(12)));
    let id = story.run(2);
    story.stage(id, "stopped", s(30));
    story.drive.agents[0].hold = s(14);
    story.drive.cut(0, s(18));
    story.until(s(11), "it stops acting", |drive| drive.active().is_none());
    story.drive.run_for(s(8));
    story.drive.agents[0].hold = Duration::ZERO;
    takes_over(&mut story, 0, s(10));
    let run = story.over(id, s(90), 3);
    assert_eq!(told(&run), (vec![], 0), "{}", detail(&run));
    let runners = story.drive.world.k6s.all("plz-test");
    assert_eq!(runners.map(|(_, k6)| k6.teardowns.len()).sum::<usize>(), 1);
}

/// The lead goes to the other one and comes back while calls of the first time are still in hand.
#[test]
fn answers_of_an_earlier_lead_are_not_taken_for_those_of_a_later_one() {
    for step in 0..30u64 {
        let mut story = two();
        story.plan("*", script(s(40)));
        let id = story.run(2);
        story.drive.run_for(Duration::from_millis(step * 97));
        story.killed = true;
        story.drive.agents[0].lag = s(45);
        story.drive.run_for(s(1));
        story.drive.cut(0, s(20));
        takes_over(&mut story, 1, s(32));
        story.drive.run_for(s(2));
        story.drive.terminate(1);
        story.drive.agents[0].lag = Duration::ZERO;
        takes_over(&mut story, 0, s(12));
        story.over(id, s(180), 3);
        assert_eq!(lease(&story)["leaseTransitions"], 3);
    }
}

#[test]
fn a_standby_is_quiet() {
    let mut story = two();
    story.drive.agents[0].kill();
    takes_over(&mut story, 1, TAKEOVER_MAX);
    let third = story.drive.join(candidate(9, "c"));
    story.drive.run_for(s(10));
    let before = requests(&story);
    story.drive.run_for(s(3600));
    assert_eq!(*story.drive.agents[third].core.role(), Role::Standby { holder: "b".to_owned() });
    let asked = asked_since(&story, &before);
    let leases: u64 = ["get leases", "patch leases"].iter().map(|what| asked[*what]).sum();
    assert!((700..=730).contains(&asked["get leases"]), "{asked:?}");
    assert!((700..=730).contains(&asked["patch leases"]), "{asked:?}");
    // The token is read again every five minutes, by the one that acts.
    let rest = asked.values().sum::<u64>() - leases;
    assert!(rest <= 13, "{asked:?}");
}

/// But for watches, which a server ends after 290 s.
#[test]
fn an_idle_agent_asks_the_api_server_for_its_own_lease_alone() {
    for settings in [settings(7), candidate(7, "a")] {
        let is_elected = settings.candidacy.is_some();
        let mut story = Story::bare_with(settings);
        story.drive.run_for(s(60));
        let before = requests(&story);
        story.drive.run_for(s(300));
        let mut asked = requests(&story);
        asked.iter_mut().for_each(|(what, count)| *count -= before.get(what).copied().unwrap_or_default());
        asked.retain(|what, count| *count > 0 && !what.starts_with("watch "));
        let expected = BTreeMap::from([("patch leases".to_owned(), 60)]);
        assert_eq!(asked, if is_elected { expected } else { BTreeMap::new() });
    }
}

#[test]
fn a_lease_that_is_deleted_is_made_anew_and_the_run_goes_on() {
    let mut story = two();
    story.plan("*", script(s(10)));
    let id = story.run(2);
    story.stage(id, "started", s(10));
    let key = Key::new(Kind::Lease, "default", "plz-agent");
    story.drive.world.api.delete(story.drive.now, &key, &DeleteOptions::default()).unwrap();
    for _ in 0..60 {
        assert_eq!(story.drive.active(), Some(0), "nobody else can have acted, so it goes on");
        story.drive.run_for(Duration::from_millis(100));
    }
    story.over(id, s(60), 3);
    assert_eq!(lease(&story)["holderIdentity"], "a");
}

/// Somebody else may act yet on a Lease that is gone, and nobody can tell.
#[test]
fn the_first_start_ever_takes_fifteen_seconds() {
    let mut story = Story::bare_with(candidate(7, "a"));
    story.drive.world.apply_zone(Duration::ZERO, NAMESPACE, ZONE);
    story.drive.run_for(s(14));
    assert_eq!((story.drive.active(), lease(&story)["holderIdentity"].as_str()), (None, Some("a")));
    takes_over(&mut story, 0, s(2));
}

/// Each field, at any moment between two renewals, while a second agent waits for its turn; a third one is started into it. The
/// driver checks that no two act.
#[test]
fn whatever_somebody_writes_into_the_lease_no_two_agents_act() {
    let edits: [fn(&mut Value); 10] = [
        |lease| lease["spec"]["holderIdentity"] = json!(""),
        |lease| lease["spec"]["holderIdentity"] = json!("b"),
        |lease| lease["spec"]["holderIdentity"] = json!("c"),
        |lease| lease["spec"]["holderIdentity"] = json!("somebody"),
        |lease| lease["spec"]["leaseDurationSeconds"] = json!(1),
        |lease| lease["spec"]["leaseDurationSeconds"] = json!(2_147_483_647),
        |lease| lease["spec"]["leaseTransitions"] = json!(0),
        |lease| lease["spec"]["renewTime"] = json!("2001-01-01T00:00:00.000000Z"),
        |lease| lease["spec"] = json!({}),
        |lease| lease["metadata"]["annotations"] = json!({"plz-agent/released-by": "a"}),
    ];
    for (at, edit) in edits.into_iter().enumerate() {
        for step in 0..8u64 {
            let mut story = two();
            story.killed = true;
            story.plan("*", script(s(20)));
            let id = story.run(2);
            story.drive.agents[1].pace.set(story.drive.now, if step % 2 == 0 { 1100 } else { 900 });
            story.drive.run_for(Duration::from_millis(step * 687));
            let key = Key::new(Kind::Lease, "default", "plz-agent");
            story.drive.world.api.modify(&key, Part::Main, edit);
            story.drive.join(candidate(9, "c"));
            // Its leader hears of nothing.
            story.drive.cut(0, s(step));
            story.over(id, s(240), 3);
            assert!(story.drive.active().is_some(), "edit {at}, step {step}");
        }
    }
}

/// Gone and made anew, more than once, while some look and others are cut off.
#[test]
fn however_often_the_lease_is_deleted_no_two_agents_act() {
    for seed in 0..30u64 {
        let mut rng = sim::rng::Rng::new(seed);
        let mut story = two();
        story.killed = true;
        story.plan("*", script(s(30)));
        let id = story.run(2);
        for _ in 0..12 {
            let key = Key::new(Kind::Lease, "default", "plz-agent");
            let _ = story.drive.world.api.delete(story.drive.now, &key, &DeleteOptions::default());
            story.drive.run_for(Duration::from_millis(rng.below(12_000)));
            story.drive.cut(usize::try_from(rng.below(2)).unwrap(), Duration::from_millis(rng.below(15_000)));
        }
        story.over(id, s(240), 3);
    }
}

#[test]
fn an_agent_that_cannot_work_does_not_take_the_lead() {
    let mut story = Story::empty_with(candidate(7, "a"));
    let rules = Rule::from_yaml(include_str!("../../../manifests/rbac/rbac.yaml")).unwrap();
    let no_pods = |rule: &Rule| rule.resources != ["pods"];
    story.drive.world.api.rules = Some(rules.iter().filter(|rule| no_pods(rule)).cloned().collect());
    story.drive.run_for(s(60));
    assert_eq!(lease(&story)["holderIdentity"], "");
    assert_eq!(requests(&story)["get leases"], 1);
    story.drive.world.api.rules = Some(rules);
    // The longest pause of a watch that is refused.
    takes_over(&mut story, 0, s(31));
}

#[test]
fn agents_that_come_and_go_serve_every_run() {
    for seed in 0..12u64 {
        let mut rng = sim::rng::Rng::new(seed);
        let mut story = Story::new_with(candidate(seed, "agent-0"));
        story.plan("*", script(s(5)));
        story.killed = true;
        let mut ids = Vec::new();
        for round in 1..12 {
            let agent = story.drive.join(candidate(seed + round, &format!("agent-{round}")));
            story.drive.agents[agent].skew_s = SKEWS_S[agent % 2];
            let now = story.drive.now;
            ids.push(story.drive.world.queue_run(now, ZONE, 2));
            story.drive.run_for(Duration::from_millis(rng.below(25_000)));
            let victim = usize::try_from(rng.below(agent as u64)).unwrap();
            match rng.below(4) {
                0 => story.drive.agents[victim].kill(),
                1 => story.drive.terminate(victim),
                2 => story.drive.cut(victim, s(20)),
                _ => story.drive.agents[agent].lag = s(rng.below(20)),
            }
        }
        for agent in &mut story.drive.agents {
            agent.lag = Duration::ZERO;
        }
        for id in ids {
            story.until(s(180), &format!("run {id} is over (seed {seed})"), |drive| {
                test_run(drive, id).is_null() && !drive.world.cloud.runs[&id].finishes.is_empty()
            });
            story.safe(id);
        }
    }
}

pub(super) const OPERATOR: &str = "k6-operator-system";

/// The Lease of a k6-operator, with the holder and the renewal of that number in it.
pub(super) fn operator(story: &mut Story, holder: &str, renewal: u32) {
    operator_in(story, OPERATOR, holder, renewal);
}

/// The same in any namespace.
pub(super) fn operator_in(story: &mut Story, namespace: &str, holder: &str, renewal: u32) {
    let now = story.drive.now;
    let api = &mut story.drive.world.api;
    if api.object(&Key::new(Kind::Namespace, "", namespace)).is_none() {
        api.create(now, Kind::Namespace, "", json!({"metadata": {"name": namespace}})).unwrap();
    }
    let key = Key::new(Kind::Lease, namespace, "fcdfce80.io");
    let lease = json!({
        "metadata": {"name": key.name},
        "spec": {"holderIdentity": holder, "leaseDurationSeconds": 15,
            "renewTime": format!("2001-01-01T00:00:00.{renewal:06}Z")},
    });
    if api.object(&key).is_some() {
        api.replace(&key, Part::Main, lease).unwrap();
    } else {
        // A namespace that is being deleted takes none.
        let _ = api.create(now, Kind::Lease, namespace, lease);
    }
}

/// Lets time pass while a k6-operator renews its Lease.
pub(super) fn operates(story: &mut Story, seconds: u32) {
    for second in (0..seconds).step_by(2) {
        operator(story, "op_1", second);
        story.drive.run_for(s(2));
    }
}

pub(super) fn waits(drive: &Drive, agent: usize) -> bool {
    let expected = Role::WaitsForOperator { namespace: OPERATOR.to_owned(), holder: "op_1".to_owned() };
    *drive.agents[agent].core.role() == expected
}

#[test]
fn nothing_is_done_beside_a_live_operator() {
    for settings in [settings(7), candidate(7, "a")] {
        let mut story = Story::empty_with(settings);
        operator(&mut story, "op_1", 0);
        story.drive.world.apply_zone(Duration::ZERO, NAMESPACE, ZONE);
        story.drive.run_for(s(1));
        let before = requests(&story);
        operates(&mut story, 120);
        assert!(waits(&story.drive, 0));
        let asked = asked_since(&story, &before);
        assert!(asked.keys().all(|what| what.ends_with(" leases")), "{asked:?}");
        assert!(story.drive.world.cloud.counts.is_empty());
        // It is uninstalled without a word.
        takes_over(&mut story, 0, s(26));
        story.until(s(5), "the zone is registered", |drive| {
            condition(&zone(drive), "PLZRegistered")["status"] == "True"
        });
    }
}

#[test]
fn an_operator_of_the_past_costs_its_time_once() {
    let mut story = Story::empty();
    operator(&mut story, "op_1", 0);
    story.drive.run_for(s(14));
    assert!(waits(&story.drive, 0));
    takes_over(&mut story, 0, s(2));
    story.drive.run_for(s(300));
    assert_eq!(story.drive.active(), Some(0));
}

#[test]
fn an_operator_that_comes_later_takes_over_and_gives_back() {
    let mut story = two();
    operator(&mut story, "", 0);
    story.plan("*", script(s(200)));
    let id = story.run(2);
    story.stage(id, "started", s(10));
    story.killed = true;
    operates(&mut story, 12);
    assert!(waits(&story.drive, 0));
    assert_eq!(*story.drive.agents[1].core.role(), Role::Standby { holder: "a".to_owned() });
    let before = requests(&story);
    operates(&mut story, 60);
    let asked = asked_since(&story, &before);
    assert!(asked.keys().all(|what| what.ends_with(" leases")), "{asked:?}");
    takes_over(&mut story, 0, s(26));
    story.over(id, s(240), 3);
    // One that gives its Lease up is believed at once.
    operates(&mut story, 12);
    assert!(waits(&story.drive, 0));
    operator(&mut story, "", 0);
    takes_over(&mut story, 0, s(1));
}

#[test]
fn rights_of_an_older_version_do_not_stop_the_agent() {
    let mut story = Story::empty();
    let rules = Rule::from_yaml(include_str!("../../../manifests/rbac/rbac.yaml")).unwrap();
    let older = rules.into_iter().filter(|rule| rule.resources != ["leases"]).collect();
    story.drive.world.api.rules = Some(older);
    takes_over(&mut story, 0, s(8));
    story.drive.run_for(s(3000));
    assert!(requests(&story)["list leases"] <= 35, "it does not ask all the time");
}

#[test]
fn the_shipped_rights_are_enough_for_an_election() {
    let rules = Rule::from_yaml(include_str!("../../../manifests/rbac/rbac.yaml")).unwrap();
    let mut story = Story::empty_with(candidate(7, "a"));
    let second = story.drive.join(candidate(8, "b"));
    story.drive.world.api.rules = Some(rules.clone());
    takes_over(&mut story, 0, s(1));
    story.drive.terminate(0);
    takes_over(&mut story, second, HANDOVER_MAX);
    let counts = &story.drive.world.api.counts;
    assert_eq!(sim::api::rbac::refused(&rules, counts.keys()), Vec::<&sim::api::Counted>::new());
}

/// A start takes no longer than the lists of the watches and one more answer.
#[test]
fn an_election_does_not_slow_down_a_start() {
    for (settings, within) in [(settings(7), 8), (candidate(7, "a"), 8)] {
        let mut story = Story::empty_with(settings);
        takes_over(&mut story, 0, Duration::from_millis(within));
    }
}
