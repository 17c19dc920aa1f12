//! What a zone's status says.
//!
//! Owns the wording of `PLZRegistered` and of `PLZPolled`, the latter told only once polling has failed. Invariant:
//! `PLZRegistered` comes first, since k6-operator's printer column reads the first condition.

use serde_json::{Value, json};

use super::facts::Facts;
use super::table::{Block, Fact};
use crate::api::zone::PLZ_REGISTERED;
use crate::conditions::{self, Claim, Truth};

/// Condition: GCk6 answers the polls for test runs.
pub const PLZ_POLLED: &str = "PLZPolled";

/// Reason of `PLZRegistered`: GCk6 knows the zone with an earlier spec.
pub const UPDATE_FAILED: &str = "UpdateFailed";

/// After how many polls without an answer the status says so. A refused token says so at once.
const POLLS_FAILED_MIN: u32 = 2;

/// What the status is to say now.
#[must_use]
pub fn claims(facts: &Facts<'_>) -> Vec<Claim> {
    let mut claims: Vec<Claim> = registered(facts).into_iter().collect();
    claims.extend(polled(facts));
    claims
}

/// The merge patch for the status subresource, or `None` if the status says all of it already.
#[must_use]
pub fn patch(facts: &Facts<'_>) -> Option<Value> {
    let known = &facts.zone.status.conditions;
    let claims = claims(facts);
    let generation = facts.zone.metadata.generation;
    let generation = (generation > 0).then_some(generation);
    if claims.iter().all(|claim| claim.stands_in(known, generation)) {
        return None;
    }
    let conditions = conditions::merge(known, &claims, generation, facts.wall);
    Some(json!({ "metadata": { "uid": facts.zone.metadata.uid }, "status": { "conditions": conditions } }))
}

fn registered(facts: &Facts<'_>) -> Option<Claim> {
    let claim = |truth, reason: &str, message: &str| Some(Claim::new(PLZ_REGISTERED, truth, reason, message));
    let state = facts.state;
    if facts.block() == Block::Leaving {
        let error = state.deregistration_error.as_ref()?;
        let message = format!("the zone is being deleted, but GCk6 has not deregistered it: {error}");
        return claim(Truth::True, "DeregistrationFailed", &message);
    }
    let problem = facts.token.and_then(|token| token.problem.as_ref());
    if let Some(holder) = &facts.holder {
        let beside = problem.map(|problem| format!("; also, {problem}")).unwrap_or_default();
        let message = format!(
            "GCk6 tells zones apart by name only, and PrivateLoadZone {} has this one; rename one of them{beside}",
            holder.zone
        );
        return claim(Truth::False, "NameTaken", &message);
    }
    if state.registered.is_some() {
        if let Some(error) = &state.registration_error {
            let message = format!("registered, but GCk6 has not accepted the change to the spec: {error}");
            return claim(Truth::True, UPDATE_FAILED, &message);
        }
        if facts.holds(Fact::RegistrationDue) {
            // What stands there holds for the spec before the change. A process after this one goes by it.
            return None;
        }
        let name = &facts.zone.metadata.name;
        let message =
            format!("GCk6 knows this cluster as load zone {name}, provider id {}", facts.zone.provider_id());
        return claim(Truth::True, "Registered", &message);
    }
    if let Err(message) = facts.registration() {
        return claim(Truth::False, "InvalidSpec", &message);
    }
    if let Some(problem) = problem {
        let refused = facts.token.is_some_and(|token| token.refused);
        return claim(Truth::False, if refused { "TokenRefused" } else { "TokenMissing" }, problem);
    }
    if let Some(why) = &state.refusal {
        return claim(Truth::False, "Refused", why);
    }
    let error = state.registration_error.as_ref()?;
    if facts.zone.is_registered() && !state.forgotten {
        // A process before this one has registered it; only a change of the spec since then has not gone through.
        let message = format!("registered, but GCk6 has not accepted the change to the spec: {error}");
        return claim(Truth::True, UPDATE_FAILED, &message);
    }
    claim(Truth::False, "RegistrationFailed", &format!("the zone cannot be registered with GCk6: {error}"))
}

fn polled(facts: &Facts<'_>) -> Option<Claim> {
    let state = facts.state;
    if facts.block() != Block::Registered {
        return None;
    }
    let problem = facts.token.and_then(|token| token.problem.as_ref());
    if let Some(problem) = problem {
        return Some(Claim::new(PLZ_POLLED, Truth::False, "TokenProblem", problem));
    }
    if let Some(error) = &state.poll_error
        && state.polls_failed >= POLLS_FAILED_MIN
    {
        let message = format!("GCk6 does not answer the poll for test runs: {error}");
        return Some(Claim::new(PLZ_POLLED, Truth::False, "PollFailing", &message));
    }
    if let Some(why) = &state.refusal {
        return Some(Claim::new(PLZ_POLLED, Truth::False, "Refused", why));
    }
    let told = facts.zone.condition(PLZ_POLLED).is_some();
    (told && state.polled && state.poll_error.is_none())
        .then(|| Claim::new(PLZ_POLLED, Truth::True, "Polling", "GCk6 answers the poll for test runs"))
}
