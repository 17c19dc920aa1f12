//! Leases that look like k6-operator's in namespaces where they do not count.
//!
//! Owns what is known of them and what is said: one line for each, and no more than one a minute. They hold up nobody: whoever
//! may write Leases somewhere can make one. But it may be an operator whose namespace nobody has named, and then both start
//! every test run. Invariant: there are [`KNOWN_MAX`] at the most, however many somebody makes.

use std::time::Duration;

use super::HOLDER_BYTES_MAX;
use super::operator::NAME;
use super::record::{LEASE_DURATION, Record};
use crate::redact::scrubbed_line;

/// How many are kept an eye on. Each takes a kilobyte at the most.
pub const KNOWN_MAX: usize = 64;
/// How far apart the lines are.
const PAUSE: Duration = Duration::from_secs(60);

/// See the module.
#[derive(Debug, Default)]
pub struct Elsewhere {
    known: Vec<Known>,
    next_line: Duration,
}

#[derive(Debug)]
struct Known {
    namespace: String,
    /// Uid and version.
    base: (String, String),
    holder: String,
    /// Until when it counts as held, unless it is renewed.
    until: Duration,
    is_told: bool,
    is_listed: bool,
}

impl Elsewhere {
    /// How many are held.
    #[must_use]
    pub fn held(&self, now: Duration) -> usize {
        self.known.iter().filter(|known| now < known.until).count()
    }

    /// What is to be said by now.
    pub fn line(&mut self, now: Duration) -> Option<String> {
        if now < self.next_line {
            return None;
        }
        // There is nothing to say any more of those that are not held now.
        self.known
            .iter_mut()
            .filter(|known| known.until <= now)
            .for_each(|known| known.until = Duration::ZERO);
        let mut untold = self.known.iter_mut().filter(|known| !known.is_told && now < known.until);
        let first = untold.next()?;
        first.is_told = true;
        let others = untold.map(|known| known.is_told = true).count();
        self.next_line = now + PAUSE;
        let Known { namespace, holder, .. } = first;
        let others = if others == 0 { String::new() } else { format!(" (and in {others} others)") };
        Some(format!(
            "the Lease {NAME} in namespace {namespace}{others}, held by {holder}, is ignored because \
             --operator-namespace does not name its namespace; if a k6-operator runs there, both start every test \
             run: name the namespace, or else find out who writes the Lease"
        ))
    }

    /// When [`Self::line`] has something to say.
    #[must_use]
    pub fn next_line(&self) -> Option<Duration> {
        let mut untold = self.known.iter().filter(|known| !known.is_told && self.next_line < known.until);
        untold.next().map(|_| self.next_line)
    }

    pub(super) fn listing(&mut self, scope: Option<&str>) {
        self.of(scope).for_each(|known| known.is_listed = false);
    }

    pub(super) fn listed(&mut self, scope: Option<&str>) {
        let is_in = |known: &Known| scope.is_none_or(|namespace| known.namespace == namespace);
        self.known.retain(|known| known.is_listed || !is_in(known));
    }

    pub(super) fn take(&mut self, now: Duration, record: &Record) {
        let namespace = &record.key.namespace;
        let at = self.known.iter().position(|known| known.namespace == *namespace).or_else(|| self.room(now));
        let old = at.map(|at| self.known.swap_remove(at)).filter(|old| old.namespace == *namespace);
        if self.known.len() >= KNOWN_MAX {
            return;
        }
        let (base, is_held) = (record.base(), !record.holder.is_empty());
        let until = match &old {
            Some(old) if old.base == base => old.until,
            _ if is_held => now + record.duration.max(LEASE_DURATION),
            _ => Duration::ZERO,
        };
        self.known.push(Known {
            namespace: namespace.clone(),
            holder: scrubbed_line(&record.holder, HOLDER_BYTES_MAX),
            until,
            is_told: old.is_some_and(|old| old.is_told && old.base.0 == base.0),
            base,
            is_listed: true,
        });
    }

    pub(super) fn gone(&mut self, namespace: &str, uid: &str) {
        self.known.retain(|known| known.namespace != namespace || known.base.0 != uid);
    }

    fn of(&mut self, scope: Option<&str>) -> impl Iterator<Item = &mut Known> {
        self.known.iter_mut().filter(move |known| scope.is_none_or(|namespace| known.namespace == namespace))
    }

    /// One that can go for another, where all places are taken.
    fn room(&self, now: Duration) -> Option<usize> {
        let is_full = self.known.len() >= KNOWN_MAX;
        self.known.iter().position(|known| is_full && known.until <= now)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::api::ObjectKey;

    const S: Duration = Duration::from_secs(1);

    fn record(namespace: &str, uid: &str, version: u32, holder: &str) -> Record {
        Record {
            key: ObjectKey::new(namespace, NAME),
            uid: uid.to_owned(),
            version: version.to_string(),
            holder: holder.to_owned(),
            duration: LEASE_DURATION,
            renew_time: String::new(),
            released_by: String::new(),
            transitions: 0,
        }
    }

    #[test]
    fn each_is_told_once_and_a_flood_is_one_line_a_minute() {
        let mut elsewhere = Elsewhere::default();
        elsewhere.take(S, &record("team", "u", 1, "op\n\u{1b}[2J"));
        let line = elsewhere.line(S).unwrap();
        assert!(line.contains("in namespace team, held by op [2J,") && !line.contains('\n'), "{line}");
        for second in 2..300 {
            elsewhere.take(S * second, &record("team", "u", second, "op"));
            assert_eq!(
                (elsewhere.line(S * second), elsewhere.next_line(), elsewhere.held(S * second)),
                (None, None, 1)
            );
        }
        let mut lines = Vec::new();
        for ms in 300_000..420_000u32 {
            let now = Duration::from_millis(ms.into());
            elsewhere.take(now, &record(&format!("team-{}", ms % 50), &ms.to_string(), ms, "op"));
            lines.extend(elsewhere.line(now));
        }
        assert_eq!(lines.len(), 2, "{lines:?}");
        assert!(lines[1].contains("(and in 49 others)"), "{lines:?}");
        assert_eq!(elsewhere.next_line(), Some(420 * S));
    }

    #[test]
    fn what_is_not_held_or_not_renewed_or_gone_does_not_count() {
        let mut elsewhere = Elsewhere::default();
        elsewhere.take(S, &record("a", "u", 1, ""));
        elsewhere.take(S, &record("b", "u", 1, "op"));
        elsewhere.take(S, &record("c", "u", 1, "op"));
        assert_eq!(elsewhere.held(S), 2);
        elsewhere.take(10 * S, &record("b", "u", 2, "op"));
        // What a list repeats is no renewal.
        elsewhere.take(10 * S, &record("c", "u", 1, "op"));
        assert_eq!(elsewhere.held(16 * S), 1);
        elsewhere.gone("b", "another");
        assert_eq!(elsewhere.held(16 * S), 1);
        elsewhere.gone("b", "u");
        assert_eq!((elsewhere.held(16 * S), elsewhere.line(16 * S)), (0, None));
        elsewhere.take(17 * S, &record("a", "u", 2, "op"));
        elsewhere.take(17 * S, &record("b", "u", 4, "op"));
        elsewhere.listing(Some("b"));
        elsewhere.listed(Some("b"));
        assert_eq!(elsewhere.held(17 * S), 1);
        elsewhere.listing(None);
        elsewhere.listed(None);
        assert_eq!(elsewhere.held(17 * S), 0);
    }

    #[test]
    fn there_is_an_end_to_what_is_known() {
        let mut elsewhere = Elsewhere::default();
        for n in 0..1000 {
            elsewhere.take(S, &record(&format!("team-{n}"), "u", 1, "op"));
        }
        assert_eq!((elsewhere.known.len(), elsewhere.held(S)), (KNOWN_MAX, KNOWN_MAX));
        // Those of the past make room.
        elsewhere.take(20 * S, &record("late", "u", 1, "op"));
        assert_eq!((elsewhere.known.len(), elsewhere.held(20 * S)), (KNOWN_MAX, 1));
    }
}
