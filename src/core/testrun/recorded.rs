//! What the conditions of a run tell a new process: why it ends, and whether teardown may have been run.

use super::conditions;
use super::state::{RunState, Teardown};
use super::table::Block;
use super::termination::{Cause, Termination};
use crate::api::run::{CLOUD_TEST_RUN_ABORTED, TEARDOWN_EXECUTED, TEST_RUN_RUNNING, TestRun};

/// Takes over what another process, or k6-operator, has recorded.
pub fn read_back(state: &mut RunState, run: &TestRun, block: Block) {
    if state.ending.is_none() {
        state.ending = termination(run, block);
    }
    if teardown_had_begun(run, block) {
        let early = state.ending.as_ref().is_some_and(|ending| !ending.cause.is_verdict());
        state.teardown = if early { Teardown::Unclear } else { Teardown::Lost };
    }
}

fn teardown_had_begun(run: &TestRun, block: Block) -> bool {
    let condition = run.condition(TEARDOWN_EXECUTED);
    block == Block::Stopped
        && condition.is_some_and(|condition| condition.reason == conditions::TEARDOWN_BEGUN)
}

fn termination(run: &TestRun, block: Block) -> Option<Termination> {
    if block < Block::Stopped {
        return None;
    }
    let Some(condition) = run.condition(CLOUD_TEST_RUN_ABORTED).filter(|condition| condition.is_true())
    else {
        // How a test came out is the reason for which it does not run any more.
        let condition = run.condition(TEST_RUN_RUNNING)?;
        let verdict = Cause::from_reason(&condition.reason).filter(|cause| cause.is_verdict())?;
        return Some(Termination { cause: verdict, message: condition.message.clone() });
    };
    // k6-operator writes its own reason; it aborts only what GCk6 says a user has aborted.
    let cause = Cause::from_reason(&condition.reason).unwrap_or(Cause::AbortedByUser);
    Some(Termination { cause, message: condition.message.clone() })
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use serde_json::json;

    use super::*;

    /// What a process that starts anew makes of a condition.
    #[track_caller]
    fn check(block: Block, condition: [&str; 3], cause: Option<Cause>, teardown: &Teardown) {
        let [type_, status, reason] = condition;
        let condition = json!({"type": type_, "status": status, "reason": reason, "message": "so it is"});
        let run: TestRun =
            serde_json::from_value(json!({"metadata": {"uid": "u"}, "status": {"conditions": [condition]}}))
                .unwrap();
        let mut state = RunState::new(&run, 1, block, Duration::ZERO);
        read_back(&mut state, &run, block);
        let expected = cause.map(|cause| Termination { cause, message: "so it is".to_owned() });
        assert_eq!((&state.ending, &state.teardown), (&expected, teardown), "{reason}");
    }

    #[test]
    fn why_a_run_ends_is_read_back_from_its_stage_on() {
        let (aborted, running) = (CLOUD_TEST_RUN_ABORTED, TEST_RUN_RUNNING);
        let not_run = &Teardown::NotOurs;
        for cause in Cause::ALL {
            check(Block::Started, [aborted, "True", cause.reason()], None, not_run);
            check(Block::Stopped, [aborted, "True", cause.reason()], Some(cause), not_run);
            check(Block::Done, [aborted, "True", cause.reason()], Some(cause), not_run);
            check(Block::Stopped, [aborted, "False", cause.reason()], None, not_run);
            let verdict = Some(cause).filter(|cause| cause.is_verdict());
            check(Block::Stopped, [running, "False", cause.reason()], verdict, not_run);
        }
        // k6-operator's own.
        check(Block::Stopped, [aborted, "True", "TestRunAborted"], Some(Cause::AbortedByUser), not_run);
    }

    #[test]
    fn teardown_that_may_have_been_run_is_not_due() {
        let begun = conditions::TEARDOWN_BEGUN;
        check(Block::Stopped, [TEARDOWN_EXECUTED, "False", begun], None, &Teardown::Lost);
        check(Block::Done, [TEARDOWN_EXECUTED, "False", begun], None, &Teardown::NotOurs);
        check(Block::Stopped, [TEARDOWN_EXECUTED, "False", "TeardownNotRun"], None, &Teardown::NotOurs);
    }
}
