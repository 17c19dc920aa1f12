//! A minimal blocking Kubernetes REST client.

mod auth;
pub mod backoff;
pub mod client;
pub mod config;
mod exec;
mod follow;
pub mod lines;
pub mod meta;
pub mod pod;
pub mod request;
pub mod resource;
pub mod status;
pub mod stop;
mod tls;
pub mod watch;

pub use client::{Client, ServerVersion};
pub use config::Config;
pub use meta::{Condition, Key, ObjectMeta, ObjectRef, OwnerReference};
pub use request::{Attributes, Method, Request};
pub use resource::Resource;
pub use status::{Error, Response, Retry, Status};
pub use stop::Stop;
pub use watch::{WatchEvent, WatchSpec};
