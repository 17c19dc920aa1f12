//! The watches of an agent: the client's own state machines on the models' streams.

use std::time::Duration;

use k8s::backoff::{Pace, wake_after};
use k8s::fields::Read;
use k8s::watch::{Cut, Step, Watcher};
use k8s::{WatchEvent, WatchSpec};
use plz_core::controller::Settings;
use plz_core::event::{Event, Seen};
use plz_core::lease::operator;
use plz_core::watched;

use super::process::Echo;
use super::wire::{from_api, to_api};
use crate::api::serve::Served;
use crate::api::watch::Watch;
use crate::world::World;

/// The API server as all calls and watches of an agent have found it: whether it answers, and how often it has come back.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Pulse {
    is_silent: bool,
    pub(super) returns: u64,
}

impl Pulse {
    /// Takes in an answer, or its absence; as the client does.
    pub(super) fn heed<T>(&mut self, answer: &Result<T, k8s::Error>) {
        match answer {
            Err(error) if error.code().is_some_and(|code| code >= 500) => {}
            Err(error) if error.is_outage() => self.is_silent = true,
            _ => self.returns += u64::from(std::mem::take(&mut self.is_silent)),
        }
    }
}

/// One watch of the agent, whatever its kind.
pub(super) trait Follow {
    /// Takes what has come, and opens what is closed.
    fn poll(
        &mut self,
        now: Duration,
        world: &mut World,
        echo: Echo,
        pulse: &mut Pulse,
        seen: &mut Vec<Event>,
    );

    /// When there may be more although nothing changes.
    fn next_wakeup(&self, pulse: Pulse) -> Duration;

    /// Ends the stream.
    fn cut(&mut self, now: Duration);

    /// Lists everything anew when the stream ends, if this is the watch on that resource.
    fn list_anew(&mut self, plural: &str);
}

struct Following<T> {
    scope: Option<String>,
    watcher: Watcher<T>,
    stream: Option<Watch>,
    pace: Pace,
    waits: Option<Wait>,
    again: bool,
    wrap: fn(WatchEvent<T>) -> Seen,
}

/// A pause, and when a sign of life of the API server ends it.
#[derive(Clone, Copy, Debug)]
struct Wait {
    until: Duration,
    deaf_until: Option<Duration>,
    /// How often the API server had come back when it began.
    returns: u64,
}

/// The watches of an agent that has just been started.
pub(super) fn follow_all(settings: &Settings) -> Vec<Box<dyn Follow>> {
    let mut watches = Vec::new();
    for scope in &settings.scopes {
        let scope = scope.as_deref();
        watches.push(following(watched::zones(scope), watched::zone));
        watches.push(following(watched::runs(scope), watched::run));
        watches.push(following(watched::pods(scope), watched::pod));
    }
    for scope in operator::scopes(&settings.scopes, &settings.operator_namespaces) {
        watches.push(following(watched::operators(scope.as_deref()), watched::operator));
    }
    watches
}

fn following<T: Read + 'static>(spec: WatchSpec, wrap: fn(WatchEvent<T>) -> Seen) -> Box<dyn Follow> {
    let (scope, watcher) = (spec.namespace.clone(), Watcher::new(spec));
    Box::new(Following {
        scope,
        watcher,
        stream: None,
        pace: Pace::default(),
        waits: None,
        again: false,
        wrap,
    })
}

impl<T: Read> Follow for Following<T> {
    fn poll(
        &mut self,
        now: Duration,
        world: &mut World,
        echo: Echo,
        pulse: &mut Pulse,
        seen: &mut Vec<Event>,
    ) {
        let mut out = Vec::new();
        if let Some(stream) = &mut self.stream {
            let mut polled = stream.poll(now, &world.api);
            if !polled.lines.is_empty() {
                world.trail.note(&polled.lines);
            }
            if echo == Echo::Twice {
                polled.lines.extend_from_within(..);
            }
            let mut step =
                if polled.lines.is_empty() { Step::Read } else { self.watcher.read(&polled.lines, &mut out) };
            if self.watcher.is_fruitful() {
                self.pace.reset();
            }
            if step == Step::Read && polled.is_over {
                step = self.watcher.cut(Cut::End, &mut out);
            }
            self.take(now, &step, *pulse);
        } else if self.is_awake(now, *pulse) {
            if self.watcher.is_watching() && std::mem::take(&mut self.again) {
                self.watcher.list_anew();
            }
            let request = to_api(&self.watcher.request());
            let step = match world.serve_api(now, &request) {
                Served::Watch(stream) => {
                    self.stream = Some(stream);
                    self.heed(pulse, &Ok(()));
                    self.watcher.opened(Ok(()), &mut out)
                }
                Served::Answer(answer) => {
                    let answer = from_api(answer.response());
                    self.heed(pulse, &answer);
                    self.answered(answer, &mut out)
                }
            };
            self.take(now, &step, *pulse);
        }
        let event = |event| Event::Seen { scope: self.scope.clone(), what: Box::new((self.wrap)(event)) };
        seen.extend(out.into_iter().map(event));
    }

    fn next_wakeup(&self, pulse: Pulse) -> Duration {
        match (&self.stream, &self.waits) {
            (Some(stream), _) => stream.next_wakeup(),
            (None, Some(wait)) => wait.end(pulse),
            (None, None) => Duration::ZERO,
        }
    }

    fn cut(&mut self, now: Duration) {
        if self.stream.is_some() {
            let step = self.watcher.cut(Cut::End, &mut Vec::new());
            self.take(now, &step, Pulse::default());
            self.stream = None;
        }
    }

    fn list_anew(&mut self, plural: &str) {
        self.again |= self.watcher.plural() == plural;
    }
}

impl Wait {
    fn end(&self, pulse: Pulse) -> Duration {
        let heard = self.deaf_until.filter(|_| pulse.returns != self.returns);
        heard.map_or(self.until, |deaf_until| deaf_until.min(self.until))
    }
}

impl<T: Read> Following<T> {
    fn is_awake(&mut self, now: Duration, pulse: Pulse) -> bool {
        let Some(wait) = &mut self.waits else { return true };
        if wait.end(pulse) > now {
            return false;
        }
        if wait.until > now {
            // Heard of the API server: a little later, so that not all come in one moment.
            self.pace.woken();
            let until = now + wake_after(now.as_millis() as u64);
            *wait = Wait { until, deaf_until: None, returns: pulse.returns };
            return false;
        }
        self.waits = None;
        true
    }

    /// The answer to a list, body and all; or a watch that is refused.
    fn answered(&mut self, answer: Result<Vec<u8>, k8s::Error>, out: &mut Vec<WatchEvent<T>>) -> Step {
        match answer {
            Err(error) => self.watcher.opened(Err(error), out),
            Ok(body) => match self.watcher.opened(Ok(()), out) {
                Step::Read => match self.watcher.read(&body, out) {
                    Step::Read => self.watcher.cut(Cut::End, out),
                    step => step,
                },
                step => step,
            },
        }
    }

    fn heed<B>(&mut self, pulse: &mut Pulse, answer: &Result<B, k8s::Error>) {
        pulse.heed(answer);
        self.pace.heed(answer.as_ref().map(drop));
    }

    fn take(&mut self, now: Duration, step: &Step, pulse: Pulse) {
        match step {
            Step::Read => {}
            Step::Send => self.stream = None,
            Step::Wait(retry) => {
                self.stream = None;
                let pause = self.pace.pause(*retry, now.as_millis() as u64);
                let deaf_until = pause.deaf.map(|deaf| now + deaf);
                self.waits = Some(Wait { until: now + pause.at_most, deaf_until, returns: pulse.returns });
            }
        }
    }
}
