//! Why a run ends although its test is not over, and what is said of one that does not move on: each cause, its words, their order.

mod asked;
mod ended;
mod failed;
mod late;
mod order;
mod starting;
mod trouble;
mod waiting;

use super::world::World;
use crate::testrun::diagnose;
use crate::testrun::table::Block;
use crate::testrun::termination::{Cause, Termination};

/// A run in `block`, changed.
fn world(block: Block, change: impl FnOnce(&mut World)) -> World {
    let mut world = World::new(block);
    change(&mut world);
    world
}

/// Why the run ends.
#[track_caller]
fn check(world: &World, cause: Cause, message: &str) {
    let found = diagnose::diagnose(&world.facts());
    assert_eq!(found, Some(Termination { cause, message: message.to_owned() }));
}

/// Nothing ends the run.
#[track_caller]
fn check_none(world: &World) {
    assert_eq!(diagnose::diagnose(&world.facts()), None);
}

#[test]
fn nothing_special_ends_no_run() {
    for block in Block::ALL {
        check_none(&World::new(block));
    }
}

#[test]
fn what_is_over_is_not_ended_again() {
    for block in [Block::Stopped, Block::Done, Block::Gone] {
        check_none(&world(block, |world| {
            world.state.namespace_deleting = true;
            world.zone_deleting = true;
        }));
    }
}
