//! PrivateLoadZone.

pub mod api;
pub mod template;
