//! The decisions about a test run, each on its own: which row, what an answer is taken for, why a run ends, what is written.
//!
//! Reading order: [`world`] (a run with nothing special about it) and [`make`], then a module for each module under test.

mod actions;
mod calls;
mod conditions;
mod diagnose;
mod make;
mod reply;
mod runners;
mod state;
mod table;
mod world;
