//! The vocabulary of all stand-ins: an HTTP request, a response, and what a driver is to do with the latter.
//!
//! Owns decoding of targets and queries. Leaves framing (Content-Length, chunks, TLS) to the drivers.
//! Invariant: `Debug` shows neither header values, query values nor bodies, for they carry tokens.

use std::collections::BTreeMap;
use std::fmt;
use std::time::Duration;

use serde_json::Value;

/// The methods that any of the stood-in systems accepts.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Method {
    /// Read.
    Get,
    /// Create, or call.
    Post,
    /// Replace.
    Put,
    /// Change in part.
    Patch,
    /// Remove.
    Delete,
}

impl Method {
    /// The method by its name on the wire (`GET`); `None` for those that no stand-in serves.
    pub fn parse(name: &str) -> Option<Self> {
        Some(match name {
            "GET" => Self::Get,
            "POST" => Self::Post,
            "PUT" => Self::Put,
            "PATCH" => Self::Patch,
            "DELETE" => Self::Delete,
            _ => return None,
        })
    }

    /// The name on the wire.
    pub fn name(self) -> &'static str {
        match self {
            Self::Get => "GET",
            Self::Post => "POST",
            Self::Put => "PUT",
            Self::Patch => "PATCH",
            Self::Delete => "DELETE",
        }
    }
}

/// A request, decoded.
#[derive(Clone)]
pub struct Request {
    /// The method.
    pub method: Method,
    /// Percent-decoded path, without the query.
    pub path: String,
    /// Decoded pairs of the query, in their order.
    pub query: Vec<(String, String)>,
    /// Headers by lower-case name; of repeated ones the last.
    pub headers: BTreeMap<String, String>,
    /// The body, de-chunked; empty if none.
    pub body: Vec<u8>,
}

impl Request {
    /// A request without headers and body to `target` (path and query as on the request line).
    pub fn new(method: Method, target: &str) -> Self {
        let (path, query) = target.split_once('?').unwrap_or((target, ""));
        let query = query
            .split('&')
            .filter(|pair| !pair.is_empty())
            .map(|pair| {
                let (name, value) = pair.split_once('=').unwrap_or((pair, ""));
                (decoded(&name.replace('+', " ")), decoded(&value.replace('+', " ")))
            })
            .collect();
        Self { method, path: decoded(path), query, headers: BTreeMap::new(), body: Vec::new() }
    }

    /// The same with a header.
    #[must_use]
    pub fn with_header(mut self, name: &str, value: &str) -> Self {
        self.headers.insert(name.to_ascii_lowercase(), value.to_owned());
        self
    }

    /// The same with a JSON body and its content type, unless one is set already.
    #[must_use]
    pub fn with_json(mut self, body: &Value) -> Self {
        self.headers.entry("content-type".to_owned()).or_insert_with(|| "application/json".to_owned());
        self.body = body.to_string().into_bytes();
        self
    }

    /// The value of a header by its lower-case name.
    pub fn header(&self, name: &str) -> Option<&str> {
        self.headers.get(name).map(String::as_str)
    }

    /// The first value of a query parameter.
    pub fn query(&self, name: &str) -> Option<&str> {
        self.query.iter().find(|(key, _)| key == name).map(|(_, value)| value.as_str())
    }

    /// Whether a query parameter is there and says yes (`1`, `true`, or no value).
    pub fn asks(&self, name: &str) -> bool {
        self.query(name).is_some_and(|value| matches!(value, "1" | "true" | ""))
    }

    /// The body as JSON; `None` when it is none.
    pub fn json(&self) -> Option<Value> {
        serde_json::from_slice(&self.body).ok()
    }

    /// The content type without parameters; empty if none.
    pub fn content_type(&self) -> &str {
        self.header("content-type").unwrap_or_default().split(';').next().unwrap_or_default().trim()
    }
}

impl fmt::Debug for Request {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} {} ({} bytes)", self.method.name(), self.path, self.body.len())
    }
}

/// A response.
#[derive(Clone)]
pub struct Response {
    /// The status code.
    pub status: u16,
    /// Headers in their order, without those of framing.
    pub headers: Vec<(String, String)>,
    /// The body.
    pub body: Vec<u8>,
}

impl Response {
    /// A response with a body of the given content type.
    pub fn new(status: u16, content_type: &str, body: impl Into<Vec<u8>>) -> Self {
        let headers = vec![("Content-Type".to_owned(), content_type.to_owned())];
        Self { status, headers, body: body.into() }
    }

    /// A JSON response.
    pub fn json(status: u16, body: &Value) -> Self {
        Self::new(status, "application/json", body.to_string())
    }

    /// A plain text response.
    pub fn text(status: u16, body: &str) -> Self {
        Self::new(status, "text/plain; charset=utf-8", body)
    }

    /// A response without a body.
    pub fn empty(status: u16) -> Self {
        Self { status, headers: Vec::new(), body: Vec::new() }
    }

    /// The same with one more header.
    #[must_use]
    pub fn with_header(mut self, name: &str, value: &str) -> Self {
        self.headers.push((name.to_owned(), value.to_owned()));
        self
    }

    /// The value of a header, names compared without case.
    pub fn header(&self, name: &str) -> Option<&str> {
        self.headers.iter().find(|(key, _)| key.eq_ignore_ascii_case(name)).map(|(_, value)| value.as_str())
    }

    /// The body as JSON; null when it is none.
    pub fn value(&self) -> Value {
        serde_json::from_slice(&self.body).unwrap_or_default()
    }

    /// The body as text, for messages of tests.
    pub fn as_text(&self) -> String {
        String::from_utf8_lossy(&self.body).into_owned()
    }
}

impl fmt::Debug for Response {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} ({} bytes)", self.status, self.body.len())
    }
}

/// What the driver is to do on a request.
#[derive(Clone, Debug)]
pub enum Answer {
    /// Send the response.
    Now(Response),
    /// Send the response after a while; its effects have happened already.
    After(Duration, Response),
    /// Close the connection without a byte, as a reset or a refused connection would show.
    Drop,
    /// Send the head and the given part of the body, then close the connection.
    Truncated(Response, usize),
}

impl Answer {
    /// The response, however late; `None` when the connection breaks instead.
    pub fn response(self) -> Option<Response> {
        match self {
            Self::Now(response) | Self::After(_, response) => Some(response),
            Self::Drop | Self::Truncated(..) => None,
        }
    }
}

impl From<Response> for Answer {
    fn from(response: Response) -> Self {
        Self::Now(response)
    }
}

/// Percent-decodes; malformed escapes stay as they are.
pub fn decoded(text: &str) -> String {
    let bytes = text.as_bytes();
    let mut out = Vec::with_capacity(bytes.len());
    let mut at = 0;
    while at < bytes.len() {
        let escape = bytes.get(at + 1..at + 3).filter(|_| bytes[at] == b'%');
        let byte = escape
            .and_then(|hex| std::str::from_utf8(hex).ok())
            .and_then(|hex| u8::from_str_radix(hex, 16).ok());
        out.push(byte.unwrap_or(bytes[at]));
        at += if byte.is_some() { 3 } else { 1 };
    }
    String::from_utf8_lossy(&out).into_owned()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn targets_are_decoded() {
        let request = Request::new(Method::Get, "/api/v1/pods?labelSelector=a%3Db%2Cc+in&watch");
        assert_eq!(request.path, "/api/v1/pods");
        assert_eq!(request.query("labelSelector"), Some("a=b,c in"));
        assert!(request.asks("watch") && !request.asks("other"));
        assert_eq!(decoded("100%"), "100%");
        assert_eq!(decoded("test_runs%28101%29"), "test_runs(101)");
    }

    #[test]
    fn debug_keeps_secrets() {
        let request = Request::new(Method::Post, "/x?sig=s3cret")
            .with_header("Authorization", "Token s3cret")
            .with_json(&serde_json::json!("s3cret"));
        assert_eq!(format!("{request:?}"), "POST /x (8 bytes)");
    }
}
