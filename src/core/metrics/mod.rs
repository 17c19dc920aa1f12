//! The numbers of the core that Prometheus is told: plain structs, counted as it happens ([`Tally`]) or when they are asked for
//! ([`Census`]). Leaves names, help and format to the agent.
//!
//! Invariant: labels are words of the code and the names of zones, which are few; never the names of test runs, of which there is no
//! end.

mod census;
mod histogram;
mod tally;

pub use census::{Census, Load, StageCount, ZoneLine, ZonePhase};
pub use histogram::{Bound, CALL_BOUNDS, Histogram, SKEW_BOUNDS};
pub use tally::{Poll, Tally};
