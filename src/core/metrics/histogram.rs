//! Durations by upper bound.

use std::time::Duration;

/// An upper bound, as a duration and as it is written in the label `le`, in seconds.
pub type Bound = (Duration, &'static str);

const fn bound(millis: u64, label: &'static str) -> Bound {
    (Duration::from_millis(millis), label)
}

/// For calls: an API server next door answers in milliseconds, GCk6 behind LTE in seconds, a `setup()` in minutes.
pub const CALL_BOUNDS: &[Bound] = &[
    bound(5, "0.005"),
    bound(25, "0.025"),
    bound(100, "0.1"),
    bound(250, "0.25"),
    bound(1_000, "1"),
    bound(2_500, "2.5"),
    bound(10_000, "10"),
    bound(60_000, "60"),
];

/// For the start of a test run's runners.
pub const SKEW_BOUNDS: &[Bound] = &[
    bound(5, "0.005"),
    bound(10, "0.01"),
    bound(25, "0.025"),
    bound(50, "0.05"),
    bound(100, "0.1"),
    bound(250, "0.25"),
    bound(500, "0.5"),
    bound(1_000, "1"),
    bound(5_000, "5"),
    bound(30_000, "30"),
];

/// See the module. Counts are kept apart by bucket and added up when they are shown.
#[derive(Clone, Debug)]
pub struct Histogram {
    bounds: &'static [Bound],
    /// One for each bound, and the last for what is beyond them all.
    counts: Vec<u64>,
    sum: Duration,
}

impl Histogram {
    /// An empty histogram with these bounds, in rising order.
    #[must_use]
    pub fn new(bounds: &'static [Bound]) -> Self {
        Self { bounds, counts: vec![0; bounds.len() + 1], sum: Duration::ZERO }
    }

    /// Counts a duration. One that is equal to a bound belongs to that bound's bucket.
    pub fn observe(&mut self, took: Duration) {
        let at = self.bounds.iter().position(|(most, _)| took <= *most).unwrap_or(self.bounds.len());
        self.counts[at] += 1;
        self.sum += took;
    }

    /// How many there are up to each bound, with the bound's label; the last is `+Inf` and stands for all.
    pub fn cumulative(&self) -> impl Iterator<Item = (&'static str, u64)> + '_ {
        let labels = self.bounds.iter().map(|(_, label)| *label).chain(["+Inf"]);
        labels.zip(self.counts.iter().scan(0, |sum, count| {
            *sum += count;
            Some(*sum)
        }))
    }

    /// How many there are.
    #[must_use]
    pub fn count(&self) -> u64 {
        self.counts.iter().sum()
    }

    /// All of them added up.
    #[must_use]
    pub fn sum(&self) -> Duration {
        self.sum
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_duration_counts_for_its_bound_and_all_above() {
        let mut histogram = Histogram::new(CALL_BOUNDS);
        for millis in [0, 5, 6, 25, 60_000, 60_001, 900_000] {
            histogram.observe(Duration::from_millis(millis));
        }
        let shown: Vec<_> = histogram.cumulative().collect();
        assert_eq!(
            shown,
            [
                ("0.005", 2),
                ("0.025", 4),
                ("0.1", 4),
                ("0.25", 4),
                ("1", 4),
                ("2.5", 4),
                ("10", 4),
                ("60", 5),
                ("+Inf", 7),
            ]
        );
        assert_eq!((histogram.count(), histogram.sum()), (7, Duration::from_millis(1_020_037)));
    }

    #[test]
    fn labels_say_what_the_bounds_are() {
        for bounds in [CALL_BOUNDS, SKEW_BOUNDS] {
            assert!(bounds.is_sorted());
            for (bound, label) in bounds {
                assert_eq!(label.parse(), Ok(bound.as_secs_f64()));
            }
        }
    }
}
