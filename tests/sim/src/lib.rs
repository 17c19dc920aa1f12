//! Stand-ins for the systems around the agent: the API server, the controllers and the kubelet, k6, GCk6 and S3.
//!
//! The models are pure: no clock, no thread, no socket. `now` is the time since the start of the [`world::World`] and an
//! argument of everything that may depend on it; wall time is a base that the caller gives. The same seed and the same
//! calls give the same answers, byte for byte. Two drivers use them: a virtual clock (deterministic simulation) and
//! [`loopback`], real HTTP on 127.0.0.0/8 (end-to-end tests, the demo, the benchmark).
//!
//! Reading order: [`http`] (the common vocabulary) · [`api`] (API server) · [`kube`] (Job controller, garbage collector,
//! scheduler, kubelet) · [`k6`] (a runner) · [`cloud`] (GCk6) · [`s3`] (the archive) · [`world`] (all of them together) ·
//! [`trail`] (whether two histories are the same) · [`loopback`] · [`agent`] (the real agent beside it, as a process) · [`scrape`] (its health and metrics).
//!
//! Invariant: the models know the protocols, never the agent; they share no code with it.

pub mod agent;
pub mod api;
pub mod cloud;
pub mod drive;
pub mod http;
pub mod journal;
pub mod json;
pub mod k6;
pub mod kube;
pub mod loopback;
pub mod rng;
pub mod s3;
pub mod scrape;
pub mod trail;
pub mod wall;
pub mod world;
