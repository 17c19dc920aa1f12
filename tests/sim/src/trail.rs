//! One number for all that has happened in a world: two histories that are the same have the same.
//!
//! Owns the number. Leaves it to the world, its driver and their caller to note what happens. Off unless somebody asks for it,
//! for a simulation says much. Invariant: what is noted twice in the same order gives the same number, on any machine.

use std::time::Duration;

use crate::api::{Api, ChangeKind};
use crate::http::{Answer, Request, Response};

/// Spreads each word over all bits; of SplitMix64.
const FACTOR: u64 = 0xbf58_476d_1ce4_e5b9;

/// See the module.
#[derive(Debug, Default)]
pub struct Trail {
    number: Option<u64>,
    /// Up to which change the API server's history is in it.
    version: u64,
}

impl Trail {
    /// Begins with nothing.
    pub fn start(&mut self) {
        self.number = Some(0);
    }

    /// Whether anything is noted.
    #[must_use]
    pub fn is_on(&self) -> bool {
        self.number.is_some()
    }

    /// The number so far; none while it is off.
    #[must_use]
    pub fn number(&self) -> Option<u64> {
        self.number
    }

    /// Notes anything.
    pub fn note(&mut self, bytes: &[u8]) {
        let Some(number) = &mut self.number else { return };
        // The length first: where one thing ends and the next begins counts too.
        *number = mix(*number, bytes.len() as u64);
        for chunk in bytes.chunks(8) {
            let mut word = [0; 8];
            word[..chunk.len()].copy_from_slice(chunk);
            *number = mix(*number, u64::from_le_bytes(word));
        }
    }

    /// Notes a call and what whoever it is for has answered, if that was all.
    pub(crate) fn call(&mut self, now: Duration, door: &str, request: &Request, answer: Option<&Answer>) {
        if self.number.is_none() {
            return;
        }
        self.note(
            format!("{now:?} {door} {:?} {} {:?}", request.method, request.path, request.query).as_bytes(),
        );
        self.note(format!("{:?}", request.headers).as_bytes());
        self.note(&request.body);
        match answer {
            None => self.note(b"watch"),
            Some(Answer::Drop) => self.note(b"drop"),
            Some(Answer::Now(response)) => self.response(Duration::ZERO, response),
            Some(Answer::After(late, response)) => self.response(*late, response),
            Some(Answer::Truncated(response, bytes)) => {
                self.note(&bytes.to_le_bytes());
                self.response(Duration::ZERO, response);
            }
        }
    }

    fn response(&mut self, late: Duration, response: &Response) {
        self.note(format!("{late:?} {} {:?}", response.status, response.headers).as_bytes());
        self.note(&response.body);
    }

    /// Notes what has changed at the API server.
    pub(crate) fn changes(&mut self, now: Duration, api: &Api) {
        if self.number.is_none() || self.version == api.version() {
            return;
        }
        for change in api.changes_since(self.version) {
            let kind = match change.kind {
                ChangeKind::Added => "added",
                ChangeKind::Modified => "modified",
                ChangeKind::Deleted => "deleted",
            };
            self.note(format!("{now:?} {} {kind} {:?}", change.version, change.key).as_bytes());
            self.note(change.object.to_string().as_bytes());
        }
        self.version = api.version();
    }
}

fn mix(number: u64, word: u64) -> u64 {
    let mixed = (number ^ word).wrapping_add(1).wrapping_mul(FACTOR);
    mixed ^ (mixed >> 29)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::http::Method;

    fn trail(of: &[&[u8]]) -> Option<u64> {
        let mut trail = Trail::default();
        trail.start();
        of.iter().for_each(|bytes| trail.note(bytes));
        trail.number()
    }

    #[test]
    fn order_content_and_borders_count() {
        assert_eq!(trail(&[b"a", b"b"]), trail(&[b"a", b"b"]));
        for other in [&[b"b".as_slice(), b"a"][..], &[b"ab"], &[b"a", b"b\0"], &[b"a"], &[b"", b"a", b"b"]] {
            assert_ne!(trail(other), trail(&[b"a", b"b"]), "{other:?}");
        }
    }

    #[test]
    fn the_answer_is_part_of_a_call() {
        let request = Request::new(Method::Get, "/x");
        let of = |now, answer: Option<Answer>| {
            let mut trail = Trail::default();
            trail.start();
            trail.call(now, "api", &request, answer.as_ref());
            trail.number()
        };
        let second = Duration::from_secs(1);
        let all = [
            of(Duration::ZERO, None),
            of(second, None),
            of(Duration::ZERO, Some(Answer::Drop)),
            of(Duration::ZERO, Some(Response::empty(200).into())),
            of(Duration::ZERO, Some(Response::empty(201).into())),
            of(Duration::ZERO, Some(Answer::After(second, Response::empty(200)))),
        ];
        for (at, one) in all.iter().enumerate() {
            assert!(!all[..at].contains(one), "{at}");
        }
    }

    #[test]
    fn it_is_off_unless_asked_for() {
        let mut trail = Trail::default();
        trail.note(b"a");
        assert_eq!(trail.number(), None);
    }
}
