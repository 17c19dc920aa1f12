//! Whether the other sides answer at all: GCk6's two hosts and the API server.
//!
//! ```text
//!             no answer: said             an answer: said                     a minute of answers
//!   steady ───────────────────► away ───────────────────────► back ───────────────────────────────► steady
//!                                ▲                              │
//!                                └──── no answer: said once ────┘
//! ```
//! Owns what is said of an outage: one line when it begins, one for each cause that it had not been put down to, one when it
//! ends, whatever number of zones, runs and watches feels it; and for a line that comes and goes one line that says so, until
//! it holds. Leaves alone when calls are tried again (`queue`), and whatever was answered, be it a refusal.
//!
//! Invariant: the number of lines between two steady states is bounded by `CAUSES_MAX` + 3, for as long as there is a try now
//! and then; after `FORGOTTEN` without one an outage is a new one.

use std::time::Duration;

use crate::cloud;
use crate::event::{Action, Class, Reply};
use crate::outcome::text;
use crate::{testrun, zone};

/// How long answers have to come without a gap before an outage counts as over for good.
pub const STEADY: Duration = Duration::from_secs(60);
/// Answers that come so soon after an outage began were on their way before it; nothing is tried again that soon.
const IN_FLIGHT: Duration = Duration::from_millis(500);
/// After this long without a try nothing is known any more; whoever waits tries more often.
const FORGOTTEN: Duration = Duration::from_secs(15 * 60);
/// How many causes of one outage are told.
const CAUSES_MAX: usize = 4;

/// Who is called.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Target {
    /// The API server.
    Kubernetes,
    /// GCk6's API host.
    Cloud,
    /// GCk6's ingest host.
    Ingest,
}

impl Target {
    /// All of them, in the order of their numbers.
    pub const ALL: [Self; 3] = [Self::Kubernetes, Self::Cloud, Self::Ingest];

    /// Whom an action calls; none for runners, which come and go by themselves.
    #[must_use]
    pub fn of(action: Action) -> Option<Self> {
        match (action.class(), action) {
            (Class::Kubernetes | Class::Lease | Class::Operator, _) => Some(Self::Kubernetes),
            (
                _,
                Action::Zone(zone::Action::Refuse(_))
                | Action::Run(testrun::Action::SendEvents | testrun::Action::Finish),
            ) => Some(Self::Ingest),
            (Class::Cloud | Class::CloudNews, _) => Some(Self::Cloud),
            (Class::Runner | Class::UserCode, _) => None,
        }
    }

    fn name(self) -> &'static str {
        match self {
            Self::Kubernetes => "the API server",
            Self::Cloud => "GCk6",
            Self::Ingest => "GCk6's ingest",
        }
    }
}

/// What a call tells of the other side.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Sign {
    /// It answers.
    Answer,
    /// It does not, for this cause.
    Silence(String),
}

impl Sign {
    /// Reads it off a reply. `None` for what says nothing either way.
    #[must_use]
    pub fn of(reply: &Reply) -> Option<Self> {
        match reply {
            Reply::Cloud(Err(cloud::Error::Transport(cause))) => Some(Self::Silence(text(cause))),
            Reply::Cloud(_) | Reply::Kubernetes(Ok(_)) => Some(Self::Answer),
            Reply::Kubernetes(Err(error)) => Self::of_error(error),
            Reply::Runner(_) => None,
        }
    }

    fn of_error(error: &k8s::Error) -> Option<Self> {
        match error {
            k8s::Error::Transport { .. } | k8s::Error::Timeout { .. } => Some(Self::Silence(text(error))),
            // A load balancer whose servers are gone answers like this, and so does one webhook that is.
            k8s::Error::Api { status } if status.code >= 500 => None,
            k8s::Error::Api { .. } => Some(Self::Answer),
            _ => None,
        }
    }

    /// Reads it off the failure of a watch, which nothing but the API server itself has a part in.
    #[must_use]
    pub fn of_watch(error: &k8s::Error) -> Option<Self> {
        is_outage(error).then(|| Self::Silence(text(error)))
    }
}

/// Whether a watch fails because the API server is not there, and so all watches do.
#[must_use]
pub fn is_outage(error: &k8s::Error) -> bool {
    match error {
        k8s::Error::Transport { .. } | k8s::Error::Timeout { .. } => true,
        k8s::Error::Api { status } => status.code >= 500,
        _ => false,
    }
}

/// What is known of one target.
#[derive(Debug, Default)]
pub struct Reach {
    phase: Phase,
    /// When a call had no answer last.
    last_missed: Duration,
    /// Since when it has not been steady.
    since: Duration,
    /// How many calls had no answer since then, and how many outages they make.
    failed: u32,
    outages: u32,
    causes: Vec<String>,
}

#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
enum Phase {
    #[default]
    Steady,
    /// It does not answer, since then.
    Away(Duration),
    /// It answers again, since then.
    Back(Duration),
}

/// A line for the log.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Line {
    /// `Warn` for a beginning, `Info` for an end.
    pub level: log::Level,
    /// What to say.
    pub text: String,
}

impl Reach {
    /// Whether it does not answer.
    #[must_use]
    pub fn is_away(&self) -> bool {
        matches!(self.phase, Phase::Away(_))
    }

    /// When it last came back.
    #[must_use]
    pub fn back_since(&self) -> Option<Duration> {
        match self.phase {
            Phase::Back(since) => Some(since),
            Phase::Steady | Phase::Away(_) => None,
        }
    }

    /// Takes a sign. Returns whether an outage has ended with it, and what is to be said.
    pub fn heed(&mut self, now: Duration, target: Target, sign: Sign) -> (bool, Option<Line>) {
        match sign {
            Sign::Answer => self.answered(now, target),
            Sign::Silence(cause) => (false, self.missed(now, target, cause)),
        }
    }

    fn missed(&mut self, now: Duration, target: Target, cause: String) -> Option<Line> {
        let name = target.name();
        let last_missed = std::mem::replace(&mut self.last_missed, now);
        match self.phase {
            Phase::Away(_) if now < last_missed + FORGOTTEN => {
                self.failed += 1;
                let line = || warning(format!("{name} is still unreachable, for another reason: {cause}"));
                self.is_new(&cause).then(line)
            }
            Phase::Back(since) if now < since + STEADY => {
                self.phase = Phase::Away(now);
                self.failed += 1;
                self.outages += 1;
                self.is_new(&cause);
                (self.outages == 2).then(|| warning(format!("{name} comes and goes: {cause}")))
            }
            Phase::Away(_) | Phase::Back(_) | Phase::Steady => {
                let line = warning(format!("{name} is unreachable and will be retried: {cause}"));
                let causes = vec![cause];
                let (phase, last_missed) = (Phase::Away(now), now);
                *self = Self { phase, last_missed, since: now, failed: 1, outages: 1, causes };
                Some(line)
            }
        }
    }

    /// Whether the cause has not been told; then it counts as told.
    fn is_new(&mut self, cause: &str) -> bool {
        let is_new = self.causes.len() < CAUSES_MAX && !self.causes.iter().any(|told| told == cause);
        if is_new {
            self.causes.push(cause.to_owned());
        }
        is_new
    }

    fn answered(&mut self, now: Duration, target: Target) -> (bool, Option<Line>) {
        let (name, failed, outages) = (target.name(), self.failed, self.outages);
        let took = humantime::format_duration(Duration::from_secs(now.saturating_sub(self.since).as_secs()));
        match self.phase {
            Phase::Away(since) if now < since + IN_FLIGHT => (false, None),
            Phase::Away(_) => {
                self.phase = Phase::Back(now);
                let line = (outages == 1).then(|| {
                    note(format!("{name} answers again after {took}; calls without an answer: {failed}"))
                });
                (true, line)
            }
            Phase::Back(since) if now >= since + STEADY => {
                self.phase = Phase::Steady;
                let line = (outages > 1).then(|| {
                    note(format!(
                        "{name} answers steadily again; it was unreachable {outages} times in {took}, calls \
                        without an answer: {failed}"
                    ))
                });
                (false, line)
            }
            Phase::Back(_) | Phase::Steady => (false, None),
        }
    }
}

fn warning(text: String) -> Line {
    Line { level: log::Level::Warn, text }
}

fn note(text: String) -> Line {
    Line { level: log::Level::Info, text }
}

#[cfg(test)]
mod tests;
