//! A test run as GCk6 and its zone want it, worked out once: what is created is what Jobs are made of.

use super::credentials::Credentials;
use super::refusal::Refusal;
use super::template::{self, Settings};
use crate::api::run::TestRun;
use crate::api::zone::PrivateLoadZone;
use crate::cloud::{RunId, TestRunData};

/// See the module.
#[derive(Debug)]
pub struct Prepared {
    /// The `TestRun`.
    pub run: TestRun,
    /// What belongs into its Secret; holds a presigned URL that is valid for 300 s.
    pub credentials: Option<Credentials>,
    /// What all of it takes, about, in bytes.
    pub bytes: usize,
}

impl Prepared {
    /// Works it out, or says why the run cannot start.
    pub fn new(
        zone: &PrivateLoadZone,
        id: RunId,
        data: &TestRunData,
        settings: &Settings,
    ) -> Result<Self, Refusal> {
        let run = template::test_run(zone, id, data, settings)?;
        Ok(Self { run, credentials: Credentials::of(data), bytes: data.bytes() })
    }

    /// Whether it is for the zone as it is now: with another Secret it would not be known as the zone's.
    #[must_use]
    pub fn is_for(&self, zone: &PrivateLoadZone) -> bool {
        self.run.spec.token == zone.spec.token
    }
}
