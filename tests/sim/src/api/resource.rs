//! The kinds that the API server serves, as a table, and the key of an object.

use std::fmt;

/// A kind of object.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
#[expect(missing_docs, reason = "the names are those of Kubernetes")]
pub enum Kind {
    Namespace,
    Pod,
    Secret,
    Event,
    ConfigMap,
    Service,
    ServiceAccount,
    Job,
    PrivateLoadZone,
    TestRun,
    Lease,
    CustomResourceDefinition,
    ValidatingAdmissionPolicyBinding,
    SelfSubjectAccessReview,
}

/// Where the objects of a kind live.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Scope {
    /// In a namespace.
    Namespaced,
    /// In the cluster as such.
    Cluster,
}

/// What a write to the main resource and a write to `/status` leave alone, and when `generation` counts.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Tracking {
    /// No status subresource, no generation.
    Plain,
    /// Status subresource, no generation (pods before 1.33).
    Status,
    /// Status subresource, `generation` counts changes of the spec.
    Generation,
}

/// One row of the table.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Resource {
    /// The kind of this row.
    pub kind: Kind,
    /// API group; empty for core.
    pub group: &'static str,
    /// Version.
    pub version: &'static str,
    /// The `kind` field.
    pub name: &'static str,
    /// The plural of URLs.
    pub plural: &'static str,
    /// Where its objects live.
    pub scope: Scope,
    /// How writes are told apart.
    pub tracking: Tracking,
}

use Scope::{Cluster, Namespaced};
use Tracking::{Generation, Plain, Status};

/// All kinds, in the order of [`Kind`].
#[rustfmt::skip]
pub const RESOURCES: [Resource; 14] = [
    //  kind                            group                  version     kind               plural              scope       tracking
    row(Kind::Namespace,                "",                    "v1",       "Namespace",       "namespaces",       Cluster,    Status),
    row(Kind::Pod,                      "",                    "v1",       "Pod",             "pods",             Namespaced, Status),
    row(Kind::Secret,                   "",                    "v1",       "Secret",          "secrets",          Namespaced, Plain),
    row(Kind::Event,                    "",                    "v1",       "Event",           "events",           Namespaced, Plain),
    row(Kind::ConfigMap,                "",                    "v1",       "ConfigMap",       "configmaps",       Namespaced, Plain),
    row(Kind::Service,                  "",                    "v1",       "Service",         "services",         Namespaced, Status),
    row(Kind::ServiceAccount,           "",                    "v1",       "ServiceAccount",  "serviceaccounts",  Namespaced, Plain),
    row(Kind::Job,                      "batch",               "v1",       "Job",             "jobs",             Namespaced, Generation),
    row(Kind::PrivateLoadZone,          "k6.io",               "v1alpha1", "PrivateLoadZone", "privateloadzones", Namespaced, Generation),
    row(Kind::TestRun,                  "k6.io",               "v1alpha1", "TestRun",         "testruns",         Namespaced, Generation),
    row(Kind::Lease,                    "coordination.k8s.io", "v1",       "Lease",           "leases",           Namespaced, Plain),
    row(Kind::CustomResourceDefinition, "apiextensions.k8s.io", "v1",      "CustomResourceDefinition", "customresourcedefinitions", Cluster, Generation),
    row(Kind::ValidatingAdmissionPolicyBinding, "admissionregistration.k8s.io", "v1", "ValidatingAdmissionPolicyBinding", "validatingadmissionpolicybindings", Cluster, Generation),
    row(Kind::SelfSubjectAccessReview,  "authorization.k8s.io", "v1",      "SelfSubjectAccessReview",  "selfsubjectaccessreviews",  Cluster, Plain),
];

const fn row(
    kind: Kind,
    group: &'static str,
    version: &'static str,
    name: &'static str,
    plural: &'static str,
    scope: Scope,
    tracking: Tracking,
) -> Resource {
    Resource { kind, group, version, name, plural, scope, tracking }
}

impl Resource {
    /// The row of a group, version and plural, as URLs name them.
    pub fn find(group: &str, version: &str, plural: &str) -> Option<&'static Self> {
        RESOURCES.iter().find(|row| row.group == group && row.version == version && row.plural == plural)
    }

    /// `apiVersion` of its objects (`batch/v1`, `v1`).
    pub fn api_version(&self) -> String {
        if self.group.is_empty() {
            self.version.to_owned()
        } else {
            format!("{}/{}", self.group, self.version)
        }
    }

    /// The name in messages (`jobs.batch`, `pods`).
    pub fn qualified(&self) -> String {
        if self.group.is_empty() { self.plural.to_owned() } else { format!("{}.{}", self.plural, self.group) }
    }

    /// The kind in messages of validation (`Job.batch`, `Pod`).
    pub fn qualified_kind(&self) -> String {
        if self.group.is_empty() { self.name.to_owned() } else { format!("{}.{}", self.name, self.group) }
    }

    /// Whether its objects are custom resources.
    pub fn is_custom(&self) -> bool {
        self.group == "k6.io"
    }
}

impl Kind {
    /// The row of this kind.
    pub fn row(self) -> &'static Resource {
        &RESOURCES[self as usize]
    }
}

/// What names an object while it lives.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct Key {
    /// The kind.
    pub kind: Kind,
    /// The namespace; empty for cluster-scoped kinds.
    pub namespace: String,
    /// The name.
    pub name: String,
}

impl Key {
    /// The key of an object.
    pub fn new(kind: Kind, namespace: &str, name: &str) -> Self {
        Self { kind, namespace: namespace.to_owned(), name: name.to_owned() }
    }
}

impl fmt::Debug for Key {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} {}/{}", self.kind.row().name, self.namespace, self.name)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_table_is_in_the_order_of_the_kinds() {
        for row in &RESOURCES {
            assert_eq!(row.kind.row().plural, row.plural);
        }
    }
}
