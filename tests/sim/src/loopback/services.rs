//! What each server of a world does with a request: takes the lock, asks the model, lets go.

use std::net::SocketAddr;
use std::sync::{Arc, PoisonError};
use std::time::Duration;

use super::Shared;
use super::flood::{self, Lines};
use super::server::{Outcome, Piece, Service};
use crate::api::{Served, Status, Watch};
use crate::http::{Answer, Request, Response};

/// The longest wait of a watch before its connection is looked at.
const LOOK_INTERVAL: Duration = Duration::from_millis(500);

/// A text that clients write and read, and what the world has of it.
#[derive(Clone)]
pub(super) struct Abbreviation {
    pub(super) long: Arc<str>,
    pub(super) short: Arc<str>,
}

impl Abbreviation {
    fn shorten(&self, body: &[u8]) -> Vec<u8> {
        String::from_utf8_lossy(body).replace(&*self.long, &self.short).into_bytes()
    }

    fn expand(&self, body: &[u8]) -> Vec<u8> {
        String::from_utf8_lossy(body).replace(&*self.short, &self.long).into_bytes()
    }

    fn expanded(self, outcome: Outcome) -> Outcome {
        let full = |response: Response| Response { body: self.expand(&response.body), ..response };
        match outcome {
            Outcome::Answer(Answer::Now(response)) => Outcome::Answer(Answer::Now(full(response))),
            Outcome::Answer(Answer::After(after, response)) => {
                Outcome::Answer(Answer::After(after, full(response)))
            }
            Outcome::Answer(answer) => Outcome::Answer(answer),
            Outcome::Stream(mut next) => Outcome::Stream(Box::new(move || match next() {
                Piece::Data(data) => Piece::Data(self.expand(&data)),
                Piece::Last(data) => Piece::Last(self.expand(&data)),
            })),
        }
    }
}

/// The API server.
pub(super) struct ApiService(pub(super) Arc<Shared>);

/// Both hosts of GCk6.
pub(super) struct CloudService(pub(super) Arc<Shared>);

/// The bucket.
pub(super) struct Bucket(pub(super) Arc<Shared>);

impl Service for ApiService {
    fn serve(&self, _local: SocketAddr, request: &Request) -> Outcome {
        let Some(abbreviation) = self.0.abbreviation() else { return self.serve_shortened(request) };
        let request = Request { body: abbreviation.shorten(&request.body), ..request.clone() };
        abbreviation.expanded(self.serve_shortened(&request))
    }
}

impl ApiService {
    fn serve_shortened(&self, request: &Request) -> Outcome {
        let bearer = self.0.bearer.lock().unwrap_or_else(PoisonError::into_inner).clone();
        let given = request.header("authorization").and_then(|value| value.strip_prefix("Bearer "));
        if bearer.is_some() && bearer.as_deref() != given {
            let status = Status::new(401, "Unauthorized", "Unauthorized");
            return Outcome::Answer(status.response().into());
        }
        let flood = self.0.flood_over(request);
        if let Some(flood) = flood.as_ref().filter(|_| !flood::is_watch(request)) {
            let cut = flood.true_request(request);
            let served = self.0.with(|world, now| world.serve_api(now, &cut));
            return match served.answer().response() {
                Some(response) if response.status == 200 => {
                    Arc::clone(flood).answer(request, &response.value())
                }
                response => Outcome::Answer(response.map_or(Answer::Drop, Answer::Now)),
            };
        }
        match self.0.with(|world, now| world.serve_api(now, request)) {
            Served::Answer(answer) => Outcome::Answer(answer),
            Served::Watch(watch) => stream(Arc::clone(&self.0), watch, flood.map(Lines::of)),
        }
    }
}

/// `lines` come beside what the watch has to tell.
fn stream(shared: Arc<Shared>, mut watch: Watch, mut lines: Option<Lines>) -> Outcome {
    Outcome::Stream(Box::new(move || {
        let mut world = shared.lock();
        let first = shared.now();
        loop {
            let now = shared.now();
            if let Some(line) = lines.as_mut().and_then(|lines| lines.due(now)) {
                return Piece::Data(line);
            }
            let polled = watch.poll(now, &world.api);
            if polled.is_over || shared.is_stopping() {
                return Piece::Last(polled.lines);
            }
            if !polled.lines.is_empty() || now >= first + LOOK_INTERVAL {
                return Piece::Data(polled.lines);
            }
            let line_at = lines.as_ref().map_or(Duration::MAX, Lines::next);
            let until = watch.next_wakeup().min(first + LOOK_INTERVAL).min(line_at);
            world = shared.sleep(world, until.saturating_sub(now).max(Duration::from_millis(1)));
        }
    }))
}

impl Service for CloudService {
    fn serve(&self, _local: SocketAddr, request: &Request) -> Outcome {
        Outcome::Answer(self.0.with(|world, now| world.serve_cloud(now, request)))
    }
}

impl Service for Bucket {
    fn serve(&self, _local: SocketAddr, request: &Request) -> Outcome {
        Outcome::Answer(self.0.with(|world, now| world.serve_s3(now, request)))
    }
}
