//! Whose a name is: GCk6 tells zones apart by name only, and two namespaces may have a zone of one name.
//!
//! ```text
//!   GCk6 takes the token  >  untried  >  missing or refused;  then registered;  then the older;  then the namespace by name
//! ```
//! Which GCk6 organisation a token is of cannot be seen: two zones of one name are namesakes whatever their tokens are of. Two that were
//! registered before this agent came stay so, until GCk6 lists one test run to both. Owns the order and when a zone that is
//! registered gives its name up. Leaves alone what is done then (`table`).
//!
//! Invariants: who has no valid token holds no name against one that has it. Who is registered keeps it until his own token has
//! been missing or refused for [`LAPSED_AFTER`] without a break, and once more since GCk6 has taken the other's: then it is not
//! GCk6 that ails.

use std::time::Duration;

use super::facts::registration;
use super::state::ZoneState;
use crate::api::ObjectKey;
use crate::api::zone::PrivateLoadZone;
use crate::token::TokenState;

/// How long a token has to be missing or refused before another zone may have the name. A token that is rotated is in its Secret
/// sooner.
pub const LAPSED_AFTER: Duration = Duration::from_secs(300);

/// What GCk6 makes of a zone. The better comes first.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
enum Standing {
    /// It takes the token, or has taken the zone.
    Good,
    /// It has not been asked.
    Untried,
    /// The token is missing or refused, or the zone cannot be registered as it is.
    Bad,
}

/// A zone's claim to its name.
#[derive(Clone, Debug)]
pub struct Claim<'a> {
    zone: &'a PrivateLoadZone,
    standing: Standing,
    is_registered: bool,
    /// Whether GCk6 has listed a test run to it and to a namesake.
    contends: bool,
    /// Since when GCk6 takes the token.
    accepted_since: Option<Duration>,
    /// Since when the token has been missing or refused.
    troubled_since: Option<Duration>,
    /// When it last turned out to be.
    troubled_at: Option<Duration>,
}

/// The zone that has the name.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Holder {
    /// Which one.
    pub zone: ObjectKey,
    /// From when on others may ask GCk6 whether it takes their tokens, to have the name then.
    pub lapses_at: Option<Duration>,
}

impl<'a> Claim<'a> {
    /// What a zone claims; none once there is nothing left of it that GCk6 knows.
    #[must_use]
    pub fn of(
        zone: &'a PrivateLoadZone,
        state: Option<&ZoneState>,
        token: Option<&TokenState>,
        now: Duration,
    ) -> Option<Self> {
        let is_registered = zone.is_registered() || state.is_some_and(|state| state.registered.is_some());
        if zone.metadata.is_deleting() && !(is_registered && zone.has_finalizer()) {
            return None;
        }
        let troubled_since = token.and_then(|token| token.problem_since);
        let accepted_since = token.and_then(TokenState::accepted_since);
        let is_unfit = registration(zone).is_err()
            || state.is_some_and(|state| state.registration_refused)
            || token.is_some_and(TokenState::is_bad);
        let has_lapsed = troubled_since.is_some_and(|since| now >= since + LAPSED_AFTER);
        let standing = match (is_registered, is_unfit) {
            (true, _) if has_lapsed => Standing::Bad,
            (true, _) => Standing::Good,
            (false, true) => Standing::Bad,
            (false, false) if accepted_since.is_some() => Standing::Good,
            (false, false) => Standing::Untried,
        };
        let troubled_at = token.and_then(|token| token.troubled_at);
        let contends = state.is_some_and(|state| state.contends);
        Some(Self { zone, standing, is_registered, contends, accepted_since, troubled_since, troubled_at })
    }

    /// Which of two comes first.
    fn rank(&self) -> (Standing, bool, Option<&str>, &str) {
        let metadata = &self.zone.metadata;
        (self.standing, !self.is_registered, metadata.creation_timestamp.as_deref(), &metadata.namespace)
    }

    /// Whether GCk6 knows the zone, and its token has not been bad for long.
    #[must_use]
    pub fn stays(&self) -> bool {
        self.is_registered && !self.zone.metadata.is_deleting() && self.standing == Standing::Good
    }

    /// Whether this zone keeps the name from `other`.
    #[must_use]
    pub fn holds_against(&self, other: &Self) -> bool {
        let is_first = self.rank() < other.rank();
        if !other.is_registered {
            return self.is_registered || is_first && self.standing != Standing::Bad;
        }
        let gives_up = |accepted| match other.standing {
            Standing::Bad => other.troubled_at >= Some(accepted),
            _ => other.contends,
        };
        is_first && self.accepted_since.is_some_and(gives_up)
    }

    /// The first of its namesakes that keeps the name from a zone.
    pub fn holder(&self, namesakes: impl Iterator<Item = Self>) -> Option<Holder> {
        let mut first: Option<Self> = None;
        for other in namesakes.filter(|other| other.holds_against(self)) {
            if first.as_ref().is_none_or(|first| other.rank() < first.rank()) {
                first = Some(other);
            }
        }
        first.map(|holder| Holder {
            zone: holder.zone.metadata.key(),
            lapses_at: holder
                .troubled_since
                .filter(|_| holder.is_registered)
                .map(|since| since + LAPSED_AFTER),
        })
    }
}

#[cfg(test)]
mod tests;
