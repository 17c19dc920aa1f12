//! Answers, what they mean, and what may be tried again.

use super::*;

fn failure(code: u16, body: &str) -> Error {
    interpret(code, None, body.as_bytes().to_vec()).unwrap_err()
}

#[test]
fn a_status_is_kept() {
    let error = failure(
        409,
        r#"{"kind":"Status","apiVersion":"v1","metadata":{},"status":"Failure","message":"jobs.batch \"a\" already exists","reason":"AlreadyExists","details":null,"code":409}"#,
    );
    assert!(error.is_already_exists() && !error.is_conflict());
    assert_eq!(error.to_string(), r#"jobs.batch "a" already exists (HTTP 409 AlreadyExists)"#);
}

#[test]
fn a_namespace_that_is_being_deleted_is_known_by_the_cause() {
    let body = |causes: &str| {
        format!(
            r#"{{"kind":"Status","reason":"Forbidden","message":"jobs.batch \"a\" is forbidden: no","details":{causes},"code":403}}"#
        )
    };
    for (causes, expected) in [
        (r#"{"causes":[{"reason":"NamespaceTerminating","field":"metadata.namespace"}]}"#, true),
        (r#"{"causes":[{"reason":"Other"},{"reason":"NamespaceTerminating"}]}"#, true),
        (r#"{"causes":[{"reason":"FieldValueInvalid","message":"NamespaceTerminating"}]}"#, false),
        (r#"{"causes":null}"#, false),
        ("null", false),
    ] {
        let error = failure(403, &body(causes));
        assert_eq!(error.is_namespace_terminating(), expected, "{causes}");
        assert_eq!(error.may_be_unsettled(), !expected, "{causes}");
        assert!(!failure(404, &body(causes)).is_namespace_terminating());
    }
}

#[test]
fn a_foreign_body_leaves_an_excerpt() {
    let error = failure(502, &format!("<html>\r\n\x1b[31mBad\tGateway{}", "x".repeat(999)));
    let text = error.to_string();
    assert!(text.starts_with("<html> [31mBad Gatewayxxx") && text.ends_with("… (HTTP 502)"), "{text}");
    assert!(text.chars().count() < 230, "{text}");
    assert_eq!(failure(404, "").to_string(), "the answer has no body (HTTP 404)");
    assert_eq!(failure(500, r#"{"errors":[]}"#).to_string(), r#"{"errors":[]} (HTTP 500)"#);
}

#[rustfmt::skip]
#[test]
fn retry_is_decided_here() {
    const THREE: Duration = Duration::from_secs(3);
    let check = |code, reason: &str, after, wanted| {
        let status = Status { code, reason: reason.to_owned(), retry_after: after, ..Status::default() };
        assert_eq!(Error::Api { status }.retry(), wanted, "{code} {reason}");
    };
    check(400, "BadRequest",      None,        Retry::Never);
    check(401, "Unauthorized",    None,        Retry::Backoff);
    check(403, "Forbidden",       None,        Retry::Never);
    check(404, "NotFound",        None,        Retry::Never);
    check(409, "AlreadyExists",   None,        Retry::Never);
    check(409, "Conflict",        None,        Retry::Backoff);
    check(410, "Expired",         None,        Retry::Never);
    check(422, "Invalid",         None,        Retry::Never);
    check(429, "TooManyRequests", None,        Retry::Backoff);
    check(429, "TooManyRequests", Some(THREE), Retry::After(THREE));
    check(500, "InternalError",   None,        Retry::Backoff);
    check(503, "",                Some(THREE), Retry::After(THREE));
    let transport = Error::Transport { server: String::new(), cause: String::new() };
    assert_eq!(transport.retry(), Retry::Backoff);
}

#[test]
fn a_pause_may_stand_in_the_details() {
    let body = br#"{"kind":"Status","details":{"retryAfterSeconds":2}}"#;
    assert_eq!(read_status(429, None, body).retry_after, Some(Duration::from_secs(2)));
    let header = Some(Duration::from_secs(9));
    assert_eq!(read_status(429, header, body).retry_after, header);
}

#[test]
fn what_cannot_be_read_is_not_repeated() {
    let error = decode::<Vec<u8>>("the list", br#"[1,"hunt\"er2"]"#).unwrap_err().to_string();
    assert_eq!(error, "the list cannot be read: invalid type: string …, expected u8 at line 1 column 14");
}

#[test]
fn access_reviews() {
    let review = AccessReview::parse(br#"{"status":{"allowed":false,"reason":null}}"#).unwrap();
    assert_eq!(review, AccessReview::default());
    assert!(AccessReview::parse(br#"{"status":{"allowed":true}}"#).unwrap().allowed);
    assert!(AccessReview::parse(b"{}").is_err());
}
