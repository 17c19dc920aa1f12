//! The core's side of acting at all: asks and watches the Leases, and begins and ends acting by what they say.
//!
//! Owns the calls for Leases, which pass by the queue: neither its shares nor its backoffs can hold up a renewal. Leaves alone
//! what the answers mean, which is `lease`'s.
//!
//! Invariant: a task other than one for a Lease is handed out only in a turn that finds the agent active. What it knew of an
//! earlier time at work is dropped before it acts again, unless nobody can have acted in between: then what waits in the
//! queue has only waited longer, as it does behind a full share.

use std::collections::BTreeSet;
use std::time::Duration;

use k8s::WatchEvent;

use super::Core;
use super::refusals::Refusals;
use crate::event::{Action, Call, Key, Now, ObjectKey, Patience, Report, Task, TaskId};
use crate::lease::election::{Election, Term};
use crate::lease::operator::Operators;
use crate::lease::record::Lease;
use crate::lease::{Candidacy, Duty};

/// What decides whether the agent acts.
#[derive(Debug)]
pub(super) struct Office {
    /// None: nobody else is to act, or it was told to leave.
    election: Option<Election>,
    pub(super) operators: Operators,
    duty: Duty,
    /// In what term the memories were made; none: there are none.
    worked_in: Option<Term>,
}

impl Office {
    pub(super) fn new(
        candidacy: Option<Candidacy>,
        scopes: &[Option<String>],
        operator_namespaces: &BTreeSet<String>,
    ) -> Self {
        Self {
            election: candidacy.map(Election::new),
            operators: Operators::new(scopes, operator_namespaces),
            duty: Duty::Starting,
            worked_in: None,
        }
    }

    pub(super) fn is_at_work(&self) -> bool {
        self.worked_in.is_some()
    }

    fn duty_at(&self, now: Duration, is_synced: bool) -> Duty {
        let leads = self.election.as_ref().is_none_or(|election| election.leads(now));
        if !leads {
            let holder = self.election.as_ref().and_then(Election::other_holder).unwrap_or_default();
            return match (&self.duty, holder) {
                (Duty::Starting, "") => Duty::Starting,
                (Duty::Standby { .. }, "") => self.duty.clone(),
                (_, holder) => Duty::standby(holder),
            };
        }
        match self.operators.live() {
            Some((namespace, holder)) => Duty::waits_for_operator(namespace, holder),
            None if is_synced && self.operators.is_answered() => Duty::Active,
            None => Duty::Starting,
        }
    }

    /// The term that it would act in now. Without an election there is one for all time.
    fn term(&self) -> Term {
        self.election.as_ref().map_or(0, Election::term)
    }
}

impl Core {
    /// What the agent is there for, as of the last turn.
    #[must_use]
    pub fn duty(&self) -> &Duty {
        &self.office.duty
    }

    /// What is wrong with the Lease of the election, if anything.
    #[must_use]
    pub fn lease_problem(&self) -> Option<&str> {
        self.office.election.as_ref().and_then(Election::problem)
    }

    /// Until when the agent may act without a further turn: calls that have not been begun by then must not be. `MAX` where
    /// nobody else could act, zero while it does not act.
    #[must_use]
    pub fn acts_until(&self) -> Duration {
        match (&self.office.duty, &self.office.election) {
            (Duty::Active, None) => Duration::MAX,
            (Duty::Active, Some(election)) => election.lead_end().unwrap_or_default(),
            _ => Duration::ZERO,
        }
    }

    /// The write that gives up the lead; after it the agent does not act any more. For an agent that ends, when its calls
    /// have come home. None if there is nothing to give up.
    pub fn leave(&mut self, now: Now) -> Option<Task> {
        self.office.duty = Duty::standby("");
        let election = self.office.election.as_mut()?;
        let lease = election.candidacy().lease.clone();
        let (action, request) = election.release(now)?;
        Some(task(Key::Lease(lease), Action::Lease(action), request))
    }

    /// Brings the duty up to date, and hands out the calls for Leases that are due.
    pub(super) fn attend(&mut self, now: Now) -> Vec<Task> {
        let mut tasks = Vec::new();
        if let Some(election) = &mut self.office.election
            && may_run(election, self.synced)
            && let Some((action, request)) = election.call(now)
        {
            let lease = election.candidacy().lease.clone();
            tasks.push(task(Key::Lease(lease), Action::Lease(action), request));
        }
        for (place, request) in self.office.operators.calls(now.mono) {
            tasks.push(task(Key::Operator(place), Action::FindOperator, request));
        }
        warn(self.office.operators.line(now.mono));
        let duty = self.office.duty_at(now.mono, self.synced);
        if duty != self.office.duty {
            self.change_duty(duty);
        }
        tasks
    }

    pub(super) fn office_deadline(&self) -> Option<Duration> {
        let Office { election, operators, duty, .. } = &self.office;
        let election = election.as_ref();
        let call = election.filter(|election| may_run(election, self.synced)).and_then(Election::next_call);
        let end = election.and_then(Election::lead_end).filter(|_| duty.is_active());
        [call, end, operators.next_deadline()].into_iter().flatten().min()
    }

    /// Takes what a watch on k6-operator's Lease has seen.
    pub(super) fn office_seen(&mut self, now: Now, scope: Option<&str>, event: WatchEvent<Lease>) {
        warn(self.office.operators.watched(now.mono, scope, event));
    }

    /// Learns from a report of a call for a Lease; hands back what is none.
    pub(super) fn office_report(&mut self, now: Now, report: Report) -> Option<Report> {
        let Report { id: TaskId { key, action }, reply } = report;
        match action {
            Action::Lease(action) => {
                if let Some(election) = &mut self.office.election {
                    election.learn(now.mono, action, reply.kubernetes());
                }
                None
            }
            Action::FindOperator => {
                warn(self.office.operators.learn(now.mono, key.object(), reply.kubernetes()));
                None
            }
            Action::Token(_) | Action::Zone(_) | Action::Run(_) => {
                Some(Report { id: TaskId { key, action }, reply })
            }
        }
    }

    fn change_duty(&mut self, duty: Duty) {
        let before = std::mem::replace(&mut self.office.duty, duty);
        match self.office.duty.clone() {
            Duty::Active => self.begin_work(),
            Duty::Starting => {}
            Duty::Standby { holder } => {
                if before == Duty::Active {
                    let election = self.office.election.as_ref();
                    let why = election.and_then(Election::problem).unwrap_or(if holder.is_empty() {
                        "the API server has not answered in time"
                    } else {
                        "it was taken over"
                    });
                    log::warn!("not active any more, test runs go on: the lease could not be renewed: {why}");
                }
                if !holder.is_empty() {
                    self.forget_work();
                    log::info!("standby: {holder} is active");
                }
            }
            Duty::WaitsForOperator { namespace, holder } => {
                self.forget_work();
                log::warn!(
                    "k6-operator is live in namespace {namespace} ({holder}): this agent waits until it stops"
                );
            }
        }
    }

    fn begin_work(&mut self) {
        let term = self.office.term();
        if self.office.worked_in == Some(term) {
            log::info!("active again; nobody else was in between");
            return;
        }
        self.forget_work();
        self.office.worked_in = Some(term);
        match &self.office.election {
            Some(election) => {
                let Candidacy { lease, identity } = election.candidacy();
                log::info!("active: holds the Lease {lease} as {identity}");
            }
            None => log::info!("active"),
        }
        let zones: Vec<ObjectKey> = self.store.zones.iter().map(|(key, _)| key.clone()).collect();
        let runs: Vec<ObjectKey> = self.store.runs.iter().map(|(key, _)| key.clone()).collect();
        zones.into_iter().for_each(|key| self.queue.mark(Key::Zone(key)));
        runs.into_iter().for_each(|key| self.queue.mark(Key::Run(key)));
    }

    /// Drops every memory, as if the process had ended. Calls in hand come home to nobody; their lanes stay taken until then.
    fn forget_work(&mut self) {
        self.office.worked_in = None;
        self.zones.clear();
        self.runs.clear();
        self.hopefuls.clear();
        self.aliens.clear();
        self.tokens.clear();
        self.queue.disown();
        self.refusals = Refusals::default();
    }
}

/// Who has looked at the Lease once waits until all watches have delivered their first list: an agent that cannot work must
/// not keep another one from it.
fn may_run(election: &Election, is_synced: bool) -> bool {
    is_synced || !election.is_answered()
}

fn warn(line: Option<String>) {
    line.into_iter().for_each(|line| log::warn!("{line}"));
}

fn task(key: Key, action: Action, request: k8s::Request) -> Task {
    Task { id: TaskId { key, action }, call: Call::Kubernetes(request), patience: Patience::Usual }
}
