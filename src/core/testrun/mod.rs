//! A test run, from the `TestRun` to the calls that bring it to its end.
//!
//! Reading order: [`template`] (from a zone and what GCk6 says to the `TestRun`), [`table`], [`facts`] and [`diagnose`] (what
//! is true), [`decide`] (what to do), [`calls`] and [`conditions`] (how it is said), [`reply`] (what the answers mean), [`state`],
//! [`pod`] and [`life`] (what is remembered), [`termination`] and [`exits`] (why a run ends as it does), [`pod_refusal`] (why a pod is not
//! made), [`jobs`] and [`argv`] (the runners' Jobs).

pub mod action;
pub mod argv;
pub mod calls;
pub mod conditions;
pub mod credentials;
pub mod decide;
pub mod diagnose;
pub mod exits;
pub mod facts;
pub mod identity;
pub mod jobs;
mod k6;
pub mod life;
pub mod network;
pub mod pod;
pub mod pod_refusal;
pub mod pods;
pub mod prepared;
pub mod proof;
pub mod recorded;
pub mod refusal;
pub mod reply;
pub mod script;
pub mod size;
pub mod state;
pub mod table;
pub mod template;
pub mod termination;
#[cfg(test)]
mod tests;

pub use action::{Action, StatusWrite};
