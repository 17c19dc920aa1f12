//! What GCk6 says of the run.

use crate::cloud::{self, Retry};
use crate::outcome::{Outcome, text};
use crate::testrun::credentials::Credentials;
use crate::testrun::state::{Keeping, RunState};

type Reply = Result<Vec<u8>, cloud::Error>;

pub(super) fn credentials(state: &mut RunState, reply: Reply) -> Outcome {
    state.keeping = match reply.and_then(|body| cloud::reply::test_run_data(&body)) {
        // An answer about nothing, or another run, does not say that this one has no archive.
        Ok(data) if data.id != Some(state.identity.id) => {
            let why = format!("GCk6's answer is not about test run {}", state.identity.id);
            return Outcome::Again { after: None, why };
        }
        Ok(data) => {
            let gone = || Keeping::Refused("GCk6 no longer names its archive".to_owned());
            Credentials::of(&data).map_or_else(gone, Keeping::InHand)
        }
        Err(error) if is_final(&error) => Keeping::Refused(format!("GCk6 does not say: {}", text(&error))),
        Err(error) => return Outcome::again_at_gck6(&error),
    };
    Outcome::Done
}

pub(super) fn state(state: &mut RunState, reply: Reply) -> Outcome {
    match reply.and_then(|body| cloud::reply::test_run_state(&body)) {
        Ok(status) => {
            state.cloud_status = Some(status);
            state.state_missing = 0;
        }
        // The next check is due in its own time.
        Err(error) if is_final(&error) => state.state_missing += u32::from(error.is_not_found()),
        Err(error) => return Outcome::again_at_gck6(&error),
    }
    state.state_as_of = Some(state.state_asked);
    Outcome::Done
}

pub(super) fn told(state: &mut RunState, reply: Reply) -> Outcome {
    match reply {
        Ok(_) => {}
        Err(error) if is_final(&error) => log::warn!("GCk6 rejects the event: {}", text(&error)),
        Err(error) => return Outcome::again_at_gck6(&error),
    }
    state.told();
    Outcome::Done
}

pub(super) fn finished(state: &mut RunState, reply: Reply) -> Outcome {
    state.finish = match reply {
        Ok(_) => Some(Ok(())),
        Err(error) if is_final(&error) => Some(Err(text(&error))),
        Err(error) => return Outcome::again_at_gck6(&error),
    };
    Outcome::Done
}

/// Whether asking again with the same token would bring the same.
fn is_final(error: &cloud::Error) -> bool {
    !error.is_unauthorized() && error.retry() == Retry::Never
}
