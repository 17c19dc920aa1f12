//! A zone, from the `PrivateLoadZone` to the calls that register it, look for its test runs and let go of it.
//!
//! Reading order: [`table`] (the table), [`claim`] (whose the name is), [`facts`] (what is true), [`decide`] (what to do), [`calls`] and
//! [`conditions`] (how it is said), [`learn`] (what the answers mean), [`memory`].

pub mod action;
pub mod calls;
pub mod claim;
pub mod conditions;
pub mod decide;
pub mod facts;
pub mod learn;
pub mod memory;
pub mod poll;
pub mod table;

pub use action::Action;
