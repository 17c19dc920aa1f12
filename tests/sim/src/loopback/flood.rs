//! Objects beyond number and measure, which the API server tells of as if they were there: they are made while they are sent.
//!
//! Owns how they are laid over lists and watches. The world knows nothing of them: a write to one finds nothing. Invariant: what
//! there truly is comes through whole: after the flood in a list that ends, beside it in a watch.

use std::sync::Arc;
use std::time::Duration;

use serde_json::Value;

use super::server::{Outcome, Piece};
use crate::http::{Method, Request};

/// Before the position in a token to go on with.
const TOKEN: &str = "flood-";
/// What is sent in one piece, unless a single object is larger.
const PIECE_BYTES: usize = 64 * 1024;

/// Makes the text of an object, by its number.
pub type Make = Box<dyn Fn(u64) -> String + Send + Sync>;

/// See the module.
pub struct Flood {
    plural: &'static str,
    items: u64,
    item: Make,
    paging: Paging,
    lines: Option<(Duration, Make)>,
}

/// How a list with a flood is cut.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Paging {
    /// Into pages as they are asked for.
    AsAsked,
    /// Not at all.
    AllAtOnce,
}

impl Flood {
    /// Lists of a kind, by its name in paths, show so many objects more.
    pub fn list(
        plural: &'static str,
        items: u64,
        item: impl Fn(u64) -> String + Send + Sync + 'static,
    ) -> Self {
        Self { plural, items, item: Box::new(item), paging: Paging::AsAsked, lines: None }
    }

    /// Watches on a kind bring a line more each `interval`, as fast as it is read.
    pub fn watch(
        plural: &'static str,
        interval: Duration,
        line: impl Fn(u64) -> String + Send + Sync + 'static,
    ) -> Self {
        Self { lines: Some((interval, Box::new(line))), ..Self::list(plural, 0, |_| String::new()) }
    }

    /// The same, cut otherwise.
    #[must_use]
    pub fn paged(self, paging: Paging) -> Self {
        Self { paging, ..self }
    }

    pub(super) fn is_over(&self, request: &Request) -> bool {
        request.method == Method::Get && request.path.ends_with(&format!("/{}", self.plural))
    }

    /// The request for what there truly is.
    pub(super) fn true_request(&self, request: &Request) -> Request {
        let mut request = request.clone();
        request.query.retain(|(name, value)| name != "continue" || !value.starts_with(TOKEN));
        request
    }

    /// The answer to a request for a list, in which `truth` is one.
    pub(super) fn answer(self: Arc<Self>, request: &Request, truth: &Value) -> Outcome {
        let token = request.query("continue").and_then(|token| token.strip_prefix(TOKEN)?.parse().ok());
        let mut at: u64 = token.unwrap_or(0);
        let limit = request.query("limit").and_then(|limit| limit.parse().ok()).unwrap_or(u64::MAX);
        let page = if self.paging == Paging::AllAtOnce { u64::MAX } else { limit };
        let end = at.saturating_add(page).min(self.items);
        let version = &truth["metadata"]["resourceVersion"];
        let (last, token) = if end < self.items {
            (Vec::new(), format!("{TOKEN}{end}"))
        } else {
            let items = truth["items"].as_array().map(Vec::as_slice).unwrap_or_default();
            (items.iter().map(Value::to_string).collect(), String::new())
        };
        let tail = format!(r#"],"metadata":{{"continue":"{token}","resourceVersion":{version}}}}}"#);
        let mut text = r#"{"apiVersion":"v1","items":["#.to_owned();
        let mut is_first = true;
        Outcome::Stream(Box::new(move || {
            while text.len() < PIECE_BYTES && at < end {
                if !std::mem::take(&mut is_first) {
                    text.push(',');
                }
                text.push_str(&(self.item)(at));
                at += 1;
            }
            if at < end {
                return Piece::Data(std::mem::take(&mut text).into_bytes());
            }
            if !last.is_empty() {
                text.push_str(if is_first { "" } else { "," });
                text.push_str(&last.join(","));
            }
            text.push_str(&tail);
            Piece::Last(std::mem::take(&mut text).into_bytes())
        }))
    }
}

pub(super) fn is_watch(request: &Request) -> bool {
    request.asks("watch")
}

/// What a flood brings to one watch.
pub(super) struct Lines {
    flood: Arc<Flood>,
    next: Duration,
    count: u64,
}

impl Lines {
    pub(super) fn of(flood: Arc<Flood>) -> Self {
        Self { flood, next: Duration::ZERO, count: 0 }
    }

    /// When the next line comes.
    pub(super) fn next(&self) -> Duration {
        if self.flood.lines.is_some() { self.next } else { Duration::MAX }
    }

    /// The line that is due.
    pub(super) fn due(&mut self, now: Duration) -> Option<Vec<u8>> {
        let (interval, line) = self.flood.lines.as_ref().filter(|_| self.next <= now)?;
        self.next = now + *interval;
        self.count += 1;
        Some(format!("{}\n", line(self.count)).into_bytes())
    }
}
