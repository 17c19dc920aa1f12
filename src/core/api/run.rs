//! The `TestRun` custom resource (`k6.io/v1alpha1`, `testruns`): its shape, and what can be read off it directly.
//!
//! Owns field names, labels and condition types. It leaves alone what a stage leads to. Its invariants: null reads
//! like absence, nothing empty is written, and no `Debug` form shows arguments or environment, which hold credentials.

use std::collections::BTreeMap;
use std::fmt;

use k8s::fields::{Faults, Read};
use k8s::{Condition, ObjectMeta, OwnerReference, Resource};
use serde::{Serialize, Serializer};
use serde_json::Value;

pub use super::pod_settings::{EnvVar, InitContainer, PodSettings};
pub use crate::passthrough::PodMetadata;

use crate::cloud::RunId;
use crate::passthrough;

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
                "TestRun {} asks for {} runners, the agent runs 1 to {RUNNERS_MAX}; delete it and start the test anew: how many \
                 there are follows from its virtual users and from the limits in spec.resources of the zone",
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

/// `spec` of a test run.
#[derive(Clone, Default, PartialEq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct TestRunSpec {
    /// Where the script is.
    pub script: Script,
    /// How many runners.
    pub parallelism: i64,
    /// Whether no two runners may share a node.
    #[serde(skip_serializing_if = "is_default")]
    pub separate: bool,
    /// Arguments of k6 in one text, split on white space; `args` is for what has blanks or quotes in it.
    #[serde(skip_serializing_if = "String::is_empty")]
    pub arguments: String,
    /// Arguments of k6, exactly; win over `arguments` unless empty.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub args: Vec<String>,
    /// Ports of the k6 container beside 6565.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub ports: Vec<Value>,
    /// Settings of the pod that inspects the script; those of the runner when absent.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub initializer: Option<PodSettings>,
    /// Settings of the pod that would start the runners; kept, never used.
    #[serde(skip_serializing_if = "is_default")]
    pub starter: PodSettings,
    /// Settings of the runners' pods.
    #[serde(skip_serializing_if = "is_default")]
    pub runner: PodSettings,
    /// Whether k6 gets `--quiet`: `true` (also when empty) or `false`.
    #[serde(skip_serializing_if = "String::is_empty")]
    pub quiet: String,
    /// Whether k6 gets `--paused`: `true` (also when empty) or `false`.
    #[serde(skip_serializing_if = "String::is_empty")]
    pub paused: String,
    /// Settings of a proxy that is not supported any more; kept, never used.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub scuttle: Option<Value>,
    /// `post`: delete the test run when it is over.
    #[serde(skip_serializing_if = "String::is_empty")]
    pub cleanup: String,
    /// The run's id at GCk6; set for runs of private load zones only.
    #[serde(skip_serializing_if = "String::is_empty")]
    pub test_run_id: String,
    /// Name of the Secret with the token of GCk6.
    #[serde(skip_serializing_if = "String::is_empty")]
    pub token: String,
}
k8s::readable!(TestRunSpec {
    script: "script",
    parallelism: "parallelism",
    separate: "separate",
    arguments: "arguments",
    args: "args",
    ports: "ports" by passthrough::list,
    initializer: "initializer",
    starter: "starter",
    runner: "runner",
    quiet: "quiet",
    paused: "paused",
    scuttle: "scuttle" by passthrough::object,
    cleanup: "cleanup",
    test_run_id: "testRunId",
    token: "token",
});

impl TestRunSpec {
    /// Whether the test run is to be deleted when it is over.
    pub fn cleans_up(&self) -> bool {
        self.cleanup == "post"
    }
}

impl fmt::Debug for TestRunSpec {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("TestRunSpec")
            .field("script", &self.script)
            .field("parallelism", &self.parallelism)
            .field("test_run_id", &self.test_run_id)
            .field("args", &format_args!("<{} hidden>", self.args.len()))
            .field("runner", &self.runner)
            .finish_non_exhaustive()
    }
}

/// Where the script is: the first of volume claim, config map and local file that is given.
#[derive(Clone, Debug, Default, PartialEq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Script {
    /// On a volume.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub volume_claim: Option<VolumeClaim>,
    /// In a ConfigMap.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub config_map: Option<ConfigMap>,
    /// In the runner's image, or put there by an init container: an absolute path.
    #[serde(skip_serializing_if = "String::is_empty")]
    pub local_file: String,
}
k8s::readable!(Script { volume_claim: "volumeClaim", config_map: "configMap", local_file: "localFile" });

/// A script on a volume.
#[derive(Clone, Debug, Default, PartialEq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct VolumeClaim {
    /// Name of the PersistentVolumeClaim.
    pub name: String,
    /// Path within the volume, or an absolute one whose directory is the mount point; `test.js` when empty.
    #[serde(skip_serializing_if = "String::is_empty")]
    pub file: String,
    /// Whether to mount it read-only.
    #[serde(skip_serializing_if = "is_default")]
    pub read_only: bool,
}
k8s::readable!(VolumeClaim { name: "name", file: "file", read_only: "readOnly" });

/// A script in a ConfigMap.
#[derive(Clone, Debug, Default, PartialEq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct ConfigMap {
    /// Name of the ConfigMap.
    pub name: String,
    /// Its key; `test.js` when empty.
    #[serde(skip_serializing_if = "String::is_empty")]
    pub file: String,
}
k8s::readable!(ConfigMap { name: "name", file: "file" });

/// `status` of a test run.
#[derive(Clone, Debug, Default, PartialEq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct TestRunStatus {
    /// How far it has come.
    #[serde(skip_serializing_if = "Stage::is_unwritable")]
    pub stage: Stage,
    /// The run's id at GCk6.
    #[serde(skip_serializing_if = "String::is_empty")]
    pub test_run_id: String,
    /// How runners push metrics, for example `2|3s|8s|1s|1`; cloud output only.
    #[serde(skip_serializing_if = "String::is_empty")]
    pub aggregation_vars: String,
    /// Conditions, each type once.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub conditions: Vec<Condition>,
}
k8s::readable!(TestRunStatus {
    stage: "stage",
    test_run_id: "testRunId",
    aggregation_vars: "aggregationVars",
    conditions: "conditions",
});

/// How far a test run has come. Ordered by progress; a run only moves forward.
///
/// ```text
/// New → Initialization → Initialized → Created → Started → Stopped → Finished
///   └──────────┴───────────────┴───────────┴─────────┴──────────────→ Error
/// ```
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Stage {
    /// Nothing was recorded yet: absent or empty.
    #[default]
    New,
    /// `initialization`: the script is being inspected.
    Initialization,
    /// `initialized`: ready for runners.
    Initialized,
    /// `created`: the runners exist.
    Created,
    /// `started`: the runners were resumed.
    Started,
    /// `stopped`: the runners have ended or were told to.
    Stopped,
    /// `finished`: over, and GCk6 knows.
    Finished,
    /// `error`: over without having run.
    Error,
    /// Something that a later version wrote. Nothing comes after it, so that nothing of ours overwrites it.
    Unknown,
}

impl Stage {
    /// As it stands in the status; empty for [`Stage::New`] and [`Stage::Unknown`].
    pub fn as_str(self) -> &'static str {
        match self {
            Self::New | Self::Unknown => "",
            Self::Initialization => "initialization",
            Self::Initialized => "initialized",
            Self::Created => "created",
            Self::Started => "started",
            Self::Stopped => "stopped",
            Self::Finished => "finished",
            Self::Error => "error",
        }
    }

    /// All stages in the order of progress, [`Stage::Unknown`] last.
    pub const ALL: [Self; 9] = [
        Self::New,
        Self::Initialization,
        Self::Initialized,
        Self::Created,
        Self::Started,
        Self::Stopped,
        Self::Finished,
        Self::Error,
        Self::Unknown,
    ];

    #[expect(clippy::trivially_copy_pass_by_ref, reason = "the signature is serde's")]
    fn is_unwritable(&self) -> bool {
        self.as_str().is_empty()
    }
}

impl fmt::Display for Stage {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::New => "new",
            Self::Unknown => "unknown",
            other => other.as_str(),
        })
    }
}

impl Serialize for Stage {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(self.as_str())
    }
}

impl Read for Stage {
    fn read(value: &Value, faults: &mut Faults) -> Self {
        let text = String::read(value, faults);
        Self::ALL.into_iter().find(|stage| stage.as_str() == text).unwrap_or(Self::Unknown)
    }
}

pub(super) fn is_default<T: Default + PartialEq>(value: &T) -> bool {
    *value == T::default()
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[track_caller]
    fn read(value: Value) -> TestRun {
        serde_json::from_value(value).unwrap()
    }

    #[test]
    fn null_reads_like_absence_and_is_not_written() {
        let empty = json!({ "apiVersion": API_VERSION, "kind": KIND, "metadata": {}, "spec": { "script": {}, "parallelism": 0 } });
        let nulls = json!({ "metadata": null, "spec": null, "status": null });
        assert_eq!(serde_json::to_value(read(nulls)).unwrap(), empty);
        let inner = json!({
            "spec": {
                "script": { "configMap": null, "volumeClaim": null, "localFile": null }, "parallelism": null,
                "args": null, "ports": [null], "initializer": null, "starter": null, "quiet": null, "scuttle": null,
                "runner": { "env": null, "image": null, "metadata": { "labels": null }, "affinity": null, "volumes": null,
                    "nodeSelector": null, "tolerations": [null], "initContainers": null, "resources": null },
            },
            "status": { "stage": null, "conditions": null, "testRunId": null, "aggregationVars": null },
        });
        assert_eq!(serde_json::to_value(read(inner)).unwrap(), empty);
        assert_eq!(read(json!({})), TestRun::default());
    }

    #[test]
    fn nulls_within_carried_values_are_dropped() {
        let run = read(json!({ "spec": { "runner": {
            "affinity": { "nodeAffinity": null, "podAffinity": { "a": [null, { "b": null, "c": {} }] } } } } }));
        assert_eq!(run.spec.runner.affinity, Some(json!({ "podAffinity": { "a": [{ "c": {} }] } })));
    }

    #[test]
    fn an_edit_is_told_from_a_deletion() {
        let is_edited = |generation: i64, deleted: Value| {
            let metadata = json!({ "generation": generation, "deletionTimestamp": deleted });
            read(json!({ "metadata": metadata })).is_edited()
        };
        let deleted = || json!("2026-01-01T00:00:00Z");
        assert!(!is_edited(0, json!(null)) && !is_edited(1, json!(null)) && is_edited(2, json!(null)));
        assert!(!is_edited(1, deleted()) && !is_edited(2, deleted()) && is_edited(3, deleted()));
    }

    #[test]
    fn stages() {
        let stage = |value: Value| read(json!({ "status": { "stage": value } })).status.stage;
        for known in Stage::ALL.into_iter().filter(|stage| *stage != Stage::Unknown) {
            assert_eq!(stage(json!(known.as_str())), known);
        }
        assert_eq!(stage(json!(null)), Stage::New);
        assert_eq!(stage(json!("resting")), Stage::Unknown);
        assert!(Stage::ALL.is_sorted() && Stage::Created < Stage::Started && Stage::Finished < Stage::Error);
        let status = TestRunStatus { stage: Stage::Unknown, ..TestRunStatus::default() };
        assert_eq!(serde_json::to_value(status).unwrap(), json!({}));
    }

    #[test]
    fn ids() {
        let check = |spec: &str, status: &str, is_plz: bool, id: Option<u64>| {
            let run = read(json!({ "spec": { "testRunId": spec }, "status": { "testRunId": status } }));
            assert_eq!((run.is_plz(), run.run_id()), (is_plz, id.map(RunId)), "{spec} {status}");
        };
        check("101", "", true, Some(101));
        check("101", "7", true, Some(101));
        check("", "7", false, Some(7));
        check("", "", false, None);
        check("x", "7", true, None);
    }

    #[test]
    fn runners_are_never_negative() {
        for (parallelism, wanted) in [(-1, 0), (0, 0), (3, 3), (i64::MAX, 0)] {
            assert_eq!(read(json!({ "spec": { "parallelism": parallelism } })).runners(), wanted);
        }
        for parallelism in [-5, 0, 1001, 100_000, 2_147_483_647] {
            let run = read(json!({ "metadata": { "name": "a" }, "spec": { "parallelism": parallelism } }));
            let message = run.runners_refused().unwrap();
            assert!(
                message.contains(&format!(
                    "asks for {parallelism} runners, the agent runs 1 to 1000; delete it"
                ))
            );
        }
        assert_eq!(read(json!({ "spec": { "parallelism": RUNNERS_MAX } })).runners_refused(), None);
    }
}
