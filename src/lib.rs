//! The library of `plz-agent`: runs Grafana Cloud k6 tests on private Kubernetes clusters.
//!
//! ```text
//!        watches ─┐                                                     ┌─► API server
//!                 ├─ Event ─► Core: store → facts → table → Task ─► pool ─► GCk6
//!   worker's done ┘     ▲                                               └─► runners
//!                       └──────────────────── Report ◄───────────────────┘
//! ```
//! One thread decides, and it decides on data alone: `plz_core` takes what was seen and done, and hands out calls to make.
//! Whatever the agent does with a socket, a clock or a thread is in [`shell`], and in [`net`], by which it speaks HTTP.
//! [`fetch`] and [`check`] are programs of their own in the same binary.
//!
//! Reading order: `plz_core`, [`shell`]; what is told of it all, [`health`], [`metrics`]; the edges, [`cli`], [`config`], [`net`],
//! [`logging`]; and the other programs in here, [`fetch`] and [`check`].

pub mod check;
pub mod cli;
pub mod config;
pub mod fetch;
#[cfg(test)]
#[path = "core/golden.rs"]
mod golden;
pub mod health;
pub mod logging;
pub mod metrics;
pub mod net;
pub mod shell;
mod threads;
