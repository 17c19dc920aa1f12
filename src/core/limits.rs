//! How much of what comes from outside is taken in, wherever more than one place has to know. What they add up to is in
//! [`budget`](crate::budget).

use k8s::sieve::Limits;

const KIB: usize = 1024;
const MIB: usize = 1024 * KIB;

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

/// The longest answer of GCk6, in bytes.
pub const CLOUD_REPLY_BYTES_MAX: usize = 512 * KIB;
/// The longest status of a runner, in bytes.
pub const RUNNER_STATUS_BYTES_MAX: usize = 64 * KIB;
/// The longest error of a runner, in bytes.
pub const RUNNER_ERROR_BYTES_MAX: usize = 8 * KIB;

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
    Answers { short_bytes: 12 * KIB, long_bytes: CLOUD_REPLY_BYTES_MAX, long_max: 1 };
/// Of runners, but for setup data.
pub const RUNNER_ANSWERS: Answers =
    Answers { short_bytes: RUNNER_ERROR_BYTES_MAX, long_bytes: RUNNER_STATUS_BYTES_MAX, long_max: 2 };
