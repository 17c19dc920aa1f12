//! TestRun.

pub mod api;
pub mod argv;
pub mod jobs;
mod pod_settings;
pub mod script;
