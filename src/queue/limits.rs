//! How many calls of each class may be under way.
//!
//! Owns the figures. Invariant: each call under way has a thread of its own, so these are also the most threads there are.

use std::time::Duration;

use super::line::Limits;
use crate::event::Class;
use crate::lease::operator::LOOKS_MAX;

/// Places for calls to runners, per worker: a burst of resumes is worth many connections.
const RUNNER_PLACES_PER_WORKER: usize = 4;
/// How many setups and teardowns may run at once, each for minutes.
const USER_CODE_PLACES: usize = 24;
/// Of these, how many in one namespace.
const USER_CODE_OF_TENANT: usize = 18;
/// How many more may run, one in each namespace in which none does.
const USER_CODE_SPARE: usize = 8;
/// How many setups and teardowns may run at once in all.
pub const USER_CODE_MAX: usize = USER_CODE_PLACES + USER_CODE_SPARE;

/// The limits of a class, with so many workers (at least 2).
#[rustfmt::skip]
pub(super) const fn limits(class: Class, workers: usize) -> Limits {
    let workers = if workers < 2 { 2 } else { workers };
    let runners = workers * RUNNER_PLACES_PER_WORKER;
    match class {
        //                           places            hanging      spare            silent            untried           tenant               hangs after
        Class::Kubernetes => table(workers,          2 * workers, workers,         workers,          workers,          usize::MAX,          Duration::from_secs(1)),
        Class::Cloud      => table(workers,          2 * workers, workers,         workers,          workers,          usize::MAX,          Duration::from_secs(2)),
        Class::CloudNews  => table(workers,          2 * workers, workers,         workers,          workers,          usize::MAX,          Duration::from_secs(2)),
        Class::Runner     => table(runners,          24,          8,               8,                runners / 2,      usize::MAX,          Duration::from_millis(300)),
        Class::UserCode   => table(USER_CODE_PLACES, 0,           USER_CODE_SPARE, USER_CODE_PLACES, USER_CODE_PLACES, USER_CODE_OF_TENANT, Duration::MAX),
        Class::Lease      => plain(1),
        Class::Operator   => plain(LOOKS_MAX),
    }
}

/// For calls that wait in no line.
const fn plain(places: usize) -> Limits {
    table(places, 0, 0, places, places, places, Duration::MAX)
}

const fn table(
    places: usize,
    hanging: usize,
    spare: usize,
    silent: usize,
    untried: usize,
    tenant: usize,
    hangs_after: Duration,
) -> Limits {
    Limits { places, hanging, spare, silent, untried, tenant, hangs_after }
}
