//! What is noted of a run beside answers: what was decided on, what was never sent, what the API server refuses.

use std::time::Duration;

use super::world::{NOW, World};
use crate::announce::Kind;
use crate::testrun::action::Action;
use crate::testrun::state::{Job, Teardown};
use crate::testrun::table::Block;
use crate::testrun::termination::{Cause, Termination};

const LATER: Duration = Duration::from_secs(1_000_001);

#[test]
fn what_was_decided_on_is_noted_so_that_it_is_not_decided_on_again() {
    let mut world = World::new(Block::Started);
    world.state.dispatched(LATER, Action::AskRunner(2));
    assert_eq!((world.runner(2).asked, world.runner(1).asked), (Some(LATER), None));
    world.state.dispatched(LATER, Action::ReadEvents(2));
    assert_eq!((world.runner(2).events_read, world.runner(1).events_read), (Some(LATER), None));
    world.state.dispatched(LATER, Action::CheckState);
    assert_eq!(world.state.state_asked, LATER);
    world.state.dispatched(LATER, Action::RunTeardown(2));
    assert_eq!(world.state.teardown, Teardown::Running);
    // Numbers beyond the run's own are nobody's.
    world.state.dispatched(LATER, Action::AskRunner(4));
    assert_eq!(world.state.runners.len(), 3);
}

#[test]
fn only_a_teardown_that_was_not_sent_is_due_again() {
    for (action, known, wanted) in [
        (Action::RunTeardown(2), Teardown::Running, Teardown::Due),
        (Action::RunTeardown(2), Teardown::Done, Teardown::Done),
        (Action::RunSetup(2), Teardown::Running, Teardown::Running),
    ] {
        let mut world = World::new(Block::Stopped);
        world.state.teardown = known.clone();
        world.state.withdrawn(action);
        assert_eq!(world.state.teardown, wanted, "{action:?} {known:?}");
    }
}

#[test]
fn a_refusal_is_an_event_where_no_condition_says_it_and_once() {
    for (block, events) in [
        (Block::New, 0),
        (Block::Created, 0),
        (Block::Started, 0),
        (Block::Stopped, 1),
        (Block::Done, 1),
        (Block::Gone, 1),
    ] {
        let mut world = World::new(block);
        world.state.refuse(Some("no right".to_owned()));
        world.state.refuse(Some("no right".to_owned()));
        let posted = &world.state.announcements;
        assert_eq!(posted.len(), events, "{block}");
        for event in posted {
            let said = (event.kind, event.reason.as_str(), event.message.as_str());
            assert_eq!(said, (Kind::Warning, "Refused", "no right"), "{block}");
        }
        world.state.refuse(None);
        assert_eq!(world.state.refusal, None, "{block}");
    }
}

#[test]
fn the_first_cause_stands() {
    let mut world = World::new(Block::Started);
    world.state.data_waits_since = Some(NOW);
    let end = |cause: Cause| Termination { cause, message: "why".to_owned() };
    world.state.end(NOW, end(Cause::OutOfMemory));
    world.state.end(LATER, end(Cause::AbortedByUser));
    let ending = world.state.ending.as_ref().map(|ending| ending.cause);
    assert_eq!((ending, world.state.ending_since), (Some(Cause::OutOfMemory), NOW));
    assert_eq!(world.state.data_waits_since, None, "nobody waits for room any more");
}

#[test]
fn a_pod_that_goes_is_noted_and_one_that_comes_is_not() {
    let mut world = World::new(Block::Stopped);
    for (pods, went) in [(2, None), (2, None), (3, None), (1, Some(LATER)), (1, Some(LATER))] {
        world.state.count_pods(LATER, pods);
        assert_eq!(world.state.pod_went, went, "{pods}");
    }
}

#[test]
fn the_silence_of_the_api_server_is_forgiven_to_all() {
    let mut world = World::new(Block::Started);
    (1..=3).for_each(|n| world.runner(n).silent_since = Some(NOW));
    world.state.forgive_silence();
    assert!(world.state.runners.values().all(|runner| runner.silent_since.is_none()));
}

#[test]
fn more_runners_than_there_may_be_are_never_remembered() {
    let mut world = World::new(Block::Created);
    world.state.set_parallelism(u32::MAX);
    assert_eq!((world.state.parallelism, world.state.runners.len()), (1000, 1000));
}

#[test]
fn the_pods_of_a_job_are_known_by_its_uid_alone() {
    for (job, uid) in [
        (Job::Ours("u".to_owned()), Some("u")),
        (Job::Deleted("u".to_owned()), Some("u")),
        (Job::Contested("u".to_owned()), Some("u")),
        (Job::Gone("u".to_owned()), Some("u")),
        // An empty uid would be that of any pod without one.
        (Job::Gone(String::new()), None),
        (Job::Refused("u".to_owned()), None),
        (Job::Unknown, None),
        (Job::Unclear, None),
        (Job::Foreign, None),
    ] {
        assert_eq!(job.uid(), uid, "{job:?}");
    }
}
