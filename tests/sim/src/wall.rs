//! Wall time for models that have no clock: a base that the caller gives, plus the time since the start.

use std::time::{Duration, SystemTime};

/// The wall time at the start of a world.
#[derive(Clone, Copy, Debug)]
pub struct Wall(pub SystemTime);

impl Default for Wall {
    /// A fixed moment, so that simulations print the same on every day.
    fn default() -> Self {
        Self(SystemTime::UNIX_EPOCH + Duration::from_secs(1_767_225_600))
    }
}

impl Wall {
    /// RFC 3339 with whole seconds, as `metav1.Time` is written (`2026-01-01T00:00:00Z`).
    pub fn at(self, now: Duration) -> String {
        humantime::format_rfc3339_seconds(self.0 + now).to_string()
    }

    /// As the `Date` of an answer is written (`Thu, 01 Jan 2026 00:00:00 GMT`).
    pub fn http_date(self, now: Duration) -> String {
        const DAYS: [&str; 7] = ["Thu", "Fri", "Sat", "Sun", "Mon", "Tue", "Wed"];
        const MONTHS: [&str; 12] =
            ["Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec"];
        let days =
            (self.0 + now).duration_since(SystemTime::UNIX_EPOCH).unwrap_or_default().as_secs() / 86_400;
        let at = self.at(now);
        let number = |text: &str| text.parse::<usize>().expect("the form is fixed");
        let (day, month) = (DAYS[number(&(days % 7).to_string())], MONTHS[number(&at[5..7]) - 1]);
        format!("{day}, {} {month} {} {} GMT", &at[8..10], &at[..4], &at[11..19])
    }

    /// The basic ISO 8601 form of AWS signatures (`20260101T000000Z`).
    pub fn compact(self, now: Duration) -> String {
        self.at(now).chars().filter(|c| !matches!(c, '-' | ':')).collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn dates_of_answers() {
        let seconds = Duration::from_secs;
        let date = |at| Wall(SystemTime::UNIX_EPOCH).http_date(seconds(at));
        assert_eq!(date(784_111_777), "Sun, 06 Nov 1994 08:49:37 GMT");
        assert_eq!(Wall::default().http_date(Duration::ZERO), "Thu, 01 Jan 2026 00:00:00 GMT");
    }
}
