//! Each fact: what makes it hold, and what does not.

use super::*;

/// Whether a fact holds for a zone with nothing special but `change`.
#[track_caller]
fn check(base: fn() -> World, change: impl FnOnce(&mut World), fact: Fact, wanted: bool) {
    let mut world = base();
    change(&mut world);
    assert_eq!(world.facts().holds(fact), wanted, "{fact:?}");
}

#[test]
fn the_block_is_read_off_the_object_and_the_memory() {
    assert_eq!(World::pending().facts().block(), Block::Pending);
    assert_eq!(World::registered().facts().block(), Block::Registered);
    let mut leaving = World::registered();
    leaving.zone.metadata.deletion_timestamp = Some("2026-01-01T00:00:00Z".to_owned());
    assert_eq!(leaving.facts().block(), Block::Leaving, "registered or not");
    let mut said = World::registered();
    said.state.registered = None;
    assert_eq!(said.facts().block(), Block::Pending, "the condition alone does not count");
}

#[test]
fn a_name_lapses_at_the_moment_that_it_is_said_to() {
    for (lapses_at, lapsed) in [(NOW - S, true), (NOW, true), (NOW + S, false)] {
        check(World::pending, |world| world.named_after(Some(lapses_at)), Fact::NameLapsed, lapsed);
        check(World::pending, |world| world.named_after(Some(lapses_at)), Fact::NameTaken, true);
    }
    check(World::pending, |world| world.named_after(None), Fact::NameLapsed, false);
    check(World::pending, |_| (), Fact::NameTaken, false);
}

#[test]
fn a_token_that_is_refused_is_no_missing_one() {
    check(World::pending, |world| world.token = None, Fact::TokenMissing, true);
    check(World::pending, |world| world.token = Some(TokenState::default()), Fact::TokenMissing, true);
    check(
        World::pending,
        |world| {
            let mut token = token();
            token.refuse(NOW, &ObjectKey::new("ns", "k6-token"), "401");
            world.token = Some(token);
        },
        Fact::TokenMissing,
        false,
    );
}

#[test]
fn an_adopted_zone_has_both_finalizer_and_provider_id() {
    check(World::pending, |_| (), Fact::NotAdopted, false);
    check(World::pending, World::without_finalizer, Fact::NotAdopted, true);
    check(World::pending, |world| world.zone.metadata.annotations.clear(), Fact::NotAdopted, true);
    let empty = |world: &mut World| {
        world.zone.metadata.annotations.values_mut().for_each(String::clear);
    };
    check(World::pending, empty, Fact::NotAdopted, true);
}

#[test]
fn each_part_of_the_registration_makes_it_due() {
    let due = |change: fn(&mut World)| check(World::registered, change, Fact::RegistrationDue, true);
    due(|world| world.zone.spec.image = "k6:2".to_owned());
    due(|world| drop(world.zone.spec.resources.limits.insert("cpu".into(), "1".into())));
    due(|world| drop(world.zone.spec.resources.limits.insert("memory".into(), "1Gi".into())));
    due(|world| world.zone.metadata.annotations.clear());
    due(|world| world.state.registered = None);
    let not_due = |change: fn(&mut World)| check(World::registered, change, Fact::RegistrationDue, false);
    not_due(|_| ());
    not_due(|world| world.zone.spec.token = "another".to_owned());
    not_due(|world| world.zone.metadata.generation += 1);
    not_due(|world| drop(world.zone.spec.resources.limits.insert("pods".into(), "9".into())));
    not_due(|world| world.zone.spec.resources.limits.clear());
}

#[test]
fn what_is_missing_in_the_spec_is_named() {
    let check = |change: fn(&mut World), wanted: Option<&str>| {
        let mut world = World::pending();
        change(&mut world);
        let missing = world.facts().registration().err();
        assert_eq!(missing.as_deref(), wanted);
        assert_eq!(world.facts().holds(Fact::SpecIncomplete), wanted.is_some());
    };
    check(|_| (), None);
    check(
        |world| world.zone.spec.token.clear(),
        Some("spec.token is empty; name the Secret that holds the GCk6 token"),
    );
    let no_cpu = "spec.resources.limits.cpu is missing; GCk6 plans the runners from it";
    check(|world| drop(world.zone.spec.resources.limits.remove("cpu")), Some(no_cpu));
    check(|world| drop(world.zone.spec.resources.limits.insert("cpu".into(), String::new())), Some(no_cpu));
    check(
        |world| drop(world.zone.spec.resources.limits.remove("memory")),
        Some("spec.resources.limits.memory is missing; GCk6 plans the runners from it"),
    );
}

#[test]
fn a_registration_says_what_gck6_is_to_know() {
    let mut world = World::pending();
    let registration = |world: &World| world.facts().registration().unwrap();
    let plain = registration(&world);
    assert_eq!((plain.name.as_str(), plain.provider_id.as_str()), ("edge", "provider-1"));
    assert_eq!((plain.cpu.as_str(), plain.memory.as_str(), plain.image), ("200m", "256Mi", None));
    world.zone.spec.image = "k6:2".to_owned();
    world.zone.metadata.annotations.clear();
    let other = registration(&world);
    assert_eq!((other.provider_id.as_str(), other.image.as_deref()), ("zone-uid", Some("k6:2")));
}
