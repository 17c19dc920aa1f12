//! What GCk6 says of the run.

use crate::cloud::{self, Retry};
use crate::outcome::{Lesson, text};
use crate::testrun::credentials::Credentials;
use crate::testrun::memory::{Keeping, RunMemory};

type Reply = Result<Vec<u8>, cloud::Error>;

pub(super) fn credentials(memory: &mut RunMemory, reply: Reply) -> Lesson {
    memory.keeping = match reply.and_then(|body| cloud::reply::test_run_data(&body)) {
        Ok(data) => {
            let gone = || Keeping::Refused("GCk6 does not name its archive any more".to_owned());
            Credentials::of(&data).map_or_else(gone, Keeping::InHand)
        }
        Err(error) if is_final(&error) => {
            Keeping::Refused(format!("GCk6 does not tell it: {}", text(&error)))
        }
        Err(error) => return again(&error),
    };
    Lesson::Done
}

pub(super) fn state(memory: &mut RunMemory, reply: Reply) -> Lesson {
    match reply.and_then(|body| cloud::reply::test_run_state(&body)) {
        Ok(status) => {
            memory.state = Some(status);
            memory.state_missing = 0;
        }
        // The next check is due in its own time.
        Err(error) if is_final(&error) => memory.state_missing += u32::from(error.is_not_found()),
        Err(error) => return again(&error),
    }
    memory.state_as_of = Some(memory.state_asked);
    Lesson::Done
}

pub(super) fn told(memory: &mut RunMemory, reply: Reply) -> Lesson {
    match reply {
        Ok(_) => {}
        Err(error) if is_final(&error) => log::warn!("GCk6 does not take the event: {}", text(&error)),
        Err(error) => return again(&error),
    }
    memory.told();
    Lesson::Done
}

pub(super) fn finished(memory: &mut RunMemory, reply: Reply) -> Lesson {
    memory.finish = match reply {
        Ok(_) => Some(Ok(())),
        Err(error) if is_final(&error) => Some(Err(text(&error))),
        Err(error) => return again(&error),
    };
    Lesson::Done
}

/// Whether asking again with the same token would bring the same.
fn is_final(error: &cloud::Error) -> bool {
    !error.is_unauthorized() && error.retry() == Retry::Never
}

fn again(error: &cloud::Error) -> Lesson {
    if error.is_unauthorized() {
        Lesson::TokenRefused(text(error))
    } else {
        Lesson::again(error.retry(), error)
    }
}
