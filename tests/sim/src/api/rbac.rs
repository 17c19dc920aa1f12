//! RBAC: whether the rules of a Role or ClusterRole permit a call.
//!
//! Used two ways: a test asks about every counted call, or an API server refuses what is not permitted.
//! Bindings and subjects are left alone: there is one client.

use serde_json::Value;

use super::call::{Call, Counted};
use crate::json;

/// One rule (`rules[]` of a Role or ClusterRole).
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Rule {
    /// API groups; `""` is core, `*` all.
    pub groups: Vec<String>,
    /// Plurals, with `/subresource` where one is meant.
    pub resources: Vec<String>,
    /// Names that it is narrowed to; empty for all.
    pub names: Vec<String>,
    /// Verbs; `*` all.
    pub verbs: Vec<String>,
}

impl Rule {
    /// The rules of all Roles and ClusterRoles among YAML documents; other documents are passed over.
    pub fn from_yaml(documents: &str) -> Result<Vec<Self>, serde_yaml::Error> {
        let mut rules = Vec::new();
        for document in serde_yaml::Deserializer::from_str(documents) {
            let document: Value = serde::Deserialize::deserialize(document)?;
            if matches!(json::text(&document, "kind"), "Role" | "ClusterRole") {
                rules.extend(json::list(&document, "rules").iter().map(Self::read));
            }
        }
        Ok(rules)
    }

    fn read(rule: &Value) -> Self {
        let words = |field: &str| {
            json::list(rule, field).iter().filter_map(Value::as_str).map(str::to_owned).collect()
        };
        Self {
            groups: words("apiGroups"),
            resources: words("resources"),
            names: words("resourceNames"),
            verbs: words("verbs"),
        }
    }

    fn permits(&self, group: &str, resource: &str, name: &str, verb: &str) -> bool {
        let among = |words: &[String], word: &str| words.iter().any(|have| have == "*" || have == word);
        among(&self.groups, group)
            && among(&self.resources, resource)
            && among(&self.verbs, verb)
            && (self.names.is_empty() || self.names.iter().any(|have| have == name))
    }
}

/// Whether `rules` permit the call. A pod's port in a proxied name (`pod:6565`) is part of the name, as on a real server.
pub fn allowed(rules: &[Rule], call: &Call) -> bool {
    permitted(rules, call.resource.group, &with_subresource(call), &call.authorized_name, call.verb)
}

/// The calls among those counted that `rules` do not permit; rules for certain names only permit none of them but those of
/// which the name is counted.
pub fn refused<'a>(rules: &[Rule], counts: impl Iterator<Item = &'a Counted>) -> Vec<&'a Counted> {
    let resource = |counted: &Counted| match counted.subresource.as_str() {
        "" => counted.resource.to_owned(),
        subresource => format!("{}/{subresource}", counted.resource),
    };
    counts
        .filter(|counted| !permitted(rules, counted.group, &resource(counted), &counted.name, counted.verb))
        .collect()
}

/// The same by the words of a SelfSubjectAccessReview; `resource` includes the subresource.
pub fn permitted(rules: &[Rule], group: &str, resource: &str, name: &str, verb: &str) -> bool {
    // Every cluster lets everybody who is somebody ask for their own rights: ClusterRole system:basic-user.
    let is_basic = (group, resource, verb) == ("authorization.k8s.io", "selfsubjectaccessreviews", "create");
    is_basic || rules.iter().any(|rule| rule.permits(group, resource, name, verb))
}

/// `pods/log`, `pods`: the form in rules.
pub fn with_subresource(call: &Call) -> String {
    if call.subresource.is_empty() {
        call.resource.plural.to_owned()
    } else {
        format!("{}/{}", call.resource.plural, call.subresource)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::http::{Method, Request};

    #[test]
    fn rules_permit_what_they_name() {
        let named = "kind: Role\nrules:\n- {apiGroups: [coordination.k8s.io], resources: [leases], resourceNames: [a], verbs: [list, patch]}\n";
        let rules = Rule::from_yaml(named).unwrap();
        for (target, expected) in [
            ("", false),
            ("?fieldSelector=metadata.name%3Da", true),
            ("?fieldSelector=metadata.name%3Db", false),
        ] {
            let target = format!("/apis/coordination.k8s.io/v1/leases{target}");
            let call = Call::parse(&Request::new(Method::Get, &target)).unwrap();
            assert_eq!(allowed(&rules, &call), expected, "{target}");
            assert_eq!(refused(&rules, [call.counted("agent")].iter()).is_empty(), expected, "{target}");
        }
        let rules = Rule::from_yaml(
            "kind: Role\nrules:\n- {apiGroups: [''], resources: [secrets], resourceNames: [token], verbs: [get]}\n\
             ---\nkind: Deployment\n---\nkind: ClusterRole\nrules:\n- {apiGroups: [k6.io], resources: [testruns/status], verbs: ['*']}\n",
        )
        .unwrap();
        let check = |method, target: &str, expected| {
            let call = Call::parse(&Request::new(method, target)).unwrap();
            assert_eq!(allowed(&rules, &call), expected, "{target}");
            let counted = [call.counted("agent")];
            let is_named = call.name == "token";
            assert_eq!(refused(&rules, counted.iter()).is_empty(), expected && !is_named, "{target}");
        };
        check(Method::Get, "/api/v1/namespaces/a/secrets/token", true);
        check(Method::Get, "/api/v1/namespaces/a/secrets/other", false);
        check(Method::Get, "/api/v1/namespaces/a/secrets", false);
        check(Method::Patch, "/apis/k6.io/v1alpha1/namespaces/a/testruns/t/status", true);
        check(Method::Patch, "/apis/k6.io/v1alpha1/namespaces/a/testruns/t", false);
    }
}
