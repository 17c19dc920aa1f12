//! One active agent: who of several agents acts, and that none does beside a live k6-operator.
//!
//! Two Leases (`coordination.k8s.io/v1`) are looked at. Agents that are started with `--lease` elect one of them by a Lease of
//! their own, see [`election`]; whoever does not hold it is a standby. And every agent keeps away from k6-operator for as long
//! as that one renews its Lease `fcdfce80.io` where the administrator says that it may be, see [`operator`]. Owns what is asked of both, what follows from the answers,
//! and what is said of it ([`Role`]). Leaves alone what acting means, and all I/O.
//!
//! Invariant: times of other clocks are written and shown, never compared. What counts is how long *we* have seen a record
//! unchanged, on our own monotonic clock, and when *we* sent our last successful renewal.

pub mod action;
pub mod election;
pub mod elsewhere;
pub mod operator;
pub mod record;

#[cfg(test)]
mod tests;

use std::fmt;

pub use action::Action;

use crate::api::ObjectKey;
use crate::redact::scrubbed_line;

/// How an agent takes part in an election.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Candidacy {
    /// The Lease that is to be held.
    pub lease: ObjectKey,
    /// `spec.holderIdentity`: no other process may have the same, a later one of the same pod included.
    pub identity: String,
}

/// What an agent is there for at the moment. Shown as people read it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Role {
    /// Not everything has been answered that has to be known before it may act.
    Starting,
    /// It acts.
    Active,
    /// Another agent acts; this one is ready to take over.
    Standby {
        /// `spec.holderIdentity` of the Lease; empty while nobody is known to hold it.
        holder: String,
    },
    /// k6-operator is live; this agent takes over when it stops.
    WaitsForOperator {
        /// Where its Lease is.
        namespace: String,
        /// `spec.holderIdentity` of that Lease.
        holder: String,
    },
}

/// How much of a holder's name is shown.
const HOLDER_BYTES_MAX: usize = 120;

impl Role {
    /// Aside of another agent. Whoever may write Leases may call himself anything: names become one short line.
    #[must_use]
    pub fn standby(holder: &str) -> Self {
        Self::Standby { holder: scrubbed_line(holder, HOLDER_BYTES_MAX) }
    }

    /// Aside of a k6-operator.
    #[must_use]
    pub fn waits_for_operator(namespace: &str, holder: &str) -> Self {
        Self::WaitsForOperator {
            namespace: namespace.to_owned(),
            holder: scrubbed_line(holder, HOLDER_BYTES_MAX),
        }
    }

    /// Whether the agent acts.
    #[must_use]
    pub fn is_active(&self) -> bool {
        *self == Self::Active
    }
}

impl fmt::Display for Role {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Starting => f.write_str("starting"),
            Self::Active => f.write_str("active"),
            Self::Standby { holder } if holder.is_empty() => {
                f.write_str("standby, no holder of the Lease is known")
            }
            Self::Standby { holder } => write!(f, "standby, {holder} is active"),
            Self::WaitsForOperator { namespace, holder } => {
                write!(f, "waiting for k6-operator in namespace {namespace} to stop ({holder})")
            }
        }
    }
}
