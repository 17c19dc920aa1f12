//! The Job of one runner.
use serde_json::Value;

use crate::testrun::api::TestRun;

/// Why a runner's Job cannot be built from the test run.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Error {}

/// Name of the Job of runner `index`, counted from 1: `<test run>-<index>`.
pub fn name(run: &str, index: u32) -> String {
    format!("{run}-{index}")
}

/// The Job of runner `index`, counted from 1.
pub fn job(_run: &TestRun, _index: u32) -> Result<Value, Error> {
    todo!()
}
