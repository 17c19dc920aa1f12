//! Whether the caller may do something: the answer to an access review.

use super::{Error, decode};

/// The answer to [`self_subject_access_review`](crate::resource::self_subject_access_review).
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct AccessReview {
    /// Whether the caller may.
    pub allowed: bool,
    /// Why, or why not; may be empty.
    pub reason: String,
    /// What the authorizer stumbled over; may be empty.
    pub evaluation_error: String,
}
crate::readable!(AccessReview { allowed: "allowed", reason: "reason", evaluation_error: "evaluationError" });

impl AccessReview {
    /// Reads the body of the answer.
    pub fn parse(body: &[u8]) -> Result<Self, Error> {
        #[derive(Default)]
        struct Wire {
            status: Option<AccessReview>,
        }
        crate::readable!(Wire { status: "status" });
        let what = "the SelfSubjectAccessReview";
        let wire: Wire = decode(what, body)?;
        wire.status
            .ok_or_else(|| Error::Decode { what: what.to_owned(), cause: "it has no status".to_owned() })
    }
}
