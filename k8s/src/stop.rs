//! A handle that ends watches: wakes those that wait and cuts the connections of those that read.
//!
//! Invariant: whatever is registered is called exactly once, at the stop or, if that has been, at once; or never, when it
//! was withdrawn before.

use std::collections::BTreeMap;
use std::fmt;
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

/// Says when to stop. Clones are the same handle.
#[derive(Clone, Default)]
pub struct Stop {
    inner: Arc<Inner>,
}

#[derive(Default)]
struct Inner {
    state: Mutex<State>,
    wake: Condvar,
}

#[derive(Default)]
struct State {
    stopped: bool,
    next: u64,
    callbacks: BTreeMap<u64, Box<dyn FnOnce() + Send>>,
}

impl fmt::Debug for Stop {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Stop").field("stopped", &self.is_stopped()).finish_non_exhaustive()
    }
}

impl Stop {
    /// A handle that has not been used yet.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    /// Stops everything that listens to this handle, now and for good.
    pub fn stop(&self) {
        let callbacks = {
            let mut state = self.lock();
            state.stopped = true;
            std::mem::take(&mut state.callbacks)
        };
        self.inner.wake.notify_all();
        for callback in callbacks.into_values() {
            callback();
        }
    }

    /// Whether it has been used.
    #[must_use]
    pub fn is_stopped(&self) -> bool {
        self.lock().stopped
    }

    /// Waits for so long, or until the stop. Whether it has been stopped.
    #[must_use]
    pub fn wait(&self, time: Duration) -> bool {
        let (state, _) = self
            .inner
            .wake
            .wait_timeout_while(self.lock(), time, |state| !state.stopped)
            .unwrap_or_else(PoisonError::into_inner);
        state.stopped
    }

    /// Has `callback` called at the stop, unless the registration is dropped before.
    pub fn on_stop(&self, callback: impl FnOnce() + Send + 'static) -> Registration {
        let mut state = self.lock();
        let number = state.next;
        state.next += 1;
        if state.stopped {
            drop(state);
            callback();
        } else {
            state.callbacks.insert(number, Box::new(callback));
        }
        Registration { stop: self.clone(), number }
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        self.inner.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Withdraws what was registered when it is dropped.
#[derive(Debug)]
#[must_use]
pub struct Registration {
    stop: Stop,
    number: u64,
}

impl Drop for Registration {
    fn drop(&mut self) {
        self.stop.lock().callbacks.remove(&self.number);
    }
}

#[cfg(test)]
mod tests {
    use std::sync::atomic::{AtomicUsize, Ordering};

    use super::*;

    #[test]
    fn callbacks_are_called_once_unless_withdrawn() {
        let (stop, count) = (Stop::new(), Arc::new(AtomicUsize::new(0)));
        let counting = || {
            let count = count.clone();
            stop.on_stop(move || {
                count.fetch_add(1, Ordering::SeqCst);
            })
        };
        let _kept = counting();
        drop(counting());
        assert!(!stop.wait(Duration::ZERO));
        stop.stop();
        stop.stop();
        assert_eq!(count.load(Ordering::SeqCst), 1);
        let _late = counting();
        assert_eq!(count.load(Ordering::SeqCst), 2);
        assert!(stop.wait(Duration::from_secs(3600)));
    }
}
