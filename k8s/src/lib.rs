//! A minimal blocking Kubernetes REST client.

pub mod config;
pub mod lines;
pub mod meta;
pub mod pod;
pub mod request;
pub mod resource;
pub mod status;
pub mod watch;

pub use meta::{Condition, Key, ObjectMeta, ObjectRef, OwnerReference};
pub use request::{Attributes, Method, Request};
pub use resource::Resource;
pub use status::{Error, Response, Retry, Status};
pub use watch::{WatchEvent, WatchSpec};
