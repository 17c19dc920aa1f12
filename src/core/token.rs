//! GCk6 tokens, read from Secrets.
//!
//! Owns when a Secret is read: when it is first needed, every few minutes, at once when GCk6 refuses what it held. There is
//! no watch on Secrets, since that takes the right to read all of them. Invariant: the token is in no message.

use std::time::Duration;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use k8s::shape::Picks;
use k8s::sieve::Limits;

use crate::api::ObjectKey;
use crate::api::zone::TOKEN_KEY;
use crate::outcome;
use crate::redact::Secret;

/// How often a Secret is read although nothing is wrong.
pub const READ_INTERVAL: Duration = Duration::from_secs(300);
/// How often a Secret is read whose token is missing or refused.
pub const MEND_INTERVAL: Duration = Duration::from_secs(10);

/// The longest token. Those of GCk6 have some 200 bytes; one is kept for each Secret that a zone names.
const TOKEN_BYTES_MAX: usize = 2 * 1024;
/// What is read of a Secret.
const SECRET_LIMITS: Limits = Limits { text_bytes: 64 * 1024, value_bytes: 128 * 1024 };

/// What can be done for a token.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Action {
    /// Read the Secret.
    Read,
}

/// What is known of one token.
#[derive(Debug, Default)]
pub struct TokenState {
    /// The token as last read. Kept when the Secret is deleted: a zone that is deleted with its Secret deregisters with it.
    pub value: Option<Secret>,
    /// What is wrong with it, for a person.
    pub problem: Option<String>,
    /// Since when something is wrong.
    pub problem_since: Option<Duration>,
    /// When that was last seen.
    pub troubled_at: Option<Duration>,
    /// Whether GCk6 refuses it.
    pub refused: bool,
    /// Whether the Secret could not be read for a reason that may pass: that says nothing of the token.
    unread: bool,
    /// Since when GCk6 takes it.
    accepted_since: Option<Duration>,
    /// When the Secret was last read.
    read: Option<Duration>,
    /// Whether there was no answer to that, which the token has outlived.
    unanswered: bool,
}

impl TokenState {
    /// When the Secret is to be read next.
    #[must_use]
    pub fn due(&self) -> Duration {
        match self.read {
            None => Duration::ZERO,
            Some(read) if self.problem.is_some() || self.unanswered => read + MEND_INTERVAL,
            Some(read) => read + READ_INTERVAL,
        }
    }

    /// Whether it was ever read, successfully or not.
    #[must_use]
    pub fn is_known(&self) -> bool {
        self.value.is_some() || self.problem.is_some()
    }

    /// Since when GCk6 takes the token, if nothing is wrong with it.
    #[must_use]
    pub fn accepted_since(&self) -> Option<Duration> {
        self.accepted_since.filter(|_| self.problem.is_none())
    }

    /// Whether it is known to be missing or refused.
    #[must_use]
    pub fn is_bad(&self) -> bool {
        self.problem.is_some() && !self.unread
    }

    /// GCk6 has refused the token.
    pub fn refuse(&mut self, now: Duration, secret: &ObjectKey, why: &str) {
        self.accepted_since = None;
        self.unread = false;
        self.troubled_at = Some(now);
        if !self.refused {
            self.refused = true;
            self.read = None;
            self.trouble(
                now,
                format!("GCk6 rejects the token in Secret {secret}: {why}; put a valid token into it"),
            );
        }
    }

    /// GCk6 has accepted the token.
    pub fn accept(&mut self, now: Duration) -> Acceptance {
        let is_first = self.accepted_since.is_none();
        self.accepted_since.get_or_insert(now);
        if !std::mem::take(&mut self.refused) {
            return if is_first { Acceptance::First } else { Acceptance::Known };
        }
        self.problem = None;
        Acceptance::Again(self.problem_since.take().unwrap_or(now))
    }

    /// Learns from an answer to the reading of the Secret. True if there is a token now that there was not before.
    pub fn apply_reply(
        &mut self,
        now: Duration,
        secret: &ObjectKey,
        reply: Result<Vec<u8>, k8s::Error>,
    ) -> bool {
        self.read = Some(now);
        let may_pass = matches!(&reply, Err(error) if error.retry() != k8s::Retry::Never);
        self.unanswered = may_pass && self.value.is_some();
        if self.unanswered {
            // An API server that is away says nothing of the token, which was good enough until now.
            return false;
        }
        self.unread = may_pass;
        match read(secret, reply) {
            Ok(token) => {
                let is_new = self.value.as_ref() != Some(&token);
                self.accepted_since = self.accepted_since.filter(|_| !is_new);
                if is_new || !self.refused {
                    self.refused = false;
                    self.problem = None;
                    self.problem_since = None;
                }
                self.value = Some(token);
                is_new
            }
            Err(problem) => {
                self.trouble(now, problem);
                false
            }
        }
    }

    fn trouble(&mut self, now: Duration, problem: String) {
        self.problem_since.get_or_insert(now);
        self.troubled_at = Some(now);
        self.problem = Some(problem);
    }
}

/// What it means that GCk6 has accepted a token.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Acceptance {
    /// Nothing new.
    Known,
    /// It had not been tried.
    First,
    /// It had been refused, since then.
    Again(Duration),
}

/// The token in the answer to the reading of its Secret, or what is wrong, for a person.
pub fn read(secret: &ObjectKey, reply: Result<Vec<u8>, k8s::Error>) -> Result<Secret, String> {
    match reply {
        Ok(body) => parse(&body).map_err(|why| format!("Secret {secret} {why}")),
        Err(error) if error.is_not_found() => Err(format!(
            "Secret {secret} does not exist; create it with the GCk6 token under the key {TOKEN_KEY}"
        )),
        Err(error) if error.is_forbidden() => Err(format!(
            "Secret {secret} cannot be read by the agent; grant it the verb get on secrets in that namespace"
        )),
        Err(error) => Err(format!("Secret {secret} cannot be read: {}", outcome::text(&error))),
    }
}

/// What of a Secret is read, whatever else is in it.
#[derive(Default)]
struct Object {
    data: Data,
}
k8s::readable!(Object { data: "data" });

#[derive(Default)]
struct Data {
    token: Option<String>,
}
k8s::readable!(Data { token: "token" });

fn parse(body: &[u8]) -> Result<Secret, String> {
    let too_long =
        || format!("holds more than {TOKEN_BYTES_MAX} bytes under the key {TOKEN_KEY}, which is not a token");
    let object: Object = k8s::status::read_object("it", body, Picks::default(), SECRET_LIMITS).map_err(
        |error| match error {
            k8s::Error::TooLarge { .. } => too_long(),
            _ => "does not look like a Secret".to_owned(),
        },
    )?;
    let encoded = object.data.token;
    let encoded = encoded.ok_or_else(|| format!("has no key {TOKEN_KEY}; put the GCk6 token under it"))?;
    let bytes =
        STANDARD.decode(encoded).map_err(|_| format!("does not hold base64 under the key {TOKEN_KEY}"))?;
    let text =
        String::from_utf8(bytes).map_err(|_| format!("does not hold text under the key {TOKEN_KEY}"))?;
    if text.len() > TOKEN_BYTES_MAX {
        return Err(too_long());
    }
    if text.trim().is_empty() {
        return Err(format!("is empty under the key {TOKEN_KEY}; put the GCk6 token under it"));
    }
    // The runners get the Secret as it is, and k6 cannot send such a token.
    if text.trim() != text {
        return Err(format!(
            "has white space around the token under the key {TOKEN_KEY}, usually the line end of a file, and k6 \
             cannot use it like that; create it with --from-literal, or from a file without a line end"
        ));
    }
    if text.chars().any(|c| c.is_control() || !c.is_ascii()) {
        return Err(format!(
            "holds control or non-ASCII characters under the key {TOKEN_KEY}, which a token cannot have"
        ));
    }
    Ok(Secret::new(text))
}

#[cfg(test)]
mod tests;
