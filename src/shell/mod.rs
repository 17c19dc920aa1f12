//! The shell: all the I/O there is. One loop that asks the core, a pool that makes calls, a thread for each watch.
//!
//! ```text
//!   signals ──────────────────────────────┐
//!   connections (if any) ── asks (bounded) ┤
//!   watch threads ── seen (bounded) ────► loop ── jobs (bounded, one per class) ──► workers of that class
//!                                           ▲                                          │
//!                                           └──────────── done (bounded) ──────────────┘
//! ```
//! Why nothing can lock up: of all threads only those that the loop never waits for wait for it.
//! - The loop waits in one place, for whatever comes first. To send it never waits: `jobs` of a class holds as many calls as
//!   the core hands out of that class at once, and calls that run the user's code have a thread each instead.
//! - A worker never waits to send: `done` holds as many as the core hands out of all classes together. A worker that has
//!   nothing to do leaves under the lock under which the loop hands over calls, so none is left behind; nobody sends to a full
//!   channel or makes a call under that lock. A call that may not be begun any more comes back at once, like one that was made.
//! - Watch threads do wait on `seen`, and the loop never sends to them. What they do not read meanwhile stays in the sockets,
//!   and TCP slows the API server down.
//! - Connections wait for an answer, with a limit, and never to ask: a question that does not fit is answered by its
//!   connection. The loop answers into a channel with room for it.
//! - What the loop alone stores, others read: until when calls may be begun, and that the program stops. Neither is waited for.
//!
//! Owns threads, clocks and sockets. Leaves every decision to `core`. Invariant: a call has a limit on its time, so that
//! every worker comes back.

mod calls;
mod clock;
pub(crate) mod identity;
pub(crate) mod image;
mod listen;
mod notify;
mod pool;
mod room;
mod turn;
mod watches;

pub use listen::answer_to;

use std::os::unix::net::UnixStream;

use crossbeam_channel::{Receiver, bounded, never};

use crate::config::{ListenAddress, RunConfig};
use crate::health::Watches;
use crate::metrics::Calls;
use crate::net::{HttpClient, ProxyUrl};
use crate::shell::calls::{Caller, Rooms};
use crate::shell::clock::Clock;
use crate::shell::listen::Server;
use crate::shell::notify::Notifier;
use crate::shell::pool::Pool;
use crate::shell::turn::{InHand, Loop};
use crate::threads::{self, Body};
use plz_core::controller::{Core, Settings};
use plz_core::event::Event;
use plz_core::lease::operator;
use plz_core::limits;
use plz_core::redact;
use plz_core::testrun::network::{RunnerNetwork, ShareProxy};
use plz_core::testrun::template;

/// Why the agent cannot begin. Each message names the cause and the mend.
#[derive(Debug, thiserror::Error)]
pub enum StartError {
    /// The kubeconfig or the service account cannot be used.
    #[error(transparent)]
    Kubernetes(#[from] k8s::config::ConfigError),
    /// Occurs outside a cluster when no image for the init container is named.
    #[error("outside a cluster, the image of plz-agent must be named: --fetch-image or PLZ_FETCH_IMAGE")]
    NoFetchImage,
    /// Occurs inside a cluster when the agent's own pod does not tell its image.
    #[error(
        "the image of the agent's own pod cannot be read: {0}; name it with --fetch-image or PLZ_FETCH_IMAGE"
    )]
    OwnImage(String),
    /// Occurs when another process has the port, or the machine does not have the address.
    #[error("cannot listen on {address}: {cause}; free it, or name another with --listen or PLZ_LISTEN")]
    Listen {
        /// What was to be listened on.
        address: ListenAddress,
        /// What the system says.
        cause: std::io::Error,
    },
    /// Occurs when an election is asked for and nothing tells in which namespace.
    #[error("--lease {0}: no namespace is known; name it, as in --lease NAMESPACE/{0}")]
    NoLeaseNamespace(String),
    /// The system refuses a thread or a signal handler.
    #[error("the system refuses {what}: {cause}")]
    System {
        /// What was asked for.
        what: &'static str,
        /// What it answers.
        cause: std::io::Error,
    },
}

impl StartError {
    /// Whether the way the agent was called is to blame, rather than the world.
    #[must_use]
    pub fn is_usage(&self) -> bool {
        matches!(self, Self::Kubernetes(_) | Self::NoFetchImage | Self::NoLeaseNamespace(_))
    }
}

/// Runs the agent until a signal ends it.
pub fn run(config: &RunConfig) -> Result<(), StartError> {
    let kube = config.kube()?;
    if config.fetch_image.is_none() && !kube.is_in_cluster() {
        return Err(StartError::NoFetchImage);
    }
    let clock = Clock::start();
    let candidacy = identity::candidacy(config, &kube, &clock)?;
    let in_cluster = kube.is_in_cluster();
    let server = config.listen.map(|address| Server::start(address, clock.started())).transpose()?;
    let stop = k8s::Stop::new();
    let signals = signals(&stop)?;
    log::info!("plz-agent {} for the API server at {}", env!("CARGO_PKG_VERSION"), kube.server);
    for warning in &kube.warnings {
        log::warn!("{warning}");
    }
    let client = k8s::Client::new(kube);
    let Some(fetch_image) = image::fetch_image(config, &client, &stop)? else { return Ok(()) };
    log::info!("runners download their archive with the image {fetch_image}");

    let scopes = config.namespaces.scopes();
    let lookout = operator::scopes(&scopes, &config.operator_namespaces);
    let core = Core::new(Settings {
        scopes: scopes.clone(),
        operator_namespaces: config.operator_namespaces.clone(),
        candidacy,
        workers: config.workers,
        poll_interval: config.poll_interval,
        start_deadline: config.start_deadline,
        template: template::Settings {
            fetch_image,
            ingest: config.cloud_ingest.clone(),
            network: network(config),
        },
        seed: clock.seed(),
    });
    let caller = Caller {
        kubernetes: client.clone(),
        cloud: HttpClient::cloud(&config.proxies, config.extra_ca.as_ref()),
        cloud_api: config.cloud_api.clone(),
        cloud_ingest: config.cloud_ingest.clone(),
        runners: (!config.runner_access.is_proxied(in_cluster)).then(HttpClient::runners),
        rooms: Rooms::default(),
    };
    let (pool, done) = Pool::new(config.workers, pool::IDLE_MAX, caller, clock);
    let (seen_in, seen) = bounded::<Vec<Event>>(limits::SEEN_MAX);
    let again = watches::start(&client, &scopes, &lookout, &seen_in, &stop)?;
    drop(seen_in);

    let notifier = Notifier::open(&config.notify_env);
    let asks = server.as_ref().map_or_else(never, |server| server.asks.clone());
    let (calls, watches) = (Calls::default(), Watches::new(&scopes, &lookout));
    let in_hand = InHand::default();
    let mut shell =
        Loop { core, clock, pool, done, seen, again, asks, signals, notifier, calls, watches, in_hand };
    if let Some(server) = &server {
        server.open();
    }
    shell.turn_until_signal()?;
    shell.notifier.stopping();
    log::info!(
        "stopping with {} calls in flight; test runs carry on, and the next agent takes them over",
        shell.in_hand.all
    );
    shell.pool.stop();
    stop.stop();
    shell.finish();
    shell.leave();
    Ok(())
}

/// What runner pods are told of proxies and authorities; says what a person may not have thought of.
fn network(config: &RunConfig) -> RunnerNetwork {
    for entry in config.proxies.no_proxy.vain() {
        let entry = redact::scrub(entry, &[]);
        log::warn!(
            "NO_PROXY: no host matches {entry:?}; give hosts, .suffixes, IP addresses or CIDR blocks, or *"
        );
    }
    let mut proxies = config.proxies.proxies().peekable();
    match config.share_proxy {
        ShareProxy::Archive | ShareProxy::All if proxies.peek().is_none() => {
            log::warn!("--share-proxy: there is no proxy to share; set HTTPS_PROXY, HTTP_PROXY or ALL_PROXY");
        }
        ShareProxy::None if proxies.next().is_some() => {
            log::info!(
                "runner pods do not get the agent's proxy; to pass it on, use --share-proxy archive or all"
            );
        }
        ShareProxy::Archive | ShareProxy::All if proxies.any(ProxyUrl::has_credentials) => log::warn!(
            "--share-proxy: everybody who may read pods can see the proxy's password in the runner pods; have the \
             proxy recognize its clients by their addresses instead"
        ),
        _ => {}
    }
    RunnerNetwork::new(&config.proxies.variables(), config.share_proxy, config.runner_ca.clone())
}

/// SIGTERM and SIGINT as messages. As PID 1 a process gets only the signals that it handles.
fn signals(stop: &k8s::Stop) -> Result<Receiver<i32>, StartError> {
    let system = |what| move |cause| StartError::System { what, cause };
    let (sender, receiver) = bounded(2);
    for signal in [signal_hook::consts::SIGTERM, signal_hook::consts::SIGINT] {
        let (mut read, write) = UnixStream::pair().map_err(system("a socket pair"))?;
        signal_hook::low_level::pipe::register(signal, write).map_err(system("a signal handler"))?;
        let (sender, stop) = (sender.clone(), stop.clone());
        let listen = move || {
            let mut byte = [0];
            while matches!(std::io::Read::read(&mut read, &mut byte), Ok(1)) {
                if sender.try_send(signal).is_err() {
                    return;
                }
                // Waits at start, before the loop turns, end by this.
                stop.stop();
            }
        };
        spawn("signal", Box::new(listen))?;
    }
    Ok(receiver)
}

/// A thread of the usual size.
fn spawn(name: &str, body: Body) -> Result<(), StartError> {
    let spawned = threads::spawn(name, threads::STACK_BYTES, body);
    spawned.map_err(|cause| StartError::System { what: "a thread", cause })
}
