//! `status` of a test run, and how far it has come.

use std::fmt;

use k8s::Condition;
use k8s::fields::{Faults, Read};
use serde::{Serialize, Serializer};
use serde_json::Value;

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
