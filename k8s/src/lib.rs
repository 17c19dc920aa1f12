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
pub use meta::{Condition, Key, ObjectMeta, ObjectRef, OwnerReference, format_time, parse_time};
pub use pod::Pod;
pub use request::{Attributes, Method, Request};
pub use resource::{EVENTS, JOBS, PODS, Resource, SECRETS};
pub use status::{Error, Response, Retry, Status};
pub use stop::Stop;
pub use watch::{WatchEvent, WatchSpec};
