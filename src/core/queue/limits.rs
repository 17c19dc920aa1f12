//! How many calls of each class may be under way.
//!
//! Owns the figures. Invariant: each call under way has a thread of its own, so these are also the most threads there are.

use std::time::Duration;

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

const NEVER: Duration = Duration::MAX;

/// How many calls of a class may be under way.
#[derive(Clone, Copy, Debug)]
pub(super) struct Limits {
    /// Places for calls that do not hang.
    pub(super) places: usize,
    /// Further places for those that do.
    pub(super) hanging: usize,
    /// Further places, one for each namespace that has no call under way.
    pub(super) spare: usize,
    /// Of all places, those for objects that have not answered lately.
    pub(super) silent: usize,
    /// Of `places`, those for objects of which nothing is known yet.
    pub(super) untried: usize,
    /// Of `places`, those for one namespace.
    pub(super) tenant: usize,
    /// After what time a call hangs.
    pub(super) hangs_after: Duration,
    /// After what time a call that has failed says that the other side is silent.
    pub(super) silent_after: Duration,
}

impl Limits {
    /// How many calls are under way at the most.
    pub(super) const fn most(self) -> usize {
        self.places + self.hanging + self.spare
    }
}

/// The limits of a class, with so many workers (at least 2).
#[rustfmt::skip]
pub(super) const fn limits(class: Class, workers: usize) -> Limits {
    let workers = if workers < 2 { 2 } else { workers };
    let runners = workers * RUNNER_PLACES_PER_WORKER;
    match class {
        //                           places            hanging      spare            silent            untried           tenant               hangs after, silent after
        Class::Kubernetes => table(workers,          2 * workers, workers,         workers,          workers,          usize::MAX,          (ms(1000), ms(1000))),
        Class::Cloud      => table(workers,          2 * workers, workers,         workers,          workers,          usize::MAX,          (ms(2000), ms(2000))),
        Class::CloudNews  => table(workers,          2 * workers, workers,         workers,          workers,          usize::MAX,          (ms(2000), ms(2000))),
        Class::Runner     => table(runners,          24,          8,               8,                runners * 3 / 4,  usize::MAX,          (ms(150), ms(350))),
        Class::UserCode   => table(USER_CODE_PLACES, 0,           USER_CODE_SPARE, USER_CODE_PLACES, USER_CODE_PLACES, USER_CODE_OF_TENANT, (NEVER, NEVER)),
        Class::Lease      => plain(1),
        Class::Operator   => plain(LOOKS_MAX),
    }
}

/// For calls that wait in no line.
const fn plain(places: usize) -> Limits {
    table(places, 0, 0, places, places, places, (NEVER, NEVER))
}

const fn table(
    places: usize,
    hanging: usize,
    spare: usize,
    silent: usize,
    untried: usize,
    tenant: usize,
    (hangs_after, silent_after): (Duration, Duration),
) -> Limits {
    Limits { places, hanging, spare, silent, untried, tenant, hangs_after, silent_after }
}

const fn ms(count: u64) -> Duration {
    Duration::from_millis(count)
}
