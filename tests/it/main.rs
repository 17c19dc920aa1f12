//! The integration tests: the shipped files and the agent as a whole, one module a subject.

mod e2e;
mod manifests;
mod stories;
