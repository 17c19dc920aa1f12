//! A minimal blocking Kubernetes REST client: no async runtime, no generated types.
//!
//! ```text
//!                kubeconfig · service account
//!                             │ config
//!                             ▼
//!   resource ──Request──►  Client  ──call──► Ok(body) │ Err(Error)      status: what it means, whether to try again
//!   (builders)             │  auth: tokens, certificates, plugins, as they change
//!                          │
//!                          └─watch─► Watcher (list, watch, resume) ──► WatchEvent<T>
//! ```
//!
//! Everything that decides is plain data and pure functions: [`resource`] builds a [`Request`], [`status`] reads the answer,
//! [`watch::Watcher`] knows what comes next. [`Client`] is the blocking shell around them. The pure parts work by themselves,
//! for a simulator or for another transport: without the feature `client`, which is on by default, nothing here can name a
//! socket, a file, a process, a thread or a clock, and the HTTP and TLS libraries are not in the tree.
//!
//! Reading order: [`request`], [`resource`], [`status`], [`secret`], [`fields`], [`meta`], [`pod`], [`shape`], [`sieve`], [`intake`], [`watch`],
//! [`backoff`], then the client: [`config`], [`proxy`], [`tls`], [`exec`], `auth`, [`stop`], `pulse`, [`client`].
//!
//! Objects are your own types, with the fields that you read and no others; [`readable!`] reads them in less code than serde's
//! own derive:
//!
//! ```
//! use k8s::resource::{JOBS, ListOptions};
//! use k8s::{Client, Config, Error, ObjectMeta};
//! use serde::Deserialize;
//!
//! #[derive(Deserialize)]
//! struct Jobs {
//!     items: Vec<Job>,
//! }
//!
//! #[derive(Deserialize)]
//! struct Job {
//!     metadata: ObjectMeta,
//! }
//!
//! fn names(client: &Client) -> Result<Vec<String>, Error> {
//!     let request = JOBS.list(Some("default"), &ListOptions { limit: Some(50), ..ListOptions::default() });
//!     let jobs: Jobs = client.call_as(&request)?;
//!     Ok(jobs.items.into_iter().map(|job| job.metadata.name).collect())
//! }
//!
//! // A process reads its environment and hands it in; see `config::Environment`.
//! let client = Client::new(Config::plain("http://127.0.0.1:1").unwrap());
//! let error = names(&client).err().expect("nobody listens there");
//! assert_eq!(error.retry(), k8s::Retry::Backoff);
//! ```
//!
//! A watch blocks its thread and tells what happens until it is stopped:
//!
//! ```no_run
//! # fn example(client: &k8s::Client) {
//! use std::ops::ControlFlow;
//! use std::sync::atomic::AtomicBool;
//!
//! use k8s::{Stop, WatchEvent, WatchSpec, pod::Pod, resource::PODS};
//!
//! let stop = Stop::new(); // Another thread calls stop.stop().
//! let again = AtomicBool::new(false); // Set it to have everything listed anew.
//! client.watch::<Pod>(&WatchSpec::new(PODS, None).with_labels("app=web"), &again, &stop, &mut |events| {
//!     events.into_iter().for_each(|event| match event {
//!         WatchEvent::Listing => println!("what there is:"),
//!         WatchEvent::Listed { .. } => println!("that is all"),
//!         WatchEvent::Overlong(error) => println!("that is not all: {error}"),
//!         WatchEvent::Applied(pod) | WatchEvent::Partial { object: pod, .. } => println!("{} is {}", pod.metadata.key(), pod.status.phase),
//!         WatchEvent::Deleted(pod) => println!("{} is gone", pod.metadata.key()),
//!         WatchEvent::Malformed { key, error, .. } => println!("{key}: {error}"),
//!         WatchEvent::Failing(error) => println!("blind for now: {error}"),
//!         WatchEvent::Recovered => println!("sees again"),
//!     });
//!     ControlFlow::Continue(())
//! });
//! # }
//! ```

pub mod backoff;
pub mod fields;
mod http_date;
pub mod intake;
pub mod meta;
pub mod pod;
pub mod request;
pub mod resource;
pub mod secret;
pub mod shape;
pub mod sieve;
pub mod status;
mod text;
mod version;
pub mod watch;

#[cfg(feature = "client")]
mod auth;
#[cfg(feature = "client")]
pub mod client;
#[cfg(feature = "client")]
pub mod config;
#[cfg(feature = "client")]
pub mod exec;
#[cfg(feature = "client")]
pub mod proxy;
#[cfg(feature = "client")]
mod pulse;
#[cfg(feature = "client")]
pub mod stop;
#[cfg(feature = "client")]
pub mod tls;

pub use http_date::{parse_http_date, parse_retry_after};
pub use meta::{Condition, Key, ObjectMeta, OwnerReference, format_time, parse_time};
pub use pod::Pod;
pub use request::{Attributes, Method, Request};
pub use resource::{ADMISSION_POLICY_BINDINGS, EVENTS, JOBS, LEASES, PODS, Resource, SECRETS};
pub use secret::Secret;
pub use status::{AccessReview, Error, Response, Retry, Status};
pub use version::ServerVersion;
pub use watch::{WatchEvent, WatchSpec};

#[cfg(feature = "client")]
pub use client::{Client, PodAnswer};
#[cfg(feature = "client")]
pub use config::Config;
#[cfg(feature = "client")]
pub use stop::Stop;
