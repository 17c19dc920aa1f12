//! From an action on a run to the call that does it.
//!
//! Owns the preconditions that keep writes on what is ours (uids) and the idempotency of calls to GCk6. Invariant: building
//! a call twice gives the same call, so that a retry is a retry.

use k8s::resource::ListOptions;

use super::conditions;
use super::facts::{Facts, Runner};
use super::jobs;
use super::state::{Job, Keeping, RunState, Setup};
use super::table::Block;
use super::{pod_refusal, script};
use crate::api::run::{self, Stage, TestRun};
use crate::call::{Call, RunnerTarget};
use crate::cloud::{self, ErrorCode, ResultStatus, RunId, RunStatus};
use crate::redact::Secret;
use crate::runner::Request;
use crate::testrun::action::Action;

/// Whether [`build`], or [`for_runner`], would build a call for the action now. Costs less than the building where that is much.
#[must_use]
pub fn is_ready(facts: &Facts<'_>, action: Action, token: Option<&Secret>) -> bool {
    match action {
        Action::CreateJob(_) => plan(facts.state).is_some(),
        action => match action.runner() {
            Some(n) => facts
                .runner(n)
                .is_some_and(|runner| for_runner(facts.run, facts.state, runner, action).is_some()),
            None => build(facts, action, token).is_some(),
        },
    }
}

/// The call for an action that is not about one runner, or `None` when what it needs is not there: a token that was not read
/// yet. Then the facts have changed, or will, and the key is looked at again.
#[must_use]
pub fn build(facts: &Facts<'_>, action: Action, token: Option<&Secret>) -> Option<Call> {
    let run = facts.run;
    let namespace = Some(run.metadata.namespace.as_str());
    let name = run.metadata.name.as_str();
    let id = facts.state.identity.id;
    match action {
        // What is to be known beside it: what Jobs are made of, or how many there are.
        Action::Confirm if facts.state.block == Block::New || facts.state.parallelism == 0 => {
            to_cloud(cloud::request::data(id), token)
        }
        Action::Confirm => to_cloud(cloud::request::confirm(id), token),
        Action::FetchCredentials => to_cloud(cloud::request::data(id), token),
        Action::CreateCredentials => {
            let Keeping::InHand(credentials) = &facts.state.keeping else { return None };
            Some(Call::Kubernetes(k8s::SECRETS.create(namespace, &credentials.object(run))))
        }
        Action::InspectCredentials => Some(Call::Kubernetes(k8s::SECRETS.get(namespace, name))),
        Action::CheckState => to_cloud(cloud::request::state(id), token),
        Action::SendEvents => to_cloud(tell(facts, id), token),
        Action::Finish => to_cloud(finish(facts, id), token),
        Action::WriteStatus(write) => {
            let patch = conditions::patch(facts, write);
            Some(Call::Kubernetes(run::RESOURCE.merge_patch_status(namespace, name, &patch)))
        }
        Action::Release => Some(release(run)),
        Action::DeleteTestRun => {
            Some(Call::Kubernetes(run::RESOURCE.delete(namespace, name, Some(&run.metadata.uid))))
        }
        Action::Announce => {
            let announcement = facts.state.announcements.first()?;
            Some(Call::Kubernetes(announcement.request(&run.metadata, run::KIND, facts.wall)))
        }
        // About one runner, see `for_runner`.
        Action::CreateJob(_)
        | Action::InspectJob(_)
        | Action::ReadEvents(_)
        | Action::AskRunner(_)
        | Action::ReadSetup(_)
        | Action::RunSetup(_)
        | Action::TakeSetupData(_)
        | Action::SendSetupData(_)
        | Action::ResumeRunner(_)
        | Action::StopRunner(_)
        | Action::RunTeardown(_)
        | Action::DeleteJob(_) => None,
    }
}

/// Takes our finalizer off the run.
#[must_use]
pub fn release(run: &TestRun) -> Call {
    let TestRun { metadata, .. } = run;
    let patch = metadata.without_finalizer(run::FINALIZER);
    Call::Kubernetes(run::RESOURCE.merge_patch(Some(&metadata.namespace), &metadata.name, &patch))
}

/// The call for an action about one runner, or `None` when what it needs is not there any more: the pod, or a reason.
#[must_use]
pub fn for_runner(run: &TestRun, state: &RunState, runner: Runner<'_>, action: Action) -> Option<Call> {
    let namespace = Some(run.metadata.namespace.as_str());
    let n = runner.number;
    let job = || jobs::runner::name(&run.metadata.name, n);
    match action {
        Action::CreateJob(_) => {
            let job = jobs::runner::job(plan(state)?, n).ok()?;
            Some(Call::Kubernetes(k8s::JOBS.create(namespace, &job)))
        }
        Action::InspectJob(_) => Some(Call::Kubernetes(k8s::JOBS.get(namespace, &job()))),
        Action::ReadEvents(_) => {
            let uid = runner.state.job.uid()?;
            let selector = format!("involvedObject.uid={uid},reason=FailedCreate");
            let limit = Some(pod_refusal::EVENTS_MAX);
            let options = ListOptions { field_selector: Some(&selector), limit, ..ListOptions::default() };
            Some(Call::Kubernetes(k8s::EVENTS.list(namespace, &options)))
        }
        Action::DeleteJob(_) => {
            let Job::Ours(uid) = &runner.state.job else { return None };
            Some(Call::Kubernetes(k8s::JOBS.delete(namespace, &job(), Some(uid))))
        }
        Action::AskRunner(_) => to_runner(run, runner, Request::status()),
        Action::ReadSetup(_) => to_runner(run, runner, Request::small_setup_data()),
        Action::TakeSetupData(_) => to_runner(run, runner, Request::setup_data()),
        Action::RunSetup(_) => to_runner(run, runner, Request::run_setup()),
        Action::SendSetupData(_) => {
            let Setup::Run(data) = &state.setup else { return None };
            let text = data.as_ref().map(|data| data.text.clone());
            to_runner(run, runner, Request::put_setup_data(text))
        }
        // What has waited while the run came to its end is not let go any more.
        Action::ResumeRunner(_) if state.ending.is_some() => None,
        Action::ResumeRunner(_) => to_runner(run, runner, Request::resume()),
        Action::StopRunner(_) => to_runner(run, runner, Request::stop()),
        Action::RunTeardown(_) => to_runner(run, runner, Request::run_teardown()),
        // About the run as a whole, see `build`.
        Action::Confirm
        | Action::FetchCredentials
        | Action::CreateCredentials
        | Action::InspectCredentials
        | Action::CheckState
        | Action::SendEvents
        | Action::Finish
        | Action::WriteStatus(_)
        | Action::DeleteTestRun
        | Action::Release
        | Action::Announce => None,
    }
}

/// What Jobs are made of. Those that have waited while the run came to its end are not made any more.
fn plan(state: &RunState) -> Option<&TestRun> {
    let is_due = state.block == Block::New && state.ending.is_none();
    state.plan.as_deref().filter(|plan| is_due && script::locate(&plan.spec.script).is_some())
}

/// The stage that the run would end in.
#[must_use]
pub fn end_stage(facts: &Facts<'_>) -> Stage {
    let failed = facts.state.ending.as_ref().is_some_and(|ending| ending.cause.is_failure());
    if failed { Stage::Error } else { Stage::Finished }
}

fn to_runner(run: &TestRun, runner: Runner<'_>, request: Request) -> Option<Call> {
    let (pod, ip) = runner.address()?;
    let target = RunnerTarget {
        namespace: run.metadata.namespace.clone(),
        pod: pod.name().to_owned(),
        ip: ip.to_owned(),
    };
    Some(Call::Runner { target, request })
}

fn to_cloud(request: cloud::Request, token: Option<&Secret>) -> Option<Call> {
    Some(Call::Cloud { request, token: token?.clone() })
}

fn tell(facts: &Facts<'_>, id: RunId) -> cloud::Request {
    let state = facts.state;
    let mut events = Vec::new();
    if facts.ending_untold() {
        events.extend(state.ending.iter().flat_map(super::termination::Termination::events));
    }
    if let (true, Some(message)) = (facts.teardown_failure_untold(), state.teardown.trouble()) {
        events.push(cloud::Event::error(ErrorCode::Teardown, message));
    }
    cloud::request::events(id, &events, &state.uid)
}

fn finish(facts: &Facts<'_>, id: RunId) -> cloud::Request {
    let (result, status) = match &facts.state.ending {
        Some(ending) => (ending.cause.result(), ending.cause.finish_status()),
        None => (ResultStatus::Passed, RunStatus::FINISHED),
    };
    cloud::request::finish(id, result, status, &facts.state.uid)
}
