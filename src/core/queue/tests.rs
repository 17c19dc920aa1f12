//! Keys, lanes and shares over time.

use super::*;
use crate::event::ObjectKey;
use crate::pace;
use crate::testrun::{Action, StatusWrite};

fn run(name: &str) -> Key {
    Key::Run(ObjectKey { namespace: "ns".into(), name: name.into() })
}

fn task(name: &str, action: Action) -> TaskId {
    TaskId { key: run(name), action: crate::event::Action::Run(action) }
}

/// All that workers can take now.
fn hand_out(queue: &mut Queue) -> Vec<TaskId> {
    std::iter::from_fn(|| queue.next_task(SECOND)).map(|(id, _)| id).collect()
}

fn queue() -> Queue {
    Queue::new(2, Rng::new(1))
}

const SECOND: Duration = Duration::from_secs(1);

#[test]
fn a_key_is_due_once_for_many_reasons() {
    let mut queue = queue();
    queue.mark(run("a"));
    queue.mark(run("a"));
    queue.wake(&run("a"), SECOND);
    assert_eq!(queue.take_due(2 * SECOND), BTreeSet::from([run("a")]));
    assert_eq!(queue.take_due(2 * SECOND), BTreeSet::new());
    assert_eq!(queue.next_deadline(), None);
}

#[test]
fn only_the_earliest_deadline_of_a_key_counts() {
    let mut queue = queue();
    queue.wake(&run("a"), 3 * SECOND);
    queue.wake(&run("a"), SECOND);
    queue.wake(&run("a"), 2 * SECOND);
    assert_eq!(queue.next_deadline(), Some(SECOND));
    assert_eq!(queue.take_due(SECOND).len(), 1);
    assert_eq!(queue.next_deadline(), None);
}

#[test]
fn a_lane_holds_one_task_and_all_status_writes_share_one() {
    let mut queue = queue();
    let conditions = task("a", Action::WriteStatus(StatusWrite::Conditions));
    let stage = task("a", Action::WriteStatus(StatusWrite::Stage(crate::api::run::Stage::Created)));
    assert!(queue.is_free(SECOND, &conditions));
    queue.push(conditions.clone());
    assert!(!queue.is_free(SECOND, &stage));
    hand_out(&mut queue);
    assert!(!queue.is_free(SECOND, &stage));
    queue.done(SECOND, &conditions, Completion::Answered);
    assert!(queue.is_free(SECOND, &stage));
}

#[test]
fn handing_out_stops_at_the_capacity_and_goes_on_as_tasks_are_done() {
    let mut queue = queue();
    for n in 1..=20 {
        queue.push(task("a", Action::AskRunner(n)));
    }
    let first = hand_out(&mut queue);
    assert_eq!(first.len(), 2, "until one of them has answered");
    queue.done(SECOND, &first[0], Completion::Answered);
    assert_eq!(hand_out(&mut queue).len(), 7);
    assert!(hand_out(&mut queue).is_empty());
    queue.done(SECOND, &first[1], Completion::Answered);
    assert_eq!(hand_out(&mut queue), [task("a", Action::AskRunner(10))]);
}

#[test]
fn large_bodies_are_not_built_before_those_under_way_are_sent() {
    let mut queue = queue();
    for n in 1..=5 {
        queue.push(task("a", Action::CreateJob(n)));
    }
    queue.push(task("a", Action::AskRunner(1)));
    queue.push(task("a", Action::Announce));
    let (first, second) = (queue.next_task(SECOND).unwrap().0, queue.next_task(SECOND).unwrap().0);
    assert_eq!(queue.weigh(&first, LARGE_BODIES_BYTES_MAX), Weighed::Fits);
    assert_eq!(queue.weigh(&second, LARGE_BODIES_BYTES_MAX), Weighed::Waits);
    let out = [task("a", Action::Announce), task("a", Action::AskRunner(1))];
    assert_eq!(hand_out(&mut queue), out, "calls without a large body go on");
    queue.done(SECOND, &out[0], Completion::Answered);
    assert_eq!(hand_out(&mut queue), []);
    queue.done(SECOND, &first, Completion::Answered);
    let again = queue.next_task(SECOND).unwrap().0;
    assert_eq!((again.clone(), queue.weigh(&again, LARGE_BODIES_BYTES_MAX)), (second, Weighed::Fits));
}

#[test]
fn a_class_that_hangs_holds_up_no_other() {
    let mut queue = queue();
    for n in 0..50 {
        queue.push(task(&format!("run-{n}"), Action::CheckState));
        queue.push(task(&format!("run-{n}"), Action::RunSetup(1)));
    }
    hand_out(&mut queue);
    let news = queue.loads().find(|(class, ..)| *class == Class::CloudNews);
    assert_eq!(news, Some((Class::CloudNews, 48, 2)));
    queue.push(task("a", Action::AskRunner(1)));
    queue.push(task("a", Action::CreateJob(1)));
    assert_eq!(hand_out(&mut queue), [task("a", Action::CreateJob(1)), task("a", Action::AskRunner(1))]);
}

#[test]
fn a_failed_lane_waits_longer_each_time_and_as_long_as_asked() {
    let mut queue = queue();
    let id = task("a", Action::Finish);
    let mut last = Duration::ZERO;
    for _ in 0..5 {
        let wait = queue.failed(Duration::ZERO, &id, pace::REMOTE, None);
        assert!(wait > last, "{wait:?} after {last:?}");
        last = wait;
    }
    assert!(queue.failed(Duration::ZERO, &id, pace::REMOTE, Some(90 * SECOND)) == 90 * SECOND);
    assert!(!queue.is_free(89 * SECOND, &id));
    assert_eq!(queue.next_deadline(), Some(90 * SECOND));
    assert!(queue.is_free(90 * SECOND, &id));
    queue.succeeded(&id);
    assert!(queue.failed(Duration::ZERO, &id, pace::REMOTE, None) <= SECOND);
}

#[test]
fn who_is_back_is_asked_soon_and_not_before_it_wishes() {
    let mut queue = queue();
    let (finish, asked) = (task("a", Action::Finish), task("b", Action::Finish));
    let other = task("c", Action::DeleteTestRun);
    for _ in 0..7 {
        queue.failed(Duration::ZERO, &finish, pace::REMOTE, None);
        queue.failed(Duration::ZERO, &other, pace::REMOTE, None);
    }
    queue.failed(Duration::ZERO, &asked, pace::REMOTE, Some(90 * SECOND));
    queue.hasten(10 * SECOND, 3 * SECOND, |action| action == crate::event::Action::Run(Action::Finish));
    assert!(queue.next_deadline().is_some_and(|at| (10 * SECOND..13 * SECOND).contains(&at)));
    assert!(queue.is_free(13 * SECOND, &finish));
    assert!(!queue.is_free(40 * SECOND, &other));
    assert!(!queue.is_free(89 * SECOND, &asked) && queue.is_free(90 * SECOND, &asked));
}

#[test]
fn a_report_that_nobody_waits_for_frees_its_lane_and_no_more() {
    let mut queue = queue();
    for n in 1..=20 {
        queue.push(task("a", Action::AskRunner(n)));
    }
    queue.wake(&run("a"), SECOND);
    let _ = queue.failed(SECOND, &task("a", Action::Finish), pace::REMOTE, None);
    let out = hand_out(&mut queue);
    queue.disown();
    assert_eq!((queue.next_deadline(), hand_out(&mut queue).len()), (None, 0));
    assert!(queue.is_free(SECOND, &task("a", Action::Finish)));
    assert!(!queue.is_free(SECOND, &out[0]), "the earlier one is still under way");
    for task in &out {
        assert!(!queue.done(SECOND, task, Completion::Answered));
    }
    assert!(queue.is_free(SECOND, &out[0]));
    queue.push(out[0].clone());
    assert_eq!(hand_out(&mut queue).len(), 1);
    assert!(queue.done(SECOND, &out[0], Completion::Answered));
    for n in 1..=20 {
        queue.push(task("a", Action::AskRunner(n)));
    }
    assert_eq!(hand_out(&mut queue).len(), 8, "no place is left taken");
}

#[test]
fn a_forgotten_key_leaves_nothing_behind() {
    let mut queue = queue();
    queue.push(task("a", Action::Finish));
    queue.wake(&run("a"), SECOND);
    queue.mark(run("a"));
    queue.forget(&run("a"));
    assert!(hand_out(&mut queue).is_empty());
    assert!(queue.take_due(2 * SECOND).is_empty());
    assert!(queue.is_free(SECOND, &task("a", Action::Finish)));
    let (mine, other) = (task("a", Action::Finish), task("b", Action::Finish));
    queue.push(mine.clone());
    queue.push(other.clone());
    assert_eq!(hand_out(&mut queue).len(), 2);
    queue.forget(&run("a"));
    assert!(!queue.is_free(SECOND, &mine), "it is still with a worker");
    assert!(
        !queue.done(SECOND, &mine, Completion::Answered) && queue.done(SECOND, &other, Completion::Answered),
        "nobody waits for the answer"
    );
    queue.push(mine.clone());
    hand_out(&mut queue);
    assert!(queue.done(SECOND, &mine, Completion::Answered), "but for that to the next one of that name");
}
