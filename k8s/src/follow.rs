//! Drives the state machine of a watch over a connection, with pauses, until it is told to stop.
//!
//! Owns nothing but the order of things: what to do is decided in `watch.rs`, how in `client.rs`.
#![expect(clippy::disallowed_methods, reason = "how long a watch has lasted says whether it was a good one")]

use std::ops::ControlFlow;
use std::time::{Duration, Instant};

use serde::de::DeserializeOwned;

use crate::backoff::Backoff;
use crate::client::{Client, Purpose, Wire};
use crate::stop::Stop;
use crate::watch::{Cut, Step, WatchEvent, WatchSpec, Watcher};

const READ_BYTES: usize = 4 * 1024;
/// A watch that lasted this long was a good one, even where it brought nothing.
const GOOD_WATCH: Duration = Duration::from_secs(10);

pub(crate) fn follow<T: DeserializeOwned>(
    client: &Client,
    spec: &WatchSpec,
    stop: &Stop,
    sink: &mut dyn FnMut(WatchEvent<T>) -> ControlFlow<()>,
) {
    let mut follower = Follower {
        client,
        wire: Wire::new(Purpose::Watch, stop.clone()),
        watcher: Watcher::new(spec.clone()),
        backoff: Backoff::default(),
        out: Vec::new(),
        stop,
        sink,
    };
    while let ControlFlow::Continue(step) = follower.turn() {
        if let Step::Wait(retry) = step {
            let pause = follower.backoff.pause(retry);
            log::debug!("watching {} goes on in {} ms", spec.resource.plural, pause.as_millis());
            if stop.wait(pause) {
                return;
            }
        }
    }
}

struct Follower<'a, T> {
    client: &'a Client,
    wire: Wire,
    watcher: Watcher<T>,
    backoff: Backoff,
    out: Vec<WatchEvent<T>>,
    stop: &'a Stop,
    sink: &'a mut dyn FnMut(WatchEvent<T>) -> ControlFlow<()>,
}

impl<T: DeserializeOwned> Follower<'_, T> {
    /// One request, and all of its answer. `Break` at the end of the watch.
    fn turn(&mut self) -> ControlFlow<(), Step> {
        if self.stop.is_stopped() {
            return ControlFlow::Break(());
        }
        if self.watcher.is_watching() {
            return self.stream();
        }
        let request = self.watcher.request();
        let answer = self.client.exchange(&self.wire, &request, None).and_then(|answer| answer.into_body());
        let step = self.watcher.listed(answer, &mut self.out);
        self.tell()?;
        ControlFlow::Continue(step)
    }

    fn stream(&mut self) -> ControlFlow<(), Step> {
        let began = Instant::now();
        let (mut stream, mut step) = match self.client.stream(&self.wire, &self.watcher.request()) {
            Ok(stream) => (Some(stream), self.watcher.opened(Ok(()), &mut self.out)),
            Err(error) => (None, self.watcher.opened(Err(error), &mut self.out)),
        };
        self.tell()?;
        let mut buffer = vec![0; READ_BYTES];
        while let (Step::Read, Some(stream)) = (&step, &mut stream) {
            step = match self.client.read(&self.wire, stream, &mut buffer) {
                Ok(count) => {
                    let step = self.watcher.read(&buffer[..count], &mut self.out);
                    if self.watcher.is_fruitful() {
                        self.backoff.reset();
                    }
                    step
                }
                Err(cut) => {
                    let cut = self.weigh(cut, began.elapsed());
                    self.watcher.cut(cut, &mut self.out)
                }
            };
            self.tell()?;
        }
        ControlFlow::Continue(step)
    }

    /// A connection that breaks after a good while has been cut by something in between, as happens to quiet ones: that
    /// is an end like any other.
    fn weigh(&mut self, cut: Cut, lasted: Duration) -> Cut {
        if lasted < GOOD_WATCH {
            return cut;
        }
        self.backoff.reset();
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
        for event in self.out.drain(..) {
            if self.stop.is_stopped() {
                return ControlFlow::Break(());
            }
            (self.sink)(event)?;
        }
        ControlFlow::Continue(())
    }
}
