//! What can be counted when it is asked for: zones, test runs, waiting calls.

use std::time::Duration;

use super::tally::Tally;
use crate::event::Class;
use crate::testrun::table::Block;

/// The state of a zone, as the metrics tell it: the first of these that fits.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ZonePhase {
    /// It is being deleted.
    Leaving,
    /// GCk6 refuses its token.
    TokenRefused,
    /// There is no token to speak to GCk6 with.
    TokenMissing,
    /// GCk6 does not know it.
    NotRegistered,
    /// GCk6 knows it.
    Registered,
}

impl ZonePhase {
    /// All of them, with their label.
    pub const ALL: [(Self, &'static str); 5] = [
        (Self::Registered, "registered"),
        (Self::NotRegistered, "not_registered"),
        (Self::TokenMissing, "token_missing"),
        (Self::TokenRefused, "token_refused"),
        (Self::Leaving, "leaving"),
    ];
}

/// What there is to tell of one zone.
#[derive(Clone, Debug)]
pub struct ZoneLine<'a> {
    /// Its namespace.
    pub namespace: &'a str,
    /// Its name.
    pub name: &'a str,
    /// Where it stands.
    pub phase: ZonePhase,
    /// Whether GCk6 knows it.
    pub is_registered: bool,
    /// Whether GCk6 refuses its token.
    pub is_token_refused: bool,
    /// When GCk6 last answered a poll, as the time since 1970.
    pub last_poll: Option<Duration>,
    /// How many polls have failed since.
    pub poll_failures: u32,
}

/// The test runs in one block of the table.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct StageCount {
    /// The block.
    pub block: Block,
    /// How many.
    pub count: usize,
    /// For how long the oldest of them has been in it.
    pub oldest: Duration,
}

/// The calls of one class.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Load {
    /// Which class.
    pub class: Class,
    /// How many wait.
    pub waiting: usize,
    /// How many are with the workers.
    pub in_flight: usize,
}

/// What is there now.
#[derive(Clone, Debug)]
pub struct Census<'a> {
    /// The zones; none unless the agent acts, since only then it knows of them.
    pub zones: Vec<ZoneLine<'a>>,
    /// The test runs, one row for every block.
    pub stages: Vec<StageCount>,
    /// The calls, one row for every class that goes through the queue.
    pub loads: Vec<Load>,
    /// What the store takes in memory.
    pub store_bytes: usize,
    /// How many Leases look like k6-operator's where they do not count.
    pub operators_elsewhere: usize,
    /// What the core has counted so far.
    pub tally: &'a Tally,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_phase_has_its_label() {
        let label = |phase: ZonePhase| {
            let mut found = ZonePhase::ALL.iter().filter(|(known, _)| *known == phase);
            (found.next().map(|(_, label)| *label), found.count())
        };
        assert_eq!(label(ZonePhase::Leaving), (Some("leaving"), 0));
        assert_eq!(label(ZonePhase::TokenRefused), (Some("token_refused"), 0));
        assert_eq!(label(ZonePhase::TokenMissing), (Some("token_missing"), 0));
        assert_eq!(label(ZonePhase::NotRegistered), (Some("not_registered"), 0));
        assert_eq!(label(ZonePhase::Registered), (Some("registered"), 0));
    }
}
