//! The integration tests: the shipped files and the agent as a whole, one module a subject.

#![expect(clippy::unwrap_used, reason = "a test may panic")]

mod e2e;
mod fuzz;
mod hostile;
mod image;
mod layers;
mod licenses;
mod manifests;
mod readme;
mod release;
mod stories;
