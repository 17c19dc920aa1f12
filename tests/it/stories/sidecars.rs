//! Containers that webhooks add to runners' pods: what befalls them is not taken for what befalls k6 or the download.

use super::*;
use sim::k6::{Exit, Script};
use sim::kube::plan::{Injected, Mishap};

/// When a sidecar ends by itself, with which reason and code.
type Ends<'a> = &'a [(Duration, &'static str, i32)];

fn plan(injected: Injected) -> PodPlan {
    let script = Script { duration: s(60), ..Script::default() };
    PodPlan { injected: Some(injected), script, ..PodPlan::default() }
}

/// Two runners, of which the second has a container more; a run that passes without a warning.
#[track_caller]
fn passes(plan: PodPlan) {
    let mut story = Story::new();
    let script = plan.script.clone();
    story.plan("*", PodPlan::script(script));
    story.plan("*-2", plan);
    let id = story.run(2);
    let run = story.over(id, s(120), 3);
    assert_eq!((told(&run), &run.finishes[0].1["result_status"]), ((vec![], 0), &json!(0)));
    assert_eq!(story.warnings(), Vec::<String>::new());
}

/// The same, and it ends so.
#[track_caller]
fn fails(plan: PodPlan, status: i64, code: i64, words: &str) {
    let mut story = Story::new();
    story.plan("*-2", plan);
    let id = story.run(2);
    let run = story.over(id, s(120), status);
    assert_eq!(told(&run), (vec![code], 1), "{}", detail(&run));
    assert!(detail(&run).contains(words), "{}", detail(&run));
}

/// It ends with 143 when the pod does in all of these.
#[test]
fn a_sidecar_may_end_as_often_as_it_likes() {
    let restarts: [Ends<'_>; 4] = [
        &[],
        // Before k6 runs, and while it does.
        &[(Duration::from_millis(120), "Error", 255), (s(20), "Error", 255)],
        &[(s(10), "OOMKilled", 137), (s(20), "OOMKilled", 137)],
        &[(s(10), "Completed", 0)],
    ];
    for ends in restarts {
        passes(plan(Injected::sidecar("istio-proxy", ends)));
    }
}

#[test]
fn k6_that_exits_well_outweighs_how_its_sidecar_ends() {
    let mishap = Some(Mishap::Exit(s(50), Exit::default()));
    passes(PodPlan { mishap, ..plan(Injected::sidecar("istio-proxy", &[])) });
}

#[test]
fn k6_that_fails_is_told_as_that_beside_a_sidecar() {
    let restarts = plan(Injected::sidecar("istio-proxy", &[(s(5), "OOMKilled", 137)]));
    let out_of_memory = Mishap::OomKilled(s(20));
    fails(PodPlan { mishap: Some(out_of_memory), ..restarts.clone() }, 6, 8032, "runner 2/2");
    let denied = Mishap::Init(Exit::new(10, "expired: the archive's URL has expired; start the test again"));
    fails(PodPlan { mishap: Some(denied), ..restarts }, 6, 8050, "has expired");
}

/// One that has to come to an end, and that is not the download although it comes first.
#[test]
fn an_init_container_of_others_is_named() {
    let mut plan = plan(Injected::init("istio-init"));
    passes(plan.clone());
    plan.commands
        .insert("istio-init".to_owned(), (Exit::new(12, "iptables: permission denied"), String::new()));
    fails(plan, 6, 8050, "init container istio-init of runner 2/2");
}
