//! A call to somebody else, as data, and the answer to it.
//!
//! Owns what the agent can ask of whom. Leaves alone why (see the actions of each resource) and how it is carried.
//! Invariant: nothing in here holds a socket, and no `Debug` output shows a token or a presigned URL.

use std::time::Duration;

use crate::cloud;
use crate::redact::Secret;
use crate::runner;

/// Whom a call goes to, and hence what it may have to wait for.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Class {
    /// The API server.
    Kubernetes,
    /// GCk6, which may be far away, or accept a call and not answer.
    Cloud,
    /// GCk6 too, for what it is asked again and again: one answer more or less does not matter.
    CloudNews,
    /// A runner, whose node may be gone.
    Runner,
    /// A runner that runs the user's `setup()` or `teardown()`, which may take minutes.
    UserCode,
    /// The API server, for the agent's own Lease: a renewal waits for nobody.
    Lease,
    /// The API server, for k6-operator's Lease.
    Operator,
}

impl Class {
    /// All classes.
    pub const ALL: [Self; 7] = [
        Self::Kubernetes,
        Self::Cloud,
        Self::CloudNews,
        Self::Runner,
        Self::UserCode,
        Self::Lease,
        Self::Operator,
    ];

    /// How long an answer is waited for; none for as long as the client of the API server usually waits.
    #[must_use]
    pub const fn timeout(self) -> Option<Duration> {
        match self {
            Self::Kubernetes => None,
            // Answers come within a second or two; behind LTE it may be more.
            Self::Cloud => Some(Duration::from_secs(20)),
            // It is asked again soon anyway.
            Self::CloudNews => Some(Duration::from_secs(8)),
            // It answers at once unless it is busy generating load.
            Self::Runner => Some(Duration::from_secs(5)),
            // k6 ends them after 60 s unless the script says otherwise.
            Self::UserCode => Some(Duration::from_secs(15 * 60)),
            // A renewal that hangs has to leave time for another one.
            Self::Lease | Self::Operator => Some(Duration::from_millis(2500)),
        }
    }
}

impl Call {
    /// How large the body is of a call to the API server, in bytes. The others' bodies are small, or shared.
    #[must_use]
    pub fn body_bytes(&self) -> usize {
        match self {
            Self::Kubernetes(request) => request.body.len(),
            Self::Cloud { .. } | Self::Runner { .. } => 0,
        }
    }
}

/// The calls there are.
#[derive(Clone, Debug)]
pub enum Call {
    /// To the API server.
    Kubernetes(k8s::Request),
    /// To GCk6, with the token that it asks for.
    Cloud {
        /// What to ask.
        request: cloud::Request,
        /// For the `Authorization` header.
        token: Secret,
    },
    /// To the REST API of a runner.
    Runner {
        /// Which one.
        target: RunnerTarget,
        /// What to ask.
        request: runner::Request,
    },
}

/// How to reach a runner: at its address, or by its name through the API server.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RunnerTarget {
    /// Namespace of the pod.
    pub namespace: String,
    /// Name of the pod.
    pub pod: String,
    /// `status.podIP`.
    pub ip: String,
}

/// The answers, by whom they come from. A body is whatever came with a 2xx.
#[derive(Debug)]
pub enum Reply {
    /// From the API server.
    Kubernetes(Result<Vec<u8>, k8s::Error>),
    /// From GCk6.
    Cloud(Result<Vec<u8>, cloud::Error>),
    /// From a runner.
    Runner(Result<Vec<u8>, runner::Error>),
}

/// Who was asked, and who answered: the pool does not mix them up. Should it all the same, nobody has answered.
const MIXED_UP: &str = "the answer belongs to another object";

impl Reply {
    /// Whether it is what was asked for.
    #[must_use]
    pub fn is_ok(&self) -> bool {
        match self {
            Self::Kubernetes(reply) => reply.is_ok(),
            Self::Cloud(reply) => reply.is_ok(),
            Self::Runner(reply) => reply.is_ok(),
        }
    }

    /// To a question to the API server.
    pub fn kubernetes(self) -> Result<Vec<u8>, k8s::Error> {
        match self {
            Self::Kubernetes(reply) => reply,
            Self::Cloud(_) | Self::Runner(_) => {
                Err(k8s::Error::Timeout { server: "the API server".to_owned(), cause: MIXED_UP.to_owned() })
            }
        }
    }

    /// To a question to GCk6.
    pub fn cloud(self) -> Result<Vec<u8>, cloud::Error> {
        match self {
            Self::Cloud(reply) => reply,
            Self::Kubernetes(_) | Self::Runner(_) => Err(cloud::Error::Transport(MIXED_UP.to_owned())),
        }
    }

    /// To a question to a runner.
    pub fn runner(self) -> Result<Vec<u8>, runner::Error> {
        match self {
            Self::Runner(reply) => reply,
            Self::Kubernetes(_) | Self::Cloud(_) => Err(runner::Error::Unreachable(MIXED_UP.to_owned())),
        }
    }
}
