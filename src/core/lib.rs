//! What the agent decides, as functions of data: no socket, file, thread or clock is within reach, by its dependencies and by lint.
//!
//! ```text
//!   Event ─► Controller: store → facts → table → Task ─► (the agent makes the call)
//!     ▲                                                      │
//!     └──────────────────── Report ◄─────────────────────────┘
//! ```
//! The agent hands in what its watches have seen and what became of its calls; [`controller`] hands out the next calls, as data.
//! The simulator does the same under a virtual clock.
//!
//! Modules import only what stands above them here:
//!
//! | layer | modules |
//! |---|---|
//! | tools | [`redact`], [`excerpt`], [`maps`], [`rng`], [`limits`], [`reasons`], [`conditions`], [`announce`], [`passthrough`], [`ignored`], [`now`], [`pace`] |
//! | what others say | [`cloud`] (GCk6), [`runner`] (k6 on a runner), [`archive`] (`plz-agent fetch`), [`call`], [`api`] (the custom resources) |
//! | one resource each | [`testrun`], [`token`], [`zone`], [`lease`] |
//! | all of them | [`event`], [`watched`], [`store`], [`queue`], [`metrics`] |
//! | the whole | [`controller`], [`budget`] |
//!
//! Invariants:
//! - No decision reads an event; an event updates the store or the memory and marks a key dirty.
//! - A stage is recorded after the writes that it stands for, never before.
//! - Nothing is kept but in the cluster and at GCk6: the process can be killed between any two calls.
//! - No token and no presigned URL reaches a log line, an Event, a condition or an error text.

pub mod announce;
pub mod api;
pub mod archive;
pub mod budget;
pub mod call;
pub mod cloud;
pub mod conditions;
pub mod controller;
pub mod event;
pub mod excerpt;
#[cfg(test)]
mod golden;
pub mod ignored;
pub mod lease;
pub mod limits;
pub mod maps;
pub mod metrics;
pub mod now;
pub mod objects;
pub mod outcome;
pub mod pace;
pub mod passthrough;
pub mod queue;
pub mod reasons;
pub mod redact;
pub mod rng;
pub mod runner;
pub mod store;
pub mod testrun;
pub mod token;
pub mod watched;
pub mod zone;
