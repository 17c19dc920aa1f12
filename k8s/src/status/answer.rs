//! What stands in an answer: the body of a success, read as far as somebody wants it, or an error.

use std::time::Duration;

use serde::de::DeserializeOwned;

use super::{EXCERPT_CHARS_MAX, Error, read_status};
use crate::fields::{Read, read_text};
use crate::shape::{Picks, Shape};
use crate::sieve::{Limits, Sieve};
use crate::text::printable;

/// A complete answer, success or not.
#[derive(Clone, PartialEq, Eq)]
pub struct Response {
    /// The HTTP status code.
    pub code: u16,
    /// `Retry-After`, as seconds from now.
    pub retry_after: Option<Duration>,
    /// `Date`: the server's clock as it answered, an HTTP date (RFC 9110 §5.6.7).
    pub date: Option<String>,
    /// The body, in full; may hold secrets, hence absent from `Debug`.
    pub body: Vec<u8>,
}

impl std::fmt::Debug for Response {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "HTTP {}, {} bytes", self.code, self.body.len())
    }
}

impl Response {
    /// The body of a success, or the error that the answer stands for.
    pub fn into_body(self) -> Result<Vec<u8>, Error> {
        interpret(self.code, self.retry_after, self.body)
    }
}

/// Tells success from failure: the body of a 2xx, or an [`Error::Api`]. A body that is no `Status` leaves its code and a
/// short, printable excerpt.
pub fn interpret(code: u16, retry_after: Option<Duration>, body: Vec<u8>) -> Result<Vec<u8>, Error> {
    if (200..300).contains(&code) {
        return Ok(body);
    }
    Err(Error::Api { status: read_status(code, retry_after, &body) })
}

/// Reads a success's body as JSON. `what` names it in the error.
pub fn decode<T: DeserializeOwned>(what: &str, body: &[u8]) -> Result<T, Error> {
    serde_json::from_slice(body).map_err(|error| decode_error(what, &error))
}

/// Reads an object off a success's body as a watch with these limits would: what nobody reads costs nothing, however much of it
/// there is, and what is too large is an error.
pub fn read_object<T: Read>(what: &str, body: &[u8], picks: Picks, limits: Limits) -> Result<T, Error> {
    let kept = sift(what, body, T::SHAPE, picks, limits)?;
    read_text(&kept).map_err(|error| decode_error(what, &error))
}

fn sift(
    what: &str,
    body: &[u8],
    shape: &'static Shape,
    picks: Picks,
    limits: Limits,
) -> Result<Vec<u8>, Error> {
    let mut sieve = Sieve::new(shape, picks, limits, 1);
    let mut kept = Err(Error::Decode { what: what.to_owned(), cause: "it is not an object".to_owned() });
    let _ = sieve.feed(body, &mut |value| {
        kept = match value.left_out {
            Some(path) => {
                let what = format!("{path} of {what}");
                Err(Error::TooLarge { what, limit_bytes: limits.text_bytes })
            }
            None => Ok(value.json.to_vec()),
        };
    });
    kept
}

/// Says what is wrong without repeating the text that is, since it may be a secret.
pub(crate) fn decode_error(what: &str, error: &serde_json::Error) -> Error {
    let text = error.to_string();
    let cause = match (text.find('"'), text.rfind('"')) {
        (Some(first), Some(last)) if first < last => {
            printable(&format!("{}…{}", &text[..first], &text[last + 1..]), EXCERPT_CHARS_MAX)
        }
        _ => printable(&text, EXCERPT_CHARS_MAX),
    };
    Error::Decode { what: what.to_owned(), cause }
}
