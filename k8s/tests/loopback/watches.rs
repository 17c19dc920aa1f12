//! Watches over connections that are cut, fall silent, lie and are stopped.

use std::collections::VecDeque;
use std::io;
use std::ops::ControlFlow;
use std::sync::Mutex;
use std::sync::atomic::AtomicBool;
use std::sync::mpsc::{Receiver, channel};
use std::thread::{self, JoinHandle};
use std::time::{Duration, Instant};

use k8s::config::{Pem, Trust};
use k8s::resource::PODS;
use k8s::{Client, Config, Error, Stop, WatchEvent, WatchSpec, pod::Pod};

use crate::certs::Authority;
use crate::server::{After, Connection, Seen, Server};
use crate::{DEADLINE, config, until};

/// What the server does with one request.
enum Act {
    /// Answers with this code and body.
    Answer(u16, String),
    /// Begins a watch, sends these pieces, and cuts the connection.
    Cut(Vec<String>),
    /// Begins a watch, sends these pieces, and ends it well.
    End(Vec<String>),
}

/// A server that does these in order, and says nothing once they are over.
fn script(acts: Vec<Act>) -> Server {
    Server::plain(in_order(acts))
}

fn in_order(acts: Vec<Act>) -> impl Fn(&Seen, &mut Connection) -> io::Result<After> + Send + Sync {
    let acts = Mutex::new(VecDeque::from(acts));
    move |_, connection| {
        let act = acts.lock().unwrap().pop_front();
        let (pieces, after) = match act {
            Some(Act::Answer(code, body)) => {
                connection.answer(code, "", &body)?;
                return Ok(After::Keep);
            }
            Some(Act::Cut(pieces)) => (pieces, After::Close),
            Some(Act::End(mut pieces)) => {
                pieces.push(String::new());
                (pieces, After::Keep)
            }
            None => {
                connection.begin()?;
                connection.until_closed();
                return Ok(After::Close);
            }
        };
        connection.begin()?;
        for piece in &pieces {
            connection.piece(piece)?;
        }
        Ok(after)
    }
}

fn list(version: u32, names: &[&str]) -> Act {
    let items: Vec<String> =
        names.iter().map(|name| format!(r#"{{"metadata":{{"name":"{name}"}}}}"#)).collect();
    let items = items.join(",");
    Act::Answer(200, format!(r#"{{"metadata":{{"resourceVersion":"{version}"}},"items":[{items}]}}"#))
}

fn event(type_: &str, name: &str, version: u32) -> String {
    format!(
        r#"{{"type":"{type_}","object":{{"metadata":{{"name":"{name}","resourceVersion":"{version}"}}}}}}"#
    ) + "\n"
}

/// A watch on a thread of its own.
struct Watching {
    told: Receiver<String>,
    stop: Stop,
    thread: Option<JoinHandle<()>>,
}

impl Watching {
    fn start(config: Config) -> Self {
        let (sender, told) = channel();
        let stop = Stop::new();
        let thread = {
            let stop = stop.clone();
            thread::spawn(move || {
                let name = |pod: Pod| pod.metadata.name;
                let again = AtomicBool::new(false);
                Client::new(config).watch(&WatchSpec::new(PODS, None), &again, &stop, &mut |events| {
                    let text = |event| match event {
                        WatchEvent::Listing => "[".to_owned(),
                        WatchEvent::Listed { .. } => "]".to_owned(),
                        WatchEvent::Overlong(_) => "…".to_owned(),
                        WatchEvent::Partial { object: pod, .. } => format!("~{}", name(pod)),
                        WatchEvent::Applied(pod) => format!("+{}", name(pod)),
                        WatchEvent::Deleted(pod) => format!("-{}", name(pod)),
                        WatchEvent::Malformed { key, .. } => format!("?{key}"),
                        WatchEvent::Failing(error) => format!("!{}", error.code().unwrap_or_default()),
                        WatchEvent::Recovered => "*".to_owned(),
                    };
                    let is_heard = events.into_iter().all(|event| sender.send(text(event)).is_ok());
                    if is_heard { ControlFlow::Continue(()) } else { ControlFlow::Break(()) }
                });
            })
        };
        Self { told, stop, thread: Some(thread) }
    }

    #[track_caller]
    fn tells(&self, wanted: &[&str]) {
        for wanted in wanted {
            assert_eq!(self.told.recv_timeout(DEADLINE).as_deref(), Ok(*wanted));
        }
    }

    /// Stops, and says how long it took.
    fn stop(mut self) -> Duration {
        let began = Instant::now();
        self.stop.stop();
        self.thread.take().unwrap().join().unwrap();
        began.elapsed()
    }
}

impl Drop for Watching {
    fn drop(&mut self) {
        self.stop.stop();
    }
}

/// What was asked for: `list`, or the version that a watch began at.
fn asked(server: &Server) -> Vec<String> {
    let version = |target: &str| {
        target.split("resourceVersion=").nth(1).map(|rest| rest.split('&').next().unwrap().to_owned())
    };
    server.seen().iter().map(|seen| version(&seen.target).unwrap_or_else(|| "list".to_owned())).collect()
}

#[test]
fn a_watch_cut_in_a_line_goes_on_where_it_was() {
    let (whole, half) = (event("ADDED", "b", 11), event("DELETED", "a", 12));
    let server = script(vec![
        list(10, &["a"]),
        Act::Cut(vec![whole[..9].to_owned(), whole[9..].to_owned(), half[..30].to_owned()]),
        Act::End(vec![half]),
    ]);
    let watching = Watching::start(config(&server.url()));
    watching.tells(&["[", "+a", "]", "+b", "-a"]);
    until("the last watch", || asked(&server) == ["list", "10", "11", "12"]);
}

#[test]
fn too_old_is_a_reason_to_list() {
    let gone =
        r#"{"type":"ERROR","object":{"kind":"Status","code":410,"reason":"Expired"}}"#.to_owned() + "\n";
    let server = script(vec![
        list(10, &["a"]),
        Act::End(vec![event("BOOKMARK", "", 15) + &gone]),
        list(20, &["b"]),
        Act::Answer(410, String::new()),
        list(30, &["c"]),
    ]);
    let watching = Watching::start(config(&server.url()));
    watching.tells(&["[", "+a", "]", "[", "+b", "]", "[", "+c", "]"]);
    until("the last watch", || asked(&server) == ["list", "10", "list", "20", "list", "30"]);
}

#[test]
fn failures_are_told_and_overcome() {
    let server = script(vec![
        Act::Answer(403, String::new()),
        list(10, &[]),
        Act::Answer(500, String::new()),
        Act::End(vec![event("ADDED", "a", 11)]),
    ]);
    let watching = Watching::start(config(&server.url()));
    watching.tells(&["!403", "[", "*", "]", "!500", "*", "+a"]);
}

#[test]
fn a_silent_watch_is_opened_again_without_a_word() {
    let server = script(vec![list(10, &["a"]), Act::End(vec![event("BOOKMARK", "", 14)])]);
    let mut config = config(&server.url());
    config.limits.silence = Duration::from_millis(50);
    let watching = Watching::start(config);
    watching.tells(&["[", "+a", "]"]);
    until("two silences", || asked(&server).len() >= 5);
    assert_eq!(asked(&server)[..5], ["list", "10", "14", "14", "14"]);
    assert!(watching.told.try_recv().is_err());
}

#[test]
fn a_stop_ends_a_blocked_read_at_once() {
    let check = |server: &Server, config: Config| {
        let watching = Watching::start(config);
        watching.tells(&["[", "+a", "]"]);
        until("the watch", || asked(server).len() == 2);
        let took = watching.stop();
        assert!(took < Duration::from_millis(100), "{took:?}");
    };
    let plain = script(vec![list(10, &["a"])]);
    check(&plain, config(&plain.url()));
    let authority = Authority::new();
    let tls = Server::tls(authority.server(&["127.0.0.1"]), in_order(vec![list(10, &["a"])]));
    let trust = Trust::Authorities(Pem::Inline(authority.pem()));
    check(&tls, Config { trust, ..config(&tls.url()) });
}

#[test]
fn a_stop_ends_a_pause_at_once() {
    let server = script(vec![Act::Answer(429, String::new())]);
    let mut config = config(&server.url());
    config.limits.silence = DEADLINE;
    let watching = Watching::start(config);
    watching.tells(&["!429"]);
    let took = watching.stop();
    assert!(took < Duration::from_millis(100), "{took:?}");
}

#[test]
fn a_sink_may_end_the_watch() {
    let server = script(vec![list(10, &["a"])]);
    let (mut seen, again) = (0, AtomicBool::new(false));
    Client::new(config(&server.url())).watch::<Pod>(
        &WatchSpec::new(PODS, None),
        &again,
        &Stop::new(),
        &mut |_| {
            seen += 1;
            ControlFlow::Break(())
        },
    );
    assert_eq!((seen, asked(&server).len()), (1, 1));
}

#[test]
fn a_stopped_handle_starts_nothing() {
    let server = script(Vec::new());
    let stop = Stop::new();
    stop.stop();
    Client::new(config(&server.url())).watch::<Pod>(
        &WatchSpec::new(PODS, None),
        &AtomicBool::new(false),
        &stop,
        &mut |_| ControlFlow::Continue(()),
    );
    assert!(server.seen().is_empty());
    let client = Client::new(config(&server.url()));
    client.shutdown();
    assert_eq!(client.call(&PODS.get(Some("ns"), "a")), Err(Error::Stopped));
}
