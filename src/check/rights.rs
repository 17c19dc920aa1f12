//! The rights that the agent uses, as a table: what `check` asks for, and what the shipped rules are made from.
//!
//! Owns which verb is used on what, where, when, and why. Leaves alone the asking. Invariants: the rules in `manifests/rbac`,
//! `manifests/outside` and the chart are these and no others, a test compares them and `UPDATE_GOLDEN=1` writes them; the code
//! makes every request that they permit, and no other, which a test reads off the source.

mod judge;

use k8s::{ADMISSION_POLICY_BINDINGS, Attributes, EVENTS, JOBS, LEASES, PODS, Resource, SECRETS};

use plz_core::api;

/// Where a right is needed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Place {
    /// In every namespace that is worked in.
    Watched,
    /// Wherever k6-operator's Lease is watched: there, and where the administrator says that it may be.
    Lookout,
    /// In no namespace: it is about an object of the cluster.
    Cluster,
    /// In the agent's own namespace.
    Own,
    /// Where the Lease of the election is; in the cluster that is the agent's own namespace too.
    Lease,
}

/// When a right is needed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum When {
    /// Always.
    Always,
    /// Where the agent works in all namespaces.
    ClusterWide,
    /// Where runners are reached through the API server.
    ProxyAccess,
    /// Where the agent's own pod tells the image of the init container.
    OwnImage,
    /// With `--lease`.
    Elects,
}

/// The one object that a right is about.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Named {
    /// It is about all of them.
    Any,
    /// The admission policy for test runs.
    Policy,
    /// The Lease of k6-operator.
    Operator,
    /// The Lease of the election.
    Lease,
}

/// What becomes of the agent without a right.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Without {
    /// It does not work.
    Fails,
    /// It works; the text says what is amiss.
    Lacks(&'static str),
}

/// Rights on one resource.
#[derive(Clone, Copy, Debug)]
pub struct Right {
    /// The resource.
    pub resource: Resource,
    /// `status`, `proxy`, or empty.
    pub subresource: &'static str,
    /// The verbs.
    pub verbs: &'static [&'static str],
    /// Which object.
    pub named: Named,
    /// Where.
    pub place: Place,
    /// When.
    pub when: When,
    /// What if not.
    pub without: Without,
    /// What for, in a sentence: the comment on the rule.
    pub reason: &'static str,
}

const ENFORCED: Without = Without::Lacks(
    "needed where the admission plugin OwnerReferencesPermissionEnforcement is on, as on OpenShift",
);
const SILENT: Without = Without::Lacks(
    "there will be no Kubernetes Events about zones and runs, and the agent cannot say why a runner's pod is rejected",
);

const ZONES: Resource = api::zone::RESOURCE;
const RUNS: Resource = api::run::RESOURCE;

const POLICIES: Resource = ADMISSION_POLICY_BINDINGS;

const BLIND: Without =
    Without::Lacks("a live k6-operator would go unnoticed, and both would start every test run");

const UNSEEN: Without =
    Without::Lacks("`check` cannot tell whether the admission policy for test runs exists");

/// All of them, in the order of the rules in the files. Neighbours that differ in the resource alone share a rule there.
#[rustfmt::skip]
pub const RIGHTS: [Right; 16] = [
    //    resource  subresource   verbs                                                   named            place           when               without
    right(ZONES,    "",           &["list", "watch", "patch"],                            Named::Any,      Place::Watched, When::Always,      Without::Fails,
        "Follow the zones; set the finalizer and the annotation with the provider's id."),
    right(RUNS,     "",           &["get", "list", "watch", "create", "patch", "delete"], Named::Any,      Place::Watched, When::Always,      Without::Fails,
        "Create a test run once, and on AlreadyExists compare its owner; take the agent's own finalizer off; delete where `cleanup: post` says so."),
    right(ZONES,    "status",     &["patch"],                                             Named::Any,      Place::Watched, When::Always,      Without::Fails,
        "The conditions of a zone."),
    right(RUNS,     "status",     &["patch"],                                             Named::Any,      Place::Watched, When::Always,      Without::Fails,
        "The stage, the run id and the conditions of a test run."),
    right(ZONES,    "finalizers", &["update"],                                            Named::Any,      Place::Watched, When::Always,      ENFORCED,
        "Own TestRuns with blockOwnerDeletion. The admission plugin OwnerReferencesPermissionEnforcement, on by default on OpenShift, asks for this; it lets nobody set a finalizer."),
    right(RUNS,     "finalizers", &["update"],                                            Named::Any,      Place::Watched, When::Always,      ENFORCED,
        "Own Jobs and Secrets in the same way."),
    right(JOBS,     "",           &["get", "create", "delete"],                           Named::Any,      Place::Watched, When::Always,      Without::Fails,
        "The runners: create a Job once, and on AlreadyExists compare its owner."),
    right(PODS,     "",           &["list", "watch"],                                     Named::Any,      Place::Watched, When::Always,      Without::Fails,
        "A runner's address, its phase, and why a container ended."),
    right(PODS,     "proxy",      &["get", "create", "update", "patch"],                  Named::Any,      Place::Watched, When::ProxyAccess, Without::Fails,
        "GET /v1/status (get), POST /v1/setup and /v1/teardown (create), PUT /v1/setup (update), PATCH /v1/status to start and stop (patch)."),
    right(SECRETS,  "",           &["get", "create"],                                     Named::Any,      Place::Watched, When::Always,      Without::Fails,
        "The token that a zone names, and one Secret per run with the URL of its archive. Never listed or watched."),
    right(EVENTS,   "",           &["list", "create"],                                    Named::Any,      Place::Watched, When::Always,      SILENT,
        "Report on zones and runs; read why a runner's Job gets no pod."),
    right(LEASES,   "",           &["list", "watch"],                                     Named::Operator, Place::Lookout, When::Always,      BLIND,
        "The Lease that a live k6-operator renews: no agent acts beside one."),
    right(POLICIES, "",           &["get"],                                               Named::Policy,   Place::Cluster, When::ClusterWide, UNSEEN,
        "`check` reports if the admission policy for test runs is missing."),
    right(PODS,     "",           &["get"],                                               Named::Any,      Place::Own,     When::OwnImage,    Without::Fails,
        "The image of the agent's own pod, which downloads the archives too."),
    right(LEASES,   "",           &["create"],                                            Named::Any,      Place::Lease,   When::Elects,      Without::Fails,
        "Create the Lease of the election. A rule for create cannot be narrowed to a name."),
    right(LEASES,   "",           &["get", "patch"],                                      Named::Lease,    Place::Lease,   When::Elects,      Without::Fails,
        "Hold that one Lease."),
];

#[expect(clippy::too_many_arguments, reason = "the columns of the table")]
const fn right(
    resource: Resource,
    subresource: &'static str,
    verbs: &'static [&'static str],
    named: Named,
    place: Place,
    when: When,
    without: Without,
    reason: &'static str,
) -> Right {
    Right { resource, subresource, verbs, named, place, when, without, reason }
}

impl Right {
    /// `testruns.k6.io`, `pods/proxy`.
    pub fn subject(&self) -> String {
        let dot = if self.resource.group.is_empty() { "" } else { "." };
        let slash = if self.subresource.is_empty() { "" } else { "/" };
        format!("{}{dot}{}{slash}{}", self.resource.plural, self.resource.group, self.subresource)
    }

    /// The question for one verb in one scope, about the object `name`; empty for all.
    pub fn attributes(&self, verb: &'static str, scope: Option<&str>, name: &str) -> Attributes {
        Attributes {
            verb,
            group: self.resource.group,
            version: self.resource.version,
            resource: self.resource.plural,
            subresource: self.subresource,
            namespace: scope.unwrap_or_default().to_owned(),
            name: name.to_owned(),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_question_is_that_of_the_request() {
        let runs = RIGHTS.iter().find(|right| right.subject() == "testruns.k6.io").unwrap();
        let request = RUNS.list(Some("a"), &k8s::resource::ListOptions::default());
        assert_eq!(runs.attributes("list", Some("a"), ""), request.attributes);
    }
}
