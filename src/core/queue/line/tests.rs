//! Whose turn it is, and what calls that hang cost the others. The line of runners' calls, in steps of virtual time.

use super::*;
use crate::event::{self, Class, ObjectKey};
use crate::queue::limits::limits;
use crate::testrun::Action;

const MS: Duration = Duration::from_millis(1);
/// After what time a call to a runner is given up, and a brief one.
const TIMEOUT: Duration = Duration::from_secs(5);
const BRIEF_TIMEOUT: Duration = Duration::from_millis(400);

fn ask(namespace: &str, run: usize, runner: u32) -> TaskId {
    let key = Key::Run(ObjectKey::new(namespace.to_owned(), format!("run-{run:03}")));
    TaskId { key, action: event::Action::Run(Action::AskRunner(runner)) }
}

fn line() -> Line {
    Line::new(limits(Class::Runner, 4))
}

fn next(line: &mut Line) -> Option<TaskId> {
    line.next(|_| true).map(|(id, _)| id)
}

fn begun(line: &mut Line) -> Vec<TaskId> {
    std::iter::from_fn(|| next(line)).collect()
}

/// A line over time: calls to `silent` namespaces hang and fail, all others take 2 ms.
struct World {
    line: Line,
    now: Duration,
    ends: Vec<(Duration, TaskId, Completion)>,
    hangs: fn(&TaskId) -> bool,
    answered: Vec<(Duration, TaskId)>,
}

impl World {
    fn new(hangs: fn(&TaskId) -> bool) -> Self {
        Self { line: line(), now: Duration::ZERO, ends: Vec::new(), hangs, answered: Vec::new() }
    }

    /// Lets time pass; whatever fails is tried again at once.
    fn run_until(&mut self, end: Duration) {
        while self.now < end {
            self.line.look(self.now);
            while let Some((id, patience)) = self.line.next(|_| true) {
                let (took, outcome) = match patience {
                    _ if !(self.hangs)(&id) => (2 * MS, Completion::Answered),
                    Patience::Usual => (TIMEOUT, Completion::Failed),
                    Patience::Brief => (BRIEF_TIMEOUT, Completion::Failed),
                };
                self.ends.push((self.now + took, id, outcome));
            }
            assert!(self.line.under_way() <= limits(Class::Runner, 4).most());
            let next = self.ends.iter().map(|(at, ..)| *at).chain(self.line.next_change()).min();
            self.now = next.map_or(end, |next| next.min(end));
            let now = self.now;
            let (over, rest) = std::mem::take(&mut self.ends).into_iter().partition(|(at, ..)| *at <= now);
            self.ends = rest;
            let over: Vec<(Duration, TaskId, Completion)> = over;
            for (_, id, outcome) in over {
                self.line.done(now, &id, outcome);
                match outcome {
                    Completion::Answered => self.answered.push((now, id)),
                    _ => self.line.push(id),
                }
            }
        }
    }

    /// How long three runners of a neighbour take to be asked `rounds` times, one round after the other.
    #[track_caller]
    fn neighbour_takes(&mut self, namespace: &str, rounds: usize) -> Duration {
        let begin = self.now;
        for _ in 0..rounds {
            let before = self.answered.len();
            (1..=3).for_each(|n| self.line.push(ask(namespace, 999, n)));
            while self.answered[before..]
                .iter()
                .filter(|(_, id)| id.key == ask(namespace, 999, 1).key)
                .count()
                < 3
            {
                self.run_until(self.now + MS);
                assert!(self.now < begin + TIMEOUT, "the neighbour in {namespace} starves at {begin:?}");
            }
        }
        self.now - begin
    }
}

fn is_bad(id: &TaskId) -> bool {
    id.key.object().namespace.starts_with("bad")
}

fn is_not_neighbour(id: &TaskId) -> bool {
    id.key.object().name != "run-999"
}

#[test]
fn turns_go_round_namespaces_and_objects() {
    let mut line = line();
    for task in [ask("a", 1, 1), ask("a", 1, 2), ask("a", 2, 1), ask("b", 1, 1), ask("b", 1, 2)] {
        line.push(task);
    }
    let order: Vec<TaskId> = begun(&mut line);
    let expected = [ask("a", 2, 1), ask("b", 1, 1), ask("a", 1, 1), ask("b", 1, 2), ask("a", 1, 2)];
    assert_eq!(order, expected, "the latest of the untried comes first");
    assert_eq!((line.waiting(), line.under_way()), (0, 5));
}

#[test]
fn an_object_alone_has_all_places_once_it_answers() {
    let mut line = line();
    (1..=100).for_each(|n| line.push(ask("a", 1, n)));
    let first = begun(&mut line);
    assert_eq!(first.len(), UNTRIED_CALLS_MAX);
    line.look(MS);
    first.iter().for_each(|id| line.done(MS, id, Completion::Answered));
    assert_eq!(begun(&mut line).len(), limits(Class::Runner, 4).places);
}

#[test]
fn a_run_that_is_silent_holds_up_nobody() {
    for neighbour in ["bad", "good"] {
        let mut world = World::new(is_not_neighbour);
        (1..=100).for_each(|n| world.line.push(ask("bad", 1, n)));
        world.run_until(10 * MS);
        assert!(world.neighbour_takes(neighbour, 4) <= 50 * MS);
        world.run_until(20 * TIMEOUT);
        assert!(world.line.under_way() <= 1, "a silent run is asked by one call at a time");
        assert!(world.neighbour_takes(neighbour, 4) <= 50 * MS);
    }
}

#[test]
fn a_hundred_silent_runs_hold_up_nobody() {
    for neighbour in ["good", "bad"] {
        let mut world = World::new(is_not_neighbour);
        for run in 0..100 {
            (1..=10).for_each(|n| world.line.push(ask("bad", run, n)));
        }
        for pause in [10, 100, 1000, 5001, 60_000] {
            world.run_until(world.now + pause * MS);
            let took = world.neighbour_takes(neighbour, 4);
            assert!(took <= 300 * MS, "{took:?} in {neighbour} after {pause} ms");
        }
    }
}

/// Nobody knows which of a hundred is the one that answers: they are asked one after the other, each briefly.
#[test]
fn one_among_a_hundred_that_come_at_once_is_found_soon() {
    for at in [0, 50, 99] {
        let mut world = World::new(is_not_neighbour);
        for run in 0..100 {
            if run == at {
                world.line.push(ask("bad", 999, 4));
            }
            (1..=10).for_each(|n| world.line.push(ask("bad", run, n)));
        }
        while world.answered.is_empty() {
            world.run_until(world.now + MS);
        }
        assert!(world.now <= 1300 * MS, "{:?} for number {at}", world.now);
    }
}

/// A run whose runners took too long once, among many that never answer.
#[test]
fn who_was_silent_once_comes_before_who_always_is() {
    let mut world = World::new(is_not_neighbour);
    (0..100).for_each(|run| world.line.push(ask("bad", run, 1)));
    world.run_until(60 * TIMEOUT);
    let late = ask("bad", 999, 1);
    world.line.push(late.clone());
    while next(&mut world.line).is_none_or(|id| id != late) {
        world.run_until(world.now + MS);
    }
    world.line.done(world.now + TIMEOUT, &late, Completion::Failed);
    world.now += TIMEOUT;
    let begin = world.now;
    (1..=3).for_each(|n| world.line.push(ask("bad", 999, n)));
    while world.answered.len() < 3 {
        world.run_until(world.now + MS);
    }
    assert!(world.now <= begin + TIMEOUT, "{:?}", world.now - begin);
}

#[test]
fn a_hundred_silent_tenants_hold_up_nobody_for_long() {
    let mut world = World::new(is_bad);
    for tenant in 0..100 {
        (1..=100).for_each(|n| world.line.push(ask(&format!("bad-{tenant}"), 1, n)));
    }
    for pause in [0, 100, 1000, 5001, 7000, 60_000] {
        world.run_until(world.now + pause * MS);
        let took = world.neighbour_takes("good", 4);
        assert!(took <= 1000 * MS, "{took:?} after {pause} ms");
    }
}

#[test]
fn ten_silent_tenants_hold_up_nobody_from_the_first_moment() {
    let mut world = World::new(is_bad);
    for tenant in 0..10 {
        for run in 0..10 {
            (1..=100).for_each(|n| world.line.push(ask(&format!("bad-{tenant}"), run, n)));
        }
    }
    for pause in [0, 100, 1000, 5001, 7000, 60_000] {
        world.run_until(world.now + pause * MS);
        assert!(world.neighbour_takes("good", 4) <= 700 * MS, "after {pause} ms");
    }
}

#[test]
fn who_answered_and_then_falls_silent_is_no_better() {
    let mut world =
        World::new(|id| is_bad(id) && matches!(id.action, event::Action::Run(Action::AskRunner(2..))));
    for tenant in 0..10 {
        world.line.push(ask(&format!("bad-{tenant}"), 1, 1));
    }
    world.run_until(100 * MS);
    for tenant in 0..10 {
        (2..=100).for_each(|n| world.line.push(ask(&format!("bad-{tenant}"), 1, n)));
    }
    for pause in [0, 50, 400, 1000, 5001] {
        world.run_until(world.now + pause * MS);
        assert!(world.neighbour_takes("good", 4) <= 700 * MS, "after {pause} ms");
    }
}

#[test]
fn one_answer_makes_up_for_silence() {
    let mut line = line();
    (1..=9).for_each(|n| line.push(ask("a", 1, n)));
    let first = next(&mut line).unwrap();
    line.done(TIMEOUT, &first, Completion::Failed);
    line.look(TIMEOUT);
    let second = next(&mut line).unwrap();
    assert_eq!(next(&mut line), None);
    line.done(TIMEOUT + MS, &second, Completion::Failed);
    let third = next(&mut line).unwrap();
    assert_eq!(next(&mut line), None, "a quick failure says nothing");
    line.done(TIMEOUT + MS, &third, Completion::Answered);
    assert_eq!(begun(&mut line).len(), 6);
}

#[test]
fn a_hang_opens_a_place_and_says_when() {
    let mut line = line();
    for run in 0..40 {
        line.push(ask("a", run, 1));
    }
    assert_eq!(begun(&mut line).len(), 12, "some places are for the tried");
    assert_eq!(line.next_change(), Some(150 * MS));
    line.look(150 * MS);
    assert_eq!(begun(&mut line).len(), 12);
    assert_eq!(line.next_change(), Some(300 * MS));
}

#[test]
fn setups_that_hang_leave_places_to_other_tenants() {
    let mut line = Line::new(limits(Class::UserCode, 4));
    let setup = |namespace: &str, run| TaskId {
        action: event::Action::Run(Action::RunSetup(1)),
        ..ask(namespace, run, 1)
    };
    for run in 0..40 {
        line.push(setup("bad", run));
    }
    assert_eq!(begun(&mut line).len(), 18);
    assert!(line.has_waiting(&setup("bad", 20).key) && line.next_change().is_none());
    for tenant in 0..12 {
        line.push(setup(&format!("worse-{tenant}"), 1));
        line.push(setup(&format!("worse-{tenant}"), 2));
    }
    line.look(Duration::from_secs(600));
    let begun = begun(&mut line);
    assert_eq!(begun.len(), 12);
    let tenants: std::collections::BTreeSet<&str> =
        begun.iter().map(|id| id.key.object().namespace.as_str()).collect();
    assert_eq!(tenants.len(), 12, "each has one");
}

#[test]
fn what_is_dropped_is_handed_out() {
    let mut line = line();
    (1..=9).for_each(|n| line.push(ask("a", 1, n)));
    let begun = next(&mut line).unwrap();
    line.push(ask("a", 2, 1));
    assert_eq!(line.drop_waiting(Some(&begun.key)).len(), 8);
    assert_eq!((line.waiting(), line.under_way()), (1, 1));
    assert_eq!(line.drop_waiting(None), [ask("a", 2, 1)]);
    assert_eq!((line.waiting(), next(&mut line)), (0, None));
}

#[test]
fn what_may_not_begin_yet_lets_others_pass() {
    let mut line = Line::new(limits(Class::Kubernetes, 4));
    let job = |n| TaskId { action: event::Action::Run(Action::CreateJob(n)), ..ask("a", 1, 1) };
    let say = TaskId { action: event::Action::Run(Action::Announce), ..ask("a", 1, 1) };
    [job(1), job(2), say.clone()].into_iter().for_each(|id| line.push(id));
    let first = next(&mut line).unwrap();
    line.put_back(first.clone());
    assert_eq!((line.waiting(), line.under_way()), (3, 0));
    let may = |id: &TaskId| id.action == event::Action::Run(Action::Announce);
    assert_eq!(line.next(may).map(|(id, _)| id), Some(say));
    assert_eq!(line.next(may), None);
    assert_eq!(next(&mut line), Some(first), "it is still the first");
}

#[test]
fn time_is_short_for_the_untried_alone_and_only_where_others_wait() {
    let mut line = line();
    let patience = |line: &mut Line| line.next(|_| true).map(|(_, patience)| patience);
    line.push(ask("a", 1, 1));
    assert_eq!(patience(&mut line), Some(Patience::Usual));
    line.push(ask("a", 2, 1));
    assert_eq!(patience(&mut line), Some(Patience::Brief));
    line.done(MS, &ask("a", 1, 1), Completion::Answered);
    line.push(ask("a", 1, 2));
    assert_eq!(patience(&mut line), Some(Patience::Usual));
}
