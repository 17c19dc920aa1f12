//! What the agent can hold at once, whatever others do: one table, whose sum stays below the memory limit of the Deployment.
//!
//! Owns the sum. A limit that has its own room stands there, where it is enforced; here it is multiplied by how often it can be
//! reached at once. Leaves alone what happens at a limit. Invariant, checked by the compiler: all rows at their most, together,
//! fit into [`MEMORY_LIMIT_BYTES`] with the default number of workers. Whoever writes something that holds what comes from
//! outside adds a row.

use k8s::sieve::Limits;

use crate::core::room::SETUP_ROOM_BYTES;
use crate::event::Class;
use crate::lease::elsewhere;
use crate::net::CLOUD_REPLY_BYTES_MAX;
use crate::{queue, runner};

const KIB: usize = 1024;
const MIB: usize = 1024 * KIB;

/// `resources.limits.memory` of the shipped Deployment.
pub const MEMORY_LIMIT_BYTES: usize = 32 * MIB;
/// The number of workers that the sum is made for: the default of `--workers`. Each more costs what the rows say.
pub const WORKERS: usize = 4;

/// What an agent that does nothing holds: pages of the binary, TLS, touched stacks, connections.
pub const BASE_BYTES: usize = 7 * MIB / 2;
/// What a call under way takes beside what is sent and answered: the stack of its thread as far as it is touched, the buffers
/// and the TLS of its connection.
pub const CALL_BYTES: usize = 20 * KIB;
/// What the store holds of all zones, test runs and pods, and what is remembered beside each.
pub const STORE_BYTES_MAX: usize = 6 * MIB;
/// The share of that which one namespace can have: four test runs of a thousand runners each, with room to spare.
pub const NAMESPACE_BYTES_MAX: usize = STORE_BYTES_MAX * 2 / 3;
/// What a watch keeps of one object. Beyond it the field that is too large is left out.
pub const OBJECT_LIMITS: Limits = Limits { text_bytes: 128 * KIB, value_bytes: 384 * KIB };
/// The same of a test run, which bears all that GCk6 has sent for it, of up to half a mebibyte.
pub const LARGE_OBJECT_LIMITS: Limits = Limits { text_bytes: 576 * KIB, value_bytes: 1280 * KIB };
/// The same of k6-operator's Lease: a holder's name and a few numbers.
pub const LEASE_LIMITS: Limits = Limits { text_bytes: 32 * KIB, value_bytes: 64 * KIB };
/// What is held of the data that GCk6 has sent of test runs until their Jobs exist.
pub const DATA_BYTES_MAX: usize = 9 * MIB / 8;
/// How many objects may be on their way from the watches to the loop.
pub const SEEN_MAX: usize = 1;
/// What is kept of the answer of the API server about any other object. Beyond it the field that is too large is left out.
pub const PART_LIMITS: Limits = Limits { text_bytes: 32 * KIB, value_bytes: 128 * KIB };
/// What the loop takes to make one body: as values and as text.
pub const MAKING_BYTES_MAX: usize = LARGE_OBJECT_LIMITS.value_bytes + 2 * LARGE_OBJECT_LIMITS.text_bytes;

/// How much is held of the answers of one kind.
#[derive(Clone, Copy, Debug)]
pub struct Answers {
    /// What each call may hold, in bytes.
    pub short_bytes: usize,
    /// What one may hold that has a place among the long ones, in bytes.
    pub long_bytes: usize,
    /// How many places there are.
    pub long_max: usize,
}

/// Of the API server, as read through a sieve. For a moment it is there twice, since the sieve hands over a copy.
pub const KUBERNETES_ANSWERS: Answers =
    Answers { short_bytes: 12 * KIB, long_bytes: LARGE_OBJECT_LIMITS.text_bytes, long_max: 1 };
/// Of GCk6.
pub const CLOUD_ANSWERS: Answers =
    Answers { short_bytes: 12 * KIB, long_bytes: CLOUD_REPLY_BYTES_MAX as usize, long_max: 1 };
/// Of runners, but for setup data.
pub const RUNNER_ANSWERS: Answers =
    Answers { short_bytes: runner::ERROR_BYTES_MAX, long_bytes: runner::STATUS_BYTES_MAX, long_max: 2 };

/// Something that the agent holds.
#[derive(Clone, Copy, Debug)]
pub struct Row {
    /// What it is.
    pub what: &'static str,
    /// How large one gets, in bytes.
    pub bytes: usize,
    /// How many there are at once.
    pub count: usize,
}

const fn row(what: &'static str, bytes: usize, count: usize) -> Row {
    Row { what, bytes, count }
}

/// An object as text and as values at once.
const fn reading(limits: Limits) -> usize {
    limits.text_bytes + limits.value_bytes
}

/// How many calls of these classes are under way at the most.
const fn calls(classes: &[Class]) -> usize {
    let (mut at, mut sum) = (0, 0);
    while at < classes.len() {
        sum += queue::capacity(classes[at], WORKERS);
        at += 1;
    }
    sum
}

/// All of it.
#[rustfmt::skip]
pub const TABLE: [Row; 19] = [
    //   what                                              bytes                       at once
    row("binary, stacks, TLS, connections",                BASE_BYTES,                 1),
    row("a call under way",                                CALL_BYTES,                 calls(&Class::ALL)),
    row("zones, test runs and pods in the store",          STORE_BYTES_MAX,            1),
    row("a test run that a watch reads",                   reading(LARGE_OBJECT_LIMITS), 1),
    row("a zone or a pod that a watch reads",              reading(OBJECT_LIMITS),     2),
    row("a Lease that a watch reads",                      reading(LEASE_LIMITS),      1),
    row("Leases like k6-operator's",                       KIB,                        elsewhere::KNOWN_MAX),
    row("an object between watch and loop",                LARGE_OBJECT_LIMITS.text_bytes * 3 / 2, SEEN_MAX),
    row("setup data on their way",                         SETUP_ROOM_BYTES,           1),
    row("a body that is made",                             MAKING_BYTES_MAX,           1),
    row("a small body on its way",                         queue::SMALL_BODY_BYTES_MAX, calls(&[Class::Kubernetes])),
    row("large bodies on their way",                       queue::LARGE_BODIES_BYTES_MAX, 1),
    row("a short answer of the API server",                2 * KUBERNETES_ANSWERS.short_bytes, calls(&[Class::Kubernetes, Class::Lease, Class::Operator])),
    row("a long answer of the API server",                 2 * KUBERNETES_ANSWERS.long_bytes, KUBERNETES_ANSWERS.long_max),
    row("a short answer of GCk6",                          CLOUD_ANSWERS.short_bytes,  calls(&[Class::Cloud, Class::CloudNews])),
    row("a long answer of GCk6",                           CLOUD_ANSWERS.long_bytes,   CLOUD_ANSWERS.long_max),
    row("a short answer of a runner",                      RUNNER_ANSWERS.short_bytes, calls(&[Class::Runner, Class::UserCode])),
    row("a long answer of a runner",                       RUNNER_ANSWERS.long_bytes,  RUNNER_ANSWERS.long_max),
    row("data of test runs that are to be made",           DATA_BYTES_MAX,             1),
];

const fn sum(rows: &[Row]) -> usize {
    let (mut at, mut sum) = (0, 0);
    while at < rows.len() {
        sum += rows[at].bytes * rows[at].count;
        at += 1;
    }
    sum
}

/// All rows at their most.
pub const SUM_BYTES: usize = sum(&TABLE);

const _: () = assert!(SUM_BYTES < MEMORY_LIMIT_BYTES, "what the agent can hold does not fit into its limit");

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_limit_is_that_of_the_deployment() {
        let deployment = include_str!("../manifests/base/deployment.yaml");
        assert!(deployment.contains(&format!("memory: {}Mi", MEMORY_LIMIT_BYTES / MIB)));
    }
}
