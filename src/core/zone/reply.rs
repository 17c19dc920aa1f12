//! What an answer teaches about a zone.
//!
//! Owns what becomes of a listed test run. Leaves alone the poll's pace (`poll`) and what is done next. Invariant: a test run
//! that GCk6 lists is started, or found to be dealt with, or refused with a message; none is dropped in silence.

use std::time::Duration;

use super::poll;
use super::state::{Listed, ZoneState};
use crate::announce::Announcement;
use crate::api::zone::PrivateLoadZone;
use crate::call::Reply;
use crate::cloud::{self, RunId};
use crate::outcome::{Outcome, announced, controlled_by, text};
use crate::rng::Rng;
use crate::testrun::prepared::Prepared;
use crate::testrun::proof::{NO_ROOM_PAUSE, no_room};
use crate::testrun::template::{self, Settings};
use crate::zone::action::Action;

/// The presigned URL is valid for 300 s; a `TestRun` made later than this could not download its archive any more.
const DATA_AGE_MAX: Duration = Duration::from_secs(240);
/// After how many unreadable answers in a row a listed test run is refused.
const UNREADABLE_MAX: u32 = 5;
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
pub fn apply_reply(
    state: &mut ZoneState,
    context: &Context<'_>,
    rng: &mut Rng,
    action: Action,
    reply: Reply,
) -> Outcome {
    if is_obsolete(state, action) && !(matches!(action, Action::CreateTestRun(_)) && reply.is_ok()) {
        return Outcome::Done;
    }
    match action {
        Action::Adopt | Action::Release | Action::WriteStatus => written(reply.kubernetes()),
        Action::CreateTestRun(id) => created(state, context, id, reply.kubernetes()),
        Action::InspectTestRun(id) => inspected(state, context, id, reply.kubernetes()),
        Action::Announce => announced(&mut state.announcements, reply.kubernetes()),
        Action::Poll => {
            let ids = reply.cloud().and_then(|body| cloud::reply::listed_runs(&body));
            poll::polled(state, context, rng, ids)
        }
        Action::FetchData(id) => {
            let data = reply.cloud().and_then(|body| cloud::reply::test_run_data(&body));
            fetched(state, context, id, data)
        }
        Action::Refuse(id) => refused(state, id, reply.cloud()),
        Action::Register => registered(state, context.zone, reply.cloud()),
        Action::Deregister => deregistered(state, reply.cloud()),
    }
}

/// Whether the test run was dealt with while the answer was on its way, or is not listed any more.
fn is_obsolete(state: &ZoneState, action: Action) -> bool {
    match action {
        Action::FetchData(id) | Action::CreateTestRun(id) | Action::InspectTestRun(id) => {
            !state.listed.contains_key(&id)
        }
        _ => false,
    }
}

fn written(reply: Result<Vec<u8>, k8s::Error>) -> Outcome {
    match reply {
        Ok(body) => Outcome::zone(&body),
        Err(error) if error.is_not_found() => Outcome::Done,
        Err(error) => Outcome::again(error.retry(), &error),
    }
}

fn created(
    state: &mut ZoneState,
    context: &Context<'_>,
    id: RunId,
    reply: Result<Vec<u8>, k8s::Error>,
) -> Outcome {
    let error = match reply {
        // It is settled once the core has the run, which is given what belongs into its Secret.
        Ok(body) => return Outcome::run(&body),
        Err(error) => error,
    };
    if error.is_already_exists() {
        state.listed.insert(id, Listed::Unclear { since: context.now, told: false });
        return Outcome::Done;
    }
    if error.retry() == k8s::Retry::Never {
        let (name, namespace) = (template::name(id), &context.zone.metadata.namespace);
        let why = if error.is_namespace_terminating() {
            format!("TestRun {name} cannot be created: namespace {namespace} is being deleted in the cluster")
        } else {
            format!("the API server rejects TestRun {name}: {}", text(&error))
        };
        refuse(state, id, why);
        return Outcome::Done;
    }
    expire(state, id, context.now);
    Outcome::again(error.retry(), &error)
}

/// A `TestRun` of that name is there. Ours from before a restart, or something else's that may be on its way out.
fn inspected(
    state: &mut ZoneState,
    context: &Context<'_>,
    id: RunId,
    reply: Result<Vec<u8>, k8s::Error>,
) -> Outcome {
    match reply {
        Ok(body) if controlled_by(&body, &context.zone.metadata.uid).is_some() => {
            state.settle(id);
            return Outcome::run(&body);
        }
        Ok(_) => {}
        Err(error) if error.is_not_found() => {
            state.listed.insert(id, Listed::NEW);
            return Outcome::Done;
        }
        Err(error) => return Outcome::again(error.retry(), &error),
    }
    let message = format!(
        "TestRun {} exists in namespace {} and belongs to something else; delete it",
        template::name(id),
        context.zone.metadata.namespace
    );
    if let Some(Listed::Unclear { since, told }) = state.listed.get_mut(&id)
        && context.now < *since + NAMESAKE_PATIENCE
    {
        if !std::mem::replace(told, true) {
            state.announcements.push(Announcement::warning("TestRunNameTaken", message.clone()));
        }
        return Outcome::Again { after: None, why: message };
    }
    refuse(state, id, message);
    Outcome::Done
}

fn fetched(
    state: &mut ZoneState,
    context: &Context<'_>,
    id: RunId,
    data: Result<cloud::TestRunData, cloud::Error>,
) -> Outcome {
    let error = match data {
        Ok(data) => return prepared(state, context, id, &data),
        Err(error) => error,
    };
    if error.is_unauthorized() {
        return Outcome::TokenRefused(text(&error));
    }
    if is_unreadable(state, id, &error) {
        refuse(state, id, text(&error));
        return Outcome::Done;
    }
    // GCk6 lists it and does not know it (yet): asked again as long as it is listed.
    if error.is_not_found() {
        return Outcome::again(cloud::Retry::Backoff, &error);
    }
    if error.retry() == cloud::Retry::Never {
        refuse(state, id, format!("GCk6 does not provide the data of the test run: {}", text(&error)));
        return Outcome::Done;
    }
    Outcome::again(error.retry(), &error)
}

/// GCk6 was told that the test run cannot be started.
fn refused(state: &mut ZoneState, id: RunId, reply: Result<Vec<u8>, cloud::Error>) -> Outcome {
    match reply {
        Err(error) if error.is_unauthorized() => return Outcome::TokenRefused(text(&error)),
        Err(error) if error.retry() != cloud::Retry::Never => return Outcome::again(error.retry(), &error),
        Err(error) => log::warn!("GCk6 does not accept that test run {id} cannot start: {}", text(&error)),
        Ok(_) => {}
    }
    state.settle(id);
    Outcome::Done
}

fn prepared(state: &mut ZoneState, context: &Context<'_>, id: RunId, data: &cloud::TestRunData) -> Outcome {
    if let Some(status) = data.run_status.filter(|status| status.is_ended()) {
        log::info!("test run {id} is listed but is over: {status}");
        state.settle(id);
        return Outcome::Done;
    }
    match Prepared::new(context.zone, id, data, context.settings) {
        Ok(prepared) if prepared.bytes > context.data_room => {
            return Outcome::Again { after: Some(NO_ROOM_PAUSE), why: no_room(data) };
        }
        Ok(prepared) => {
            state.listed.insert(id, Listed::Ready { prepared: Box::new(prepared), since: context.now });
        }
        Err(refusal) => refuse(state, id, refusal.to_string()),
    }
    Outcome::Done
}

fn refuse(state: &mut ZoneState, id: RunId, message: String) {
    log::warn!("test run {id} cannot be started: {message}");
    state.announcements.push(Announcement::warning("TestRunRefused", format!("test run {id}: {message}")));
    state.listed.insert(id, Listed::Refused(message));
}

/// Counts answers that are no data: unreadable, or not found. A captive page passes, and so does a listing that is ahead of
/// the data; a test run whose data never come would never start, in silence.
fn is_unreadable(state: &mut ZoneState, id: RunId, error: &cloud::Error) -> bool {
    let counts = matches!(error, cloud::Error::Decode { .. }) || error.is_not_found();
    let listed = state.listed.get_mut(&id).filter(|_| counts);
    match listed {
        // What was worked out was for another Secret, and is not used any more.
        Some(ready @ Listed::Ready { .. }) => {
            *ready = Listed::New { unreadable: 1 };
            false
        }
        Some(Listed::New { unreadable }) => {
            *unreadable += 1;
            *unreadable >= UNREADABLE_MAX
        }
        _ => false,
    }
}

fn expire(state: &mut ZoneState, id: RunId, now: Duration) {
    if let Some(Listed::Ready { since, .. }) = state.listed.get(&id)
        && now >= *since + DATA_AGE_MAX
    {
        state.listed.insert(id, Listed::NEW);
    }
}

fn registered(
    state: &mut ZoneState,
    zone: &PrivateLoadZone,
    reply: Result<Vec<u8>, cloud::Error>,
) -> Outcome {
    match reply {
        Ok(_) => {
            let first = state.registered.is_none();
            state.registered = state.registering.take();
            (state.forgotten, state.polls_not_found) = (false, 0);
            state.registration_error = None;
            (state.registration_refused, state.contends) = (false, false);
            let message =
                if first { "registered with GCk6" } else { "GCk6 has accepted the change to the spec" };
            log::info!("PrivateLoadZone {}: {message}", zone.metadata.key());
            state.announcements.push(Announcement::normal("Registered", message));
            Outcome::Done
        }
        Err(error) => {
            state.registration_error = Some(text(&error));
            state.registration_refused = error.retry() == cloud::Retry::Never && !error.is_unauthorized();
            Outcome::again_at_gck6(&error)
        }
    }
}

fn deregistered(state: &mut ZoneState, reply: Result<Vec<u8>, cloud::Error>) -> Outcome {
    match reply {
        Err(error) if !error.is_not_found() => {
            state.deregistration_refused = error.retry() == cloud::Retry::Never;
            state.deregistration_error = Some(text(&error));
            Outcome::again_at_gck6(&error)
        }
        _ => {
            state.deregistered = true;
            state.deregistration_error = None;
            Outcome::Done
        }
    }
}
