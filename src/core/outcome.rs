//! What is to be made of a report, beside what a memory has learnt from it. Shared by zones and runs.
//!
//! Owns the classes of outcomes and the reading of what both kinds of objects have in common. Invariant: an error is tried
//! again, or has ended up in a memory with a message; none is dropped.

use std::time::Duration;

use k8s::ObjectMeta;

use crate::announce::Announcement;
use crate::api::run::TestRun;
use crate::api::zone::PrivateLoadZone;
use crate::cloud;
use crate::redact;

/// How much of an error is kept.
const MESSAGE_BYTES_MAX: usize = 300;

/// See the module.
#[derive(Debug, PartialEq)]
#[must_use]
pub enum Outcome {
    /// It went well, or there is no point in trying again.
    Done,
    /// It went well, and this is the zone as the API server has it now.
    Zone(Box<PrivateLoadZone>),
    /// It went well, and this is the run as the API server has it now.
    Run(Box<TestRun>),
    /// It did not, and is tried again; not before the given time has passed, if one is given.
    Again {
        /// What the other side asked for.
        after: Option<Duration>,
        /// Why.
        why: String,
    },
    /// The API server does not take an Event, and there is no point in trying again.
    EventRefused {
        /// The status of its answer, 0 if there was none.
        code: u16,
        /// Why.
        why: String,
    },
    /// GCk6 rejects the token: tried again, with a token that is read again.
    TokenRefused(String),
}

impl Outcome {
    /// Tried again, as soon as the other side will have it.
    pub fn again(retry: k8s::Retry, error: &impl std::fmt::Display) -> Self {
        let after = match retry {
            k8s::Retry::After(after) => Some(after),
            k8s::Retry::Backoff | k8s::Retry::Never => None,
        };
        Self::Again { after, why: text(error) }
    }

    /// A call to GCk6 that is tried again: with a token that is read again where it refuses this one.
    pub fn again_at_gck6(error: &cloud::Error) -> Self {
        if error.is_unauthorized() {
            Self::TokenRefused(text(error))
        } else {
            Self::again(error.retry(), error)
        }
    }

    /// The zone in the answer to a write. Where it is not, the write may have gone well; but what is known of the zone has not
    /// changed, and would have it written again at once.
    pub fn zone(body: &[u8]) -> Self {
        let zone = serde_json::from_slice::<PrivateLoadZone>(body).ok();
        let zone = zone.filter(|zone| !zone.metadata.uid.is_empty());
        zone.map_or_else(Self::unseen, |zone| Self::Zone(Box::new(zone)))
    }

    /// The run in the answer to a write, as with [`zone`](Self::zone).
    pub fn run(body: &[u8]) -> Self {
        let run = serde_json::from_slice::<TestRun>(body).ok();
        let run = run.filter(|run| !run.metadata.uid.is_empty());
        run.map_or_else(Self::unseen, |run| Self::Run(Box::new(run)))
    }

    /// The answer to a question does not show the object that was asked for, or a write's the one that was written. That says
    /// nothing of the object.
    pub fn unseen() -> Self {
        let why = "the API server's answer does not show the object: it is too large, or no object at all";
        Self::Again { after: None, why: why.to_owned() }
    }
}

/// The first announcement is posted, known already, refused for good, or tried again.
pub fn announced(announcements: &mut Vec<Announcement>, reply: Result<Vec<u8>, k8s::Error>) -> Outcome {
    let outcome = posted(reply);
    if !matches!(outcome, Outcome::Again { .. }) && !announcements.is_empty() {
        announcements.remove(0);
    }
    outcome
}

/// An Event is posted, known already, refused for good, or tried again.
pub fn posted(reply: Result<Vec<u8>, k8s::Error>) -> Outcome {
    match reply {
        // A namespace on its way out takes none, and whoever deletes it knows.
        Err(error) if error.is_already_exists() || error.is_namespace_terminating() => Outcome::Done,
        Err(error) if error.retry() == k8s::Retry::Never => {
            Outcome::EventRefused { code: error.code().unwrap_or_default(), why: text(&error) }
        }
        Err(error) => Outcome::again(error.retry(), &error),
        Ok(_) => Outcome::Done,
    }
}

/// The uid of the object in an answer, if the object of the given uid controls it.
#[must_use]
pub fn controlled_by(body: &[u8], owner: &str) -> Option<String> {
    let metadata = metadata(body).filter(|metadata| metadata.is_controlled_by(owner))?;
    Some(metadata.uid).filter(|uid| !uid.is_empty())
}

/// Whether there is an object in an answer.
#[must_use]
pub fn shows_object(body: &[u8]) -> bool {
    metadata(body).is_some_and(|metadata| !metadata.uid.is_empty())
}

/// Whether the object in an answer is on its way out.
#[must_use]
pub fn is_deleting(body: &[u8]) -> bool {
    metadata(body).is_some_and(|metadata| metadata.is_deleting())
}

/// An error as a message that may leave the process.
#[must_use]
pub fn text(error: &impl std::fmt::Display) -> String {
    redact::scrubbed_line(&error.to_string(), MESSAGE_BYTES_MAX)
}

fn metadata(body: &[u8]) -> Option<ObjectMeta> {
    #[derive(Default)]
    struct Object {
        metadata: ObjectMeta,
    }
    k8s::readable!(Object { metadata: "metadata" });
    serde_json::from_slice::<Object>(body).ok().map(|object| object.metadata)
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A write whose answer shows nothing would otherwise be due again in the same moment, for ever.
    #[test]
    fn an_answer_that_does_not_show_the_object_is_waited_for() {
        for body in
            ["", "null", "{}", "[]", "7", "<html>", r#"{"metadata":{"name":"a"}}"#, r#"{"metadata":[]}"#]
        {
            for outcome in [Outcome::zone(body.as_bytes()), Outcome::run(body.as_bytes())] {
                assert!(matches!(outcome, Outcome::Again { after: None, .. }), "{body}: {outcome:?}");
            }
        }
        let body = br#"{"metadata":{"name":"a","uid":"u"}}"#;
        assert!(matches!(Outcome::zone(body), Outcome::Zone(zone) if zone.metadata.name == "a"));
        assert!(matches!(Outcome::run(body), Outcome::Run(run) if run.metadata.name == "a"));
    }
}
