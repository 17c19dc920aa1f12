//! The client: sends [`Request`]s and brings answers. This module and its child alone know the HTTP library.
//!
//! ```text
//!   call(Request) ─► Auth::current ─► attempt ─► 401 or TLS refused? ─► Auth looks again ─► changed? ─► attempt once more
//! ```
//! Owns agents, connections and time limits. Leaves alone trying again after other failures: callers do that, with
//! [`Error::retry`]. Invariants: every wait has a limit; every body has a bound; the proxy of the environment is never used;
//! no header is ever logged.

mod failure;
mod follow;
mod keeping;
mod pods;
mod wire;

use std::fmt;
use std::io::Read;
use std::ops::ControlFlow;
use std::sync::Arc;
use std::sync::atomic::AtomicBool;
use std::time::{Duration, SystemTime};

use serde::de::DeserializeOwned;
use ureq::http;
use ureq::{Agent, Body, Timeout};

use crate::auth::{Auth, Session};
use crate::config::Config;
use crate::fields;
use crate::http_date::parse_retry_after;
use crate::intake::ANSWER_BYTES_MAX;
use crate::pulse::Pulse;
use crate::request::{Attributes, Method, Request};
use crate::resource::self_subject_access_review;
use crate::status::{AccessReview, Error, Response, decode};
use crate::stop::Stop;
use crate::tls;
use crate::watch::{Cut, WatchEvent, WatchSpec};

pub use failure::proxy_status;
pub use pods::PodAnswer;
use wire::url;
pub(crate) use wire::{Purpose, Wire};

/// The longest body of any other answer, in bytes. A list that is not watched may be large; a log is cut by its own limit.
pub const BODY_BYTES_MAX: usize = 64 * 1024 * 1024;
/// As many objects at the most are a short list.
const FEW: u32 = 8;
/// The most that is read of a refusal to watch, in bytes.
const REFUSAL_BYTES_MAX: u64 = 16 * 1024;
/// Ours where JSON is to be had, anything where it is not: logs are plain text.
const ACCEPT: &str = "application/json, */*";

/// A client of one API server. Clones share everything; use it from as many threads as you like.
#[derive(Clone)]
pub struct Client {
    shared: Arc<Shared>,
}

struct Shared {
    config: Config,
    auth: Auth,
    calls: Wire,
    pods: Wire,
    stop: Stop,
    pulse: Arc<Pulse>,
}

impl fmt::Debug for Client {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Client({})", self.shared.config.server)
    }
}

impl Client {
    /// A client for `config`. Contacts nobody; files are read at the first call.
    #[must_use]
    pub fn new(config: Config) -> Self {
        let auth = Auth::new(config.clone());
        let stop = Stop::new();
        let calls = Wire::new(Purpose::Calls, stop.clone());
        let pods = Wire::new(Purpose::Pods, stop.clone());
        Self { shared: Arc::new(Shared { config, auth, calls, pods, stop, pulse: Arc::default() }) }
    }

    /// What this client was made from.
    #[must_use]
    pub fn config(&self) -> &Config {
        &self.shared.config
    }

    /// Sends a request and brings the body of a success. One try, or two where the first was answered with a 401 and the
    /// credentials have changed since they were read.
    pub fn call(&self, request: &Request) -> Result<Vec<u8>, Error> {
        self.send(request)?.into_body()
    }

    /// Sends a request and reads the body of a success as JSON.
    pub fn call_as<T: DeserializeOwned>(&self, request: &Request) -> Result<T, Error> {
        let body = self.call(request)?;
        decode(&format!("the answer to {request:?}"), &body)
    }

    /// Sends a request and brings the whole answer, success or not.
    pub fn send(&self, request: &Request) -> Result<Response, Error> {
        let wire = &self.shared.calls;
        let answer = self.open(wire, request, None)?;
        let code = answer.status().as_u16();
        let retry_after = retry_after(&answer);
        let date = header(&answer, "date").map(str::to_owned);
        let mut body = Vec::new();
        let limit_bytes = body_bytes_max(request);
        let limit = limit_bytes as u64 + 1;
        answer
            .into_body()
            .into_reader()
            .take(limit)
            .read_to_end(&mut body)
            .map_err(|error| self.failure(wire, &ureq::Error::from(error)))?;
        if body.len() > limit_bytes {
            return Err(Error::TooLarge { what: "the answer".to_owned(), limit_bytes });
        }
        Ok(Response { code, retry_after, date, body })
    }

    /// Lists, then watches, until `stop` says so or `sink` answers `Break`. Blocks all that time; use a thread per watch. The sink
    /// gets what has come at once, in its order: some dozens of small objects, or a large one.
    ///
    /// Failures are told as [`WatchEvent::Failing`] and tried again, after 0.5 s to 30 s with jitter, or within a second once
    /// anybody hears from the server through this client. When `again` is set, everything is listed anew at the next end of the
    /// stream, within [`WATCH_TIMEOUT`](crate::watch::WATCH_TIMEOUT); it is unset by that.
    pub fn watch<T: fields::Read>(
        &self,
        spec: &WatchSpec,
        again: &AtomicBool,
        stop: &Stop,
        sink: &mut dyn FnMut(Vec<WatchEvent<T>>) -> ControlFlow<()>,
    ) {
        follow::follow(self, spec, again, stop, sink);
    }

    pub(crate) fn pulse(&self) -> &Arc<Pulse> {
        &self.shared.pulse
    }

    /// Asks the server whether this client may do what `attributes` say; those of a [`Request`] are in its field.
    pub fn review_access(&self, attributes: &Attributes) -> Result<AccessReview, Error> {
        AccessReview::parse(&self.call(&self_subject_access_review(attributes))?)
    }

    /// Ends all calls under way, and fails those to come with [`Error::Stopped`]. Watches have their own [`Stop`].
    pub fn shutdown(&self) {
        self.shared.stop.stop();
    }

    /// Sends over a connection of `wire` and leaves the body of a success to be read as it comes.
    pub(crate) fn stream(&self, wire: &Wire, request: &Request) -> Result<Stream, Error> {
        let answer = self.open(wire, request, None)?;
        let code = answer.status().as_u16();
        if (200..300).contains(&code) {
            return Ok(Stream { reader: Box::new(answer.into_body().into_reader()) });
        }
        let retry_after = retry_after(&answer);
        let mut body = Vec::new();
        // A refusal is short; where it is cut, its code still tells.
        let _ = answer.into_body().into_reader().take(REFUSAL_BYTES_MAX).read_to_end(&mut body);
        Err(Response { code, retry_after, date: None, body }.into_body().err().unwrap_or(Error::Stopped))
    }

    /// Reads what has come of a watch.
    pub(crate) fn read(&self, wire: &Wire, stream: &mut Stream, buffer: &mut [u8]) -> Result<usize, Cut> {
        match stream.reader.read(buffer).map_err(ureq::Error::from) {
            Ok(0) => Err(Cut::End),
            Ok(count) => Ok(count),
            Err(ureq::Error::Timeout(Timeout::PerRead)) => Err(Cut::Silence),
            Err(error) => Err(Cut::Broken(self.failure(wire, &error))),
        }
    }

    fn open(
        &self,
        wire: &Wire,
        request: &Request,
        wait: Option<Duration>,
    ) -> Result<http::Response<Body>, Error> {
        let answer = self.open_with(wire, request, &request.body, wait);
        match &answer {
            // What stands before the server answers like this when it is gone.
            Ok(answer) if answer.status().as_u16() >= 500 => {}
            Ok(_) => self.shared.pulse.heed(Ok(())),
            Err(error) => self.shared.pulse.heed(Err(error)),
        }
        answer
    }

    fn open_with(
        &self,
        wire: &Wire,
        request: &Request,
        body: &[u8],
        wait: Option<Duration>,
    ) -> Result<http::Response<Body>, Error> {
        let session = self.shared.auth.current()?;
        let answer = self.attempt(wire, &session, request, body, wait);
        if !wants_other_credentials(&answer) {
            return answer.map_err(|error| self.failure(wire, &error));
        }
        self.shared.auth.refused(&session);
        let fresh = self.shared.auth.current()?;
        if fresh.generation == session.generation {
            return answer.map_err(|error| self.failure(wire, &error));
        }
        self.attempt(wire, &fresh, request, body, wait).map_err(|error| self.failure(wire, &error))
    }

    fn attempt(
        &self,
        wire: &Wire,
        session: &Session,
        request: &Request,
        body: &[u8],
        wait: Option<Duration>,
    ) -> Result<http::Response<Body>, ureq::Error> {
        let config = &self.shared.config;
        let agent = wire.agent(config, &session.tls)?;
        let mut head = http::Request::builder()
            .method(request.method.as_str())
            .uri(url(config, &request.target))
            .header("accept", ACCEPT);
        if let Some(content_type) = request.content_type {
            head = head.header("content-type", content_type);
        }
        if let Some(authorization) = &session.authorization {
            head = head.header("authorization", authorization.expose());
        }
        let empty = body.is_empty() && matches!(request.method, Method::Get | Method::Delete);
        if empty { run(&agent, head.body(())?, wait) } else { run(&agent, head.body(body)?, wait) }
    }

    fn failure(&self, wire: &Wire, error: &ureq::Error) -> Error {
        if wire.stop.is_stopped() { Error::Stopped } else { failure::of(&self.shared.config, error) }
    }
}

/// The body of a watch.
pub(crate) struct Stream {
    reader: Box<dyn Read>,
}

fn run(
    agent: &Agent,
    request: http::Request<impl ureq::AsSendBody>,
    wait: Option<Duration>,
) -> Result<http::Response<Body>, ureq::Error> {
    match wait {
        None => agent.run(request),
        Some(_) => {
            let request =
                agent.configure_request(request).timeout_recv_response(wait).timeout_recv_body(wait).build();
            agent.run(request)
        }
    }
}

/// Logs and what pods answer have their own limits; a list of one name has one object, and one of a few is no longer.
fn body_bytes_max(request: &Request) -> usize {
    let Attributes { verb, subresource, name, resource, .. } = &request.attributes;
    let limit = request.target.split(['?', '&']).find_map(|part| part.strip_prefix("limit="));
    let is_short = limit.and_then(|limit| limit.parse::<u32>().ok()).is_some_and(|limit| limit <= FEW);
    let is_many = *verb == "list" && name.is_empty() && !is_short;
    let is_object = !resource.is_empty() && !is_many && matches!(*subresource, "" | "status");
    if is_object { ANSWER_BYTES_MAX } else { BODY_BYTES_MAX }
}

/// Whether other credentials, or other authorities, might have brought another answer.
fn wants_other_credentials(answer: &Result<http::Response<Body>, ureq::Error>) -> bool {
    match answer {
        Ok(answer) => answer.status().as_u16() == 401,
        Err(error) => tls::cause(error).is_some(),
    }
}

#[expect(clippy::disallowed_methods, reason = "a date counts from now")]
fn retry_after(answer: &http::Response<Body>) -> Option<Duration> {
    parse_retry_after(header(answer, "retry-after")?, SystemTime::now())
}

fn header<'a>(answer: &'a http::Response<Body>, name: &str) -> Option<&'a str> {
    answer.headers().get(name)?.to_str().ok()
}
