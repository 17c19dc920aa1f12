//! Takes in the answer to a call as it comes, and keeps of it what its reader wants.
//!
//! Owns what is kept of a success and of a refusal, and how long an answer may be on the wire. Leaves alone where the bytes come
//! from. Invariant: what is held is bounded, whatever comes, and so are the values that are made of it.

use crate::fields::Read as _;
use crate::shape::{Picks, Shape};
use crate::sieve::{Kept, Limits, Sieve};
use crate::status::{Error, WireStatus};

/// The longest answer about a single object, in bytes: an etcd holds objects of up to 1.5 MiB.
pub const ANSWER_BYTES_MAX: usize = 1536 * 1024;
/// What is kept of a refusal: its reason and its message. Its causes may be many.
const REFUSAL_LIMITS: Limits = Limits { text_bytes: 24 * 1024, value_bytes: 96 * 1024 };
/// What is kept of an answer that is no JSON, such as the page of a load balancer, for an excerpt.
const HEAD_BYTES_MAX: usize = 2 * 1024;

/// What becomes of an object of which a field did not fit.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Partial {
    /// The rest of it is kept.
    Kept,
    /// It counts as unknown: the body is `null`.
    Unknown,
}

/// What of the body of a success is kept.
#[derive(Clone, Copy, Debug)]
pub struct Keep {
    /// The fields.
    pub shape: &'static Shape,
    /// The labels and annotations.
    pub picks: Picks,
    /// How much of it.
    pub limits: Limits,
    /// What if it is more.
    pub partial: Partial,
}

/// An answer on its way in.
#[derive(Debug)]
pub struct Intake {
    sieve: Sieve,
    partial: Partial,
    body: Option<Vec<u8>>,
    head: Vec<u8>,
    is_broken: bool,
    came_bytes: usize,
}

impl Intake {
    /// For an answer with this HTTP status.
    #[must_use]
    pub fn new(code: u16, keep: &Keep) -> Self {
        let Keep { shape, picks, limits, partial } = *keep;
        let (sieve, partial) = if (200..300).contains(&code) {
            (Sieve::new(shape, picks, limits, 1), partial)
        } else {
            (Sieve::new(WireStatus::SHAPE, Picks::default(), REFUSAL_LIMITS, 1), Partial::Kept)
        };
        Self { sieve, partial, body: None, head: Vec::new(), is_broken: false, came_bytes: 0 }
    }

    /// Takes in what has come.
    pub fn feed(&mut self, bytes: &[u8]) -> Result<(), Error> {
        self.came_bytes = self.came_bytes.saturating_add(bytes.len());
        if self.came_bytes > ANSWER_BYTES_MAX {
            return Err(Error::TooLarge { what: "the answer".to_owned(), limit_bytes: ANSWER_BYTES_MAX });
        }
        let room = HEAD_BYTES_MAX.saturating_sub(self.head.len()).min(bytes.len());
        self.head.extend_from_slice(&bytes[..room]);
        let (body, partial) = (&mut self.body, self.partial);
        let mut keep = |kept: Kept<'_>| {
            let is_unknown = kept.left_out.is_some() && partial == Partial::Unknown;
            *body = Some(if is_unknown { b"null".to_vec() } else { kept.json.to_vec() });
        };
        self.is_broken |= self.sieve.feed(bytes, &mut keep).is_err();
        Ok(())
    }

    /// How much is held of it, in bytes.
    #[must_use]
    pub fn held_bytes(&self) -> usize {
        self.sieve.held_bytes()
    }

    /// The body: what is kept of it, or how it begins where it is not JSON.
    #[must_use]
    pub fn into_body(self) -> Vec<u8> {
        self.body.filter(|_| !self.is_broken).unwrap_or(self.head)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::ObjectMeta;
    use crate::status::interpret;

    const SHAPE: &Shape = &Shape::Fields(&[&[("metadata", ObjectMeta::SHAPE), ("spec", &Shape::Whole)]]);
    const LIMITS: Limits = Limits { text_bytes: 32 * 1024, value_bytes: 64 * 1024 };

    fn keep(partial: Partial) -> Keep {
        Keep { shape: SHAPE, picks: Picks::default(), limits: LIMITS, partial }
    }

    fn body(code: u16, partial: Partial, text: &str) -> Vec<u8> {
        let mut intake = Intake::new(code, &keep(partial));
        for piece in text.as_bytes().chunks(1000) {
            intake.feed(piece).unwrap();
            assert!(intake.held_bytes() <= LIMITS.text_bytes);
        }
        intake.into_body()
    }

    #[test]
    fn what_nobody_reads_is_not_kept() {
        let text = format!(
            r#"{{"kind":"T","metadata":{{"name":"a","managedFields":[{}0]}},"spec":7}}"#,
            "0,".repeat(500_000)
        );
        assert_eq!(body(200, Partial::Kept, &text), br#"{"metadata":{"name":"a"},"spec":7}"#);
    }

    #[test]
    fn what_does_not_fit_is_left_out_or_makes_it_unknown() {
        let text = format!(r#"{{"metadata":{{"name":"a"}},"spec":[{}0]}}"#, "0,".repeat(50_000));
        assert_eq!(body(200, Partial::Kept, &text), br#"{"metadata":{"name":"a"}}"#);
        assert_eq!(body(201, Partial::Unknown, &text), b"null");
    }

    #[test]
    fn a_refusal_keeps_its_words_however_many_causes_it_has() {
        let causes = r#"{"reason":"FieldValueInvalid","message":"no","field":"spec"},"#.repeat(5000);
        let text = format!(
            r#"{{"kind":"Status","code":422,"details":{{"causes":[{causes}{{}}]}},"reason":"Invalid","message":"it is not"}}"#
        );
        let error = interpret(422, None, body(422, Partial::Kept, &text)).unwrap_err();
        let Error::Api { status } = error else { panic!("{error}") };
        assert_eq!((status.reason.as_str(), status.message.as_str()), ("Invalid", "it is not"));
    }

    #[test]
    fn what_is_no_json_is_kept_for_an_excerpt() {
        let page = format!("<html>away{}", " ".repeat(100_000));
        let kept = body(503, Partial::Kept, &page);
        assert!(kept.starts_with(b"<html>away") && kept.len() == HEAD_BYTES_MAX);
        assert_eq!(body(200, Partial::Kept, r#"{"metadata":{"na"#), br#"{"metadata":{"na"#, "it was cut");
    }

    #[test]
    fn an_answer_without_an_end_is_given_up() {
        let mut intake = Intake::new(200, &keep(Partial::Kept));
        let too_much = (0..).find(|_| intake.feed(&[b' '; 1 << 16]).is_err());
        assert_eq!(too_much, Some(ANSWER_BYTES_MAX >> 16));
    }
}
