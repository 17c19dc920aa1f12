//! What a runner says: its status, the setup data, how `setup()` and `teardown()` went.

use std::time::Duration;

use crate::announce::Announcement;
use crate::outcome::{Outcome, text};
use crate::runner;
use crate::testrun::action::Action;
use crate::testrun::state::{RunState, Setup, SetupData, Teardown};

type Reply = Result<Vec<u8>, runner::Error>;

pub(super) fn setup(state: &mut RunState, now: Duration, action: Action, n: u32, reply: Reply) -> Outcome {
    let data = reply.and_then(runner::setup_reply);
    let data = data.map(|text| text.map(|text| SetupData { text, runner: n, since: now }));
    state.setup = match (action, data) {
        (Action::ReadSetup(_), Ok(None)) => Setup::NotRun,
        (_, Ok(data)) => Setup::Run(data),
        // Longer than what is taken of data of unknown length: it is there, and stays there until there is room.
        (Action::ReadSetup(n) | Action::RunSetup(n), Err(runner::Error::TooLarge)) => Setup::OnRunner(n),
        (Action::RunSetup(_) | Action::TakeSetupData(_), Err(error)) if !error.is_transient() => {
            Setup::Failed(text(&error))
        }
        // k6 cuts a setup short whose caller is gone, and what it then returns is worth nothing: it is run again.
        (Action::RunSetup(_), Err(error)) => {
            state.setup = Setup::NotRun;
            return unreached(&error);
        }
        (_, Err(error)) => return unreached(&error),
    };
    Outcome::Done
}

pub(super) fn setup_data_sent(state: &mut RunState, n: u32, reply: Reply) -> Outcome {
    match reply {
        Ok(_) => {
            if let Some(runner) = state.runner(n) {
                runner.data_sent = true;
            }
            state.drop_handed_out_data();
            Outcome::Done
        }
        Err(error) => unreached(&error),
    }
}

pub(super) fn teardown(state: &mut RunState, action: Action, reply: Reply) -> Outcome {
    // Never twice: after an answer that did not come, too.
    state.teardown = match reply {
        Ok(_) => Teardown::Done,
        Err(error @ runner::Error::Refused(_)) => {
            state.withdrawn(action);
            return unreached(&error);
        }
        Err(error) => {
            let message = if error.is_transient() {
                format!("teardown() could not be run: {}", text(&error))
            } else {
                format!("teardown() of the script failed: {}", text(&error))
            };
            state.announcements.push(Announcement::warning("TeardownFailed", message.clone()));
            Teardown::Failed(message)
        }
    };
    Outcome::Done
}

pub(super) fn status(state: &mut RunState, now: Duration, action: Action, n: u32, reply: Reply) -> Outcome {
    let Some(known) = state.runners.get_mut(&n) else { return Outcome::Done };
    match reply.and_then(|body| runner::status_reply(&body)) {
        Ok(status) => {
            let had_ended = known.status.as_ref().is_some_and(|before| before.has_ended());
            if state.teardown == Teardown::Unclear && !status.has_ended() {
                state.teardown = Teardown::Due;
            }
            if status.has_ended() && !had_ended {
                state.last_end = Some(now);
            }
            known.status = Some(status);
            known.trouble = None;
            known.silent_since = None;
            if let Action::ResumeRunner(_) = action {
                known.resumed = true;
                state.first_resumed.get_or_insert(now);
            }
            known.stopped |= matches!(action, Action::StopRunner(_));
            Outcome::Done
        }
        Err(error) => {
            known.trouble = Some(text(&error));
            // The silence of the API server is not the runner's: that of the runner counts anew.
            known.silent_since =
                if let runner::Error::NoWay(_) = error { None } else { known.silent_since.or(Some(now)) };
            if let Action::ResumeRunner(_) = action {
                // It may have been let go although its answer was lost, and k6 refuses a second time: ask first.
                known.status = None;
            }
            unreached(&error)
        }
    }
}

fn unreached(error: &runner::Error) -> Outcome {
    Outcome::Again { after: None, why: text(error) }
}
