//! What a request asks of the API server: its verb and target, the fault that may befall it, and the count of it.

use std::time::Duration;

use serde_json::Value;

use super::resource::{Kind, Resource, Scope};
use super::status::Status;
use crate::http::{Method, Request};

/// A request to a resource, as authorization sees it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Call {
    /// `get`, `list`, `watch`, `create`, `update`, `patch`, `delete`, `deletecollection`.
    pub verb: &'static str,
    /// The row of the resource.
    pub resource: &'static Resource,
    /// `status`, `log`, `proxy`, …; empty for the object itself.
    pub subresource: String,
    /// The namespace; empty for the cluster or all namespaces.
    pub namespace: String,
    /// The object's name; empty for collections.
    pub name: String,
    /// The name that authorization sees: of a list or watch that is narrowed to one object by `metadata.name`, that one's.
    pub authorized_name: String,
    /// What follows the subresource (`v1/status` of a proxied call).
    pub rest: String,
}

/// What becomes of a request; decided by a [`FaultHook`].
#[derive(Clone, Debug)]
pub enum Fault {
    /// Nothing: it is served.
    None,
    /// Refused with this Status before it has any effect; with seconds for `Retry-After`, if any.
    Refuse(Status, Option<u64>),
    /// The connection breaks before it has any effect.
    DropBefore,
    /// It has its effect, then the connection breaks.
    DropAfter,
    /// It has its effect, and the answer takes this long.
    Late(Duration),
}

/// Looks at a call and its decoded body (null if none) and decides what befalls it. A quota or a failing admission
/// webhook is a [`Fault::Refuse`] with status 403 and the message that the real one gives.
pub type FaultHook = Box<dyn FnMut(Duration, &Call, &Value) -> Fault + Send>;

/// What requests are counted by.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Counted {
    /// The verb.
    pub verb: &'static str,
    /// API group; empty for core.
    pub group: &'static str,
    /// Plural of the resource.
    pub resource: &'static str,
    /// Subresource; empty if none.
    pub subresource: String,
    /// Namespace; empty for all.
    pub namespace: String,
    /// The name that authorization sees, of Leases and policy bindings alone: their rules are narrowed to names.
    pub name: String,
    /// The `User-Agent` header.
    pub user_agent: String,
}

impl Call {
    /// Reads the call off a request; `None` when the path is not that of a served resource.
    pub fn parse(request: &Request) -> Option<Self> {
        let mut parts = request.path.trim_start_matches('/').splitn(3, '/');
        let (group, version, path) = match (parts.next()?, parts.next()?, parts.next()?) {
            ("api", version, path) => ("", version, path),
            ("apis", group, path) => {
                let (version, path) = path.split_once('/')?;
                (group, version, path)
            }
            _ => return None,
        };
        let mut words: Vec<&str> = path.splitn(6, '/').collect();
        let is_inside =
            words.len() >= 3 && words[0] == "namespaces" && !matches!(words[2], "status" | "finalize");
        let namespace = if is_inside { words.drain(..2).nth(1)? } else { "" };
        let resource = Resource::find(group, version, words.first()?)?;
        if is_inside && resource.scope == Scope::Cluster {
            return None;
        }
        let word = |at: usize| words.get(at).copied().unwrap_or_default();
        let (name, subresource) = (word(1), word(2));
        let rest = words.get(3..).map(|rest| rest.join("/")).unwrap_or_default();
        let verb = match (request.method, name.is_empty()) {
            (Method::Get, _) if request.asks("watch") => "watch",
            (Method::Get, true) => "list",
            (Method::Get, false) => "get",
            (Method::Post, _) => "create",
            (Method::Put, _) => "update",
            (Method::Patch, _) => "patch",
            (Method::Delete, true) => "deletecollection",
            (Method::Delete, false) => "delete",
        };
        let selected =
            request.query("fieldSelector").and_then(|fields| fields.strip_prefix("metadata.name="));
        let selected = selected.filter(|_| matches!(verb, "list" | "watch" | "deletecollection"));
        Some(Self {
            verb,
            authorized_name: selected.filter(|_| name.is_empty()).unwrap_or(name).to_owned(),
            resource,
            subresource: subresource.to_owned(),
            namespace: namespace.to_owned(),
            name: name.to_owned(),
            rest,
        })
    }

    /// The key that the call is counted under.
    pub fn counted(&self, user_agent: &str) -> Counted {
        Counted {
            verb: self.verb,
            group: self.resource.group,
            resource: self.resource.plural,
            subresource: self.subresource.clone(),
            namespace: self.namespace.clone(),
            name: Some(self.authorized_name.clone())
                .filter(|_| {
                    matches!(self.resource.kind, Kind::Lease | Kind::ValidatingAdmissionPolicyBinding)
                })
                .unwrap_or_default(),
            user_agent: user_agent.to_owned(),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(method: Method, target: &str, expected: &str) {
        let call = Call::parse(&Request::new(method, target));
        let shown = call.map_or_else(
            || "none".to_owned(),
            |call| {
                let Call { verb, subresource, namespace, name, rest, .. } = &call;
                format!("{verb} {} {namespace}|{name}|{subresource}|{rest}", call.resource.plural)
            },
        );
        assert_eq!(shown, expected, "{target}");
    }

    #[test]
    fn paths_become_calls() {
        check(Method::Get, "/api/v1/pods", "list pods |||");
        check(Method::Get, "/api/v1/namespaces/a/pods?watch=1", "watch pods a|||");
        check(Method::Get, "/api/v1/namespaces/a", "get namespaces |a||");
        check(Method::Get, "/api/v1/namespaces/a/status", "get namespaces |a|status|");
        check(
            Method::Patch,
            "/apis/k6.io/v1alpha1/namespaces/a/testruns/t/status",
            "patch testruns a|t|status|",
        );
        check(Method::Post, "/apis/batch/v1/namespaces/a/jobs", "create jobs a|||");
        check(Method::Delete, "/apis/batch/v1/namespaces/a/jobs", "deletecollection jobs a|||");
        check(
            Method::Post,
            "/api/v1/namespaces/a/pods/p:6565/proxy/v1/setup",
            "create pods a|p:6565|proxy|v1/setup",
        );
        check(Method::Get, "/apis/k6.io/v1/testruns", "none");
        check(Method::Get, "/version", "none");
    }
}
