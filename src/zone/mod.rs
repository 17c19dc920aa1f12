//! A zone, from the `PrivateLoadZone` to the calls that register it, look for its test runs and let go of it.
//!
//! Reading order: [`api`] (the object), [`table`] (the table), [`claim`] (whose the name is), [`facts`] (what is true), [`decide`] (what to do),
//! [`calls`] and [`conditions`] (how it is said), [`learn`] (what the answers mean), [`memory`], and [`template`] (from a
//! zone and a listed test run to the `TestRun`).

pub mod api;
pub mod calls;
pub mod claim;
pub mod conditions;
pub mod decide;
pub mod facts;
mod k6;
pub mod learn;
pub mod memory;
pub mod network;
pub mod quantity;
pub mod refusal;
pub mod table;
pub mod template;
