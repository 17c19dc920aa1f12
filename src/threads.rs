//! Threads: each with a name and a small stack.
//!
//! Owns how they are made. Leaves alone what they do and when they end. Not generic, since every kind of body would bring a copy
//! of the machinery along.

use std::io;
use std::thread::Builder;

/// For threads that do little and recurse little; untouched stack costs nothing.
pub(crate) const STACK_BYTES: usize = 512 * 1024;

/// What a thread does.
pub(crate) type Body = Box<dyn FnOnce() + Send>;

/// Starts a thread, or says why the system refuses one.
pub(crate) fn spawn(name: &str, stack_bytes: usize, body: Body) -> io::Result<()> {
    Builder::new().name(name.to_owned()).stack_size(stack_bytes).spawn(body).map(drop)
}
