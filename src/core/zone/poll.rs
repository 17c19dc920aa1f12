//! The poll: its pace, and what GCk6 lists.

use std::time::Duration;

use super::reply::Context;
use super::state::{Listed, ZoneState};
use crate::cloud::{self, RunId};
use crate::outcome::{Outcome, text};
use crate::pace::pace;
use crate::rng::Rng;

/// A poll that keeps failing is tried at least this often.
pub const POLL_BACKOFF_MAX: Duration = Duration::from_secs(60);
/// After how many answers of "not found" in a row a zone counts as forgotten by GCk6, and is registered again.
const POLLS_NOT_FOUND_MAX: u32 = 2;
/// How many listed test runs are dealt with at a time; the others are listed again by the next poll.
const LISTED_MAX: usize = 256;

/// The poll has a pace of its own: every interval, and while it fails ever later, up to a minute.
pub(super) fn polled(
    state: &mut ZoneState,
    context: &Context<'_>,
    rng: &mut Rng,
    ids: Result<Vec<RunId>, cloud::Error>,
) -> Outcome {
    match ids {
        Ok(ids) => {
            answered(state, context, ids);
            Outcome::Done
        }
        Err(error) => {
            failed(state, context, rng, &error);
            if error.is_unauthorized() { Outcome::TokenRefused(text(&error)) } else { Outcome::Done }
        }
    }
}

fn answered(state: &mut ZoneState, context: &Context<'_>, ids: Vec<RunId>) {
    listed(state, ids);
    if state.polls_failed > 0 {
        let level = if state.poll_unanswered { log::Level::Debug } else { log::Level::Info };
        log::log!(level, "PrivateLoadZone {}: GCk6 answers the poll again", context.zone.metadata.key());
    }
    (state.polls_failed, state.polls_not_found) = (0, 0);
    state.poll_error = None;
    state.poll_unanswered = false;
    state.polled = true;
    state.next_poll = context.now + context.poll_interval;
}

fn failed(state: &mut ZoneState, context: &Context<'_>, rng: &mut Rng, error: &cloud::Error) {
    let key = context.zone.metadata.key();
    let interval = context.poll_interval;
    let unanswered = matches!(error, cloud::Error::Transport(_));
    let is_news = state.polls_failed == 0 || state.poll_unanswered && !unanswered;
    state.poll_unanswered = unanswered;
    if is_news {
        let level = if unanswered { log::Level::Debug } else { log::Level::Warn };
        log::log!(level, "PrivateLoadZone {key}: GCk6 does not answer the poll: {}", text(error));
    }
    state.polls_failed = state.polls_failed.saturating_add(1);
    let pause = pace(interval, POLL_BACKOFF_MAX.max(interval)).pause(state.polls_failed, rng.fraction());
    let asked = match error.retry() {
        cloud::Retry::After(after) => after,
        _ => Duration::ZERO,
    };
    state.next_poll = context.now + pause.max(asked);
    state.poll_error = Some(text(error));
    if !unanswered {
        state.polls_not_found =
            if error.is_not_found() { state.polls_not_found.saturating_add(1) } else { 0 };
    }
    if state.polls_not_found >= POLLS_NOT_FOUND_MAX && state.registered.take().is_some() {
        log::warn!("PrivateLoadZone {key}: GCk6 no longer knows it, registering again");
        state.forgotten = true;
        state.registration_salt = state.registration_salt.wrapping_add(1);
        (state.polls_failed, state.polls_not_found) = (0, 0);
        state.next_poll = context.now + interval;
    }
}

fn listed(state: &mut ZoneState, ids: Vec<RunId>) {
    // A refusal that GCk6 has not taken yet stays, listed or not; the rest follows the list.
    state.listed.retain(|id, state| matches!(state, Listed::Refused(_)) || ids.contains(id));
    for id in ids {
        if state.listed.len() >= LISTED_MAX {
            break;
        }
        if !state.settled.contains(&id) {
            state.listed.entry(id).or_insert(Listed::NEW);
        }
    }
}
