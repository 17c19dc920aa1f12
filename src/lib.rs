//! The library of `plz-agent`: runs Grafana Cloud k6 tests on private Kubernetes clusters.
//!
//! ```text
//!        watches ─┐                                                     ┌─► API server
//!                 ├─ Event ─► Core: store → facts → table → Task ─► pool ─► GCk6
//!   worker's done ┘     ▲                                               └─► runners
//!                       └──────────────────── Report ◄───────────────────┘
//! ```
//! One thread decides, and it decides on data alone: [`core`] takes what was seen and done, and hands out calls to make.
//! Whatever the agent does with a socket, a clock or a thread is in [`shell`], and in [`net`], by which it speaks HTTP.
//! [`fetch`] and [`check`] are programs of their own in the same binary.
//!
//! Invariants:
//! - No decision reads an event; an event updates the store or the memory and marks a key dirty.
//! - A stage is recorded after the writes that it stands for, never before.
//! - Nothing is kept but in the cluster and at GCk6: the process can be killed between any two calls.
//! - No token and no presigned URL reaches a log line, an Event, a condition or an error text.
//!
//! Reading order: [`event`], [`testrun::stage`], [`testrun::facts`], [`testrun::decide`], [`zone::table`], [`core`],
//! [`lesson`], [`queue`], [`watched`], [`store`], [`budget`], [`token`], [`lease`], [`shell`]; then the builders that they use: [`zone::template`],
//! [`testrun::jobs`], [`passthrough`], [`cloud`], [`runner`], [`conditions`], [`announce`], [`reasons`]; what is told of it all, [`health`],
//! [`metrics`]; the edges, [`cli`], [`config`], [`net`], [`logging`], with [`redact`] and [`excerpt`] for whatever leaves the
//! process; and the other programs in here, [`fetch`] and [`check`].

pub mod announce;
pub mod budget;
pub mod check;
pub mod cli;
pub mod cloud;
pub mod conditions;
pub mod config;
pub mod core;
pub mod event;
pub mod excerpt;
pub mod fetch;
#[cfg(test)]
mod golden;
pub mod health;
pub mod lease;
pub mod lesson;
pub mod logging;
mod maps;
pub mod metrics;
pub mod net;
pub mod passthrough;
pub mod queue;
pub mod reasons;
pub mod redact;
pub mod rng;
pub mod runner;
pub mod shell;
pub mod store;
pub mod testrun;
mod threads;
pub mod token;
pub mod watched;
pub mod zone;
