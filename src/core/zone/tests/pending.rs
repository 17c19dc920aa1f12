//! The block of zones that GCk6 does not know.

use super::*;

const ROWS: &[Expected] = &[
    (Fact::NameLapsed, |world| world.named_after(Some(NOW)), &[Action::WriteStatus, Action::Poll]),
    (Fact::NameTaken, |world| world.named_after(None), &[Action::WriteStatus]),
    (Fact::SpecIncomplete, |world| world.zone.spec.token.clear(), &[Action::WriteStatus]),
    (Fact::TokenMissing, |world| world.token = None, &[]),
    (Fact::NotAdopted, World::without_finalizer, &[Action::Adopt]),
    (Fact::Otherwise, |_| (), &[Action::Register]),
];

#[test]
fn each_fact_alone() {
    check_alone(Block::Pending, World::pending, ROWS);
}

#[test]
fn the_first_of_two_facts_wins() {
    check_pairs(Block::Pending, World::pending, ROWS);
}

#[test]
fn a_name_that_may_lapse_later_is_taken_and_looked_at_then() {
    let mut world = World::pending();
    world.named_after(Some(NOW + S));
    let decision = world.decide();
    assert_eq!(decision.row, (Block::Pending, Fact::NameTaken));
    assert_eq!(decision.wake, Some(NOW + S));
}

#[test]
fn of_a_zone_that_is_not_registered_no_test_run_is_taken_up() {
    for holder in [None, Some(None), Some(Some(NOW))] {
        let mut world = World::pending();
        holder.into_iter().for_each(|lapses_at| world.named_after(lapses_at));
        world.state.listed.insert(ID, Listed::NEW);
        let actions = world.decide().actions;
        assert!(!actions.contains(&Action::FetchData(ID)), "{holder:?}: {actions:?}");
    }
}
