//! One k6 process: its state machine and its REST API.
//!
//! ```text
//! started → (boot) initializing → paused ─resume→ running ─duration→ ended ─┬→ exits
//!                                   │                 ├─stopped, test.abort()→ interrupted ┤
//!                                   │                 └─test.fail(), duration→ marked as failed ┴→ lingers until SIGTERM
//!                                   └─setup (REST), setup data
//! ```
//! Resumed before the script is compiled, it starts as soon as it is. Resumed a second time, it answers 500 and runs on.
//! Setup over REST leaves the status at paused; its data is there when it has ended. k6 interrupts a setup whose caller is
//! gone; the model learns of that only when the next one is asked for, and takes the former as never run.
//! Invariant: once interrupted or marked as failed, the process says `running: true` for as long as it lingers, and its exit
//! code is that of what ended its test first, whatever signal it then gets.

use std::time::Duration;

use serde_json::{Value, json};

use super::argv::{Argv, DoneBy, End};
use super::{ABORTED, MARKED_AS_FAILED, STOPPED_BY_REST};
use crate::http::{Answer, Method, Request, Response};
use crate::json;

/// `status` of a process that waits to be resumed.
const PAUSED: u64 = 4;

/// How a process ends.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Exit {
    /// Exit code.
    pub code: i32,
    /// What it leaves in `/dev/termination-log`, or as the last line of its log.
    pub message: String,
}

impl Exit {
    /// An end with a code and a message.
    pub fn new(code: i32, message: &str) -> Self {
        Self { code, message: message.to_owned() }
    }
}

/// Whether the REST API answers as it should.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Manners {
    /// It does.
    #[default]
    Good,
    /// Connections break.
    Unreachable,
    /// Every call is answered with this status.
    Failing(u16),
    /// Every call takes this long.
    Slow(Duration),
    /// Every status is that many bytes longer than it should be.
    Verbose(usize),
}

/// Whether a script calls `test.fail()`.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Fails {
    /// It does not.
    #[default]
    Never,
    /// It does, and runs on.
    Once,
}

/// What sets one k6 apart from another.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Version {
    /// Says nothing of its exit code before it exits.
    #[default]
    V2_2_0,
    /// Says in its status which exit code it will have.
    TellsExitCode,
}

/// What script the process runs and how it behaves.
#[derive(Clone, Debug, PartialEq)]
pub struct Script {
    /// From the start of the process to its REST API.
    pub boot: Duration,
    /// From its REST API to the pause: compiling the script.
    pub init: Duration,
    /// From resume to end.
    pub duration: Duration,
    /// How long setup takes.
    pub setup: Duration,
    /// How long teardown takes.
    pub teardown: Duration,
    /// What setup returns; null for nothing.
    pub setup_data: Value,
    /// The exception that setup throws, if it does.
    pub setup_error: Option<String>,
    /// The exception that teardown throws, if it does.
    pub teardown_error: Option<String>,
    /// An end of the process before its time: after this much of the run, with this exit.
    pub dies: Option<(Duration, Exit)>,
    /// An interruption of the test from within: after this much of the run, with the exit that the process will have.
    /// `test.abort()` is 108, a threshold with `abortOnFail` 99, an output that stops the test 105.
    pub aborts: Option<(Duration, Exit)>,
    /// Whether the script calls `test.fail()` in its run.
    pub fails: Fails,
    /// Which k6 it is.
    pub version: Version,
    /// How long the last metrics take after SIGTERM.
    pub flush: Duration,
    /// Exit code when the test ends by itself.
    pub exit: Exit,
    /// How the REST API answers.
    pub manners: Manners,
}

impl Default for Script {
    /// A script that runs for five seconds, has no setup data, and ends well.
    fn default() -> Self {
        Self {
            boot: Duration::from_millis(50),
            init: Duration::from_millis(100),
            duration: Duration::from_secs(5),
            setup: Duration::ZERO,
            teardown: Duration::ZERO,
            setup_data: Value::Null,
            setup_error: None,
            teardown_error: None,
            dies: None,
            aborts: None,
            fails: Fails::Never,
            version: Version::V2_2_0,
            flush: Duration::from_millis(100),
            exit: Exit::default(),
            manners: Manners::Good,
        }
    }
}

/// A process.
#[derive(Clone, Debug)]
pub struct Runner {
    /// Its command line.
    pub argv: Argv,
    /// Its script.
    pub script: Script,
    /// When it was started.
    pub started: Duration,
    /// When it first answered that it is paused.
    pub shown_paused: Option<Duration>,
    /// When it was resumed; the first time if more than once.
    pub resumed: Option<Duration>,
    /// When it was stopped over REST.
    pub stopped: Option<Duration>,
    /// When setup was asked for over REST, each time but for [`Runner::setups_abandoned`].
    pub setups: Vec<Duration>,
    /// When setup was asked for over REST and interrupted before its end, each time.
    pub setups_abandoned: Vec<Duration>,
    /// When setup data was put or will be left by setup, each time, and what: none for an empty body.
    pub data_puts: Vec<(Duration, Option<Value>)>,
    /// When teardown was asked for over REST, each time.
    pub teardowns: Vec<Duration>,
    /// When it got SIGTERM.
    pub terminated: Option<Duration>,
    /// When it was killed, if nothing else ended it before.
    pub killed: Option<Duration>,
    /// REST calls answered.
    pub calls: u64,
}

impl Runner {
    /// A process that starts now.
    pub fn new(now: Duration, argv: Argv, script: Script) -> Self {
        let mut runner = Self {
            argv,
            script,
            started: now,
            shown_paused: None,
            resumed: None,
            stopped: None,
            setups: Vec::new(),
            setups_abandoned: Vec::new(),
            data_puts: Vec::new(),
            teardowns: Vec::new(),
            terminated: None,
            killed: None,
            calls: 0,
        };
        if runner.argv.start == DoneBy::Itself {
            runner.resumed = Some(runner.ready_at());
        }
        runner
    }

    /// When the REST API opens.
    pub fn listens_at(&self) -> Duration {
        self.started + self.script.boot
    }

    /// When the script is compiled: a paused process can be resumed from then.
    pub fn ready_at(&self) -> Duration {
        self.listens_at() + self.script.init
    }

    /// When the test ends or has ended; none while it waits to be resumed.
    pub fn ends_at(&self) -> Option<Duration> {
        let by_itself = self.resumed.map(|at| {
            let own_setup =
                if self.argv.setup == DoneBy::Itself { self.script.setup } else { Duration::ZERO };
            at.max(self.ready_at()) + own_setup + self.script.duration
        });
        [by_itself, self.interruption().map(|(at, _)| at)].into_iter().flatten().min()
    }

    /// When the test is or was interrupted, from within or over REST, and the exit that this makes.
    fn interruption(&self) -> Option<(Duration, Exit)> {
        let over_rest =
            self.stopped.map(|at| (at, Exit::new(STOPPED_BY_REST, "test run stopped from REST API")));
        let from_within = self.script.aborts.as_ref().zip(self.resumed);
        let from_within =
            from_within.map(|((after, exit), at)| (at.max(self.ready_at()) + *after, exit.clone()));
        [over_rest, from_within].into_iter().flatten().min_by_key(|(at, _)| *at)
    }

    /// The interruption, if it came before the test's own end.
    fn cut_short(&self, now: Duration) -> Option<Exit> {
        let (at, exit) = self.interruption()?;
        (at <= now && self.ends_at() == Some(at)).then_some(exit)
    }

    /// How the process will exit because of its test, which has ended.
    fn outcome(&self, now: Duration) -> Exit {
        match (self.cut_short(now), self.script.fails) {
            (Some(exit), _) => exit,
            (None, Fails::Once) => Exit::new(MARKED_AS_FAILED, "test run was marked as failed"),
            (None, Fails::Never) => self.script.exit.clone(),
        }
    }

    /// When and how the process exits, as far as that is settled.
    pub fn exits(&self) -> Option<(Duration, Exit)> {
        let mut exits = Vec::new();
        if let Some((after, exit)) = &self.script.dies {
            exits.extend(self.resumed.map(|at| (at + *after, exit.clone())));
        }
        let own_setup_fails = self.argv.setup == DoneBy::Itself && self.script.setup_error.is_some();
        if let (true, Some(at), Some(error)) = (own_setup_fails, self.resumed, &self.script.setup_error) {
            exits.push((at + self.script.setup, Exit::new(super::SCRIPT_EXCEPTION, error)));
        }
        if let (Some(end), End::Exits) = (self.ends_at(), self.argv.end) {
            exits.push((end + self.script.flush, self.outcome(end)));
        }
        if let Some(at) = self.terminated {
            let has_ended = self.ends_at().is_some_and(|end| end <= at);
            let exit = if has_ended {
                self.outcome(at)
            } else {
                Exit::new(ABORTED, "test run was aborted by a signal")
            };
            exits.push((at + self.script.flush, exit));
        }
        exits.extend(self.killed.map(|at| (at, Exit::new(super::KILLED, ""))));
        exits.into_iter().min_by_key(|(at, _)| *at)
    }

    /// `status` of the REST API at a moment.
    pub fn status(&self, now: Duration) -> u64 {
        if self.cut_short(now).is_some() {
            return 10;
        }
        match (self.resumed, self.ends_at()) {
            (_, Some(end)) if now >= end && self.script.fails == Fails::Once => 11,
            (_, Some(end)) if now >= end => 9,
            _ if now < self.ready_at() => 1,
            (Some(_), _) => 7,
            (None, _) => PAUSED,
        }
    }

    /// Answers a call to the REST API. The caller has made sure that the process lives.
    pub fn serve(&mut self, now: Duration, request: &Request) -> Answer {
        if now < self.listens_at() {
            return Answer::Drop;
        }
        self.calls += 1;
        match self.script.manners {
            Manners::Good => self.answer(now, request),
            Manners::Unreachable => Answer::Drop,
            Manners::Failing(status) => Response::text(status, "upstream error").into(),
            Manners::Verbose(more) => match self.answer(now, request) {
                Answer::Now(mut response) if request.path == "/v1/status" => {
                    response.body.resize(response.body.len() + more, b' ');
                    response.into()
                }
                other => other,
            },
            Manners::Slow(after) => match self.answer(now, request) {
                Answer::Now(response) => Answer::After(after, response),
                Answer::After(more, response) => Answer::After(after + more, response),
                other => other,
            },
        }
    }

    fn answer(&mut self, now: Duration, request: &Request) -> Answer {
        match (request.method, request.path.as_str()) {
            (Method::Get, "/v1/status") => {
                if self.status(now) == PAUSED {
                    self.shown_paused.get_or_insert(now);
                }
                self.show_status(now).into()
            }
            (Method::Patch, "/v1/status") => self.change_status(now, request).into(),
            (Method::Get, "/v1/setup") => {
                let mut there = self.data_puts.iter().rev().filter(|(at, _)| *at <= now);
                setup_data(there.next().and_then(|(_, data)| data.as_ref())).into()
            }
            (Method::Post, "/v1/setup") => self.run_setup(now),
            (Method::Put, "/v1/setup") => {
                let data = match request.body.as_slice() {
                    [] => None,
                    body => match serde_json::from_slice(body) {
                        Ok(data) => Some(data),
                        Err(error) => {
                            return failure(400, "Error parsing request body", &error.to_string()).into();
                        }
                    },
                };
                self.data_puts.push((now, data.clone()));
                setup_data(data.as_ref()).into()
            }
            (Method::Post, "/v1/teardown") => {
                self.teardowns.push(now);
                let response = match &self.script.teardown_error {
                    Some(error) => failure(500, "Error executing teardown", error),
                    None => Response::empty(200),
                };
                Answer::After(self.script.teardown, response)
            }
            _ => Response::text(404, "404 page not found").into(),
        }
    }

    fn run_setup(&mut self, now: Duration) -> Answer {
        let end = now + self.script.setup;
        if self.setups.last().is_some_and(|at| now < *at + self.script.setup) {
            self.setups_abandoned.extend(self.setups.pop());
            self.data_puts.retain(|(at, _)| *at <= now);
        }
        self.setups.push(now);
        let response = match &self.script.setup_error {
            Some(error) => failure(500, "Error executing setup", error),
            None => {
                let data = Some(self.script.setup_data.clone()).filter(|data| !data.is_null());
                self.data_puts.push((end, data.clone()));
                setup_data(data.as_ref())
            }
        };
        Answer::After(self.script.setup, response)
    }

    fn change_status(&mut self, now: Duration, request: &Request) -> Response {
        let Some(body) = request.json() else {
            return failure(400, "Invalid data", "unexpected end of JSON input");
        };
        let asked = json::at(&body, "data.attributes");
        if asked["stopped"] == true && self.stopped.is_none() {
            self.stopped = Some(now);
        }
        match (&asked["paused"], self.resumed) {
            // Stopping leaves everything else of the request alone.
            _ if asked["stopped"] == true => {}
            (Value::Bool(false), None) => self.resumed = Some(now),
            (Value::Bool(true), None) => return failure(500, "Pause error", "execution is already paused"),
            (Value::Bool(_), Some(_)) => {
                let detail = "per-vu-iterations executor 'default' doesn't support pause and resume operations after its start";
                return failure(500, "Pause error", detail);
            }
            _ => {}
        }
        self.show_status(now)
    }

    fn show_status(&self, now: Duration) -> Response {
        let status = self.status(now);
        let is_stopped = self.stopped.is_some() || self.cut_short(now).is_some();
        let running = matches!(status, 7 | 10 | 11) && self.resumed.is_some();
        let vus = if status == 7 { 1 } else { 0 };
        let mut attributes = json!({"status": status, "paused": self.resumed.is_none(), "vus": vus, "vus-max": 1,
            "stopped": is_stopped, "running": running, "tainted": false});
        if self.script.version == Version::TellsExitCode {
            let is_over = self.ends_at().is_some_and(|end| end <= now);
            attributes["execution_result"] =
                if is_over { json!({"exit_code": self.outcome(now).code}) } else { Value::Null };
        }
        Response::json(200, &json!({"data": {"type": "status", "id": "default", "attributes": attributes}}))
    }
}

/// The document of setup data; data that was never set is left out, data that was set to null is null.
fn setup_data(data: Option<&Value>) -> Response {
    let attributes = data.map_or_else(|| json!({}), |data| json!({"data": data}));
    Response::json(200, &json!({"data": {"type": "setupData", "id": "default", "attributes": attributes}}))
}

fn failure(status: u16, title: &str, detail: &str) -> Response {
    let error = json!({"status": status.to_string(), "title": title, "detail": detail});
    Response::json(status, &json!({"errors": [error]}))
}
