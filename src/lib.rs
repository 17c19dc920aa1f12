//! The library of `plz-agent`: runs Grafana Cloud k6 tests on private Kubernetes clusters.

pub mod cloud;
pub mod excerpt;
#[cfg(test)]
mod golden;
pub mod passthrough;
pub mod redact;
pub mod runner;
pub mod testrun;
pub mod zone;
