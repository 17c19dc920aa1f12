//! The election of one agent among several by a Lease.
//!
//! ```text
//!            absent ── create ──┐
//!   look ──► free ──── take ────┼─► held by us ── renew every 5 s ─► 10 s after the last renewal that went well: not acting
//!     ▲      held by another ───┤        │
//!     └── every 5 s, until it has been unchanged for its own duration ◄── conflict, or gone
//! ```
//! Owns what is known of the Lease and what is to be asked next. Leaves alone what the lead is good for.
//!
//! Why no two lead at once: a lead ends [`LEAD_DURATION`] after its last successful renewal was *sent*; whoever takes over has
//! seen the record unchanged for its duration, [`LEASE_DURATION`] at least, since the answer came that showed it, and that was after the
//! renewal was sent. The difference of both is what clocks may drift apart and calls in hand may last. (A clock that stands
//! still while the machine is suspended tells nothing of that time: an agent that wakes up may act until its next renewal is
//! refused.)
//!
//! Invariant: at most one call is under way, and a write names the version of the record that it is based on.

use std::time::{Duration, SystemTime};

use k8s::Request;

use super::Candidacy;
use super::record::{LEASE_DURATION, Record, creation};
use crate::event::{Action, Now};

/// How long a renewal is good for.
pub const LEAD_DURATION: Duration = Duration::from_secs(10);
/// Between two renewals.
pub const RENEW_INTERVAL: Duration = Duration::from_secs(5);
/// Between two looks of a standby.
pub const LOOK_INTERVAL: Duration = Duration::from_secs(5);
/// After a call that went wrong while the lead hangs on it, or was lost by a hair.
const RETRY_INTERVAL: Duration = Duration::from_millis(500);
/// After a call that went wrong before anything was answered, or when the lead has run out.
const RETURN_INTERVAL: Duration = Duration::from_secs(2);

/// Whom the Lease belonged to from one change of hands to the next: its uid and `spec.leaseTransitions`.
pub type Term = (String, u32);

/// What is known of the Lease.
#[derive(Clone, Debug, PartialEq, Eq)]
enum Known {
    /// Nothing that a write could be based on.
    Nothing,
    /// There is none, and from this time on nobody acts on one that is gone. `MAX` while somebody has been faster than we, and
    /// what there is has not been read: then the time counts from when there is none.
    Absent { free_at: Duration },
    /// This stands in it, unchanged since we saw it first.
    Record { record: Record, since: Duration },
}

/// See the module.
#[derive(Debug)]
pub struct Election {
    candidacy: Candidacy,
    known: Known,
    /// When the call under way was sent.
    sent: Option<Duration>,
    next_call: Duration,
    /// When our last successful renewal was sent.
    renewed: Option<Duration>,
    /// Whether the Lease has been looked at.
    answered: bool,
    problem: Option<String>,
}

impl Election {
    /// An election of which nothing is known yet.
    #[must_use]
    pub fn new(candidacy: Candidacy) -> Self {
        Self {
            candidacy,
            known: Known::Nothing,
            sent: None,
            next_call: Duration::ZERO,
            renewed: None,
            answered: false,
            problem: None,
        }
    }

    /// Our name and our Lease.
    #[must_use]
    pub fn candidacy(&self) -> &Candidacy {
        &self.candidacy
    }

    /// Whether we lead.
    #[must_use]
    pub fn leads(&self, now: Duration) -> bool {
        self.lead_end().is_some_and(|end| now < end)
    }

    /// Until when we lead, or have led; none if the Lease is not ours.
    #[must_use]
    pub fn lead_end(&self) -> Option<Duration> {
        self.renewed.map(|sent| sent + LEAD_DURATION)
    }

    /// The term of our lead, for as long as the Lease is known to be ours.
    #[must_use]
    pub fn term(&self) -> Option<Term> {
        let record = self.own_record()?;
        self.renewed?;
        Some((record.uid.clone(), record.transitions))
    }

    /// Who holds the Lease if not we; none while that is not known.
    #[must_use]
    pub fn other_holder(&self) -> Option<&str> {
        match &self.known {
            Known::Record { record, .. } if record.holder != self.candidacy.identity => Some(&record.holder),
            _ => None,
        }
    }

    /// Whether the Lease has been looked at: before that, nobody knows who leads.
    #[must_use]
    pub fn is_answered(&self) -> bool {
        self.answered
    }

    /// What went wrong last.
    #[must_use]
    pub fn problem(&self) -> Option<&str> {
        self.problem.as_deref()
    }

    /// When the next call is due; none while one is under way.
    #[must_use]
    pub fn next_call(&self) -> Option<Duration> {
        self.sent.is_none().then_some(self.next_call)
    }

    /// The call that is due.
    pub fn call(&mut self, now: Now) -> Option<(Action, Request)> {
        if self.sent.is_some() || now.mono < self.next_call {
            return None;
        }
        self.sent = Some(now.mono);
        Some(self.next(now.mono, now.wall))
    }

    fn next(&self, now: Duration, wall: SystemTime) -> (Action, Request) {
        let Candidacy { lease, identity } = &self.candidacy;
        match &self.known {
            Known::Absent { free_at } if *free_at <= now => {
                (Action::CreateLease, creation(lease, identity, wall))
            }
            Known::Record { record, .. } if record.holder == *identity => {
                (Action::WriteLease, record.renewal(wall))
            }
            Known::Record { record, since } if record.holder.is_empty() || free_at(record, *since) <= now => {
                (Action::WriteLease, record.takeover(identity, wall))
            }
            _ => (Action::ReadLease, k8s::LEASES.get(Some(&lease.namespace), &lease.name)),
        }
    }

    /// The write that gives up the lead, for an agent that acts no more. None if there is nothing to give up.
    pub fn release(&mut self, now: Now) -> Option<(Action, Request)> {
        let request = self.own_record()?.release(now.wall);
        self.renewed = None;
        self.sent = Some(now.mono);
        Some((Action::WriteLease, request))
    }

    /// Learns from the answer to the call under way.
    pub fn learn(&mut self, now: Duration, action: Action, reply: Result<Vec<u8>, k8s::Error>) {
        let Some(sent) = self.sent.take() else { return };
        let record = reply.and_then(|body| Record::read(&body));
        match record {
            Ok(record) => {
                self.answered = true;
                self.problem = None;
                self.learn_record(now, sent, action, record);
            }
            Err(error) if action == Action::ReadLease && error.is_not_found() => self.learn_absence(now),
            Err(error) if action == Action::WriteLease && error.is_not_found() => {
                // Whoever makes it anew owes us nothing, so we cannot lead on.
                self.problem = Some("it was deleted".to_owned());
                self.renewed = None;
                self.learn_absence(now);
            }
            Err(error) if error.is_conflict() || error.is_already_exists() => {
                self.known = Known::Absent { free_at: Duration::MAX };
                self.next_call = now + RETRY_INTERVAL;
            }
            Err(error) => self.fail(now, &error),
        }
    }

    fn learn_record(&mut self, now: Duration, sent: Duration, action: Action, record: Record) {
        let is_ours = record.holder == self.candidacy.identity;
        // A write that was taken and changed nothing, as by an admission webhook, would go round without a pause.
        let pause = if action == Action::ReadLease { Duration::ZERO } else { RETRY_INTERVAL };
        if is_ours && action != Action::ReadLease {
            self.renewed = Some(sent);
            self.next_call = sent + RENEW_INTERVAL;
        } else if is_ours || record.holder.is_empty() {
            // A write of ours of which we did not hear, or nobody's: it takes a write that we hear of.
            self.next_call = now + pause;
        }
        if !is_ours {
            self.renewed = None;
        }
        let since = match &self.known {
            Known::Record { record: known, since } if *known == record => *since,
            _ => now,
        };
        if !is_ours && !record.holder.is_empty() {
            let wait = free_at(&record, since).saturating_sub(now);
            self.next_call = now + LOOK_INTERVAL.min(wait).max(pause);
        }
        self.known = Known::Record { record, since };
    }

    /// There is no Lease. One that was deleted under its holder's feet leaves us with one who may act for a while yet.
    fn learn_absence(&mut self, now: Duration) {
        self.answered = true;
        let free_at = match &self.known {
            // Ours, and so lately that nobody can have taken it over in between.
            Known::Record { since, .. } if self.own_record().is_some() && now < *since + LEAD_DURATION => now,
            Known::Record { record, .. } if !record.holder.is_empty() => now + LEASE_DURATION,
            Known::Absent { free_at } => (now + LEASE_DURATION).min(*free_at),
            _ => now,
        };
        self.known = Known::Absent { free_at };
        self.next_call = now + LOOK_INTERVAL.min(free_at.saturating_sub(now));
    }

    fn fail(&mut self, now: Duration, error: &k8s::Error) {
        self.next_call = now
            + match self.answered {
                _ if self.leads(now) => RETRY_INTERVAL,
                true if self.own_record().is_none() => LOOK_INTERVAL,
                _ => RETURN_INTERVAL,
            };
        let lease = &self.candidacy.lease;
        let mend = match error {
            _ if error.is_forbidden() => {
                format!(
                    "; grant create on leases, and get and patch on leases {} in namespace {}",
                    lease.name, lease.namespace
                )
            }
            _ if error.is_not_found() => format!("; create the namespace {}", lease.namespace),
            _ => String::new(),
        };
        let problem = format!("{}{mend}", crate::lesson::text(error));
        // What the watches meet as well is theirs to tell.
        let level = match error.retry() {
            k8s::Retry::Never if self.problem.as_ref() != Some(&problem) => log::Level::Warn,
            _ => log::Level::Debug,
        };
        log::log!(level, "Lease {lease} cannot be used: {problem}");
        self.problem = Some(problem);
    }

    fn own_record(&self) -> Option<&Record> {
        match &self.known {
            Known::Record { record, .. } if record.holder == self.candidacy.identity => Some(record),
            _ => None,
        }
    }
}

/// When a record that has been unchanged since then may be taken over. A duration that somebody has shortened does not count:
/// whoever holds the Lease acts by the one that is built in.
fn free_at(record: &Record, since: Duration) -> Duration {
    since + record.duration.max(LEASE_DURATION)
}
