//! The poll: its pace, and what GCk6 lists.

use std::time::Duration;

use super::learn::Context;
use super::memory::{Listed, ZoneMemory};
use crate::cloud::{self, RunId};
use crate::outcome::{Lesson, text};
use crate::rng::Rng;

/// A poll that keeps failing is tried at least this often.
pub const POLL_BACKOFF_MAX: Duration = Duration::from_secs(60);
/// After how many answers of "not found" in a row a zone counts as forgotten by GCk6, and is registered again.
const POLLS_NOT_FOUND_MAX: u32 = 2;
/// How many listed test runs are dealt with at a time; the others are listed again by the next poll.
const LISTED_MAX: usize = 256;

/// The poll has a pace of its own: every interval, and while it fails ever later, up to a minute.
pub(super) fn polled(
    memory: &mut ZoneMemory,
    context: &Context<'_>,
    rng: &mut Rng,
    ids: Result<Vec<RunId>, cloud::Error>,
) -> Lesson {
    let interval = context.poll_interval;
    let error = match ids {
        Ok(ids) => {
            listed(memory, ids);
            if memory.polls_failed > 0 {
                let level = if memory.poll_unanswered { log::Level::Debug } else { log::Level::Info };
                log::log!(
                    level,
                    "PrivateLoadZone {}: GCk6 answers the poll again",
                    context.zone.metadata.key()
                );
            }
            memory.polls_failed = 0;
            memory.poll_error = None;
            memory.poll_unanswered = false;
            memory.polled = true;
            memory.next_poll = context.now + interval;
            return Lesson::Done;
        }
        Err(error) => error,
    };
    let unanswered = matches!(error, cloud::Error::Transport(_));
    let is_news = memory.polls_failed == 0 || memory.poll_unanswered && !unanswered;
    memory.poll_unanswered = unanswered;
    if is_news {
        let level = if unanswered { log::Level::Debug } else { log::Level::Warn };
        log::log!(
            level,
            "PrivateLoadZone {}: GCk6 does not answer the poll: {}",
            context.zone.metadata.key(),
            text(&error)
        );
    }
    memory.polls_failed = memory.polls_failed.saturating_add(1);
    let backoff = interval.saturating_mul(1 << memory.polls_failed.saturating_sub(1).min(10));
    let backoff = backoff.min(POLL_BACKOFF_MAX.max(interval));
    let asked = match error.retry() {
        cloud::Retry::After(after) => after,
        _ => Duration::ZERO,
    };
    memory.next_poll = context.now + (backoff - backoff.mul_f64(rng.fraction() / 4.0)).max(asked);
    memory.poll_error = Some(text(&error));
    if error.is_not_found()
        && memory.polls_failed >= POLLS_NOT_FOUND_MAX
        && memory.registered.take().is_some()
    {
        log::warn!(
            "PrivateLoadZone {}: GCk6 does not know it any more, registering again",
            context.zone.metadata.key()
        );
        memory.forgotten = true;
        memory.registration_salt = memory.registration_salt.wrapping_add(1);
        memory.polls_failed = 0;
        memory.next_poll = context.now + interval;
    }
    if error.is_unauthorized() { Lesson::TokenRefused(text(&error)) } else { Lesson::Done }
}

fn listed(memory: &mut ZoneMemory, ids: Vec<RunId>) {
    // A refusal that GCk6 has not taken yet stays, listed or not; the rest follows the list.
    memory.listed.retain(|id, state| matches!(state, Listed::Refused(_)) || ids.contains(id));
    for id in ids {
        if memory.listed.len() >= LISTED_MAX {
            break;
        }
        if !memory.settled.contains(&id) {
            memory.listed.entry(id).or_insert(Listed::NEW);
        }
    }
}
