//! HTTP to everything that is not the Kubernetes API: GCk6, S3 and the runners.
//!
//! Owns the connections, the trust (public roots and the extra CA), the choice of proxy per URL, the timeouts and the
//! classification of what can go wrong. Leaves alone what is sent and what an answer means: any status is a
//! [`Reply`], not an error. Retries nothing: who retries knows what a repetition does.
//!
//! Invariant: no message of this module contains the query of a URL, a userinfo or a header's value.
//!
//! Reading order: [`client`] (the [`HttpClient`]), [`error`], [`reply`], [`proxy`], [`tls`], `resolve`.

pub mod client;
pub mod error;
pub mod proxy;
pub mod reply;
mod resolve;
pub mod tls;

#[cfg(test)]
mod tests;

pub use client::{CLOUD_REPLY_BYTES_MAX, Download, HttpClient, USER_AGENT};
pub use error::NetError;
pub use proxy::{NoProxy, ProxySettings, ProxyUrl};
pub use reply::{Reply, parse_http_date, parse_retry_after};
pub use tls::ExtraCa;
