//! Why a download failed, as a sentence that a person can act on.
//!
//! Pure: the mapping of statuses, network errors and disk errors to [`FetchError`]s and of those to exit codes, and
//! which of them another try may cure. Invariant: no sentence contains the query of the URL.

use std::io;
use std::path::Path;
use std::time::Duration;

use thiserror::Error;

use super::archive::s3_error;
use crate::net::NetError;
use plz_core::archive::ExitCode;
use plz_core::redact::scrubbed_line;

/// Longest piece of a server's error message that is passed on, in bytes.
const DETAIL_BYTES_MAX: usize = 160;

/// A download that failed. `place` is `scheme://host/path`.
#[derive(Clone, Debug, Error, PartialEq, Eq)]
pub(super) enum FetchError {
    /// S3 says that the presigned URL is too old.
    #[error(
        "the link to the archive has expired: it is only valid for 300 s; start the test again, and if it happens \
         again, find out what delays the pods (scheduling, image pulls)"
    )]
    Expired,
    /// 401, 403, or another status that says no for good.
    #[error(
        "{place} refused the download with HTTP {status}{detail}; check for a proxy or firewall on the way, then \
         start the test again"
    )]
    Denied { place: String, status: u16, detail: String },
    /// 404 or 410.
    #[error("there is no archive at {place} (HTTP {status}{detail}); start the test again")]
    NotFound { place: String, status: u16, detail: String },
    /// A server that fails, or says to come back later.
    #[error("{place} answered with HTTP {status}{detail}")]
    Status { place: String, status: u16, detail: String },
    /// No answer, or not all of it.
    #[error("{0}")]
    Network(String),
    /// A redirect that is not followed.
    #[error("{place} redirects {problem}")]
    Redirect { place: String, problem: &'static str },
    /// 200, but no tar.
    #[error("{place} did not send a tar archive but {what}; check for a proxy or login portal on the way")]
    NotArchive { place: String, what: &'static str },
    /// A whole tar, but not as k6 writes it.
    #[error(
        "the tar archive at {place} was not written by k6: {what}; start the test again from a script or from a file \
         that `k6 archive` wrote"
    )]
    NotOfK6 { place: String, what: &'static str },
    /// A tar that k6 could not read to its end.
    #[error("the tar archive at {place} {what}; start the test again to have it uploaded again")]
    Broken { place: String, what: &'static str },
    /// The disk does not take it.
    #[error("{0}")]
    CannotWrite(String),
    /// No trusted connection.
    #[error("{0}")]
    Tls(String),
    /// Larger than allowed.
    #[error(
        "the archive at {place} is larger than {bytes_max} bytes; remove large files from it or raise --max-bytes"
    )]
    TooLarge { place: String, bytes_max: u64 },
}

/// What to do after a failed try.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Retry {
    /// It will fail again.
    Never,
    /// After the usual pause.
    Later,
    /// Not before this time is over: the server said so.
    After(Duration),
}

/// A failed try.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Failure {
    pub(super) error: FetchError,
    pub(super) retry: Retry,
}

impl From<FetchError> for Failure {
    fn from(error: FetchError) -> Failure {
        Failure { error, retry: Retry::Never }
    }
}

impl From<NetError> for Failure {
    fn from(error: NetError) -> Failure {
        let retry = if error.is_transient() { Retry::Later } else { Retry::Never };
        let error = match &error {
            NetError::Tls { .. } => FetchError::Tls(error.to_string()),
            _ => FetchError::Network(error.to_string()),
        };
        Failure { error, retry }
    }
}

impl FetchError {
    /// The exit code for it.
    pub(super) fn exit_code(&self) -> ExitCode {
        match self {
            FetchError::Expired => ExitCode::Expired,
            FetchError::Denied { .. } => ExitCode::Denied,
            FetchError::NotFound { .. } => ExitCode::NotFound,
            FetchError::Status { .. } | FetchError::Network(_) | FetchError::Redirect { .. } => {
                ExitCode::Network
            }
            FetchError::NotArchive { .. } => ExitCode::NotArchive,
            FetchError::NotOfK6 { .. } => ExitCode::NotOfK6,
            FetchError::Broken { .. } => ExitCode::Broken,
            FetchError::CannotWrite(_) => ExitCode::CannotWrite,
            FetchError::Tls(_) => ExitCode::Tls,
            FetchError::TooLarge { .. } => ExitCode::TooLarge,
        }
    }
}

/// What an answer other than 200 means; `body` is its beginning.
pub(super) fn from_status(place: String, status: u16, retry_after: Option<Duration>, body: &[u8]) -> Failure {
    let (code, message) = s3_error(body);
    let expired = code == "ExpiredToken" || message.contains("has expired");
    let said: Vec<&str> =
        [code.as_str(), message.as_str()].into_iter().filter(|text| !text.is_empty()).collect();
    let detail = match said.join(": ") {
        said if said.is_empty() => said,
        said => format!(", {}", scrubbed_line(&said, DETAIL_BYTES_MAX)),
    };
    match status {
        400 | 401 | 403 if expired => FetchError::Expired.into(),
        404 | 410 => FetchError::NotFound { place, status, detail }.into(),
        408 | 425 | 429 | 500.. => {
            let retry = retry_after.map_or(Retry::Later, Retry::After);
            Failure { error: FetchError::Status { place, status, detail }, retry }
        }
        400..500 => FetchError::Denied { place, status, detail }.into(),
        _ => FetchError::Status { place, status, detail }.into(),
    }
}

/// What an error of the file system means for the archive at `path`.
pub(super) fn from_disk(path: &Path, error: &io::Error) -> FetchError {
    let path = path.display();
    FetchError::CannotWrite(match error.kind() {
        io::ErrorKind::StorageFull | io::ErrorKind::QuotaExceeded | io::ErrorKind::FileTooLarge => format!(
            "no space left for {path}: the node's disk or the volume's limit is exhausted; free space or raise \
             ephemeral-storage"
        ),
        io::ErrorKind::ReadOnlyFilesystem => {
            format!("{path} is on a read-only file system; mount a writable volume there")
        }
        io::ErrorKind::PermissionDenied => format!(
            "no permission to write {path}; check runAsUser, fsGroup and the volume of the pod's securityContext"
        ),
        io::ErrorKind::NotFound | io::ErrorKind::NotADirectory => {
            format!("the directory of {path} does not exist; mount a volume there")
        }
        _ => format!("cannot write {path}: {error}"),
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn statuses() {
        let check = |status, body: &str, code, retry| {
            let failure = from_status("https://h/p".into(), status, None, body.as_bytes());
            assert_eq!((failure.error.exit_code(), failure.retry), (code, retry), "{status} {body}");
        };
        let expired = "<Code>AccessDenied</Code><Message>Request has expired</Message>";
        check(403, expired, ExitCode::Expired, Retry::Never);
        check(400, "<Code>ExpiredToken</Code>", ExitCode::Expired, Retry::Never);
        check(403, "<Message>Access Denied</Message>", ExitCode::Denied, Retry::Never);
        check(401, "", ExitCode::Denied, Retry::Never);
        check(400, "", ExitCode::Denied, Retry::Never);
        check(404, "", ExitCode::NotFound, Retry::Never);
        check(410, expired, ExitCode::NotFound, Retry::Never);
        check(429, "", ExitCode::Network, Retry::Later);
        check(500, "", ExitCode::Network, Retry::Later);
        check(503, expired, ExitCode::Network, Retry::Later);
        check(304, "", ExitCode::Network, Retry::Never);
        let slow = from_status("p".into(), 503, Some(Duration::from_secs(3)), b"");
        assert_eq!(slow.retry, Retry::After(Duration::from_secs(3)));
    }

    #[test]
    fn details_are_passed_on_without_credentials() {
        let body = b"<Code>Odd</Code><Message>see https://h/p?s3cret\nnow</Message>";
        let failure = from_status("https://h/p".into(), 403, None, body);
        let text = failure.error.to_string();
        assert!(text.contains("HTTP 403, Odd: see https://h/p?<redacted> now;"), "{text}");
    }

    #[test]
    fn disk_errors_are_told_apart() {
        let full =
            io::Write::write(&mut std::fs::File::options().write(true).open("/dev/full").unwrap(), b"x");
        let check = |error: io::Error, named: &str| {
            let error = from_disk(Path::new("/test/archive.tar"), &error);
            assert_eq!(error.exit_code(), ExitCode::CannotWrite);
            assert!(
                error.to_string().contains(named) && error.to_string().contains("/test/archive.tar"),
                "{error}"
            );
        };
        check(full.unwrap_err(), "no space left");
        check(io::ErrorKind::ReadOnlyFilesystem.into(), "read-only");
        check(io::ErrorKind::PermissionDenied.into(), "permission");
        check(io::ErrorKind::NotFound.into(), "does not exist");
        check(io::ErrorKind::IsADirectory.into(), "cannot write");
    }
}
