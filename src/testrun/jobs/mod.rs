//! Jobs of a run.
pub mod runner;
