//! Who is called by what; and what follows, for all who wait, from somebody who answers again.

use super::*;
use crate::cloud::RunId;
use crate::testrun::{Action as Run, StatusWrite};
use crate::zone::Action as Zone;

#[test]
fn each_action_has_its_target() {
    let check = |action: Action, wanted: Option<Target>| assert_eq!(Target::of(action), wanted, "{action}");
    check(Action::Token(token::Action::Read), Some(Target::Kubernetes));
    check(Action::Lease(crate::lease::Action::Write), Some(Target::Kubernetes));
    check(Action::FindOperator, Some(Target::Kubernetes));
    for action in
        [Zone::Adopt, Zone::WriteStatus, Zone::Release, Zone::Announce, Zone::CreateTestRun(RunId(1))]
    {
        check(Action::Zone(action), Some(Target::Kubernetes));
    }
    for action in [Zone::Register, Zone::Deregister, Zone::Poll, Zone::FetchData(RunId(1))] {
        check(Action::Zone(action), Some(Target::Cloud));
    }
    check(Action::Zone(Zone::Refuse(RunId(1))), Some(Target::Ingest));
    for action in [Run::Confirm, Run::CheckState, Run::FetchCredentials] {
        check(Action::Run(action), Some(Target::Cloud));
    }
    for action in [Run::SendEvents, Run::Finish] {
        check(Action::Run(action), Some(Target::Ingest));
    }
    for action in [Run::CreateJob(1), Run::WriteStatus(StatusWrite::Conditions), Run::Release] {
        check(Action::Run(action), Some(Target::Kubernetes));
    }
    for action in [Run::AskRunner(1), Run::ResumeRunner(1), Run::RunSetup(1), Run::RunTeardown(1)] {
        check(Action::Run(action), None);
    }
}

#[test]
fn polls_come_soon_once_gck6_answers_again() {
    let mut rig = Rig::with_zone();
    rig.zone_state("ns").next_poll = rig.mono;
    assert_eq!(rig.wait(600 * S), [READS, POLLS]);
    rig.answer(POLLS, gck6_lost());
    assert!(rig.core.reach[&Target::Cloud].is_away());
    let later = rig.mono + 600 * S;
    rig.zone_state("ns").next_poll = later;
    // An answer to anybody, after a while.
    rig.mono += S;
    rig.core.heed(rig.now(), Target::Cloud, Sign::Answer);
    let soon = rig.zone_state("ns").next_poll - rig.mono;
    assert!(soon < RETURN_SPREAD, "{soon:?}");
    assert!(rig.run_for(RETURN_SPREAD).contains(&POLLS.to_owned()));
}

/// The last poll was answered: GCk6 has asked for that pace, or has nothing new.
#[test]
fn a_poll_that_was_answered_keeps_its_pace() {
    let mut rig = Rig::with_zone();
    let next = rig.zone_state("ns").next_poll;
    rig.core.heed(rig.now(), Target::Cloud, Sign::Silence("cut".to_owned()));
    rig.mono += S;
    rig.core.heed(rig.now(), Target::Cloud, Sign::Answer);
    assert_eq!(rig.zone_state("ns").next_poll, next);
}

#[test]
fn what_waits_for_the_same_target_is_tried_soon_and_nothing_else() {
    for (target, is_hastened) in [(Target::Kubernetes, false), (Target::Cloud, true), (Target::Ingest, true)]
    {
        let mut rig = Rig::active();
        rig.sees_zone(&zone("ns"));
        rig.turn();
        rig.answer(READS, secret("t"));
        rig.answer(REGISTERS, gck6_lost());
        let id = TaskId::zone(&ObjectKey::new("ns", "edge"), Zone::Register);
        for _ in 0..10 {
            let now = rig.now().mono;
            let _ = rig.core.queue.failed(now, &id, pace::REMOTE, None);
        }
        rig.core.heed(rig.now(), target, Sign::Silence("cut".to_owned()));
        rig.mono += S;
        rig.core.heed(rig.now(), target, Sign::Answer);
        let names = rig.run_for(RETURN_SPREAD);
        assert_eq!(names.contains(&REGISTERS.to_owned()), is_hastened, "{target:?}: {names:?}");
    }
}

/// It may be what runners are reached through.
#[test]
fn while_the_api_server_is_silent_no_runner_is() {
    for target in [Target::Kubernetes, Target::Cloud, Target::Ingest] {
        let mut rig = Rig::with_run();
        let state = rig.run_state(101);
        state.set_parallelism(1);
        state.runners.get_mut(&1).unwrap().silent_since = Some(S);
        rig.core.heed(rig.now(), target, Sign::Silence("cut".to_owned()));
        let is_forgiven = rig.run_state(101).runners[&1].silent_since.is_none();
        assert_eq!(is_forgiven, target == Target::Kubernetes, "{target:?}");
    }
}

#[test]
fn a_watch_speaks_for_the_api_server() {
    let mut rig = Rig::active();
    let lost = || k8s::Error::Transport { server: "s".to_owned(), cause: "refused".to_owned() };
    let status = |code| k8s::Error::Api { status: k8s::Status { code, ..k8s::Status::default() } };
    for (error, is_away) in [(status(403), false), (status(410), false), (status(503), true), (lost(), true)]
    {
        let mut rig = Rig::active();
        rig.sees(Seen::Pod(WatchEvent::Failing(error.clone())));
        assert_eq!(rig.core.reach[&Target::Kubernetes].is_away(), is_away, "{error}");
    }
    rig.sees(Seen::Pod(WatchEvent::Failing(lost())));
    rig.mono += S;
    rig.sees(Seen::Pod(WatchEvent::Recovered));
    assert_eq!(rig.core.reach[&Target::Kubernetes].back_since(), Some(rig.mono));
}

/// So that the API server's start does not cost the calls to it their pause.
#[test]
fn a_watch_that_sees_again_forgives_what_waits_for_the_api_server() {
    let mut rig = Rig::active();
    rig.sees_zone(&zone("ns"));
    rig.turn();
    rig.answer(READS, secret("t"));
    rig.answer(REGISTERS, gck6(503, ""));
    let id = |action| TaskId::zone(&ObjectKey::new("ns", "edge"), action);
    let now = rig.now().mono;
    let _ = rig.core.queue.failed(now, &id(Zone::Adopt), pace::REMOTE, None);
    rig.sees(Seen::Zone(WatchEvent::Recovered));
    assert_eq!(rig.core.queue.failures(&id(Zone::Adopt)), 0);
    assert_eq!(rig.core.queue.failures(&id(Zone::Register)), 1, "GCk6 is another");
}
