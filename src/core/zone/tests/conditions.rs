//! What the status says, and when it says nothing.

use super::*;
use crate::cloud::Registration;
use crate::conditions::Truth;
use crate::zone::conditions::{claims, patch};

/// The claims, as `type=status reason: message`.
fn said(world: &World) -> Vec<String> {
    let line = |claim: &crate::conditions::Claim| {
        let truth = match claim.truth {
            Truth::True => "True",
            Truth::False => "False",
            Truth::Unknown => "Unknown",
        };
        format!("{}={truth} {}: {}", claim.type_, claim.reason, claim.message)
    };
    claims(&world.facts()).iter().map(line).collect()
}

#[track_caller]
fn check(base: fn() -> World, change: impl FnOnce(&mut World), wanted: &[&str]) {
    let mut world = base();
    change(&mut world);
    assert_eq!(said(&world), wanted);
}

const REGISTERED: &str =
    "PLZRegistered=True Registered: GCk6 knows this cluster as load zone edge, provider id provider-1";
const NAME_TAKEN: &str = "PLZRegistered=False NameTaken: GCk6 tells zones apart by name only, and PrivateLoadZone elsewhere/edge \
                          has this one; rename one of them";
const INVALID: &str =
    "PLZRegistered=False InvalidSpec: spec.token is empty; name the Secret that holds the GCk6 token";
const UPDATE_FAILED: &str = "PLZRegistered=True UpdateFailed: registered, but GCk6 has not accepted the change to the \
    spec: GCk6 is away";

fn missing(world: &mut World) {
    let mut token = TokenState::default();
    let gone = k8s::status::interpret(404, None, b"{}".to_vec());
    let _ = token.apply_reply(NOW, &ObjectKey::new("ns", "k6-token"), gone);
    world.token = Some(token);
}

fn refused(world: &mut World) {
    let mut token = token();
    token.refuse(NOW, &ObjectKey::new("ns", "k6-token"), "401");
    world.token = Some(token);
}

fn away(world: &mut World) {
    world.state.registration_error = Some("GCk6 is away".to_owned());
}

/// Rows from the strongest to the weakest: each says so alone, and beside all that come after it.
#[test]
fn a_zone_that_is_not_registered_says_the_first_thing_that_keeps_it_from_it() {
    type Row = (fn(&mut World), &'static str);
    let rows: [Row; 5] = [
        (|world| world.named_after(None), NAME_TAKEN),
        (|world| world.zone.spec.token.clear(), INVALID),
        (
            missing,
            "PLZRegistered=False TokenMissing: Secret ns/k6-token does not exist; create it with the GCk6 token under the key token",
        ),
        (
            |world| world.state.refusal = Some("the API server refuses what is needed".to_owned()),
            "PLZRegistered=False Refused: the API server refuses what is needed",
        ),
        (
            away,
            "PLZRegistered=False RegistrationFailed: the zone cannot be registered with GCk6: GCk6 is away",
        ),
    ];
    for (at, (change, wanted)) in rows.iter().enumerate() {
        check(World::pending, change, &[wanted]);
        for (weaker, _) in &rows[at + 1..] {
            let mut world = World::pending();
            change(&mut world);
            weaker(&mut world);
            assert!(said(&world).concat().starts_with(wanted), "{wanted}: {:?}", said(&world));
        }
    }
    check(World::pending, |_| (), &[]);
}

#[test]
fn a_token_that_is_missing_or_refused_is_told_apart() {
    check(
        World::pending,
        refused,
        &[
            "PLZRegistered=False TokenRefused: GCk6 rejects the token in Secret ns/k6-token: 401; put a valid token into it",
        ],
    );
    check(World::pending, |world| world.token = None, &[]);
    let beside = format!(
        "{NAME_TAKEN}; also, GCk6 rejects the token in Secret ns/k6-token: 401; put a valid token into it"
    );
    check(
        World::pending,
        |world| {
            refused(world);
            world.named_after(None);
        },
        &[&beside],
    );
}

#[test]
fn a_zone_that_is_registered_says_so_until_it_is_to_be_told_anew() {
    check(World::registered, |_| (), &[REGISTERED]);
    let edited = |world: &mut World| world.zone.spec.image = "k6:2".to_owned();
    check(World::registered, edited, &[]);
    check(
        World::registered,
        |world| {
            edited(world);
            away(world);
        },
        &[UPDATE_FAILED],
    );
    check(World::registered, |world| world.zone.spec.token.clear(), &[REGISTERED]);
}

#[test]
fn after_a_restart_a_change_that_is_not_taken_is_no_failed_registration() {
    let restarted = || {
        let mut world = World::registered();
        world.state.registered = None;
        world.state.registration_error = Some("GCk6 is away".to_owned());
        world
    };
    check(restarted, |_| (), &[UPDATE_FAILED]);
    check(
        restarted,
        |world| world.state.forgotten = true,
        &["PLZRegistered=False RegistrationFailed: the zone cannot be registered with GCk6: GCk6 is away"],
    );
}

#[test]
fn a_zone_that_leaves_says_only_what_it_waits_for() {
    check(World::leaving, |world| world.named_after(None), &[]);
    check(
        World::leaving,
        |world| world.state.deregistration_error = Some("GCk6 answered 400: busy".to_owned()),
        &[
            "PLZRegistered=True DeregistrationFailed: the zone is being deleted, but GCk6 has not deregistered it: \
             GCk6 answered 400: busy",
        ],
    );
}

#[test]
fn polls_that_fail_are_told_when_they_go_on() {
    let failing = |times: u32| {
        move |world: &mut World| {
            (world.state.polls_failed, world.state.poll_error) = (times, Some("GCk6 is away".to_owned()));
        }
    };
    let told = "PLZPolled=False PollFailing: GCk6 does not answer the poll for test runs: GCk6 is away";
    check(World::registered, failing(1), &[REGISTERED]);
    check(World::registered, failing(2), &[REGISTERED, told]);
    check(World::pending, failing(2), &[]);
    check(
        World::registered,
        |world| {
            failing(2)(world);
            refused(world);
        },
        &[
            REGISTERED,
            "PLZPolled=False TokenProblem: GCk6 rejects the token in Secret ns/k6-token: 401; put a valid token into it",
        ],
    );
    let refusal = |world: &mut World| world.state.refusal = Some("the API server refuses it".to_owned());
    check(World::registered, refusal, &[REGISTERED, "PLZPolled=False Refused: the API server refuses it"]);
    check(
        World::registered,
        |world| {
            refusal(world);
            failing(2)(world);
        },
        &[REGISTERED, told],
    );
}

#[test]
fn polls_that_go_well_are_told_only_after_some_that_did_not() {
    let polled = |world: &mut World| world.state.polled = true;
    check(World::registered, polled, &[REGISTERED]);
    let told = |world: &mut World| world.condition(&json!({"type": "PLZPolled", "status": "False"}));
    let well = "PLZPolled=True Polling: GCk6 answers the poll for test runs";
    check(World::registered, told, &[REGISTERED]);
    check(
        World::registered,
        |world| {
            told(world);
            polled(world);
        },
        &[REGISTERED, well],
    );
    check(
        World::registered,
        |world| {
            told(world);
            polled(world);
            world.state.poll_error = Some("GCk6 is away".to_owned());
        },
        &[REGISTERED],
    );
}

#[test]
fn the_patch_keeps_the_order_and_the_conditions_of_others() {
    let mut world = World::registered();
    world.condition(&json!({"type": "Theirs", "status": "True", "reason": "R", "lastTransitionTime": "t"}));
    assert_eq!(patch(&world.facts()), None);
    world.state.registered = Some(Registration { provider_id: String::new(), ..registration(&world) });
    away(&mut world);
    let patch = patch(&world.facts()).unwrap();
    let conditions = patch["status"]["conditions"].as_array().unwrap();
    let types: Vec<&Value> = conditions.iter().map(|condition| &condition["type"]).collect();
    assert_eq!(types, ["PLZRegistered", "Theirs"]);
    assert_eq!(conditions[0]["status"], "True");
    assert_eq!(conditions[0]["observedGeneration"], 3);
    assert_eq!(conditions[0]["lastTransitionTime"], "2026-01-01T00:00:00Z", "its status has not changed");
}

fn registration(world: &World) -> Registration {
    world.facts().registration().unwrap()
}
