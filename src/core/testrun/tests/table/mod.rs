//! The table, block by block: each fact alone, and each pair of facts, of which the first has its way.
//!
//! The order stands here once more. Two rows that change places in the table fail by name.

mod beside;
mod created;
mod done;
mod gone;
mod new;
mod started;
mod stopped;
mod time;

use std::collections::BTreeSet;

use super::world::World;
use crate::testrun::action::Action;
use crate::testrun::table::{self, Block, Fact};

/// A fact of a block, in the place that it has there.
pub(super) struct Case {
    pub(super) fact: Fact,
    /// Makes it true of a run, and as little else as can be.
    pub(super) make: fn(&mut World),
    /// Which facts of the block are true with it.
    pub(super) with: &'static [Fact],
    /// What is done when it is chosen and alone.
    pub(super) actions: &'static [Action],
}

/// Two facts of a block that cannot be true at once, and why.
pub(super) type Exclusion = (Fact, Fact, &'static str);

/// The facts of the block that are true, but for the last.
fn held(block: Block, world: &World) -> Vec<Fact> {
    let facts = table::rows(block).iter().map(|row| row.fact).filter(|fact| *fact != Fact::Otherwise);
    facts.filter(|fact| world.facts().holds(*fact)).collect()
}

fn ordered(facts: impl IntoIterator<Item = Fact>) -> BTreeSet<Fact> {
    facts.into_iter().collect()
}

/// With nothing special the last row is chosen.
#[track_caller]
pub(super) fn check_otherwise(block: Block, actions: &[Action], forget: bool) {
    let world = World::new(block);
    assert_eq!(held(block, &world), [], "{block}: nothing is special");
    let decision = world.decide();
    assert_eq!(decision.row, (block, Fact::Otherwise));
    assert_eq!((decision.actions.as_slice(), decision.forget), (actions, forget), "{block}: Otherwise");
}

/// Every row of the block has a case, and each fact alone chooses its row.
#[track_caller]
pub(super) fn check_alone(block: Block, cases: &[Case]) {
    let facts = ordered(cases.iter().map(|case| case.fact).chain([Fact::Otherwise]));
    assert_eq!(facts, ordered(table::rows(block).iter().map(|row| row.fact)), "{block}: cases and rows");
    for case in cases {
        let mut world = World::new(block);
        (case.make)(&mut world);
        let fact = case.fact;
        let true_ = ordered(case.with.iter().copied().chain([fact]));
        assert_eq!(ordered(held(block, &world)), true_, "{block}: what is true with {fact:?}");
        let decision = world.decide();
        assert_eq!(decision.row, (block, fact), "{block}: {fact:?} alone");
        assert_eq!(decision.actions, case.actions, "{block}: what {fact:?} starts");
        assert!(!decision.forget, "{block}: {fact:?}");
    }
}

/// Of two facts that hold the first is chosen. The later one is made first, so that the earlier one has the last word.
#[track_caller]
pub(super) fn check_pairs(block: Block, cases: &[Case], exclusions: &[Exclusion]) {
    for (at, first) in cases.iter().enumerate() {
        for second in &cases[at + 1..] {
            let mut world = World::new(block);
            (second.make)(&mut world);
            (first.make)(&mut world);
            let pair = (first.fact, second.fact);
            let both = world.facts().holds(first.fact) && world.facts().holds(second.fact);
            if let Some((_, _, why)) = exclusions.iter().find(|(one, other, _)| (*one, *other) == pair) {
                assert!(!both, "{block}: {pair:?} can be true at once: {why}");
                continue;
            }
            assert!(both, "{block}: {pair:?} are not true at once");
            assert_eq!(world.decide().row.1, first.fact, "{block}: of {pair:?}");
        }
    }
}

/// What is started for a run in which `change` is all that is special.
#[track_caller]
pub(super) fn check_actions(
    block: Block,
    change: impl FnOnce(&mut World),
    row: Fact,
    actions: &[Action],
) -> World {
    let mut world = World::new(block);
    change(&mut world);
    let decision = world.decide();
    assert_eq!((decision.row, decision.actions.as_slice()), ((block, row), actions));
    world
}
