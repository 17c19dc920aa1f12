//! What is remembered of a run, and when it is given up.

use std::sync::Arc;

use super::*;
use crate::testrun::termination::Cause;

#[test]
fn setup_data_are_held_until_all_runners_have_them() {
    let mut state = RunState::new(&TestRun::default(), 2, Block::Created, Duration::ZERO);
    let data = SetupData { text: Arc::new("[1]".to_owned()), runner: 1, since: Duration::ZERO };
    state.setup = Setup::Run(Some(data));
    for (n, held) in [(1, 3), (2, 0)] {
        state.runner(n).unwrap().data_sent = true;
        state.drop_handed_out_data();
        assert_eq!(state.setup.held_bytes(), held, "after runner {n}");
    }
    assert!(state.setup.was_run());
}

/// What is made of a teardown that an earlier process has begun, from what was found of the Jobs.
#[track_caller]
fn check(jobs: &[Job], cause: Option<Cause>, finalizers: &[&str], expected: &Teardown) {
    let mut run = TestRun::default();
    run.metadata.finalizers = finalizers.iter().map(|&text| text.to_owned()).collect();
    run.metadata.deletion_timestamp = (!finalizers.is_empty()).then(|| "2026-01-01T00:00:00Z".to_owned());
    let count = u32::try_from(jobs.len()).unwrap();
    let mut state = RunState::new(&run, count, Block::Stopped, Duration::ZERO);
    state.ending = cause.map(|cause| Termination { cause, message: String::new() });
    state.teardown = Teardown::Lost;
    for (runner, job) in state.runners.values_mut().zip(jobs) {
        runner.job = job.clone();
    }
    state.settle_teardown(&run);
    assert_eq!(state.teardown, *expected, "{jobs:?} {cause:?} {finalizers:?}");
}

#[test]
fn a_job_that_is_gone_proves_that_teardown_is_over() {
    let ours = || Job::Ours("u".to_owned());
    let gone = || Job::Gone(String::new());
    check(&[ours(), Job::Unknown], None, &[], &Teardown::Lost);
    check(&[ours(), gone()], None, &[], &Teardown::Past);
    check(&[ours(), gone()], Some(Cause::AbortedByUser), &[], &Teardown::Past);
    // This process has deleted it, in doubt.
    check(&[ours(), Job::Deleted("u".to_owned())], None, &[], &Teardown::Lost);
    // The one may be what has failed.
    check(&[ours(), gone()], Some(Cause::RunnerFailed), &[], &Teardown::Lost);
    check(&[gone(), gone()], Some(Cause::RunnerFailed), &[], &Teardown::Past);
    // The garbage collector does not wait for teardown.
    check(&[gone()], Some(Cause::TestRunDeleted), &["foregroundDeletion"], &Teardown::Lost);
    check(&[gone()], Some(Cause::TestRunDeleted), &["other"], &Teardown::Past);
    // Nor does the namespace controller.
    check(&[gone(), gone()], Some(Cause::NamespaceDeleted), &[], &Teardown::Lost);
}

#[test]
fn a_cause_gives_way_to_the_namespaces_end_until_gck6_is_told() {
    let check = |cause: Option<Cause>, is_told: bool, expected: Option<Cause>| {
        let mut state = RunState::new(&TestRun::default(), 1, Block::Started, Duration::ZERO);
        state.ending = cause.map(|cause| Termination { cause, message: String::new() });
        if is_told {
            state.sending_events();
        }
        assert_eq!(state.namespace_goes(), expected != cause, "{cause:?} {is_told}");
        assert_eq!(state.ending.map(|ending| ending.cause), expected, "{cause:?} {is_told}");
        assert!(state.namespace_deleting);
    };
    check(None, false, None);
    for cause in Cause::ALL {
        let stands = !cause.may_be_of_namespace();
        check(Some(cause), false, Some(if stands { cause } else { Cause::NamespaceDeleted }));
        check(Some(cause), true, Some(cause));
    }
}
