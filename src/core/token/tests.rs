//! Answers over time: to the reading of the Secret, and of GCk6 to the token.

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
    check(br#"{"data":{"token":"***"}}"#, Err("not hold base64"));
    check(br#"{"data":{"token":[]}}"#, Err("not look like a Secret"));
    check(br#"{"data":7}"#, Err("not look like a Secret"));
    check(b"<html>", Err("not look like a Secret"));
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

const AWAY: &str = "https://api did not answer in time: 10 s";

fn says(code: u16, body: &str) -> Result<Vec<u8>, k8s::Error> {
    k8s::status::interpret(code, None, body.as_bytes().to_vec())
}

fn lost() -> Result<Vec<u8>, k8s::Error> {
    Err(k8s::Error::Timeout { server: "https://api".to_owned(), cause: "10 s".to_owned() })
}

/// What each answer says of a token: what is wrong, and whether that says something of the token itself.
type Row = (&'static str, fn() -> Result<Vec<u8>, k8s::Error>, &'static str, bool);

const ANSWERS: &[Row] = &[
    ("gone", || says(404, "{}"), "does not exist; create it with the GCk6 token under the key token", true),
    (
        "no right",
        || says(403, "{}"),
        "cannot be read by the agent; grant it the verb get on secrets in that namespace",
        true,
    ),
    ("refused", || says(422, "no"), "cannot be read: no (HTTP 422)", true),
    ("credentials", || says(401, "no"), "cannot be read: no (HTTP 401)", false),
    ("busy", || says(429, "no"), "cannot be read: no (HTTP 429)", false),
    ("down", || says(503, "no"), "cannot be read: no (HTTP 503)", false),
    ("lost", lost, "cannot be read: https://api did not answer in time: 10 s", false),
    ("nothing", || says(200, ""), "does not look like a Secret", true),
    ("null", || says(200, "null"), "does not look like a Secret", true),
    ("an empty object", || says(200, "{}"), "has no key token; put the GCk6 token under it", true),
    ("a web page", || says(200, "<html>"), "does not look like a Secret", true),
];

#[test]
fn each_answer_when_there_is_no_token_yet() {
    for (answer, reply, wanted, is_bad) in ANSWERS {
        let mut state = TokenState::default();
        assert!(!state.apply_reply(7 * SECOND, &key(), reply()), "{answer}");
        assert_eq!(state.problem, Some(format!("Secret ns/k6-token {wanted}")), "{answer}");
        assert_eq!(state.is_bad(), *is_bad, "{answer}");
        assert_eq!(
            (state.problem_since, state.troubled_at),
            (Some(7 * SECOND), Some(7 * SECOND)),
            "{answer}"
        );
        assert!(state.is_known() && state.value.is_none(), "{answer}");
        assert_eq!(state.due(), 7 * SECOND + MEND_INTERVAL, "{answer}");
    }
    assert!(ANSWERS.iter().any(|(.., wanted, _)| wanted.contains(AWAY)));
}

#[test]
fn each_answer_when_there_is_one() {
    for (answer, reply, _, is_bad) in ANSWERS {
        let mut state = TokenState::default();
        assert!(state.apply_reply(SECOND, &key(), Ok(secret("t"))));
        assert!(!state.apply_reply(7 * SECOND, &key(), reply()), "{answer}");
        assert_eq!(state.value.as_ref().unwrap().expose(), "t", "{answer}: it is kept");
        assert_eq!(state.problem.is_some(), *is_bad, "{answer}: what says nothing of it changes nothing");
        assert_eq!(state.due(), 7 * SECOND + MEND_INTERVAL, "{answer}");
    }
}

#[test]
fn a_token_that_comes_mends_whatever_was_wrong() {
    for (answer, reply, ..) in ANSWERS {
        let mut state = TokenState::default();
        assert!(!state.apply_reply(SECOND, &key(), reply()));
        assert!(state.apply_reply(2 * SECOND, &key(), Ok(secret("t"))), "{answer}");
        assert_eq!((&state.problem, state.problem_since, state.is_bad()), (&None, None, false), "{answer}");
        assert_eq!(state.due(), 2 * SECOND + READ_INTERVAL, "{answer}");
        assert!(!state.apply_reply(3 * SECOND, &key(), Ok(secret("t"))), "{answer}: the same is no news");
    }
}

#[test]
fn trouble_lasts_from_its_beginning_and_is_seen_until_its_end() {
    let mut state = TokenState::default();
    let _ = state.apply_reply(SECOND, &key(), says(404, "{}"));
    let _ = state.apply_reply(11 * SECOND, &key(), says(403, "{}"));
    assert_eq!((state.problem_since, state.troubled_at), (Some(SECOND), Some(11 * SECOND)));
    assert!(state.problem.as_ref().unwrap().contains("by the agent"), "the latest");
    assert_eq!(state.accepted_since(), None);
}

#[test]
fn what_is_said_of_a_refusal_names_the_secret_and_the_fix() {
    let mut state = TokenState::default();
    assert!(state.apply_reply(SECOND, &key(), Ok(secret("t0ps3cret"))));
    state.refuse(2 * SECOND, &key(), "GCk6 answered 401: no");
    let problem = state.problem.clone().unwrap();
    assert_eq!(
        problem,
        "GCk6 rejects the token in Secret ns/k6-token: GCk6 answered 401: no; put a valid token into it"
    );
    assert!(!format!("{state:?}").contains("t0ps3cret"));
}
