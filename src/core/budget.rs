//! What the agent can hold at once, whatever others do: one table, whose sum stays below the memory limit of the Deployment.
//!
//! Owns the sum. A limit that has its own room stands there, where it is enforced; here it is multiplied by how often it can be
//! reached at once. Leaves alone what happens at a limit. Invariant, checked by the compiler: all rows at their most, together,
//! fit into [`MEMORY_LIMIT_BYTES`] with the default number of workers. Whoever writes something that holds what comes from
//! outside adds a row.

use k8s::sieve::Limits;

use crate::controller::room::SETUP_ROOM_BYTES;
use crate::event::Class;
use crate::lease::elsewhere;
use crate::limits::{
    CLOUD_ANSWERS, DATA_BYTES_MAX, KUBERNETES_ANSWERS, LARGE_OBJECT_LIMITS, LEASE_LIMITS, MAKING_BYTES_MAX,
    OBJECT_LIMITS, RUNNER_ANSWERS, SEEN_MAX, STORE_BYTES_MAX,
};
use crate::queue;

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
        let deployment = include_str!("../../manifests/base/deployment.yaml");
        assert!(deployment.contains(&format!("memory: {}Mi", MEMORY_LIMIT_BYTES / MIB)));
    }
}
