//! `sim cloud`: GCk6 and the bucket on one port, with a control interface for curl.
//!
//! Owns the arguments, the clock, and the log lines. Invariant: no line shows a token or a presigned URL.

#![expect(clippy::disallowed_methods, reason = "a driver: it has the clock")]
#![expect(clippy::print_stdout, reason = "its log is for the person at the terminal")]

use std::collections::BTreeSet;
use std::net::{SocketAddr, TcpListener};
use std::path::PathBuf;
use std::process::ExitCode;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant, SystemTime};

use sim::cloud::{Cloud, Route, control};
use sim::http::{Answer, Request, Response};
use sim::loopback::server::{Outcome, Server, Service};
use sim::s3::{self, S3};
use sim::wall::Wall;

use super::Error;

const HELP: &str = "\
sim cloud – stands in for Grafana Cloud k6 and the bucket that it keeps archives in

Usage: sim cloud --listen ADDR --archive FILE [--advertise URL] [--token TOKEN]

Options:
  --listen ADDR      address and port to serve on, e.g. 0.0.0.0:8080; everything is on this one port
  --archive FILE     what every test run downloads: the output of `k6 archive script.js`
  --advertise URL    how pods reach this server, e.g. http://192.168.1.10:8080; presigned URLs start with it
                     [default: http://ADDR]
  --token TOKEN      the only token that is taken [default: any]
  -h, --help         this text

Start the agent with --cloud-api URL --cloud-ingest URL. Then, with curl:
  curl URL/control                                                    zones, runs, events, finish calls
  curl -d '{\"zone\":\"my-zone\",\"instances\":2}' URL/control/runs         queues a run, answers {\"id\":101}
  curl -X POST URL/control/runs/101/abort                             what a user's abort does
  curl -d '{\"run_status\":8}' URL/control/runs/101/status              any other status; 4 and above stop the run
Further fields of a queued run: \"data\", merged into the test run's data (environment, image, secrets_config, …), and
\"listed\":\"forever\". A run's archive URL is good for 300 s from the moment it is queued.
";

struct Args {
    listen: SocketAddr,
    archive: PathBuf,
    advertise: Option<String>,
    token: String,
}

/// Serves until it is killed.
pub(crate) fn run(parser: &mut lexopt::Parser) -> Result<ExitCode, Error> {
    let Some(args) = parse(parser)? else { return Ok(super::help(HELP)) };
    let archive = std::fs::read(&args.archive)
        .map_err(|cause| Error::Io { what: format!("reading {}", args.archive.display()), cause })?;
    let io = |cause| Error::Io { what: format!("serving on {}", args.listen), cause };
    let listener = TcpListener::bind(args.listen).map_err(io)?;
    let addr = listener.local_addr().map_err(io)?;
    let url = args.advertise.unwrap_or_else(|| format!("http://{addr}"));
    let state = State {
        cloud: Cloud::new(&args.token),
        s3: S3::new(url.trim_end_matches('/'), Wall(SystemTime::now()), addr.port().into()),
        archive,
        quiet: BTreeSet::new(),
    };
    let service = Standalone { start: Instant::now(), state: Mutex::new(state) };
    let server = Server::start(listener, None, Arc::new(service)).map_err(io)?;
    println!("GCk6 and its bucket are on {}, advertised as {url}; ask {url}/control", server.addr());
    loop {
        std::thread::park();
    }
}

fn parse(parser: &mut lexopt::Parser) -> Result<Option<Args>, Error> {
    use lexopt::Arg::{Long, Short};
    use lexopt::ValueExt as _;
    let (mut listen, mut archive, mut advertise, mut token) = (None::<SocketAddr>, None, None, String::new());
    while let Some(arg) = parser.next()? {
        match arg {
            Long("listen") => listen = Some(parser.value()?.parse()?),
            Long("archive") => archive = Some(PathBuf::from(parser.value()?)),
            Long("advertise") => advertise = Some(parser.value()?.string()?),
            Long("token") => token = parser.value()?.string()?,
            Long("help") | Short('h') => return Ok(None),
            other => return Err(other.unexpected().into()),
        }
    }
    let missing = |option: &str| Error::Usage(format!("{option} is missing"));
    let listen = listen.ok_or_else(|| missing("--listen"))?;
    if listen.ip().is_unspecified() && advertise.is_none() {
        let message =
            format!("--listen {listen} is no address that pods could download from: give --advertise URL");
        return Err(Error::Usage(message));
    }
    Ok(Some(Args { listen, archive: archive.ok_or_else(|| missing("--archive"))?, advertise, token }))
}

struct Standalone {
    start: Instant,
    state: Mutex<State>,
}

struct State {
    cloud: Cloud,
    s3: S3,
    archive: Vec<u8>,
    /// What is asked again and again and was shown once.
    quiet: BTreeSet<(Route, String)>,
}

impl Service for Standalone {
    fn serve(&self, _local: SocketAddr, request: &Request) -> Outcome {
        let now = self.start.elapsed();
        let mut state = self.state.lock().unwrap_or_else(PoisonError::into_inner);
        Outcome::Answer(state.serve(now, request))
    }
}

impl State {
    fn serve(&mut self, now: Duration, request: &Request) -> Answer {
        let complaints = self.cloud.complaints.len();
        let answer = if control::is_control(request) {
            control::serve(now, &mut self.cloud, &mut self.s3, &self.archive, request).into()
        } else if request.path.starts_with(s3::PREFIX) {
            self.s3.serve(now, request)
        } else {
            self.cloud.serve(now, request)
        };
        let said = match &answer {
            Answer::Now(response) | Answer::After(_, response) => response.status.to_string(),
            Answer::Drop | Answer::Truncated(..) => "broken off".to_owned(),
        };
        if let Some(words) = self.describe(request, &answer) {
            println!("{:9.1} s  {words} → {said}", now.as_secs_f64());
        }
        for complaint in &self.cloud.complaints[complaints..] {
            println!("{:9.1} s  ! {complaint}", now.as_secs_f64());
        }
        answer
    }

    /// A request in words; none for a repetition that nobody needs to see.
    fn describe(&mut self, request: &Request, answer: &Answer) -> Option<String> {
        let line = format!("{} {}", request.method.name(), request.path);
        let Some((route, name)) = Route::of(request) else { return Some(line) };
        let response = match answer {
            Answer::Now(response) => response.clone(),
            _ => Response::empty(0),
        };
        let body = request.json().unwrap_or_default();
        let is_dull = match route {
            Route::Poll => response.value()["object"].as_array().is_some_and(Vec::is_empty),
            Route::Metrics => response.status < 300,
            _ => false,
        };
        if is_dull && !self.quiet.insert((route, name.clone())) {
            return None;
        }
        Some(match route {
            Route::Register => {
                format!("zone {} registers as {}", body["k6_load_zone_id"], body["provider_id"])
            }
            Route::Deregister => format!("zone {name:?} deregisters"),
            Route::Poll if is_dull => {
                format!("zone {name:?} polls (further polls without a run are not shown)")
            }
            Route::Poll => format!("zone {name:?} polls and gets {}", response.value()["object"]),
            Route::Data => format!("run {name}: its data is read"),
            Route::State => format!("run {name}: its state is read: {}", response.value()["run_status"]),
            Route::Events => format!("run {name}: events {body}"),
            Route::Create => format!("a run is created: {}", response.value()["reference_id"]),
            Route::Finish => format!("run {name}: finished with {body}"),
            Route::Metrics => format!("run {name}: the first metrics come (further ones are not shown)"),
        })
    }
}
