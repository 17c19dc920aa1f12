//! The `TestRun` custom resource (`k6.io/v1alpha1`, `testruns`): its shape, and what can be read off it directly.
//!
//! Owns field names, labels and condition types. It leaves alone what a stage leads to. Its invariants: null reads
//! like absence, nothing empty is written, and no `Debug` form shows arguments or environment, which hold credentials.

mod spec;
mod status;

use std::collections::BTreeMap;

use k8s::{Condition, ObjectMeta, OwnerReference, Resource};
use serde::{Serialize, Serializer};

pub use super::pod_settings::{EnvVar, InitContainer, PodSettings};
pub use crate::passthrough::PodMetadata;
pub use spec::{ConfigMap, Script, TestRunSpec, VolumeClaim};
pub use status::{Stage, TestRunStatus};

use crate::cloud::RunId;

/// `testruns.k6.io`.
pub const RESOURCE: Resource = Resource::new("k6.io", "v1alpha1", "testruns");
/// `apiVersion` of both custom resources.
pub const API_VERSION: &str = "k6.io/v1alpha1";
/// `kind` of a test run.
pub const KIND: &str = "TestRun";

/// Most runners of one run, whoever asks for them: more than that is a mistake, not a test. Numbers beyond it size nothing.
pub const RUNNERS_MAX: u32 = 1000;

/// Finalizer on runs of zones: they stay until the agent has brought them to their end.
pub const FINALIZER: &str = "testruns.k6.io/plz-agent";

/// Label on everything that belongs to a test run, with the value [`APP`].
pub const LABEL_APP: &str = "app";
/// Value of [`LABEL_APP`].
pub const APP: &str = "k6";
/// Label that carries the name of the test run.
pub const LABEL_TEST_RUN: &str = "k6_cr";
/// Label on runners, with the value `true`.
pub const LABEL_RUNNER: &str = "runner";

/// Name of the container that k6 runs in.
pub const RUNNER_CONTAINER: &str = "k6";

/// Condition: the runners generate load.
pub const TEST_RUN_RUNNING: &str = "TestRunRunning";
/// Condition: `teardown()` has run.
pub const TEARDOWN_EXECUTED: &str = "TeardownExecuted";
/// Condition: the run reports to GCk6.
pub const CLOUD_TEST_RUN: &str = "CloudTestRun";
/// Condition: GCk6 knows the run.
pub const CLOUD_TEST_RUN_CREATED: &str = "CloudTestRunCreated";
/// Condition: GCk6 was told that the run is over.
pub const CLOUD_TEST_RUN_FINALIZED: &str = "CloudTestRunFinalized";
/// Condition: the run was started by GCk6 for a private load zone.
pub const CLOUD_PLZ_TEST_RUN: &str = "CloudPLZTestRun";
/// Condition: GCk6 wants the run stopped, or the agent gave up on it.
pub const CLOUD_TEST_RUN_ABORTED: &str = "CloudTestRunAborted";

/// A test run. Written with its `apiVersion` and `kind`, read without a look at them.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct TestRun {
    /// `metadata`.
    pub metadata: ObjectMeta,
    /// What is wanted.
    pub spec: TestRunSpec,
    /// What has become of it.
    pub status: TestRunStatus,
}
k8s::readable!(TestRun { metadata: "metadata", spec: "spec", status: "status" });

impl TestRun {
    /// Whether GCk6 started the run for a private load zone: only such runs have their id in the spec.
    pub fn is_plz(&self) -> bool {
        !self.spec.test_run_id.is_empty()
    }

    /// Whether the run says that it is one of a private load zone. That is no proof; but nothing else can be one.
    pub fn is_of_zone(&self) -> bool {
        self.is_plz() || self.metadata.owner_references.iter().any(|owner| owner.kind == super::zone::KIND)
    }

    /// The run's id at GCk6; none for a run that GCk6 does not know, or one whose id is not a number.
    pub fn run_id(&self) -> Option<RunId> {
        let ids = [&self.spec.test_run_id, &self.status.test_run_id];
        ids.into_iter().find(|id| !id.is_empty()).and_then(|id| id.parse().ok())
    }

    /// Whether our finalizer keeps it. Runs that k6-operator has made, or an earlier version, have none.
    pub fn has_finalizer(&self) -> bool {
        self.metadata.finalizers.iter().any(|finalizer| finalizer == FINALIZER)
    }

    /// Whether somebody has changed the spec since the creation. Asking for the deletion counts as a generation too.
    pub fn is_edited(&self) -> bool {
        self.metadata.generation > 1 + i64::from(self.metadata.is_deleting())
    }

    /// How many runners are wanted; none where it is not 1 to [`RUNNERS_MAX`].
    pub fn runners(&self) -> u32 {
        u32::try_from(self.spec.parallelism).ok().filter(|runners| *runners <= RUNNERS_MAX).unwrap_or(0)
    }

    /// Why it cannot have as many runners as it asks for, and what to do; none if it can.
    pub fn runners_refused(&self) -> Option<String> {
        (self.runners() == 0).then(|| {
            format!(
                "TestRun {} asks for {} runners, but the agent runs 1 to {RUNNERS_MAX}; delete it and start the test \
                 again: the number of runners follows from its virtual users and from the limits in spec.resources of the zone",
                self.metadata.key(),
                self.spec.parallelism
            )
        })
    }

    /// A condition by its type.
    pub fn condition(&self, type_: &str) -> Option<&Condition> {
        self.status.conditions.iter().find(|condition| condition.type_ == type_)
    }

    /// The labels that all pods of the run's runners carry.
    pub fn runner_labels(&self) -> BTreeMap<String, String> {
        let name = self.metadata.name.as_str();
        [(LABEL_APP, APP), (LABEL_TEST_RUN, name), (LABEL_RUNNER, "true")]
            .map(|(key, value)| (key.to_owned(), value.to_owned()))
            .into()
    }

    /// The reference that objects of this run bear: controller, blocking the owner's deletion.
    pub fn owner_reference(&self) -> OwnerReference {
        OwnerReference::controller(API_VERSION, KIND, &self.metadata)
    }
}

impl Serialize for TestRun {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let Self { metadata, spec, status } = self;
        let status = (!is_default(status)).then_some(status);
        Written { api_version: API_VERSION, kind: KIND, metadata, spec, status }.serialize(serializer)
    }
}

/// A custom resource as it is written: with its `apiVersion` and `kind`, and without a status that says nothing.
#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct Written<'a, Spec, Status> {
    pub(crate) api_version: &'static str,
    pub(crate) kind: &'static str,
    pub(crate) metadata: &'a ObjectMeta,
    pub(crate) spec: &'a Spec,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) status: Option<&'a Status>,
}

pub(super) fn is_default<T: Default + PartialEq>(value: &T) -> bool {
    *value == T::default()
}

#[cfg(test)]
mod tests;
