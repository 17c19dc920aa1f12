//! TestRun.

pub mod api;
pub mod argv;
pub mod jobs;
