//! The watches of an agent: the client's own state machines on the models' streams.

use std::time::Duration;

use k8s::watch::{Step, Watcher};
use k8s::{Pod, WatchEvent, WatchSpec};
use plz_agent::event::Seen;
use plz_agent::testrun::api::{LABEL_TEST_RUN, TestRun};
use plz_agent::zone::api::PrivateLoadZone;
use serde::de::DeserializeOwned;

use super::process::Echo;
use super::wire::{from_api, to_api};
use crate::api::serve::Served;
use crate::api::watch::Watch;
use crate::world::World;

/// How long a watch that failed waits.
const WATCH_PAUSE: Duration = Duration::from_secs(1);

/// One watch of the agent, whatever its kind.
pub(super) trait Follow {
    /// Takes what has come, and opens what is closed.
    fn poll(&mut self, now: Duration, world: &mut World, echo: Echo, seen: &mut Vec<Seen>);

    /// When there may be more although nothing changes.
    fn next_wakeup(&self) -> Duration;

    /// Ends the stream.
    fn cut(&mut self, now: Duration);
}

struct Following<T> {
    watcher: Watcher<T>,
    stream: Option<Watch>,
    not_before: Duration,
    wrap: fn(WatchEvent<T>) -> Seen,
}

/// The watches of an agent that has just been started.
pub(super) fn follow_all() -> Vec<Box<dyn Follow>> {
    let zones = WatchSpec::new(plz_agent::zone::api::RESOURCE, None);
    let runs = WatchSpec::new(plz_agent::testrun::api::RESOURCE, None);
    let pods = WatchSpec::new(k8s::PODS, None).with_labels(LABEL_TEST_RUN);
    vec![
        following::<PrivateLoadZone>(zones, Seen::Zone),
        following::<TestRun>(runs, Seen::Run),
        following::<Pod>(pods, Seen::Pod),
    ]
}

fn following<T: DeserializeOwned + 'static>(
    spec: WatchSpec,
    wrap: fn(WatchEvent<T>) -> Seen,
) -> Box<dyn Follow> {
    Box::new(Following { watcher: Watcher::new(spec), stream: None, not_before: Duration::ZERO, wrap })
}

impl<T: DeserializeOwned> Follow for Following<T> {
    fn poll(&mut self, now: Duration, world: &mut World, echo: Echo, seen: &mut Vec<Seen>) {
        let mut out = Vec::new();
        if let Some(stream) = &mut self.stream {
            let mut polled = stream.poll(now, &world.api);
            if echo == Echo::Twice {
                polled.lines.extend_from_within(..);
            }
            let mut step =
                if polled.lines.is_empty() { Step::Read } else { self.watcher.read(&polled.lines, &mut out) };
            if step == Step::Read && polled.is_over {
                step = self.watcher.cut(k8s::watch::Cut::End, &mut out);
            }
            self.take(now, &step);
        } else if self.not_before <= now {
            let request = to_api(&self.watcher.request());
            let served = world.serve_api(now, &request);
            let step = match served {
                Served::Watch(stream) => {
                    self.stream = Some(stream);
                    self.watcher.opened(Ok(()), &mut out)
                }
                Served::Answer(answer) => {
                    let answer = from_api(answer.response());
                    if self.watcher.is_watching() {
                        self.watcher.opened(answer.map(drop), &mut out)
                    } else {
                        self.watcher.listed(answer, &mut out)
                    }
                }
            };
            self.take(now, &step);
        }
        seen.extend(out.into_iter().map(self.wrap));
    }

    fn next_wakeup(&self) -> Duration {
        self.stream.as_ref().map_or(self.not_before, Watch::next_wakeup)
    }

    fn cut(&mut self, now: Duration) {
        if self.stream.is_some() {
            let step = self.watcher.cut(k8s::watch::Cut::End, &mut Vec::new());
            self.take(now, &step);
            self.stream = None;
        }
    }
}

impl<T: DeserializeOwned> Following<T> {
    fn take(&mut self, now: Duration, step: &Step) {
        match step {
            Step::Read => {}
            Step::Send => self.stream = None,
            Step::Wait(_) => {
                self.stream = None;
                self.not_before = now + WATCH_PAUSE;
            }
        }
    }
}
