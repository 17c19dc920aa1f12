//! What each answer to each action is taken for: accepted, refused for good, lost, too late, garbage.

mod gck6;
mod objects;
mod runners;
mod written;

use std::time::Duration;

use serde_json::json;

use super::world::{NOW, World};
use crate::call::Reply;
use crate::outcome::Outcome;
use crate::testrun::action::Action;
use crate::testrun::reply::apply_reply;
use crate::{cloud, runner};

/// What comes instead of the JSON that was promised: with a 200, from whoever stands in between, or cut down to nothing.
const GARBAGE: [&str; 6] = ["", "null", "{}", "[]", "7", "<html>login</html>"];

/// What an outcome says, without its words.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Is {
    Done,
    Run,
    Again,
    Later(u64),
    TokenRefused,
    EventRefused,
}

impl Is {
    fn of(outcome: &Outcome) -> Self {
        match outcome {
            Outcome::Done => Self::Done,
            Outcome::Run(_) => Self::Run,
            Outcome::Again { after: None, .. } => Self::Again,
            Outcome::Again { after: Some(after), .. } => Self::Later(after.as_secs()),
            Outcome::TokenRefused(_) => Self::TokenRefused,
            Outcome::EventRefused { .. } => Self::EventRefused,
            Outcome::Zone(_) => panic!("no zone is asked for here"),
        }
    }
}

/// The answer to `action` is `reply`.
fn apply(world: &mut World, action: Action, reply: Reply) -> Outcome {
    apply_reply(&mut world.state, NOW, action, reply)
}

/// The API server answers with an object, or anything else.
#[expect(clippy::needless_pass_by_value, reason = "literals read better without a borrow")]
fn kubernetes(body: impl ToString) -> Reply {
    Reply::Kubernetes(Ok(body.to_string().into_bytes()))
}

/// The API server refuses.
fn refused(code: u16, reason: &str) -> Reply {
    let body = json!({ "kind": "Status", "reason": reason, "message": "no", "code": code }).to_string();
    Reply::Kubernetes(k8s::status::interpret(code, None, body.into_bytes()))
}

/// The API server asks for a pause.
fn busy(code: u16) -> Reply {
    Reply::Kubernetes(k8s::status::interpret(code, Some(Duration::from_secs(7)), b"{}".to_vec()))
}

/// The answer of the API server has not come.
fn lost() -> [Reply; 2] {
    let (server, cause) = ("https://api".to_owned(), "30 s".to_owned());
    let transport = k8s::Error::Transport { server: server.clone(), cause: cause.clone() };
    [Reply::Kubernetes(Err(transport)), Reply::Kubernetes(Err(k8s::Error::Timeout { server, cause }))]
}

/// GCk6 answers.
#[expect(clippy::needless_pass_by_value, reason = "literals read better without a borrow")]
fn cloud(body: impl ToString) -> Reply {
    Reply::Cloud(Ok(body.to_string().into_bytes()))
}

/// GCk6 answers with this status and nothing else.
fn cloud_status(code: u16) -> Reply {
    Reply::Cloud(cloud::reply::interpret(code, None, b"{}").map(|()| Vec::new()))
}

/// GCk6 does not answer.
fn cloud_lost() -> Reply {
    Reply::Cloud(Err(cloud::Error::Transport("no route".to_owned())))
}

/// The runner answers.
#[expect(clippy::needless_pass_by_value, reason = "literals read better without a borrow")]
fn from_runner(body: impl ToString) -> Reply {
    Reply::Runner(Ok(body.to_string().into_bytes()))
}

/// The runner answers with this status and body.
fn runner_status(code: u16, body: &str) -> Reply {
    Reply::Runner(runner::interpret(code, body.as_bytes()).map(|()| Vec::new()))
}

/// The runner does not answer; whoever stands in between says so, or refuses, or is away himself.
fn unreachable() -> Reply {
    Reply::Runner(Err(runner::Error::Unreachable("timeout".to_owned())))
}

fn not_passed_on() -> Reply {
    Reply::Runner(Err(runner::Error::Refused("forbidden".to_owned())))
}

fn no_way() -> Reply {
    Reply::Runner(Err(runner::Error::NoWay("the API server is away".to_owned())))
}
