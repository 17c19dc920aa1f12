//! What is said of objects that are not taken in, and of Events that the API server does not take: one line for each kind and
//! cause, and no more than one a minute, with a count.
//!
//! Owns the words, the count and the pace. Leaves alone why an object is not taken in. Invariant: however many objects there
//! are, nothing in here grows.

use std::time::Duration;

use crate::event::ObjectKey;
use crate::ignored::Ignored;

/// How far apart the lines about one cause are.
const PAUSE: Duration = Duration::from_secs(60);

/// What lines are counted by.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Topic {
    /// Objects of a kind, by its name in paths.
    Object(&'static str, Ignored),
    /// Events, by the status of the answer.
    Event(u16),
}

/// What was said about one kind and cause.
#[derive(Clone, Debug, Default)]
struct Told {
    at: Option<Duration>,
    unsaid: u64,
    /// What would be said, of the last one.
    line: String,
}

/// See the module.
#[derive(Clone, Debug, Default)]
pub struct Notices {
    told: Vec<(Topic, Told)>,
}

impl Notices {
    /// Takes in that an object is not taken in. What is to be said, if it is time for it.
    #[must_use]
    pub fn heed(
        &mut self,
        now: Duration,
        plural: &'static str,
        cause: Ignored,
        key: &ObjectKey,
        detail: &str,
    ) -> Option<String> {
        self.count(now, Topic::Object(plural, cause), cause.line(plural, key, detail))
    }

    /// Takes in that the API server does not take an Event, which it said with the status `code`.
    #[must_use]
    pub fn event_refused(&mut self, now: Duration, code: u16, why: &str) -> Option<String> {
        // Others than these say something of the server, and nothing of the Event.
        let code = if matches!(code, 400 | 403 | 404 | 409 | 413 | 422) { code } else { 0 };
        self.count(now, Topic::Event(code), format!("an Event was rejected: {why}"))
    }

    fn count(&mut self, now: Duration, topic: Topic, line: String) -> Option<String> {
        let at = self.told.iter().position(|(known, _)| *known == topic).unwrap_or_else(|| {
            self.told.push((topic, Told::default()));
            self.told.len() - 1
        });
        let told = &mut self.told[at].1;
        told.unsaid += 1;
        told.line = line;
        told.say(now)
    }

    /// What is to be said by now although nothing happens.
    #[must_use]
    pub fn due(&mut self, now: Duration) -> Vec<String> {
        self.told.iter_mut().filter_map(|(_, told)| told.say(now)).collect()
    }

    /// When [`Self::due`] has something to say.
    #[must_use]
    pub fn next_deadline(&self) -> Option<Duration> {
        let unsaid = self.told.iter().filter(|(_, told)| told.unsaid > 0);
        unsaid.map(|(_, told)| told.at.map_or(Duration::ZERO, |at| at + PAUSE)).min()
    }
}

impl Told {
    fn say(&mut self, now: Duration) -> Option<String> {
        if self.unsaid == 0 || self.at.is_some_and(|at| now < at + PAUSE) {
            return None;
        }
        self.at = Some(now);
        let others = std::mem::take(&mut self.unsaid) - 1;
        let line = std::mem::take(&mut self.line);
        Some(if others == 0 { line } else { format!("{line} (and {others} more like this)") })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_flood_is_one_line_a_minute_with_a_count() {
        let mut notices = Notices::default();
        let key = ObjectKey::new("ns", "a");
        let mut lines = Vec::new();
        for ms in 0..100_000 {
            let now = Duration::from_millis(ms);
            lines.extend(notices.heed(now, "pods", Ignored::Unreadable, &key, "x"));
        }
        assert_eq!(lines.len(), 2, "{lines:?}");
        assert_eq!(lines[0], "pods ns/a cannot be read and is ignored: x");
        assert!(lines[1].ends_with("(and 59999 more like this)"), "{lines:?}");
        let next = notices.next_deadline().unwrap();
        assert_eq!(next, Duration::from_secs(120));
        assert!(notices.due(next - Duration::from_millis(1)).is_empty());
        assert_eq!(notices.due(next).len(), 1);
        assert_eq!((notices.next_deadline(), notices.due(next + PAUSE).len()), (None, 0));
    }

    #[test]
    fn each_kind_and_cause_is_told_by_itself() {
        let mut notices = Notices::default();
        let key = ObjectKey::new("ns", "a");
        for plural in ["pods", "testruns"] {
            for (cause, _) in Ignored::ALL {
                assert!(notices.heed(Duration::ZERO, plural, cause, &key, "x").is_some());
                assert!(notices.heed(Duration::ZERO, plural, cause, &key, "x").is_none());
            }
        }
    }

    #[test]
    fn events_that_are_not_taken_are_one_line_a_minute_for_each_status() {
        let mut notices = Notices::default();
        let mut lines = Vec::new();
        for ms in 0..60_000 {
            let now = Duration::from_millis(ms);
            lines.extend(notices.event_refused(now, 403, "forbidden"));
            lines.extend(notices.event_refused(now, 404, "no such namespace"));
            lines.extend(notices.event_refused(now, 500 + u16::try_from(ms % 99).unwrap(), "x"));
        }
        assert_eq!(lines.len(), 3, "{lines:?}");
        assert_eq!(lines[0], "an Event was rejected: forbidden");
        assert!(notices.due(PAUSE).iter().any(|line| line.ends_with("(and 59998 more like this)")));
    }
}
