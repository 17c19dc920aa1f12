//! A zone, from the `PrivateLoadZone` to the calls that register it, look for its test runs and let go of it.
//!
//! Reading order: [`table`], [`claim`] (whose the name is), [`facts`] (what is true), [`decide`] (what to do), [`calls`] and
//! [`conditions`] (how it is said), [`reply`] (what the answers mean), [`state`].

pub mod action;
pub mod calls;
pub mod claim;
pub mod conditions;
pub mod decide;
pub mod facts;
pub mod poll;
pub mod reply;
pub mod state;
pub mod table;

pub use action::Action;

#[cfg(test)]
mod tests;
