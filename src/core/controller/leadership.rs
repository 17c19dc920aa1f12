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
use crate::event::{Action, Call, Key, Now, ObjectKey, Report, Task, TaskId};
use crate::lease::election::{Election, Term};
use crate::lease::operator::Operators;
use crate::lease::record::Lease;
use crate::lease::{Candidacy, Role};

/// What decides whether the agent acts.
#[derive(Debug)]
pub(super) struct Leadership {
    /// None: nobody else is to act, or it was told to leave.
    election: Option<Election>,
    pub(super) operators: Operators,
    role: Role,
    /// In what term the memories were made; none: there are none.
    worked_in: Option<Term>,
}

impl Leadership {
    pub(super) fn new(
        candidacy: Option<Candidacy>,
        scopes: &[Option<String>],
        operator_namespaces: &BTreeSet<String>,
    ) -> Self {
        Self {
            election: candidacy.map(Election::new),
            operators: Operators::new(scopes, operator_namespaces),
            role: Role::Starting,
            worked_in: None,
        }
    }

    pub(super) fn is_at_work(&self) -> bool {
        self.worked_in.is_some()
    }

    fn role_at(&self, now: Duration, is_synced: bool) -> Role {
        let leads = self.election.as_ref().is_none_or(|election| election.leads(now));
        if !leads {
            let holder = self.election.as_ref().and_then(Election::other_holder).unwrap_or_default();
            return match (&self.role, holder) {
                (Role::Starting, "") => Role::Starting,
                (Role::Standby { .. }, "") => self.role.clone(),
                (_, holder) => Role::standby(holder),
            };
        }
        match self.operators.live() {
            Some((namespace, holder)) => Role::waits_for_operator(namespace, holder),
            None if is_synced && self.operators.is_answered() => Role::Active,
            None => Role::Starting,
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
    pub fn role(&self) -> &Role {
        &self.leadership.role
    }

    /// What is wrong with the Lease of the election, if anything.
    #[must_use]
    pub fn lease_problem(&self) -> Option<&str> {
        self.leadership.election.as_ref().and_then(Election::problem)
    }

    /// Until when the agent may act without a further turn: calls that have not been begun by then must not be. `MAX` where
    /// nobody else could act, zero while it does not act.
    #[must_use]
    pub fn acts_until(&self) -> Duration {
        match (&self.leadership.role, &self.leadership.election) {
            (Role::Active, None) => Duration::MAX,
            (Role::Active, Some(election)) => election.lead_end().unwrap_or_default(),
            _ => Duration::ZERO,
        }
    }

    /// The write that gives up the lead; after it the agent does not act any more. For an agent that ends, when its calls
    /// have come home. None if there is nothing to give up.
    pub fn leave(&mut self, now: Now) -> Option<Task> {
        self.leadership.role = Role::standby("");
        let election = self.leadership.election.as_mut()?;
        let lease = election.candidacy().lease.clone();
        let (action, request) = election.release(now)?;
        Some(task(Key::Lease(lease), Action::Lease(action), request))
    }

    /// Brings the role up to date, and hands out the calls for Leases that are due.
    pub(super) fn attend(&mut self, now: Now) -> Vec<Task> {
        let mut tasks = Vec::new();
        if let Some(election) = &mut self.leadership.election
            && may_run(election, self.synced)
            && let Some((action, request)) = election.call(now)
        {
            let lease = election.candidacy().lease.clone();
            tasks.push(task(Key::Lease(lease), Action::Lease(action), request));
        }
        for (place, request) in self.leadership.operators.calls(now.mono) {
            tasks.push(task(Key::Operator(place), Action::FindOperator, request));
        }
        warn(self.leadership.operators.line(now.mono));
        let role = self.leadership.role_at(now.mono, self.synced);
        if role != self.leadership.role {
            self.change_role(role);
        }
        tasks
    }

    pub(super) fn leadership_deadline(&self) -> Option<Duration> {
        let Leadership { election, operators, role, .. } = &self.leadership;
        let election = election.as_ref();
        let call = election.filter(|election| may_run(election, self.synced)).and_then(Election::next_call);
        let end = election.and_then(Election::lead_end).filter(|_| role.is_active());
        [call, end, operators.next_deadline()].into_iter().flatten().min()
    }

    /// Takes what a watch on k6-operator's Lease has seen.
    pub(super) fn leadership_seen(&mut self, now: Now, scope: Option<&str>, event: WatchEvent<Lease>) {
        warn(self.leadership.operators.watched(now.mono, scope, event));
    }

    /// Learns from a report of a call for a Lease; hands back what is none.
    pub(super) fn leadership_report(&mut self, now: Now, report: Report) -> Option<Report> {
        let Report { id: TaskId { key, action }, reply } = report;
        match action {
            Action::Lease(action) => {
                if let Some(election) = &mut self.leadership.election {
                    election.apply_reply(now.mono, action, reply.kubernetes());
                }
                None
            }
            Action::FindOperator => {
                warn(self.leadership.operators.apply_reply(now.mono, key.object(), reply.kubernetes()));
                None
            }
            Action::Token(_) | Action::Zone(_) | Action::Run(_) => {
                Some(Report { id: TaskId { key, action }, reply })
            }
        }
    }

    fn change_role(&mut self, role: Role) {
        let before = std::mem::replace(&mut self.leadership.role, role);
        match self.leadership.role.clone() {
            Role::Active => self.begin_work(),
            Role::Starting => {}
            Role::Standby { holder } => {
                if before == Role::Active {
                    let election = self.leadership.election.as_ref();
                    let why = election.and_then(Election::problem).unwrap_or(if holder.is_empty() {
                        "the API server has not answered in time"
                    } else {
                        "it was taken over"
                    });
                    log::warn!("no longer active, test runs carry on: the Lease could not be renewed: {why}");
                }
                if !holder.is_empty() {
                    self.forget_work();
                    log::info!("standby: {holder} is active");
                }
            }
            Role::WaitsForOperator { namespace, holder } => {
                self.forget_work();
                log::warn!(
                    "k6-operator is live in namespace {namespace} ({holder}): this agent waits until it stops"
                );
            }
        }
    }

    fn begin_work(&mut self) {
        let term = self.leadership.term();
        if self.leadership.worked_in == Some(term) {
            log::info!("active again; no other agent was active in between");
            return;
        }
        self.forget_work();
        self.leadership.worked_in = Some(term);
        match &self.leadership.election {
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
        self.leadership.worked_in = None;
        self.zones.clear();
        self.runs.clear();
        self.candidates.clear();
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
    let timeout = action.class().timeout();
    Task { id: TaskId { key, action }, call: Call::Kubernetes(request), timeout }
}
