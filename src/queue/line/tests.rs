//! Whose turn it is, and what calls that hang cost the others. The line of runners' calls, in steps of virtual time.

use super::*;
use crate::event::{Action, Class, ObjectKey};
use crate::queue::limits::limits;

const MS: Duration = Duration::from_millis(1);
/// After what time a call to a runner is given up.
const TIMEOUT: Duration = Duration::from_secs(5);

fn ask(namespace: &str, run: usize, runner: u32) -> TaskId {
    let key = Key::Run(ObjectKey::new(namespace.to_owned(), format!("run-{run:03}")));
    TaskId { key, action: Action::AskRunner(runner) }
}

fn line() -> Line {
    Line::new(limits(Class::Runner, 4))
}

/// A line over time: calls to `silent` namespaces hang and fail, all others take 2 ms.
struct World {
    line: Line,
    now: Duration,
    ends: Vec<(Duration, TaskId, Outcome)>,
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
            while let Some(id) = self.line.next() {
                let (took, outcome) =
                    if (self.hangs)(&id) { (TIMEOUT, Outcome::Failed) } else { (2 * MS, Outcome::Answered) };
                self.ends.push((self.now + took, id, outcome));
            }
            assert!(self.line.under_way() <= limits(Class::Runner, 4).most());
            let next = self.ends.iter().map(|(at, ..)| *at).chain(self.line.next_change()).min();
            self.now = next.map_or(end, |next| next.min(end));
            let now = self.now;
            let (over, rest) = std::mem::take(&mut self.ends).into_iter().partition(|(at, ..)| *at <= now);
            self.ends = rest;
            let over: Vec<(Duration, TaskId, Outcome)> = over;
            for (_, id, outcome) in over {
                self.line.done(now, &id, outcome);
                match outcome {
                    Outcome::Answered => self.answered.push((now, id)),
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
    let order: Vec<TaskId> = std::iter::from_fn(|| line.next()).collect();
    let expected = [ask("a", 1, 1), ask("b", 1, 1), ask("a", 2, 1), ask("b", 1, 2), ask("a", 1, 2)];
    assert_eq!(order, expected);
    assert_eq!((line.waiting(), line.under_way()), (0, 5));
}

#[test]
fn an_object_alone_has_all_places_once_it_answers() {
    let mut line = line();
    let begun = |line: &mut Line| std::iter::from_fn(|| line.next()).collect::<Vec<_>>();
    (1..=100).for_each(|n| line.push(ask("a", 1, n)));
    let first = begun(&mut line);
    assert_eq!(first.len(), UNTRIED_CALLS_MAX);
    line.look(MS);
    first.iter().for_each(|id| line.done(MS, id, Outcome::Answered));
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
    // Within one namespace only once they are known: they cannot all be tried at once.
    for (neighbour, pauses) in
        [("good", [0, 100, 1000, 5001, 60_000]), ("bad", [25_000, 100, 1000, 5001, 60_000])]
    {
        let mut world = World::new(is_not_neighbour);
        for run in 0..100 {
            (1..=10).for_each(|n| world.line.push(ask("bad", run, n)));
        }
        for pause in pauses {
            world.run_until(world.now + pause * MS);
            assert!(world.neighbour_takes(neighbour, 4) <= 700 * MS, "{neighbour} after {pause} ms");
        }
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
    let mut world = World::new(|id| is_bad(id) && matches!(id.action, Action::AskRunner(2..)));
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
    let first = line.next().unwrap();
    line.done(TIMEOUT, &first, Outcome::Failed);
    line.look(TIMEOUT);
    let second = line.next().unwrap();
    assert_eq!(line.next(), None);
    line.done(TIMEOUT + MS, &second, Outcome::Failed);
    let third = line.next().unwrap();
    assert_eq!(line.next(), None, "a quick failure says nothing");
    line.done(TIMEOUT + MS, &third, Outcome::Answered);
    assert_eq!(std::iter::from_fn(|| line.next()).count(), 6);
}

#[test]
fn a_hang_opens_a_place_and_says_when() {
    let mut line = line();
    for run in 0..40 {
        line.push(ask("a", run, 1));
    }
    assert_eq!(std::iter::from_fn(|| line.next()).count(), 8, "half of the places are for the tried");
    assert_eq!(line.next_change(), Some(300 * MS));
    line.look(300 * MS);
    assert_eq!(std::iter::from_fn(|| line.next()).count(), 8);
    assert_eq!(line.next_change(), Some(600 * MS));
}

#[test]
fn setups_that_hang_leave_places_to_other_tenants() {
    let mut line = Line::new(limits(Class::UserCode, 4));
    let setup = |namespace: &str, run| TaskId { action: Action::RunSetup(1), ..ask(namespace, run, 1) };
    for run in 0..40 {
        line.push(setup("bad", run));
    }
    assert_eq!(std::iter::from_fn(|| line.next()).count(), 18);
    assert!(line.is_waiting(&setup("bad", 20)) && line.next_change().is_none());
    for tenant in 0..12 {
        line.push(setup(&format!("worse-{tenant}"), 1));
        line.push(setup(&format!("worse-{tenant}"), 2));
    }
    line.look(Duration::from_secs(600));
    let begun: Vec<TaskId> = std::iter::from_fn(|| line.next()).collect();
    assert_eq!(begun.len(), 12);
    let tenants: std::collections::BTreeSet<&str> =
        begun.iter().map(|id| id.key.object().namespace.as_str()).collect();
    assert_eq!(tenants.len(), 12, "each has one");
}

#[test]
fn what_is_dropped_is_handed_out() {
    let mut line = line();
    (1..=9).for_each(|n| line.push(ask("a", 1, n)));
    line.push(ask("a", 2, 1));
    let begun = line.next().unwrap();
    assert_eq!(line.drop_waiting(Some(&begun.key)).len(), 8);
    assert_eq!((line.waiting(), line.under_way()), (1, 1));
    assert_eq!(line.drop_waiting(None), [ask("a", 2, 1)]);
    assert_eq!((line.waiting(), line.next()), (0, None));
}
