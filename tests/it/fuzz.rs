//! Whatever comes from outside is read without a panic: a mutation harness for the parsers and for the core.
//!
//! A test run tries each target for a fixed number of inputs, from fixed seeds. `FUZZ_SECONDS=600` tries fresh ones for as
//! long, `FUZZ=kubeconfig` one target alone, `FUZZ_SEED=7` begins elsewhere. A find prints the target, its seed and the input.
//! Targets are public functions, so that the harness outlives their insides.

#![expect(
    clippy::disallowed_methods,
    reason = "a person says by variables how long to try, which takes a clock"
)]

mod core;
#[rustfmt::skip]
mod corpus;
mod mutate;
mod targets;

use std::env;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::time::{Duration, Instant};

use sim::rng::Rng;

use targets::TARGETS;

/// Inputs of each target in a test run.
const INPUTS: u64 = 150;

/// Lives of a core in a test run.
const LIVES: u64 = 40;

/// Bytes that a target gives back at most: so many for each of the input, and these.
const GROWTH_MAX: usize = 32;
const OUTPUT_BYTES_MAX: usize = 64 * 1024;

/// No input takes nearly as long on any machine that is not at a standstill.
const TIME_MAX: Duration = Duration::from_secs(20);

fn number(variable: &str) -> Option<u64> {
    env::var(variable)
        .ok()
        .map(|text| text.parse().unwrap_or_else(|_| panic!("{variable}={text} is no number")))
}

fn is_wanted(name: &str) -> bool {
    env::var("FUZZ").map_or(true, |wanted| wanted == name)
}

/// Tries `one` with seed after seed, for `count` of them or for as long as a person says.
fn seeds(count: u64, mut one: impl FnMut(u64)) {
    let first = number("FUZZ_SEED").unwrap_or(0);
    match number("FUZZ_SECONDS").map(Duration::from_secs) {
        None => (first..first + count).for_each(one),
        Some(time) => {
            let began = Instant::now();
            (first..).take_while(|_| began.elapsed() < time).for_each(&mut one);
        }
    }
}

fn try_once(target: &targets::Target, seed: u64) {
    let input = mutate::mutated(&mut Rng::new(seed), target.corpus);
    let find = |what: &str| {
        let shown = input.escape_ascii();
        panic!("{what}; FUZZ={} FUZZ_SEED={seed}, {} bytes: {shown}", target.name, input.len());
    };
    let began = Instant::now();
    match catch_unwind(AssertUnwindSafe(|| (target.parse)(&input))) {
        Err(_) => find("a panic"),
        Ok(bytes) if bytes > OUTPUT_BYTES_MAX + GROWTH_MAX * input.len() => find("too long an output"),
        Ok(_) if began.elapsed() > TIME_MAX => find("too slow"),
        Ok(_) => {}
    }
}

#[test]
fn no_parser_panics() {
    let wanted: Vec<_> = TARGETS.iter().filter(|target| is_wanted(target.name)).collect();
    seeds(INPUTS, |seed| wanted.iter().for_each(|target| try_once(target, seed)));
}

#[test]
fn the_core_survives_anything_in_any_order() {
    if is_wanted("core") {
        seeds(LIVES, |seed| {
            let lived = catch_unwind(AssertUnwindSafe(|| core::live(seed)));
            assert!(lived.is_ok(), "FUZZ=core FUZZ_SEED={seed}");
        });
    }
}

#[test]
fn honest_input_is_mutated_in_many_ways_and_the_same_by_seed() {
    let mutated = |seed| mutate::mutated(&mut Rng::new(seed), corpus::ZONES);
    let inputs: std::collections::BTreeSet<Vec<u8>> = (0..500).map(mutated).collect();
    assert!(inputs.len() > 450, "{}", inputs.len());
    assert_eq!(mutated(7), mutated(7));
    assert!(TARGETS.len() >= 24, "{}", TARGETS.len());
    for target in TARGETS {
        for honest in target.corpus {
            assert!((target.parse)(honest) <= OUTPUT_BYTES_MAX, "{}", target.name);
        }
    }
}
