//! What there is, for the metrics: read off the store, the memories and the queue when somebody asks.

use std::time::{Duration, UNIX_EPOCH};

use super::Core;
use crate::api::zone::PrivateLoadZone;
use crate::event::{Class, Key, Now, ObjectKey};
use crate::metrics::{Census, Load, StageCount, ZoneLine, ZoneState};
use crate::testrun::stage::Block;

impl Core {
    /// What there is now.
    #[must_use]
    pub fn census(&self, now: Now) -> Census<'_> {
        let zones = self.store.zones.iter().filter(|_| self.duty().is_active());
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
            operators_elsewhere: self.office.operators.elsewhere(now.mono),
            tally: &self.tally,
        }
    }

    fn zone_line<'a>(&'a self, key: &'a ObjectKey, zone: &PrivateLoadZone) -> ZoneLine<'a> {
        let memory = self.zones.get(key);
        let secret = self.token_of(&Key::Zone(key.clone()));
        let token = secret.and_then(|secret| self.tokens.get(&secret));
        let is_registered = memory.is_some_and(|memory| memory.registered.is_some());
        let is_token_refused = token.is_some_and(|token| token.refused);
        let state = if zone.metadata.is_deleting() {
            ZoneState::Leaving
        } else if is_token_refused {
            ZoneState::TokenRefused
        } else if token.is_none_or(|token| token.value.is_none()) {
            ZoneState::TokenMissing
        } else if is_registered {
            ZoneState::Registered
        } else {
            ZoneState::NotRegistered
        };
        let polled_at = memory.and_then(|memory| memory.polled_at);
        ZoneLine {
            namespace: &key.namespace,
            name: &key.name,
            state,
            is_registered,
            is_token_refused,
            last_poll: polled_at.and_then(|at| at.duration_since(UNIX_EPOCH).ok()),
            poll_failures: memory.map_or(0, |memory| memory.polls_failed),
        }
    }

    fn stage_count(&self, now: Now, block: Block) -> StageCount {
        let ages = self.runs.values().filter(|memory| memory.block == block);
        let ages = ages.map(|memory| now.mono.saturating_sub(memory.since));
        let (count, oldest) =
            ages.fold((0, Duration::ZERO), |(count, oldest), age| (count + 1, age.max(oldest)));
        StageCount { block, count, oldest }
    }
}
