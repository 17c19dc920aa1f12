//! The room for long answers.
//!
//! Owns how many long answers there are at once: each has a place from when it has grown long until the loop has learnt from it.
//! Leaves alone what counts as long. Invariant: whoever waits for a place holds none, and whoever has one waits for the network
//! alone, within a limit on its time, or for the loop, which waits for nobody; so a place becomes free.

use std::sync::{Arc, Condvar, Mutex, PoisonError};

/// See the module.
#[derive(Debug)]
pub(super) struct Room(Arc<Inner>);

#[derive(Debug)]
struct Inner {
    free: Mutex<usize>,
    changed: Condvar,
}

/// A place; it is free again when this is dropped.
#[derive(Debug)]
pub(super) struct Place(Arc<Inner>);

impl Room {
    pub(super) fn new(places: usize) -> Self {
        Self(Arc::new(Inner { free: Mutex::new(places), changed: Condvar::new() }))
    }

    /// Waits for a place.
    pub(super) fn enter(&self) -> Place {
        let free = self.0.free.lock().unwrap_or_else(PoisonError::into_inner);
        let waited = self.0.changed.wait_while(free, |free| *free == 0);
        *waited.unwrap_or_else(PoisonError::into_inner) -= 1;
        Place(Arc::clone(&self.0))
    }
}

impl Drop for Place {
    fn drop(&mut self) {
        *self.0.free.lock().unwrap_or_else(PoisonError::into_inner) += 1;
        self.0.changed.notify_one();
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_place_is_given_on() {
        let room = Room::new(1);
        let place = room.enter();
        std::thread::scope(|scope| {
            let second = scope.spawn(|| drop(room.enter()));
            drop(place);
            assert!(second.join().is_ok());
        });
        assert_eq!(*room.0.free.lock().unwrap(), 1);
    }
}
