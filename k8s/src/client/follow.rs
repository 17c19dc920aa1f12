//! Drives the state machine of a watch over a connection, with pauses, until it is told to stop.
//!
//! Owns nothing but the order of things: what to do is decided in `watch`, how long to wait in `backoff`, how to speak in
//! the rest of `client`.
#![expect(clippy::disallowed_methods, reason = "how long a watch has lasted says whether it was a good one")]

use std::hash::{BuildHasher, Hasher, RandomState};
use std::ops::ControlFlow;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use super::{Client, Purpose, Wire};
use crate::backoff::{Pace, wake_after};
use crate::fields::Read;
use crate::status::Retry;
use crate::stop::Stop;
use crate::watch::{Cut, Step, WatchEvent, WatchSpec, Watcher};

const READ_BYTES: usize = 4 * 1024;
/// What of that is looked at before it is handed on, so that events never pile up: the shortest object has two bytes.
const PIECE_BYTES: usize = 512;
/// As many small events are handed on at once, so that a thread need not be woken for each.
const BATCH_MAX: usize = 32;
/// A watch that lasted this long was a good one, even where it brought nothing.
const GOOD_WATCH: Duration = Duration::from_secs(10);
/// How long a list may take, with all of its pages.
const LIST_TIMEOUT: Duration = Duration::from_secs(600);

/// Takes what a watch has to tell, in its order.
pub(crate) type Sink<'a, T> = dyn FnMut(Vec<WatchEvent<T>>) -> ControlFlow<()> + 'a;

pub(crate) fn follow<T: Read>(
    client: &Client,
    spec: &WatchSpec,
    again: &AtomicBool,
    stop: &Stop,
    sink: &mut Sink<'_, T>,
) {
    let mut follower = Follower {
        client,
        wire: Wire::new(Purpose::Watch, stop.clone()),
        watcher: Watcher::new(spec.clone()),
        pace: Pace::default(),
        returns: 0,
        out: Vec::new(),
        list_since: None,
        again,
        stop,
        sink,
    };
    let nudged = client.pulse().clone();
    let _registration = stop.on_stop(move || nudged.nudge());
    while let ControlFlow::Continue(step) = follower.turn() {
        if let Step::Wait(retry) = step {
            follower.list_since = None;
            follower.wait(retry);
        }
    }
}

struct Follower<'a, T> {
    client: &'a Client,
    wire: Wire,
    watcher: Watcher<T>,
    pace: Pace,
    /// How often the server had come back when the last request was sent.
    returns: u64,
    out: Vec<WatchEvent<T>>,
    /// Since when a list goes on.
    list_since: Option<Instant>,
    again: &'a AtomicBool,
    stop: &'a Stop,
    sink: &'a mut Sink<'a, T>,
}

impl<T: Read> Follower<'_, T> {
    /// One request, and all of its answer. `Break` at the end of the watch.
    fn turn(&mut self) -> ControlFlow<(), Step> {
        if self.stop.is_stopped() {
            return ControlFlow::Break(());
        }
        if self.watcher.is_watching() && self.again.swap(false, Ordering::Relaxed) {
            self.watcher.list_anew();
        }
        let began = Instant::now();
        self.list_since = (!self.watcher.is_watching()).then(|| self.list_since.unwrap_or(began));
        self.returns = self.client.pulse().returns();
        let opened = self.client.stream(&self.wire, &self.watcher.request());
        self.pace.heed(opened.as_ref().map(drop));
        let (mut stream, mut step) = match opened {
            Ok(stream) => (Some(stream), self.watcher.opened(Ok(()), &mut self.out)),
            Err(error) => (None, self.watcher.opened(Err(error), &mut self.out)),
        };
        self.tell()?;
        let mut buffer = [0; READ_BYTES];
        while let (Step::Read, Some(stream)) = (&step, &mut stream) {
            step = match self.client.read(&self.wire, stream, &mut buffer) {
                Ok(_) if self.list_since.is_some_and(|since| since.elapsed() > LIST_TIMEOUT) => {
                    self.watcher.cut(Cut::Overdue(LIST_TIMEOUT), &mut self.out)
                }
                Ok(count) => self.take(&buffer[..count])?,
                Err(cut) => {
                    let cut = self.weigh(cut, began.elapsed());
                    self.watcher.cut(cut, &mut self.out)
                }
            };
            self.tell()?;
        }
        ControlFlow::Continue(step)
    }

    /// Takes in what was read.
    fn take(&mut self, bytes: &[u8]) -> ControlFlow<(), Step> {
        let mut step = Step::Read;
        for piece in bytes.chunks(PIECE_BYTES) {
            step = self.watcher.read(piece, &mut self.out);
            if self.out.len() >= BATCH_MAX {
                self.tell()?;
            }
            if step != Step::Read {
                break;
            }
        }
        if self.watcher.is_fruitful() {
            self.pace.reset();
        }
        ControlFlow::Continue(step)
    }

    fn wait(&mut self, retry: Retry) {
        let plural = self.watcher.plural();
        let pause = self.pace.pause(retry, entropy());
        log::debug!("watching {plural} resumes in {} ms", pause.at_most.as_millis());
        let Some(deaf) = pause.deaf else {
            let _ = self.stop.wait(pause.at_most);
            return;
        };
        if self.stop.wait(deaf) {
            return;
        }
        let left = pause.at_most - deaf;
        if self.client.pulse().wait(left, self.stop, self.returns) {
            let soon = wake_after(entropy());
            log::debug!("the server answers; watching {plural} resumes in {} ms", soon.as_millis());
            self.pace.woken();
            let _ = self.stop.wait(soon);
        }
    }

    /// A watch that breaks after a good while has been cut by something in between, as happens to quiet ones: that is an end
    /// like any other. A list never is: its end means that it is complete.
    fn weigh(&mut self, cut: Cut, lasted: Duration) -> Cut {
        if lasted < GOOD_WATCH || !self.watcher.is_watching() {
            return cut;
        }
        self.pace.reset();
        match cut {
            Cut::Broken(error) => {
                log::debug!("a watch broke after {} s: {error}", lasted.as_secs());
                Cut::End
            }
            cut => cut,
        }
    }

    /// Hands on what there is to tell. After a stop nothing is told any more: it would be about the stop itself.
    fn tell(&mut self) -> ControlFlow<()> {
        if self.stop.is_stopped() {
            return ControlFlow::Break(());
        }
        if self.out.is_empty() {
            return ControlFlow::Continue(());
        }
        (self.sink)(std::mem::take(&mut self.out))
    }
}

/// Entropy from the system.
fn entropy() -> u64 {
    RandomState::new().build_hasher().finish()
}
