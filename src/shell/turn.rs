//! The loop: takes in what has come, asks the core, hands out the calls, answers questions; and its end.
//!
//! Owns all state, and the order of things within a turn. Leaves threads and channels to the shell around it. Invariant: it
//! waits in one place only, for whatever comes first.

use std::time::Duration;

use crossbeam_channel::{Receiver, bounded, never, select};

use super::clock::Clock;
use super::listen::{self, Ask};
use super::notify::Notifier;
use super::pool::{Done, Pool};
use super::watches::Again;
use super::{StartError, spawn};
use crate::health::Watches;
use crate::metrics::Calls;
use plz_core::controller::Core;
use plz_core::event::{Class, Event, Reply, Report, Task, TaskId};

/// How many reports, and sightings that came at once, are taken in before the core decides: enough to decide once on many, few enough to
/// decide soon.
const ABSORBED_PER_TURN_MAX: usize = 256;
/// How many questions are answered in one turn; the rest waits for the next.
const ANSWERS_PER_TURN_MAX: usize = 4;
/// How long the writes in hand may take after a signal.
const GRACE: Duration = Duration::from_millis(1500);
/// How long giving up the Lease may take after that.
const LEAVE_TIMEOUT: Duration = Duration::from_secs(1);

/// How many calls are under way.
#[derive(Default)]
pub(super) struct InHand {
    pub(super) all: usize,
    /// Those of which an effect may come after the end of this process, see `Action::may_outlast_us`.
    writes: usize,
}

impl InHand {
    fn count(&mut self, id: &TaskId, step: fn(usize, usize) -> usize) {
        self.all = step(self.all, 1);
        if id.action.may_outlast_us() {
            self.writes = step(self.writes, 1);
        }
    }
}

/// The loop's ends of all channels.
pub(super) struct Loop {
    pub(super) core: Core,
    pub(super) clock: Clock,
    pub(super) pool: Pool,
    pub(super) done: Receiver<Done>,
    pub(super) seen: Receiver<Vec<Event>>,
    pub(super) again: Again,
    pub(super) asks: Receiver<Ask>,
    pub(super) signals: Receiver<i32>,
    pub(super) notifier: Notifier,
    pub(super) calls: Calls,
    pub(super) watches: Watches,
    pub(super) in_hand: InHand,
}

impl Loop {
    pub(super) fn turn_until_signal(&mut self) -> Result<(), StartError> {
        loop {
            self.notifier.turn(self.clock.now().mono, &self.core);
            let deadlines = [self.core.next_deadline(), self.notifier.next_deadline()];
            let next = deadlines.into_iter().flatten().min();
            let wait = next.map(|at| at.saturating_sub(self.clock.now().mono));
            let deadline = wait.map_or_else(never, crossbeam_channel::after);
            select! {
                recv(self.done) -> done => {
                    let Ok(done) = done else { return Ok(()) };
                    self.done(done);
                }
                recv(self.seen) -> events => {
                    let Ok(events) = events else { return Ok(()) };
                    self.seen(events);
                }
                recv(self.asks) -> ask => {
                    if let Ok(ask) = ask {
                        self.answer(ask);
                    }
                }
                recv(self.signals) -> signal => {
                    log::info!("signal {}", signal.unwrap_or_default());
                    return Ok(());
                }
                recv(deadline) -> _ => {}
            }
            for _ in 0..ABSORBED_PER_TURN_MAX {
                if let Ok(done) = self.done.try_recv() {
                    self.done(done);
                } else if let Ok(events) = self.seen.try_recv() {
                    self.seen(events);
                } else {
                    break;
                }
            }
            let tasks = self.core.turn(self.clock.now());
            for (plural, scope) in self.core.take_wants_list() {
                self.again.ask(plural, scope.as_deref());
            }
            self.pool.allow_until(self.core.acts_until());
            for task in tasks {
                self.in_hand.count(&task.id, usize::saturating_add);
                self.pool.hand(task)?;
            }
            for ask in self.asks.try_iter().take(ANSWERS_PER_TURN_MAX) {
                self.answer(ask);
            }
        }
    }

    fn done(&mut self, done: Done) {
        let Done { id, made, held } = done;
        self.in_hand.count(&id, usize::saturating_sub);
        let event = match made {
            Some((reply, call)) => {
                self.calls.done(call);
                Event::Done(Report { id, reply })
            }
            None => Event::Unsent(id),
        };
        self.core.absorb(self.clock.now(), event);
        drop(held);
    }

    fn seen(&mut self, events: Vec<Event>) {
        let now = self.clock.now();
        for event in events {
            if let Event::Seen { scope, what } = &event {
                self.watches.note(scope.as_deref(), what);
            }
            self.core.absorb(now, event);
        }
    }

    fn answer(&self, ask: Ask) {
        let (now, core) = (self.clock.now(), &self.core);
        let answer = listen::answer(ask.topic, now, core, &self.calls, &self.watches);
        ask.answer(answer);
    }

    /// Lets the calls in hand come to their end, for a while. What they bring is of use for the Lease alone.
    pub(super) fn finish(&mut self) {
        let end = self.clock.now().mono + GRACE;
        while self.in_hand.all > 0 {
            let left = end.saturating_sub(self.clock.now().mono);
            match self.done.recv_timeout(left) {
                Ok(done) if done.id.action.class() == Class::Lease => self.done(done),
                Ok(done) => self.in_hand.count(&done.id, usize::saturating_sub),
                Err(_) => break,
            }
        }
        if self.in_hand.all > 0 {
            log::info!("{} calls were cut off; the next agent repeats them", self.in_hand.all);
        }
    }

    /// Gives up the Lease, so that the next agent need not wait for its end. Not when a write was cut off: it may still have
    /// its effect, and the time of the Lease is there for that.
    pub(super) fn leave(&mut self) {
        if self.in_hand.writes > 0 {
            return;
        }
        let Some(Task { call, timeout, .. }) = self.core.leave(self.clock.now()) else { return };
        let caller = self.pool.caller();
        let (sender, answer) = bounded(1);
        let ask = move || drop(sender.send(caller.call(&call, timeout, &mut None).0));
        let spawned = spawn("leave", Box::new(ask));
        match spawned.map(|()| answer.recv_timeout(LEAVE_TIMEOUT)) {
            Ok(Ok(Reply::Kubernetes(Ok(_)))) => log::info!("gave up the Lease"),
            Ok(Ok(Reply::Kubernetes(Err(error)))) => log::info!("letting the Lease expire: {error}"),
            _ => log::info!("letting the Lease expire: the API server does not answer"),
        }
    }
}
