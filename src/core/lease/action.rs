//! What can be done for a Lease, one call each.

use std::fmt;

/// For the agent's own Lease.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Action {
    /// Read it.
    Read,
    /// Create it, with this agent as its holder.
    Create,
    /// Renew it, take it over or give it up.
    Write,
}

/// As the subject of a sentence.
impl fmt::Display for Action {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Read => "reading the Lease",
            Self::Create => "creating the Lease",
            Self::Write => "writing the Lease",
        })
    }
}
