//! Keys, lanes and shares over time.

use super::*;
use crate::event::{Call, ObjectKey};

fn run(name: &str) -> Key {
    Key::Run(ObjectKey { namespace: "ns".into(), name: name.into() })
}

fn task(name: &str, action: Action) -> Task {
    let call = Call::Kubernetes(k8s::PODS.get(Some("ns"), "p"));
    Task { id: TaskId { key: run(name), action }, call }
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
    let conditions = task("a", Action::WriteRunStatus(crate::event::RunStatusWrite::Conditions));
    let stage = task(
        "a",
        Action::WriteRunStatus(crate::event::RunStatusWrite::Stage(crate::testrun::api::Stage::Created)),
    );
    assert!(queue.is_free(SECOND, &conditions.id));
    queue.push(conditions.clone());
    assert!(!queue.is_free(SECOND, &stage.id));
    queue.hand_out();
    assert!(!queue.is_free(SECOND, &stage.id));
    queue.done(&conditions.id);
    assert!(queue.is_free(SECOND, &stage.id));
}

#[test]
fn handing_out_stops_at_the_capacity_and_goes_on_as_tasks_are_done() {
    let mut queue = queue();
    for n in 1..=20 {
        queue.push(task("a", Action::AskRunner(n)));
    }
    let first = queue.hand_out();
    assert_eq!(first.len(), capacity(Class::Runner, 2));
    assert!(queue.hand_out().is_empty());
    queue.done(&first[0].id);
    assert_eq!(queue.hand_out()[0].id.action, Action::AskRunner(9));
}

#[test]
fn a_class_that_hangs_holds_up_no_other() {
    let mut queue = queue();
    for n in 0..50 {
        queue.push(task(&format!("run-{n}"), Action::CheckState));
        queue.push(task(&format!("run-{n}"), Action::RunSetup(1)));
    }
    queue.hand_out();
    let news = queue.loads().find(|(class, ..)| *class == Class::CloudNews);
    assert_eq!(
        news,
        Some((Class::CloudNews, 50 - capacity(Class::CloudNews, 2), capacity(Class::CloudNews, 2)))
    );
    queue.push(task("a", Action::AskRunner(1)));
    queue.push(task("a", Action::CreateJob(1)));
    let out: Vec<Action> = queue.hand_out().iter().map(|task| task.id.action).collect();
    assert_eq!(out, [Action::CreateJob(1), Action::AskRunner(1)]);
}

#[test]
fn a_failed_lane_waits_longer_each_time_and_as_long_as_asked() {
    let mut queue = queue();
    let id = task("a", Action::Finish).id;
    let mut last = Duration::ZERO;
    for _ in 0..5 {
        let wait = queue.failed(Duration::ZERO, &id, Pace::REMOTE, None);
        assert!(wait > last, "{wait:?} after {last:?}");
        last = wait;
    }
    assert!(queue.failed(Duration::ZERO, &id, Pace::REMOTE, Some(90 * SECOND)) == 90 * SECOND);
    assert!(!queue.is_free(89 * SECOND, &id));
    assert_eq!(queue.next_deadline(), Some(90 * SECOND));
    assert!(queue.is_free(90 * SECOND, &id));
    queue.succeeded(&id);
    assert!(queue.failed(Duration::ZERO, &id, Pace::REMOTE, None) <= SECOND);
}

#[test]
fn who_is_back_is_asked_soon_and_not_before_it_wishes() {
    let mut queue = queue();
    let (finish, asked) = (task("a", Action::Finish).id, task("b", Action::Finish).id);
    let other = task("c", Action::DeleteTestRun).id;
    for _ in 0..7 {
        queue.failed(Duration::ZERO, &finish, Pace::REMOTE, None);
        queue.failed(Duration::ZERO, &other, Pace::REMOTE, None);
    }
    queue.failed(Duration::ZERO, &asked, Pace::REMOTE, Some(90 * SECOND));
    queue.hasten(10 * SECOND, 3 * SECOND, |action| action == Action::Finish);
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
    let _ = queue.failed(SECOND, &task("a", Action::Finish).id, Pace::REMOTE, None);
    let out = queue.hand_out();
    queue.disown();
    assert_eq!((queue.next_deadline(), queue.hand_out().len()), (None, 0));
    assert!(queue.is_free(SECOND, &task("a", Action::Finish).id));
    assert!(!queue.is_free(SECOND, &out[0].id), "the earlier one is still under way");
    for task in &out {
        assert!(!queue.done(&task.id));
    }
    assert!(queue.is_free(SECOND, &out[0].id));
    queue.push(out[0].clone());
    assert_eq!(queue.hand_out().len(), 1);
    assert!(queue.done(&out[0].id));
    for n in 1..=20 {
        queue.push(task("b", Action::AskRunner(n)));
    }
    assert_eq!(queue.hand_out().len(), capacity(Class::Runner, 2), "no share is left taken");
}

#[test]
fn a_forgotten_key_leaves_nothing_behind() {
    let mut queue = queue();
    queue.push(task("a", Action::Finish));
    queue.wake(&run("a"), SECOND);
    queue.mark(run("a"));
    queue.forget(&run("a"));
    assert!(queue.hand_out().is_empty());
    assert!(queue.take_due(2 * SECOND).is_empty());
    assert!(queue.is_free(SECOND, &task("a", Action::Finish).id));
    let (mine, other) = (task("a", Action::Finish), task("b", Action::Finish));
    queue.push(mine.clone());
    queue.push(other.clone());
    assert_eq!(queue.hand_out().len(), 2);
    queue.forget(&run("a"));
    assert!(!queue.is_free(SECOND, &mine.id), "it is still with a worker");
    assert!(!queue.done(&mine.id) && queue.done(&other.id), "nobody waits for the answer");
    queue.push(mine.clone());
    queue.hand_out();
    assert!(queue.done(&mine.id), "but for that to the next one of that name");
}
