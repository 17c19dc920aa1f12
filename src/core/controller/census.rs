//! What there is, for the metrics: read off the store, the memories and the queue when somebody asks.

use std::time::{Duration, UNIX_EPOCH};

use super::Core;
use crate::api::zone::PrivateLoadZone;
use crate::event::{Class, Key, Now, ObjectKey};
use crate::metrics::{Census, Load, StageCount, ZoneLine, ZonePhase};
use crate::testrun::table::Block;

impl Core {
    /// What there is now.
    #[must_use]
    pub fn census(&self, now: Now) -> Census<'_> {
        let zones = self.store.zones.iter().filter(|_| self.role().is_active());
        Census {
            zones: zones.map(|(key, zone)| self.zone_line(key, zone)).collect(),
            stages: Block::ALL.map(|block| self.stage_count(now, block)).to_vec(),
            loads: self
                .queue
                .loads()
                .filter(|(class, ..)| !matches!(class, Class::Lease | Class::Operator))
                .map(|(class, waiting, in_flight)| Load { class, waiting, in_flight })
                .collect(),
            store_bytes: self.store.bytes(),
            operators_elsewhere: self.leadership.operators.elsewhere(now.mono),
            tally: &self.tally,
        }
    }

    fn zone_line<'a>(&'a self, key: &'a ObjectKey, zone: &PrivateLoadZone) -> ZoneLine<'a> {
        let state = self.zones.get(key);
        let secret = self.token_of(&Key::Zone(key.clone()));
        let token = secret.and_then(|secret| self.tokens.get(&secret));
        let is_registered = state.is_some_and(|state| state.registered.is_some());
        let is_token_refused = token.is_some_and(|token| token.refused);
        let phase = if zone.metadata.is_deleting() {
            ZonePhase::Leaving
        } else if is_token_refused {
            ZonePhase::TokenRefused
        } else if token.is_none_or(|token| token.value.is_none()) {
            ZonePhase::TokenMissing
        } else if is_registered {
            ZonePhase::Registered
        } else {
            ZonePhase::NotRegistered
        };
        let polled_at = state.and_then(|state| state.polled_at);
        ZoneLine {
            namespace: &key.namespace,
            name: &key.name,
            phase,
            is_registered,
            is_token_refused,
            last_poll: polled_at.and_then(|at| at.duration_since(UNIX_EPOCH).ok()),
            poll_failures: state.map_or(0, |state| state.polls_failed),
        }
    }

    fn stage_count(&self, now: Now, block: Block) -> StageCount {
        let ages = self.runs.values().filter(|state| state.block == block);
        let ages = ages.map(|state| now.mono.saturating_sub(state.since));
        let (count, oldest) =
            ages.fold((0, Duration::ZERO), |(count, oldest), age| (count + 1, age.max(oldest)));
        StageCount { block, count, oldest }
    }
}
