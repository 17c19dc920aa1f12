//! One request to the API server as plain data: what to send, and what RBAC will call it.
//!
//! Owns percent-encoding. Leaves alone hosts, credentials and sending: `client.rs` does those.
//! Invariant: `target` starts with `/` and is pure ASCII, whatever names and selectors went in.

use std::fmt;

/// The HTTP methods the Kubernetes API is spoken to with.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Method {
    /// Read one object, a list, a watch, a log.
    Get,
    /// Create an object, or a proxied POST.
    Post,
    /// Replace an object, or a proxied PUT.
    Put,
    /// Merge into an object, or a proxied PATCH.
    Patch,
    /// Delete an object, or a proxied DELETE.
    Delete,
}

impl Method {
    /// The name on the wire, in capitals.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Get => "GET",
            Self::Post => "POST",
            Self::Put => "PUT",
            Self::Patch => "PATCH",
            Self::Delete => "DELETE",
        }
    }
}

impl fmt::Display for Method {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

/// What an authorizer sees of a request: the fields of `SelfSubjectAccessReview.spec.resourceAttributes`.
/// Empty text stands for "none", as it does there.
#[derive(Clone, Debug, Default, PartialEq, Eq, PartialOrd, Ord)]
pub struct Attributes {
    /// `get`, `list`, `watch`, `create`, `update`, `patch` or `delete`.
    pub verb: &'static str,
    /// The API group; empty for the core group.
    pub group: &'static str,
    /// The API version within the group, `v1`.
    pub version: &'static str,
    /// The resource's plural, `pods`; empty for a path that is no resource, as `/version`.
    pub resource: &'static str,
    /// `status`, `log`, `proxy`, or empty.
    pub subresource: &'static str,
    /// The namespace; empty for cluster-scoped objects and for requests across all namespaces.
    pub namespace: String,
    /// The object's name; empty for lists, watches and creates.
    pub name: String,
}

/// A request, complete but for the server and the credentials. Equal requests have equal effects.
#[derive(Clone, PartialEq, Eq)]
pub struct Request {
    /// The HTTP method.
    pub method: Method,
    /// Path and query, percent-encoded: `/api/v1/pods?limit=500`.
    pub target: String,
    /// The body's media type; none where there is no body.
    pub content_type: Option<&'static str>,
    /// The body; may hold secrets, hence absent from `Debug`.
    pub body: Vec<u8>,
    /// The same request as RBAC sees it.
    pub attributes: Attributes,
}

impl fmt::Debug for Request {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} {}", self.method, self.target)
    }
}

impl Request {
    /// A plain read of a path that is no resource, as `/version`. `path` is sent as it stands.
    #[must_use]
    pub fn read(path: &'static str) -> Self {
        Self {
            method: Method::Get,
            target: path.to_owned(),
            content_type: None,
            body: Vec::new(),
            attributes: Attributes { verb: "get", ..Attributes::default() },
        }
    }
}

/// Stands for a name that would change the meaning of a path. No Kubernetes object can be called so, hence the
/// answer is "not found" rather than, for an empty name, the whole collection (which DELETE would empty).
const IMPOSSIBLE_NAME: &str = "-";

/// Writes `/segment`, encoded. Empty and dotted segments become a name that no object can have.
pub(crate) fn push_segment(target: &mut String, segment: &str) {
    target.push('/');
    match segment {
        "" | "." | ".." => target.push_str(IMPOSSIBLE_NAME),
        _ => encode(target, segment, b"-._~:"),
    }
}

/// Writes `?name=value` or `&name=value`, encoded.
pub(crate) fn push_query(target: &mut String, name: &str, value: &str) {
    target.push(if target.contains('?') { '&' } else { '?' });
    target.push_str(name);
    target.push('=');
    encode(target, value, b"-._~");
}

fn encode(target: &mut String, text: &str, kept: &[u8]) {
    const HEX: &[u8; 16] = b"0123456789ABCDEF";
    for &byte in text.as_bytes() {
        if byte.is_ascii_alphanumeric() || kept.contains(&byte) {
            target.push(char::from(byte));
        } else {
            target.push('%');
            target.push(char::from(HEX[usize::from(byte >> 4)]));
            target.push(char::from(HEX[usize::from(byte & 15)]));
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn segments_cannot_leave_their_place() {
        let check = |segment: &str, wanted: &str| {
            let mut target = String::new();
            push_segment(&mut target, segment);
            assert_eq!(target, wanted, "{segment:?}");
        };
        check("web-1", "/web-1");
        check("system:node:a", "/system:node:a");
        check("a/b?c#d e", "/a%2Fb%3Fc%23d%20e");
        check("naïve", "/na%C3%AFve");
        check("", "/-");
        check("..", "/-");
    }

    #[test]
    fn queries_are_joined_and_encoded() {
        let mut target = "/x".to_owned();
        push_query(&mut target, "labelSelector", "a=b,c in (d)");
        push_query(&mut target, "limit", "5");
        assert_eq!(target, "/x?labelSelector=a%3Db%2Cc%20in%20%28d%29&limit=5");
    }

    #[test]
    fn debug_shows_no_body() {
        let mut request = Request::read("/version");
        request.body = b"secret".to_vec();
        assert_eq!(format!("{request:?}"), "GET /version");
    }
}
