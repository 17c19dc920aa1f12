//! What may befall the world of a seed at all, and how likely each of it is.
//!
//! Owns the draw: a seed leaves out some kinds of blows and prefers others, since what all seeds do alike hides what only comes of
//! one thing again and again. Leaves the blows to [`blows`](super::blows). Invariant: odds are drawn apart from what they are for.

use std::fmt;

use super::blows::BLOWS;
use super::tenant::MISDEEDS;
use super::{Draw, Duration, Rng};

/// Makes another sequence of a seed.
const SALT: u64 = 0x6f64_6473;
/// How long pauses are at most, and that in milliseconds. Mostly short: blows are worst when they come together.
const PAUSES_MS: [(&str, u64); 5] =
    [("50 ms", 50), ("400 ms", 400), ("3 s", 3_000), ("15 s", 15_000), ("40 s", 40_000)];
/// How much more often than another a kind may come.
const WEIGHTS: [u64; 4] = [1, 2, 4, 8];

/// See the module.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Odds {
    blows: Vec<u64>,
    misdeeds: Vec<u64>,
    pauses: Vec<u64>,
}

impl Odds {
    /// Those of a seed.
    pub(super) fn drawn(seed: u64) -> Self {
        let mut rng = Rng::new(seed ^ SALT);
        let mut draw = |even: Vec<u64>| -> Vec<u64> {
            let mut weight = |even| match rng.below(3) {
                0 => 0,
                _ => even * WEIGHTS[rng.below(WEIGHTS.len() as u64) as usize],
            };
            let drawn: Vec<u64> = even.iter().map(|even| weight(*even)).collect();
            if drawn.iter().all(|weight| *weight == 0) { even } else { drawn }
        };
        let Self { blows, misdeeds, pauses } = Self::even();
        let mut odds = Self { blows: draw(blows), misdeeds: draw(misdeeds), pauses: draw(pauses) };
        // Without a run nothing can befall it.
        odds.blows[0] = odds.blows[0].max(BLOWS[0].weight);
        odds
    }

    /// Those that all seeds had before each had its own.
    pub(super) fn even() -> Self {
        Self {
            blows: BLOWS.iter().map(|blow| blow.weight).collect(),
            misdeeds: MISDEEDS.iter().map(|(_, weight, _)| *weight).collect(),
            pauses: vec![1; PAUSES_MS.len()],
        }
    }

    /// Which of [`BLOWS`] comes next.
    pub(super) fn blow(&self, rng: &mut Rng) -> usize {
        pick(&self.blows, rng)
    }

    /// Which of [`MISDEEDS`] comes next.
    pub(super) fn misdeed(&self, rng: &mut Rng) -> usize {
        pick(&self.misdeeds, rng)
    }

    /// How long it is until the next one.
    pub(super) fn pause(&self, rng: &mut Rng) -> Duration {
        let (_, most) = PAUSES_MS[pick(&self.pauses, rng)];
        rng.millis(most)
    }
}

impl fmt::Display for Odds {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let blows = BLOWS.iter().map(|blow| blow.name);
        let misdeeds = MISDEEDS.iter().map(|(name, ..)| *name);
        let pauses = PAUSES_MS.iter().map(|(name, _)| *name);
        write!(f, "blows {}", shares(blows, &self.blows))?;
        write!(f, "; misdeeds {}", shares(misdeeds, &self.misdeeds))?;
        write!(f, "; pauses up to {}", shares(pauses, &self.pauses))
    }
}

/// What is on, with how many of all draws it takes.
fn shares<'a>(names: impl IntoIterator<Item = &'a str>, weights: &[u64]) -> String {
    let all: u64 = weights.iter().sum();
    let on = names.into_iter().zip(weights).filter(|(_, weight)| **weight > 0);
    let words: Vec<String> = on.map(|(name, weight)| format!("{name} {weight}/{all}")).collect();
    words.join(", ")
}

fn pick(weights: &[u64], rng: &mut Rng) -> usize {
    let mut left = rng.below(weights.iter().sum());
    for (at, weight) in weights.iter().enumerate() {
        match left.checked_sub(*weight) {
            Some(less) => left = less,
            None => return at,
        }
    }
    0
}

#[test]
fn each_kind_comes_as_often_as_its_weight_says() {
    let mut rng = Rng::new(1);
    let mut counts = [0; 4];
    (0..6_000).for_each(|_| counts[pick(&[1, 0, 2, 3], &mut rng)] += 1);
    assert_eq!(counts[1], 0);
    for (count, weight) in counts.into_iter().zip([1, 0, 2, 3]) {
        assert!((weight * 900..=weight * 1_100).contains(&count), "{counts:?}");
    }
}

#[test]
fn seeds_differ_in_what_is_on_and_all_of_them_have_runs() {
    let all: Vec<Odds> = (0..200).map(Odds::drawn).collect();
    assert!(all.iter().all(|odds| odds.blows[0] > 0));
    for (at, blow) in BLOWS.iter().enumerate().skip(1) {
        let off = all.iter().filter(|odds| odds.blows[at] == 0).count();
        assert!((30..110).contains(&off), "{}: off in {off} of 200", blow.name);
    }
    assert_eq!(Odds::drawn(7), Odds::drawn(7));
    assert_ne!(Odds::drawn(7), Odds::drawn(8));
}
