//! What an answer teaches about a zone.
//!
//! Owns the pace of the poll and what becomes of a listed test run. Leaves alone what is done next. Invariant: a test run
//! that GCk6 lists is started, or found to be dealt with, or refused with a message; none is dropped in silence.

use std::time::Duration;

use super::api::PrivateLoadZone;
use super::memory::{Listed, ZoneMemory};
use super::template::{self, Settings};
use crate::announce::Announcement;
use crate::cloud::{self, RunId};
use crate::event::{Action, Reply};
use crate::lesson::{Lesson, announced, controlled_by, text};
use crate::rng::Rng;

/// A poll that keeps failing is tried at least this often.
pub const POLL_BACKOFF_MAX: Duration = Duration::from_secs(60);
/// After how many answers of "not found" in a row a zone counts as forgotten by GCk6, and is registered again.
const POLLS_NOT_FOUND_MAX: u32 = 2;
/// The presigned URL is valid for 300 s; a `TestRun` made later than this could not download its archive any more.
const DATA_AGE_MAX: Duration = Duration::from_secs(240);
/// How long data that there is no room for are not asked for again: they are large, and the line may be slow.
pub const NO_ROOM_PAUSE: Duration = Duration::from_secs(5);
/// After how many unreadable answers in a row a listed test run is refused.
const UNREADABLE_MAX: u32 = 5;
/// How many listed test runs are dealt with at a time; the others are listed again by the next poll.
const LISTED_MAX: usize = 256;
/// How long a namesake of the `TestRun` is given to go.
const NAMESAKE_PATIENCE: Duration = Duration::from_secs(60);

/// What learning needs beside the memory.
#[derive(Clone, Copy, Debug)]
pub struct Context<'a> {
    /// The clock of deadlines.
    pub now: Duration,
    /// The object.
    pub zone: &'a PrivateLoadZone,
    /// How large the data of a test run may be, in bytes, for them to be held.
    pub data_room: usize,
    /// How often GCk6 is polled.
    pub poll_interval: Duration,
    /// What `TestRun`s are made with.
    pub settings: &'a Settings,
}

/// Learns from the report of an action on this zone.
pub fn learn(
    memory: &mut ZoneMemory,
    context: &Context<'_>,
    rng: &mut Rng,
    action: Action,
    reply: Reply,
) -> Lesson {
    if is_obsolete(memory, action) && !(matches!(action, Action::CreateTestRun(_)) && reply.is_ok()) {
        return Lesson::Done;
    }
    match reply {
        Reply::Kubernetes(reply) => from_kubernetes(memory, context, action, reply),
        Reply::Cloud(reply) => from_cloud(memory, context, rng, action, reply),
        Reply::Runner(_) => Lesson::Done,
    }
}

/// Whether the test run was dealt with while the answer was on its way, or is not listed any more.
fn is_obsolete(memory: &ZoneMemory, action: Action) -> bool {
    match action {
        Action::FetchData(id) | Action::CreateTestRun(id) | Action::InspectTestRun(id) => {
            !memory.listed.contains_key(&id)
        }
        _ => false,
    }
}

fn from_kubernetes(
    memory: &mut ZoneMemory,
    context: &Context<'_>,
    action: Action,
    reply: Result<Vec<u8>, k8s::Error>,
) -> Lesson {
    match (action, reply) {
        (Action::Adopt | Action::Release | Action::WriteZoneStatus, Ok(body)) => Lesson::zone(&body),
        // It is settled once the core has the run, which is given what belongs into its Secret.
        (Action::CreateTestRun(_), Ok(body)) => Lesson::run(&body),
        (Action::CreateTestRun(id), Err(error)) if error.is_already_exists() => {
            memory.listed.insert(id, Listed::Unclear { since: context.now, told: false });
            Lesson::Done
        }
        (Action::CreateTestRun(id), Err(error)) if error.retry() == k8s::Retry::Never => {
            let (name, namespace) = (template::name(id), &context.zone.metadata.namespace);
            let why = if error.is_namespace_terminating() {
                format!(
                    "TestRun {name} cannot be made: namespace {namespace} is being deleted in the cluster"
                )
            } else {
                format!("the API server refuses TestRun {name}: {}", text(&error))
            };
            refuse(memory, id, why);
            Lesson::Done
        }
        (Action::CreateTestRun(id), Err(error)) => {
            expire(memory, id, context.now);
            Lesson::again(error.retry(), &error)
        }
        (Action::InspectTestRun(id), Ok(body)) => inspected(memory, context, id, &body),
        (Action::InspectTestRun(id), Err(error)) if error.is_not_found() => {
            memory.listed.insert(id, Listed::NEW);
            Lesson::Done
        }
        (Action::Announce, reply) => announced(&mut memory.announcements, reply),
        (Action::Adopt | Action::Release | Action::WriteZoneStatus, Err(error)) if error.is_not_found() => {
            Lesson::Done
        }
        (_, Ok(_)) => Lesson::Done,
        (_, Err(error)) => Lesson::again(error.retry(), &error),
    }
}

/// A `TestRun` of that name is there. Ours from before a restart, or something else's that may be on its way out.
fn inspected(memory: &mut ZoneMemory, context: &Context<'_>, id: RunId, body: &[u8]) -> Lesson {
    if controlled_by(body, &context.zone.metadata.uid).is_some() {
        memory.settle(id);
        return Lesson::run(body);
    }
    let message = format!(
        "TestRun {} exists in namespace {} and belongs to something else; delete it",
        template::name(id),
        context.zone.metadata.namespace
    );
    if let Some(Listed::Unclear { since, told }) = memory.listed.get_mut(&id)
        && context.now < *since + NAMESAKE_PATIENCE
    {
        if !std::mem::replace(told, true) {
            memory.announcements.push(Announcement::warning("TestRunNameTaken", message.clone()));
        }
        return Lesson::Again { after: None, why: message };
    }
    refuse(memory, id, message);
    Lesson::Done
}

fn from_cloud(
    memory: &mut ZoneMemory,
    context: &Context<'_>,
    rng: &mut Rng,
    action: Action,
    reply: Result<Vec<u8>, cloud::Error>,
) -> Lesson {
    let result = match (action, reply) {
        (Action::Poll, Ok(body)) => cloud::reply::listed_runs(&body).map(|ids| listed(memory, ids)),
        (Action::FetchData(id), Ok(body)) => match cloud::reply::test_run_data(&body) {
            Ok(data) => return prepared(memory, context, id, data),
            Err(error) => Err(error),
        },
        (_, Ok(_)) => Ok(()),
        (_, Err(error)) => Err(error),
    };
    match action {
        Action::Poll => return polled(memory, context, rng, result),
        Action::Register => return registered(memory, context.zone, result),
        Action::Deregister => return deregistered(memory, result),
        _ => {}
    }
    let Err(error) = result else {
        if let Action::Refuse(id) = action {
            memory.settle(id);
        }
        return Lesson::Done;
    };
    if error.is_unauthorized() {
        return Lesson::TokenRefused(text(&error));
    }
    match (error.retry(), action) {
        (_, Action::FetchData(id)) if is_unreadable(memory, id, &error) => {
            refuse(memory, id, text(&error));
            Lesson::Done
        }
        // GCk6 lists it and does not know it (yet): asked again as long as it is listed.
        (_, Action::FetchData(_)) if error.is_not_found() => Lesson::again(cloud::Retry::Backoff, &error),
        (cloud::Retry::Never, Action::FetchData(id)) => {
            refuse(memory, id, format!("GCk6 does not hand out the data of the test run: {}", text(&error)));
            Lesson::Done
        }
        (cloud::Retry::Never, Action::Refuse(id)) => {
            log::warn!("GCk6 does not take the refusal of test run {id}: {}", text(&error));
            memory.settle(id);
            Lesson::Done
        }
        (retry, _) => Lesson::again(retry, &error),
    }
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

fn prepared(memory: &mut ZoneMemory, context: &Context<'_>, id: RunId, data: cloud::TestRunData) -> Lesson {
    if let Some(status) = data.run_status.filter(|status| status.is_ended()) {
        log::info!("test run {id} is listed but is over: {status}");
        memory.settle(id);
        return Lesson::Done;
    }
    match template::test_run(context.zone, id, &data, context.settings) {
        Ok(_) if data.bytes() > context.data_room => {
            return Lesson::Again { after: Some(NO_ROOM_PAUSE), why: no_room(&data) };
        }
        Ok(_) => {
            memory.listed.insert(id, Listed::Ready { data: Box::new(data), since: context.now });
        }
        Err(refusal) => refuse(memory, id, refusal.to_string()),
    }
    Lesson::Done
}

/// Why the data of a test run are not taken in yet.
#[must_use]
pub fn no_room(data: &cloud::TestRunData) -> String {
    format!(
        "its data of {} KiB wait for room: those of other test runs are held until their Jobs are made",
        data.bytes() / 1024
    )
}

fn refuse(memory: &mut ZoneMemory, id: RunId, message: String) {
    log::warn!("test run {id} cannot be started: {message}");
    memory.announcements.push(Announcement::warning("TestRunRefused", format!("test run {id}: {message}")));
    memory.listed.insert(id, Listed::Refused(message));
}

/// Counts answers that are no data: unreadable, or not found. A captive page passes, and so does a listing that is ahead of
/// the data; a test run whose data never come would never start, in silence.
fn is_unreadable(memory: &mut ZoneMemory, id: RunId, error: &cloud::Error) -> bool {
    let counts = matches!(error, cloud::Error::Decode { .. }) || error.is_not_found();
    match memory.listed.get_mut(&id) {
        Some(Listed::New { unreadable }) if counts => {
            *unreadable += 1;
            *unreadable >= UNREADABLE_MAX
        }
        _ => false,
    }
}

fn expire(memory: &mut ZoneMemory, id: RunId, now: Duration) {
    if let Some(Listed::Ready { since, .. }) = memory.listed.get(&id)
        && now >= *since + DATA_AGE_MAX
    {
        memory.listed.insert(id, Listed::NEW);
    }
}

/// The poll has a pace of its own: every interval, and while it fails ever later, up to a minute.
fn polled(
    memory: &mut ZoneMemory,
    context: &Context<'_>,
    rng: &mut Rng,
    result: Result<(), cloud::Error>,
) -> Lesson {
    let interval = context.poll_interval;
    let Err(error) = result else {
        if memory.polls_failed > 0 {
            let level = if memory.poll_unanswered { log::Level::Debug } else { log::Level::Info };
            log::log!(level, "PrivateLoadZone {}: GCk6 answers the poll again", context.zone.metadata.key());
        }
        memory.polls_failed = 0;
        memory.poll_error = None;
        memory.poll_unanswered = false;
        memory.polled = true;
        memory.next_poll = context.now + interval;
        return Lesson::Done;
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

fn registered(memory: &mut ZoneMemory, zone: &PrivateLoadZone, result: Result<(), cloud::Error>) -> Lesson {
    match result {
        Ok(()) => {
            let first = memory.registered.is_none();
            memory.registered = memory.registering.take();
            memory.forgotten = false;
            memory.registration_error = None;
            (memory.registration_refused, memory.contends) = (false, false);
            let message =
                if first { "registered with GCk6" } else { "GCk6 has taken the change of the spec" };
            log::info!("PrivateLoadZone {}: {message}", zone.metadata.key());
            memory.announcements.push(Announcement::normal("Registered", message));
            Lesson::Done
        }
        Err(error) => {
            memory.registration_error = Some(text(&error));
            memory.registration_refused = error.retry() == cloud::Retry::Never && !error.is_unauthorized();
            failed(&error)
        }
    }
}

fn deregistered(memory: &mut ZoneMemory, result: Result<(), cloud::Error>) -> Lesson {
    match result {
        Err(error) if !error.is_not_found() => {
            memory.deregistration_refused = error.retry() == cloud::Retry::Never;
            memory.deregistration_error = Some(text(&error));
            failed(&error)
        }
        _ => {
            memory.deregistered = true;
            memory.deregistration_error = None;
            Lesson::Done
        }
    }
}

fn failed(error: &cloud::Error) -> Lesson {
    if error.is_unauthorized() {
        Lesson::TokenRefused(text(error))
    } else {
        Lesson::again(error.retry(), error)
    }
}
