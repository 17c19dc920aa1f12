//! The election of one agent among several by a Lease.
//!
//! ```text
//!            absent ──── create ─────────┐
//!   look ──► given up ── take ───────────┼─► ours ── renew every 5 s ─► 10 s after the last renewal that counted: not acting
//!     ▲      anything else: every 5 s, ──┘    │
//!     │      until unchanged for 15 s         │
//!     └── conflict, or gone ◄─────────────────┘
//! ```
//! Owns what is known of the Lease and what is to be asked next. Leaves alone what the lead is good for.
//!
//! A write of ours that was taken *counts*, and the lead lasts [`LEAD_DURATION`] from when it was sent, if
//! 1. nobody but us has written the Lease for [`LEASE_DURATION`] before it was sent. That is known of a record that we have seen
//!    unchanged for so long, and of a chain of writes of our own, each on condition of the version that the one before has
//!    made; a Lease that we have created begins such a chain, with the answer to the creation; or
//! 2. it is the first after one that was given up with the mark of a release, which only a leader leaves; or
//! 3. the lead still runs when its answer comes.
//!
//! Why no two lead at once: let `v` be a write that counts for us, and `w` one that counts for another agent. By 1, `w` comes
//! 15 s after the last write of anybody else that it builds upon, and whatever it builds upon came after `v`, or else `w` would
//! have met 409 or 404: so it is sent 15 s after `v` was, and our lead was over at 10 s. By 3 we write while no such `w` can
//! have been sent yet, and any later one has our new write 15 s behind it. What anybody else writes or deletes meanwhile, and
//! however often, makes those 15 s begin anew, and no more. The difference between 15 s and 10 s is what clocks may run apart,
//! and calls in hand may last.
//!
//! What this cannot stand: the mark of a release that its agent has not left there, as when a whole Lease that was given up is
//! put back from a copy while another agent leads; and a clock that stands still while the machine is suspended, since an agent
//! that wakes up may act until its next renewal is refused.
//!
//! Invariant: at most one call is under way, and a write names the version of the record that it is based on.

use std::time::{Duration, SystemTime};

use k8s::Request;

use super::Candidacy;
use super::record::{LEASE_DURATION, Record, creation, renew_time};
use crate::lease::action::Action;
use crate::now::Now;

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

/// Counts our leads. The same number twice: nobody else has led in between.
pub type Term = u64;

/// What is known of the Lease.
#[derive(Clone, Debug, PartialEq, Eq)]
enum Known {
    /// Nothing that a write could be based on.
    Nothing,
    /// There is none, and from this time on we make one: whoever has just lost his is faster.
    Absent { free_at: Duration },
    /// This stands in it.
    Record {
        record: Record,
        /// Whether it comes of a write of ours.
        is_ours: bool,
        /// A write that is based on this counts if it is sent from this time on.
        clear_at: Duration,
    },
}

/// A write that is under way, or of which we have not heard. It says the same when it is repeated, so that it is found in the
/// Lease if it was taken.
#[derive(Clone, Debug, PartialEq, Eq)]
struct Attempt {
    /// Uid and version of the record that it is based on; empty where there was none.
    base: (String, String),
    wall: SystemTime,
    /// Whether there was a try without an answer.
    is_in_doubt: bool,
}

/// See the module.
#[derive(Debug)]
pub struct Election {
    candidacy: Candidacy,
    known: Known,
    /// What is known is out of date: somebody else was faster.
    is_stale: bool,
    attempt: Option<Attempt>,
    /// When the call under way was sent.
    sent: Option<Duration>,
    next_call: Duration,
    /// When the last write that counted was sent.
    renewed: Option<Duration>,
    term: Term,
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
            is_stale: false,
            attempt: None,
            sent: None,
            next_call: Duration::ZERO,
            renewed: None,
            term: 0,
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

    /// The number of our lead, or of the last one.
    #[must_use]
    pub fn term(&self) -> Term {
        self.term
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
        Some(self.next(now))
    }

    fn next(&mut self, now: Now) -> (Action, Request) {
        let known = if self.is_stale { Known::Nothing } else { self.known.clone() };
        let Candidacy { lease, identity } = self.candidacy.clone();
        match known {
            Known::Absent { free_at } if free_at <= now.mono => {
                (Action::Create, creation(&lease, &identity, self.wall_for(now, Default::default())))
            }
            Known::Record { record, is_ours, clear_at }
                if is_ours || clear_at <= now.mono || self.leads(now.mono) =>
            {
                let wall = self.wall_for(now, record.base());
                let is_renewal = is_ours || record.holder == identity;
                let write = if is_renewal { record.renewal(wall) } else { record.takeover(&identity, wall) };
                (Action::Write, write)
            }
            _ => (Action::Read, k8s::LEASES.get(Some(&lease.namespace), &lease.name)),
        }
    }

    /// The time that is written down: of a write that is repeated, that of the first try.
    fn wall_for(&mut self, now: Now, base: (String, String)) -> SystemTime {
        match &self.attempt {
            Some(attempt) if attempt.base == base => attempt.wall,
            _ => {
                self.attempt = Some(Attempt { base, wall: now.wall, is_in_doubt: false });
                now.wall
            }
        }
    }

    /// The write that gives up the lead, for an agent that acts no more. None if there is nothing to give up: one who may not
    /// lead yet must not tell others that they may.
    pub fn release(&mut self, now: Now) -> Option<(Action, Request)> {
        let request = match &self.known {
            Known::Record { record, is_ours: true, clear_at } if *clear_at <= now.mono => {
                record.release(&self.candidacy.identity, now.wall)
            }
            _ => return None,
        };
        self.renewed = None;
        self.sent = Some(now.mono);
        Some((Action::Write, request))
    }

    /// Learns from the answer to the call under way.
    pub fn apply_reply(&mut self, now: Duration, action: Action, reply: Result<Vec<u8>, k8s::Error>) {
        let Some(sent) = self.sent.take() else { return };
        match reply.and_then(|body| Record::read(&body)) {
            Ok(record) => {
                self.answered = true;
                self.problem = None;
                self.is_stale = false;
                let is_ours = record.holder == self.candidacy.identity;
                if is_ours && action != Action::Read {
                    self.learn_own_write(now, sent, record);
                } else {
                    self.learn_record(now, action, record);
                }
            }
            Err(error) if action != Action::Create && error.is_not_found() => {
                if action == Action::Write {
                    self.problem = Some("it was deleted".to_owned());
                }
                self.learn_absence(now);
            }
            Err(error) if error.is_conflict() || error.is_already_exists() => {
                self.is_stale = true;
                self.next_call = now + RETRY_INTERVAL;
            }
            Err(error) => {
                if let Some(attempt) = self.attempt.as_mut().filter(|_| action != Action::Read) {
                    attempt.is_in_doubt = true;
                }
                self.fail(now, &error);
            }
        }
    }

    fn learn_own_write(&mut self, now: Duration, sent: Duration, record: Record) {
        let (is_chain, mut clear_at) = match &self.known {
            Known::Record { is_ours, clear_at, .. } => (*is_ours, *clear_at),
            Known::Nothing | Known::Absent { .. } => (false, now + LEASE_DURATION),
        };
        if self.leads(now) {
            clear_at = clear_at.min(sent);
        } else if !is_chain {
            self.renewed = None;
        }
        if clear_at > sent {
            let wait = LEASE_DURATION.as_secs();
            self.problem = Some(format!(
                "not for another {wait} s, in which an agent could still act on an earlier one"
            ));
        } else {
            self.term += u64::from(self.renewed.is_none());
            self.renewed = Some(sent);
        }
        self.attempt = None;
        // The first one that counts does not wait for its turn.
        let counts_from = if sent < clear_at { clear_at.max(now) } else { Duration::MAX };
        self.next_call = (sent + RENEW_INTERVAL).min(counts_from);
        self.known = Known::Record { record, is_ours: true, clear_at };
    }

    /// Somebody else's record, or one of ours that we have not heard of: after a renewal, a link of the chain. A first write is
    /// the beginning of one, since another agent may have made the same at the same time, and somebody put our name to it.
    fn learn_record(&mut self, now: Duration, action: Action, record: Record) {
        let is_taken_attempt = self.is_taken_attempt(&record);
        let (is_ours, clear_at) = match &self.known {
            // A write of ours may be on its way yet.
            Known::Record { record: known, is_ours, clear_at } if known.base() == record.base() => {
                (*is_ours, *clear_at)
            }
            known => {
                self.attempt = None;
                match known {
                    Known::Record { clear_at, is_ours: true, .. } if is_taken_attempt => (true, *clear_at),
                    _ if is_taken_attempt => (true, now + LEASE_DURATION),
                    _ if record.is_released() => (false, now),
                    _ => (false, now + record.duration.max(LEASE_DURATION)),
                }
            }
        };
        if !is_ours && !record.holder.is_empty() && record.holder != self.candidacy.identity {
            self.renewed = None;
        }
        // A write that was taken and changed nothing, as by an admission webhook, would go round without a pause.
        let pause = if action == Action::Read { Duration::ZERO } else { RETRY_INTERVAL };
        let wait = if is_ours || self.leads(now) { Duration::ZERO } else { clear_at.saturating_sub(now) };
        self.next_call = now + LOOK_INTERVAL.min(wait).max(pause);
        self.known = Known::Record { record, is_ours, clear_at };
    }

    /// Whether this is what a write of ours has made of which we have not heard.
    fn is_taken_attempt(&self, record: &Record) -> bool {
        let Some(Attempt { base: (uid, _), wall, is_in_doubt }) = &self.attempt else { return false };
        *is_in_doubt
            && record.holder == self.candidacy.identity
            && (uid.is_empty() || *uid == record.uid)
            && record.renew_time == renew_time(*wall)
    }

    /// There is no Lease. Whoever has held it makes it anew, so others leave him the time to notice.
    fn learn_absence(&mut self, now: Duration) {
        self.answered = true;
        let free_at = match &self.known {
            Known::Record { record, is_ours: false, .. } if !record.holder.is_empty() => now + LEAD_DURATION,
            Known::Absent { .. } if self.is_stale => now + LEAD_DURATION,
            Known::Absent { free_at } => *free_at,
            _ => now,
        };
        self.is_stale = false;
        self.attempt = self.attempt.take().filter(|attempt| attempt.base.0.is_empty());
        self.known = Known::Absent { free_at };
        self.next_call = now + LOOK_INTERVAL.min(free_at.saturating_sub(now));
    }

    fn fail(&mut self, now: Duration, error: &k8s::Error) {
        self.next_call = now
            + match self.answered {
                _ if self.leads(now) => RETRY_INTERVAL,
                true if !self.holds() => LOOK_INTERVAL,
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
        let problem = format!("{}{mend}", crate::outcome::text(error));
        // What the watches meet as well is theirs to tell.
        let level = match error.retry() {
            k8s::Retry::Never if self.problem.as_ref() != Some(&problem) => log::Level::Warn,
            _ => log::Level::Debug,
        };
        log::log!(level, "Lease {lease} cannot be used: {problem}");
        self.problem = Some(problem);
    }

    fn holds(&self) -> bool {
        matches!(self.known, Known::Record { is_ours: true, .. })
    }
}
