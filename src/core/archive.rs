//! Exit codes of `plz-agent fetch`, and what the agent tells the user when the init container failed.
//!
//! Pure, and shared by both sides: `fetch` ends with an [`ExitCode`], the agent turns the container's exit code and
//! termination message back into a sentence with [`outcome`].

use crate::redact::scrubbed_line;

/// Environment variable of `plz-agent fetch` with the archive's URL.
pub const URL_VAR: &str = "PLZ_ARCHIVE_URL";

/// Longest message, in bytes, that is taken from a termination log.
pub const MESSAGE_BYTES_MAX: usize = 1024;

/// How `plz-agent fetch` ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum ExitCode {
    /// The archive is in place.
    Ok,
    /// Arguments or environment are wrong.
    Usage,
    /// The presigned URL has expired.
    Expired,
    /// The server refused.
    Denied,
    /// The server has no such archive.
    NotFound,
    /// No complete answer within the deadline.
    Network,
    /// What came is no tar.
    NotArchive,
    /// A tar that is no archive of k6.
    NotOfK6,
    /// A tar that ends too early, or has something else in its middle.
    Broken,
    /// The archive cannot be written.
    CannotWrite,
    /// No trusted connection.
    Tls,
    /// The archive is larger than allowed.
    TooLarge,
}

impl ExitCode {
    /// All of them, in order of their numbers.
    #[rustfmt::skip]
    pub const ALL: [ExitCode; 12] = [
        ExitCode::Ok, ExitCode::Usage, ExitCode::Expired, ExitCode::Denied, ExitCode::NotFound, ExitCode::Network,
        ExitCode::NotArchive, ExitCode::CannotWrite, ExitCode::Tls, ExitCode::TooLarge, ExitCode::NotOfK6,
        ExitCode::Broken,
    ];

    /// Number, word and meaning.
    #[rustfmt::skip]
    fn row(self) -> (i32, &'static str, &'static str) {
        match self {
            //                        code  word in the log   meaning
            ExitCode::Ok          => ( 0, "ok",             "the archive is in place"),
            ExitCode::Usage       => ( 2, "usage",          "the arguments or the environment are wrong"),
            ExitCode::Expired     => (10, "expired",        "the URL has expired (HTTP 403, \"Request has expired\")"),
            ExitCode::Denied      => (11, "denied",         "the server refused the download (401, 403, other 4xx)"),
            ExitCode::NotFound    => (12, "not-found",      "the server has no such archive (404, 410)"),
            ExitCode::Network     => (13, "network",        "DNS, connection, timeout or 5xx, after all attempts"),
            ExitCode::NotArchive  => (14, "not-an-archive", "the server did not send a tar archive"),
            ExitCode::CannotWrite => (15, "cannot-write",   "no space, read-only, or no permission"),
            ExitCode::Tls         => (16, "tls",            "the server's certificate is not trusted, or it does not speak TLS"),
            ExitCode::TooLarge    => (17, "too-large",      "the archive is larger than --max-bytes"),
            ExitCode::NotOfK6     => (18, "not-of-k6",      "the server sent a tar archive that k6 did not write"),
            ExitCode::Broken      => (19, "broken",         "the tar archive ends too early or is damaged"),
        }
    }

    /// The process's exit code.
    pub fn number(self) -> i32 {
        self.row().0
    }

    /// The word before the sentence in the termination log.
    pub fn word(self) -> &'static str {
        self.row().1
    }

    /// What it means, for the help and when there is no message.
    pub fn meaning(self) -> &'static str {
        self.row().2
    }

    /// The code with this number.
    pub fn from_number(number: i32) -> Option<ExitCode> {
        ExitCode::ALL.into_iter().find(|code| code.number() == number)
    }
}

/// A failed init container, explained.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct FetchFailure {
    /// The code, when the container was `plz-agent fetch`; `None` for anything else, such as k6-operator's curl or a
    /// container that was killed.
    pub code: Option<ExitCode>,
    /// One line for the user and GCk6, without credentials.
    pub message: String,
}

/// Explains the end of an init container: its `terminated.exitCode` and `terminated.message`.
pub fn outcome(exit_code: i32, message: &str) -> FetchFailure {
    let message = scrubbed_line(message, MESSAGE_BYTES_MAX);
    let code = ExitCode::from_number(exit_code).filter(|code| is_ours(*code, &message));
    let sentence = match code {
        Some(code) => {
            let said = message.strip_prefix(code.word()).and_then(|rest| rest.strip_prefix(": "));
            said.filter(|said| !said.is_empty()).unwrap_or(code.meaning()).to_owned()
        }
        None => explain_foreign(exit_code, &message),
    };
    FetchFailure { code, message: format!("the test's archive could not be downloaded: {sentence}") }
}

/// Other programs have codes of their own: ours are believed with our word before the message. Without a message the
/// numbers from 10 on are, which shells and curl hardly ever end with.
fn is_ours(code: ExitCode, message: &str) -> bool {
    match code {
        ExitCode::Ok => false,
        ExitCode::Usage => message.starts_with("usage: "),
        code => message.is_empty() || message.starts_with(code.word()),
    }
}

fn explain_foreign(exit_code: i32, message: &str) -> String {
    let cause = match exit_code {
        137 => "its container was killed (exit code 137): out of memory, or the pod was deleted".to_owned(),
        143 => "its container was stopped (exit code 143) before it was done".to_owned(),
        code => format!("its container ended with exit code {code}"),
    };
    if message.is_empty() { cause } else { format!("{cause}: {message}") }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[track_caller]
    fn check(exit_code: i32, message: &str, code: Option<ExitCode>, sentence: &str) {
        let failure = outcome(exit_code, message);
        assert_eq!(failure.code, code);
        let text = failure.message.strip_prefix("the test's archive could not be downloaded: ");
        assert_eq!(text, Some(sentence));
    }

    #[test]
    fn numbers_and_words_are_distinct_and_read_back() {
        for (at, code) in ExitCode::ALL.into_iter().enumerate() {
            assert_eq!(ExitCode::from_number(code.number()), Some(code));
            assert!(ExitCode::ALL[..at].iter().all(|other| other.word() != code.word()));
        }
    }

    #[test]
    fn our_own_container() {
        check(10, "expired: start it again\n", Some(ExitCode::Expired), "start it again");
        check(13, "", Some(ExitCode::Network), ExitCode::Network.meaning());
        check(2, "usage: --to is missing", Some(ExitCode::Usage), "--to is missing");
        check(16, "tls: https://h/p?sig=1 is bad", Some(ExitCode::Tls), "https://h/p?<redacted> is bad");
    }

    #[test]
    fn anything_else() {
        check(2, "", None, "its container ended with exit code 2");
        check(22, "curl: (22) 403\n", None, "its container ended with exit code 22: curl: (22) 403");
        check(10, "curl: odd", None, "its container ended with exit code 10: curl: odd");
        check(0, "", None, "its container ended with exit code 0");
        check(143, "", None, "its container was stopped (exit code 143) before it was done");
        assert!(outcome(137, "").message.contains("out of memory"));
    }
}
