//! The custom resources, as far as the agent reads and writes them: shapes only.

pub use k8s::Key as ObjectKey;

pub mod pod_settings;
pub mod quantity;
pub mod run;
pub mod zone;
