//! From a zone and what GCk6 says of a test run to the `TestRun` object.
use super::api::PrivateLoadZone;
use crate::cloud::{RunId, TestRunData};
use crate::testrun::api::TestRun;

/// What the agent itself adds to every test run.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Settings {
    /// Image of the init container that downloads the archive: the agent's own.
    pub fetch_image: String,
    /// Address of GCk6's ingest host, handed to the runners as `K6_CLOUD_HOST`.
    pub ingest: String,
    /// Proxy and CA settings of the init container, name and value.
    pub archive_env: Vec<(String, String)>,
}

/// Why a listed run cannot be started.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Refusal {}

/// Name of the `TestRun` of a run: `plz-test-<id>`.
pub fn name(id: RunId) -> String {
    format!("plz-test-{id}")
}

/// The `TestRun` of a run.
pub fn test_run(
    _zone: &PrivateLoadZone,
    _id: RunId,
    _data: &TestRunData,
    _settings: &Settings,
) -> Result<TestRun, Refusal> {
    todo!()
}
