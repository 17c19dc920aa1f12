//! The integration tests: the shipped files and the agent as a whole, one module a subject.

mod manifests;
mod readme;
mod stories;
