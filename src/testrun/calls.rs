//! From an action on a run to the call that does it.
//!
//! Owns the preconditions that keep writes on what is ours (uids) and the idempotency of calls to GCk6. Invariant: building
//! a call twice gives the same call, so that a retry is a retry.

use k8s::resource::{DeleteOptions, Propagation};

use super::api::{self, Stage};
use super::conditions;
use super::facts::{Facts, Runner};
use super::jobs;
use super::memory::{Job, Setup};
use crate::cloud::{self, ErrorCode, ResultStatus, RunId, RunStatus};
use crate::event::{Action, Call, RunnerTarget};
use crate::redact::Secret;
use crate::runner::Request;

/// The call, or `None` when what it needs is not there: a token that was not read yet, a runner that is gone. Then the
/// facts have changed, or will, and the key is looked at again.
#[must_use]
pub fn build(facts: &Facts<'_>, action: Action, token: Option<&Secret>) -> Option<Call> {
    let run = facts.run;
    let namespace = Some(run.metadata.namespace.as_str());
    let name = run.metadata.name.as_str();
    match action {
        Action::CreateJob(n) => {
            Some(Call::Kubernetes(k8s::JOBS.create(namespace, &jobs::runner::job(run, n).ok()?)))
        }
        Action::InspectJob(n) => {
            Some(Call::Kubernetes(k8s::JOBS.get(namespace, &jobs::runner::name(name, n))))
        }
        Action::DeleteJob(n) => {
            let runner = facts.runner(n)?;
            let Job::Ours(uid) = &runner.memory.job else { return None };
            let options = DeleteOptions {
                propagation: Propagation::Background,
                uid: Some(uid),
                ..DeleteOptions::default()
            };
            Some(Call::Kubernetes(k8s::JOBS.delete(namespace, &jobs::runner::name(name, n), &options)))
        }
        Action::AskRunner(n) => to_runner(facts, n, Request::status()),
        Action::ReadSetup(n) => to_runner(facts, n, Request::setup_data()),
        Action::RunSetup(n) => to_runner(facts, n, Request::run_setup()),
        Action::SendSetupData(n) => {
            let Setup::Run(data) = &facts.memory.setup else { return None };
            to_runner(facts, n, Request::put_setup_data(data.clone()))
        }
        Action::ResumeRunner(n) => to_runner(facts, n, Request::resume()),
        Action::StopRunner(n) => to_runner(facts, n, Request::stop()),
        Action::RunTeardown(n) => to_runner(facts, n, Request::run_teardown()),
        Action::CheckState => to_cloud(cloud::request::state(run.run_id()?), token),
        Action::TellCloud => to_cloud(tell(facts, run.run_id()?), token),
        Action::Finish => to_cloud(finish(facts, run.run_id()?), token),
        Action::WriteRunStatus(write) => {
            let patch = conditions::patch(facts, write);
            Some(Call::Kubernetes(api::RESOURCE.merge_patch_status(namespace, name, &patch)))
        }
        Action::DeleteTestRun => {
            let options = DeleteOptions {
                propagation: Propagation::Background,
                uid: Some(&run.metadata.uid),
                ..DeleteOptions::default()
            };
            Some(Call::Kubernetes(api::RESOURCE.delete(namespace, name, &options)))
        }
        Action::Announce => {
            let announcement = facts.memory.announcements.first()?;
            Some(Call::Kubernetes(announcement.request(&run.metadata, api::KIND, facts.wall)))
        }
        _ => None,
    }
}

/// The stage that the run would end in.
#[must_use]
pub fn end_stage(facts: &Facts<'_>) -> Stage {
    let failed = facts.memory.ending.as_ref().is_some_and(|ending| ending.cause.is_failure());
    if failed { Stage::Error } else { Stage::Finished }
}

fn to_runner(facts: &Facts<'_>, n: u32, request: Request) -> Option<Call> {
    let runner: Runner<'_> = facts.runner(n)?;
    let (pod, ip) = runner.address()?;
    let target = RunnerTarget {
        namespace: facts.run.metadata.namespace.clone(),
        pod: pod.name().to_owned(),
        ip: ip.to_owned(),
    };
    Some(Call::Runner { target, request })
}

fn to_cloud(request: cloud::Request, token: Option<&Secret>) -> Option<Call> {
    Some(Call::Cloud { request, token: token?.clone() })
}

fn tell(facts: &Facts<'_>, id: RunId) -> cloud::Request {
    let memory = facts.memory;
    let mut events = Vec::new();
    if facts.ending_untold() {
        events.extend(memory.ending.iter().flat_map(super::ending::Ending::events));
    }
    if let (true, Some(message)) = (facts.teardown_failure_untold(), memory.teardown.trouble()) {
        events.push(cloud::Event::error(ErrorCode::Teardown, message));
    }
    cloud::request::events(id, &events, &memory.uid)
}

fn finish(facts: &Facts<'_>, id: RunId) -> cloud::Request {
    let (result, status) = match &facts.memory.ending {
        Some(ending) if ending.cause.is_failure() => (ResultStatus::Failed, ending.cause.finish_status()),
        Some(ending) => (ResultStatus::Passed, ending.cause.finish_status()),
        None => (ResultStatus::Passed, RunStatus::FINISHED),
    };
    cloud::request::finish(id, result, status, &facts.memory.uid)
}
