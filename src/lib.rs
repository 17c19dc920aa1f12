//! `plz-agent` runs Grafana Cloud k6 tests on private Kubernetes clusters.
pub mod config;
pub mod fetch;
pub mod logging;
pub mod net;
pub mod redact;
