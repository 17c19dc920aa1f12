//! `spec` of a test run.

use std::fmt;

use serde::Serialize;
use serde_json::Value;

use super::{PodSettings, is_default};
use crate::passthrough;

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
