//! What the agent can hold at once, whatever others do: one table, whose sum stays below the memory limit of the Deployment.
//!
//! Owns the sum. A limit that has its own room stands there, where it is enforced; here it is multiplied by how often it can be
//! reached at once. Leaves alone what happens at a limit. Invariant, checked by the compiler: all rows at their most, together,
//! fit into [`MEMORY_LIMIT_BYTES`] with the default number of workers. Whoever writes something that holds what comes from
//! outside adds a row.

use k8s::sieve::Limits;

const KIB: usize = 1024;
const MIB: usize = 1024 * KIB;

/// `resources.limits.memory` of the shipped Deployment.
pub const MEMORY_LIMIT_BYTES: usize = 32 * MIB;
/// The number of workers that the sum is made for: the default of `--workers`. Each more costs what the rows say.
pub const WORKERS: usize = 4;

/// What an agent that does nothing holds: pages of the binary, TLS, touched stacks, connections.
pub const BASE_BYTES: usize = 6 * MIB;
/// What the store holds of all zones, test runs and pods, and what is remembered beside each.
pub const STORE_BYTES_MAX: usize = 6 * MIB;
/// The share of that which one namespace can have: four test runs of a thousand runners each, with room to spare.
pub const NAMESPACE_BYTES_MAX: usize = STORE_BYTES_MAX * 2 / 3;
/// What a watch keeps of one object. Beyond it the field that is too large is left out.
pub const OBJECT_LIMITS: Limits = Limits { text_bytes: 128 * KIB, value_bytes: 512 * KIB };
/// The same of a test run, which bears all that GCk6 has sent for it, of up to half a mebibyte.
pub const LARGE_OBJECT_LIMITS: Limits = Limits { text_bytes: 576 * KIB, value_bytes: 1536 * KIB };
/// How many objects may be on their way from the watches to the loop.
pub const SEEN_MAX: usize = 2;
/// The longest answer of the API server to a call on a single object.
pub const KUBERNETES_REPLY_BYTES_MAX: usize = k8s::client::OBJECT_BYTES_MAX;

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

/// All of it.
#[rustfmt::skip]
pub const TABLE: [Row; 7] = [
    //   what                                              bytes                       at once
    row("binary, stacks, TLS, connections",                BASE_BYTES,                 1),
    row("zones, test runs and pods in the store",          STORE_BYTES_MAX,            1),
    row("a test run that a watch reads",                   reading(LARGE_OBJECT_LIMITS), 1),
    row("a zone or a pod that a watch reads",              reading(OBJECT_LIMITS),     2),
    row("an object between watch and loop",                LARGE_OBJECT_LIMITS.text_bytes * 3 / 2, SEEN_MAX),
    row("an answer of the API server",                     KUBERNETES_REPLY_BYTES_MAX, WORKERS),
    row("an answer of GCk6",                               512 * KIB,                  WORKERS),
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
