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
}

impl TokenState {
    /// When the Secret is to be read next.
    #[must_use]
    pub fn due(&self) -> Duration {
        match self.read {
            None => Duration::ZERO,
            Some(read) if self.problem.is_some() => read + MEND_INTERVAL,
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
                format!("GCk6 refuses the token in Secret {secret}: {why}; put a valid token into it"),
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
        if matches!(&reply, Err(error) if self.value.is_some() && error.retry() != k8s::Retry::Never) {
            // An API server that is away says nothing of the token, which was good enough until now.
            self.read = Some((now + MEND_INTERVAL).saturating_sub(READ_INTERVAL));
            return false;
        }
        self.unread = matches!(&reply, Err(error) if error.retry() != k8s::Retry::Never);
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
            "Secret {secret} may not be read; grant the agent the verb get on secrets in that namespace"
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
        || format!("holds more than {TOKEN_BYTES_MAX} bytes under the key {TOKEN_KEY}, which is no token");
    let object: Object = k8s::status::read_object("it", body, Picks::default(), SECRET_LIMITS).map_err(
        |error| match error {
            k8s::Error::TooLarge { .. } => too_long(),
            _ => "is not what a Secret looks like".to_owned(),
        },
    )?;
    let encoded = object.data.token;
    let encoded = encoded.ok_or_else(|| format!("has no key {TOKEN_KEY}; put the GCk6 token under it"))?;
    let bytes = STANDARD.decode(encoded).map_err(|_| format!("holds no base64 under the key {TOKEN_KEY}"))?;
    let text = String::from_utf8(bytes).map_err(|_| format!("holds no text under the key {TOKEN_KEY}"))?;
    if text.len() > TOKEN_BYTES_MAX {
        return Err(too_long());
    }
    if text.trim().is_empty() {
        return Err(format!("is empty under the key {TOKEN_KEY}; put the GCk6 token under it"));
    }
    // The runners get the Secret as it is, and k6 cannot send such a token.
    if text.trim() != text {
        return Err(format!(
            "has white space around the token under the key {TOKEN_KEY}, mostly the line end of a file; \
             k6 cannot use it so: create it with --from-literal, or from a file without a line end"
        ));
    }
    if text.chars().any(|c| c.is_control() || !c.is_ascii()) {
        return Err(format!(
            "holds something under the key {TOKEN_KEY} that no token can be: control or non-ASCII characters"
        ));
    }
    Ok(Secret::new(text))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn secret(token: &str) -> Vec<u8> {
        format!(r#"{{"data":{{"token":"{}"}}}}"#, STANDARD.encode(token)).into_bytes()
    }

    fn key() -> ObjectKey {
        ObjectKey { namespace: "ns".into(), name: "k6-token".into() }
    }

    const SECOND: Duration = Duration::from_secs(1);

    #[track_caller]
    fn check(body: &[u8], expected: Result<&str, &str>) {
        let parsed = parse(body);
        match expected {
            Ok(token) => assert_eq!(parsed.unwrap().expose(), token),
            Err(part) => assert!(parsed.clone().unwrap_err().contains(part), "{parsed:?}"),
        }
    }

    #[test]
    fn an_api_server_that_is_away_takes_no_token_away() {
        let mut token = TokenState::default();
        let away = || Err(k8s::Error::Transport { server: "s".into(), cause: "refused".into() });
        assert!(!token.apply_reply(SECOND, &key(), away()));
        assert!(token.problem.as_ref().is_some_and(|problem| problem.contains("refused")) && !token.is_bad());
        assert!(token.apply_reply(2 * SECOND, &key(), Ok(secret("t"))));
        assert!(!token.apply_reply(400 * SECOND, &key(), away()));
        assert_eq!((token.problem.as_ref(), token.value.is_some()), (None, true));
        assert_eq!(token.due(), 400 * SECOND + MEND_INTERVAL);
    }

    #[test]
    fn tokens_are_read_as_the_runners_get_them() {
        check(&secret("abc"), Ok("abc"));
        check(&secret("abc\n"), Err("white space around"));
        check(&secret(" \n"), Err("is empty"));
        check(&secret("a\nb"), Err("control"));
        check(br#"{"data":null}"#, Err("no key token"));
        check(br#"{"data":{"token":null}}"#, Err("no key token"));
        check(br#"{"data":{"token":"***"}}"#, Err("no base64"));
        check(br#"{"data":{"token":[]}}"#, Err("what a Secret looks like"));
        check(br#"{"data":7}"#, Err("what a Secret looks like"));
        check(b"<html>", Err("what a Secret looks like"));
        check(&secret(&"x".repeat(TOKEN_BYTES_MAX)), Ok("x".repeat(TOKEN_BYTES_MAX).as_str()));
        check(&secret(&"x".repeat(TOKEN_BYTES_MAX + 1)), Err("more than 2048 bytes"));
        check(&secret(&"x".repeat(1_000_000)), Err("more than 2048 bytes"));
        let others: String = (0..50_000).map(|n| format!(r#""k{n}":"","#)).collect();
        check(format!(r#"{{"data":{{{others}"token":"YWJj"}}}}"#).as_bytes(), Ok("abc"));
    }

    #[test]
    fn a_refused_token_is_read_again_at_once_and_believed_only_if_it_is_another() {
        let mut state = TokenState::default();
        assert!(state.apply_reply(SECOND, &key(), Ok(secret("old"))));
        assert_eq!(state.due(), SECOND + READ_INTERVAL);
        state.refuse(2 * SECOND, &key(), "401");
        assert_eq!(state.due(), Duration::ZERO);
        assert!(!state.apply_reply(3 * SECOND, &key(), Ok(secret("old"))));
        assert!(state.refused && state.due() == 3 * SECOND + MEND_INTERVAL);
        assert!(state.apply_reply(13 * SECOND, &key(), Ok(secret("new"))));
        assert!(!state.refused && state.problem.is_none());
    }

    #[test]
    fn a_refused_token_that_is_accepted_is_as_good_as_before() {
        let mut state = TokenState::default();
        assert!(state.apply_reply(SECOND, &key(), Ok(secret("token"))));
        assert_eq!(state.accept(SECOND), Acceptance::First);
        assert_eq!(state.accept(2 * SECOND), Acceptance::Known);
        assert_eq!(state.accepted_since(), Some(SECOND));
        state.refuse(2 * SECOND, &key(), "401");
        assert!(state.is_bad() && state.accepted_since().is_none());
        state.refuse(3 * SECOND, &key(), "401");
        assert_eq!((state.problem_since, state.troubled_at), (Some(2 * SECOND), Some(3 * SECOND)));
        assert_eq!(state.accept(4 * SECOND), Acceptance::Again(2 * SECOND));
        assert_eq!((state.problem.as_ref(), state.problem_since), (None, None));
        assert!(!state.is_bad() && state.accepted_since() == Some(4 * SECOND));
        assert!(state.apply_reply(5 * SECOND, &key(), Ok(secret("another"))));
        assert_eq!(state.accepted_since(), None);
    }

    #[test]
    fn a_secret_that_is_gone_leaves_the_token_and_a_message() {
        let mut state = TokenState::default();
        assert!(state.apply_reply(SECOND, &key(), Ok(secret("token"))));
        let gone = k8s::status::interpret(404, None, b"{}".to_vec());
        assert!(!state.apply_reply(2 * SECOND, &key(), gone));
        assert_eq!(state.value.as_ref().unwrap().expose(), "token");
        assert!(state.problem.as_ref().unwrap().contains("ns/k6-token does not exist"));
        assert_eq!(state.problem_since, Some(2 * SECOND));
        assert!(state.is_bad());
    }
}
