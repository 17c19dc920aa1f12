//! PrivateLoadZone.

pub mod api;
pub mod quantity;
mod refusal;
pub mod template;
