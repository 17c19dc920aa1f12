//! The answers: statuses, and the bytes of a head and a body.
//!
//! Pure. Invariant: an answer names its length and closes the connection.

use crate::metrics::CONTENT_TYPE;

/// The statuses there are.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Status {
    /// 200.
    Ok,
    /// 400.
    BadRequest,
    /// 404.
    NotFound,
    /// 405.
    MethodNotAllowed,
    /// 408.
    Timeout,
    /// 431.
    HeadTooLarge,
    /// 503.
    Unavailable,
    /// 505.
    VersionNotSupported,
}

impl Status {
    /// Code and reason, as they stand in the first line.
    pub(super) const fn words(self) -> &'static str {
        match self {
            Self::Ok => "200 OK",
            Self::BadRequest => "400 Bad Request",
            Self::NotFound => "404 Not Found",
            Self::MethodNotAllowed => "405 Method Not Allowed",
            Self::Timeout => "408 Request Timeout",
            Self::HeadTooLarge => "431 Request Header Fields Too Large",
            Self::Unavailable => "503 Service Unavailable",
            Self::VersionNotSupported => "505 HTTP Version Not Supported",
        }
    }
}

/// An answer before it is bytes.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Reply {
    /// Its status.
    pub(super) status: Status,
    /// Its body, which is plain text.
    pub(super) body: String,
    /// Whether the body is the metrics page.
    pub(super) content_type: &'static str,
}

/// Of sentences for people.
const PLAIN: &str = "text/plain; charset=utf-8";

impl Reply {
    /// A sentence; its line end is added.
    pub(super) fn sentence(status: Status, sentence: &str) -> Self {
        Self { status, body: [sentence, "\n"].concat(), content_type: PLAIN }
    }

    /// A status without more to say than its name.
    pub(super) fn of(status: Status) -> Self {
        Self::sentence(status, status.words())
    }

    /// The metrics page.
    pub(super) fn metrics(page: String) -> Self {
        Self { status: Status::Ok, body: page, content_type: CONTENT_TYPE }
    }

    /// What goes over the wire; for HEAD the same without the body.
    pub(super) fn into_bytes(self, is_head: bool) -> Vec<u8> {
        let allow = if self.status == Status::MethodNotAllowed { "Allow: GET, HEAD\r\n" } else { "" };
        let length = self.body.len().to_string();
        let head = [
            "HTTP/1.1 ",
            self.status.words(),
            "\r\nContent-Type: ",
            self.content_type,
            "\r\nContent-Length: ",
            &length,
            "\r\nCache-Control: no-store\r\n",
            allow,
            "Connection: close\r\n\r\n",
        ];
        let mut text = head.concat();
        if !is_head {
            text.push_str(&self.body);
        }
        text.into_bytes()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[track_caller]
    fn check(reply: Reply, is_head: bool, expected: &str) {
        assert_eq!(String::from_utf8(reply.into_bytes(is_head)).unwrap(), expected);
    }

    #[test]
    fn answers_as_they_go_over_the_wire() {
        let head = "HTTP/1.1 200 OK\r\nContent-Type: text/plain; charset=utf-8\r\nContent-Length: 3\r\n\
                    Cache-Control: no-store\r\nConnection: close\r\n\r\n";
        check(Reply::sentence(Status::Ok, "ok"), false, &format!("{head}ok\n"));
        check(Reply::sentence(Status::Ok, "ok"), true, head);
        check(
            Reply::of(Status::MethodNotAllowed),
            false,
            "HTTP/1.1 405 Method Not Allowed\r\nContent-Type: text/plain; charset=utf-8\r\nContent-Length: 23\r\n\
             Cache-Control: no-store\r\nAllow: GET, HEAD\r\nConnection: close\r\n\r\n405 Method Not Allowed\n",
        );
        let page = Reply::metrics("m 1\n".to_owned()).into_bytes(false);
        assert!(
            page.starts_with(
                b"HTTP/1.1 200 OK\r\nContent-Type: text/plain; version=0.0.4; charset=utf-8\r\n"
            )
        );
    }
}
