//! The block of zones that GCk6 knows.

use super::*;

const ROWS: &[Expected] = &[
    (Fact::NameTaken, |world| world.named_after(None), &[Action::WriteStatus]),
    (Fact::TokenMissing, |world| world.token = None, &[]),
    (Fact::NotAdopted, World::without_finalizer, &[Action::Adopt]),
    (
        Fact::RegistrationDue,
        |world| world.zone.spec.image = "k6:2".to_owned(),
        &[Action::Register, Action::Poll],
    ),
    (Fact::Otherwise, |_| (), &[Action::Poll]),
];

#[test]
fn each_fact_alone() {
    check_alone(Block::Registered, World::registered, ROWS);
}

#[test]
fn the_first_of_two_facts_wins() {
    check_pairs(Block::Registered, World::registered, ROWS);
}

#[test]
fn only_a_zone_whose_name_is_taken_steps_down() {
    for (fact, make, _) in ROWS {
        let mut world = World::registered();
        make(&mut world);
        assert_eq!(world.decide().steps_down, *fact == Fact::NameTaken, "{fact:?}");
    }
    let mut pending = World::pending();
    pending.named_after(None);
    assert!(!pending.decide().steps_down, "it has nothing to leave");
}

#[test]
fn a_change_of_the_spec_does_not_hold_up_test_runs() {
    let mut world = World::registered();
    world.zone.spec.image = "k6:2".to_owned();
    world.state.listed.insert(ID, Listed::NEW);
    assert_eq!(world.decide().actions, [Action::Register, Action::Poll, Action::FetchData(ID)]);
}

#[test]
fn a_spec_that_is_incomplete_by_now_leaves_the_registration_as_it_is() {
    let mut world = World::registered();
    world.zone.spec.resources.limits.clear();
    let decision = world.decide();
    assert_eq!(decision.row, (Block::Registered, Fact::Otherwise));
    assert_eq!(decision.actions, [Action::Poll]);
}

#[test]
fn without_a_token_nothing_is_taken_up() {
    let mut world = World::registered();
    world.token = None;
    world.state.listed.insert(ID, ready(NOW));
    assert_eq!(world.decide().actions, []);
}
