//! The shell: all the I/O there is. One loop that asks the core, a pool that makes calls, a thread for each watch.
//!
//! ```text
//!   signals ──────────────────────────────┐
//!   connections (if any) ── asks (bounded) ┤
//!   watch threads ── seen (bounded) ────► loop ── jobs (bounded, one per class) ──► workers of that class
//!                                           ▲                                          │
//!                                           └──────────── done (bounded) ──────────────┘
//! ```
//! Why nothing can lock up: `jobs` and `done` hold as many as the core ever hands out, so neither the loop nor a
//! worker ever waits to send. Watch threads do wait on `seen`; the loop never sends to them, so there is no cycle. What
//! they do not read meanwhile stays in the sockets, and TCP slows the API server down.
//!
//! Whoever asks for health or metrics waits for the loop, and the loop for nobody: see `listen`.
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
mod watches;

use std::collections::BTreeSet;
use std::os::unix::net::UnixStream;
use std::thread;
use std::time::Duration;

use crossbeam_channel::{Receiver, bounded, never, select};
use k8s::config::{Environment, Source};

use crate::config::{ListenAddress, Namespaces, RunConfig, RunnerAccess};
use crate::core::{Core, Settings};
use crate::event::{Class, Event, Reply, Task, TaskId};
use crate::health::Watches;
use crate::metrics::Calls;
use crate::net::{HttpClient, ProxyUrl};
use crate::redact;
use crate::shell::calls::Caller;
use crate::shell::clock::Clock;
use crate::shell::listen::{Ask, Server};
use crate::shell::notify::Notifier;
use crate::shell::pool::{Done, Pool};
use crate::zone::network::{RunnerNetwork, ShareProxy};
use crate::zone::template;

/// How many reports and sightings are taken in before the core decides: enough to decide once on many, few enough to
/// decide soon.
const ABSORBED_PER_TURN_MAX: usize = 256;
/// How many sightings may wait for the loop.
const SEEN_MAX: usize = 64;
/// How many questions are answered in one turn; the rest waits for the next.
const ANSWERS_PER_TURN_MAX: usize = 4;
/// How long the writes in hand may take after a signal.
const GRACE: Duration = Duration::from_millis(1500);
/// How long giving up the Lease may take after that.
const LEAVE_TIMEOUT: Duration = Duration::from_secs(1);
/// Threads do little and recurse little; untouched stack costs nothing.
const STACK_BYTES: usize = 512 * 1024;

/// Why the agent cannot begin. Each message names the cause and the mend.
#[derive(Debug, thiserror::Error)]
pub enum StartError {
    /// The kubeconfig or the service account cannot be used.
    #[error(transparent)]
    Kubernetes(#[from] k8s::config::ConfigError),
    /// Occurs outside a cluster when no image for the init container is named.
    #[error("outside a cluster the image of plz-agent has to be named: --fetch-image or PLZ_FETCH_IMAGE")]
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
    let kube = k8s::Config::infer(&source(config))?
        .with_user_agent(concat!("plz-agent/", env!("CARGO_PKG_VERSION")));
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
    let client = k8s::Client::new(kube);
    let Some(fetch_image) = image::fetch_image(config, &client, &stop)? else { return Ok(()) };
    log::info!("runners download their archive with the image {fetch_image}");

    let scopes = scopes(&config.namespaces);
    let core = Core::new(Settings {
        scopes: scopes.clone(),
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
        runners: match (config.runner_access, in_cluster) {
            (RunnerAccess::Direct, _) | (RunnerAccess::Auto, true) => Some(HttpClient::runners()),
            (RunnerAccess::Proxy, _) | (RunnerAccess::Auto, false) => None,
        },
    };
    let (pool, done) = Pool::new(config.workers, pool::IDLE_MAX, caller, clock);
    let (seen_in, seen) = bounded::<Event>(SEEN_MAX);
    watches::start(&client, &scopes, &seen_in, &stop)?;
    drop(seen_in);

    let notifier = Notifier::open(&config.notify_env);
    let asks = server.as_ref().map_or_else(never, |server| server.asks.clone());
    let (calls, watches) = (Calls::default(), Watches::new(&scopes));
    let in_hand = InHand::default();
    let mut shell = Loop { core, clock, pool, done, seen, asks, signals, notifier, calls, watches, in_hand };
    if let Some(server) = &server {
        server.open();
    }
    shell.turn_until_signal()?;
    shell.notifier.stopping();
    log::info!(
        "stopping: {} calls are in hand; test runs go on and are taken over by the next agent",
        shell.in_hand.all
    );
    shell.pool.stop();
    stop.stop();
    shell.finish();
    shell.leave();
    Ok(())
}

/// How many calls are under way.
#[derive(Default)]
struct InHand {
    all: usize,
    /// Those that may have an effect after this process has ended, and that the next agent does not expect: it does expect
    /// the user's code to be running, and a question changes nothing.
    writes: usize,
}

impl InHand {
    fn count(&mut self, id: &TaskId, step: fn(usize, usize) -> usize) {
        self.all = step(self.all, 1);
        if matches!(id.action.class(), Class::Kubernetes | Class::Cloud | Class::Runner) {
            self.writes = step(self.writes, 1);
        }
    }
}

/// The loop's ends of all channels.
struct Loop {
    core: Core,
    clock: Clock,
    pool: Pool,
    done: Receiver<Done>,
    seen: Receiver<Event>,
    asks: Receiver<Ask>,
    signals: Receiver<i32>,
    notifier: Notifier,
    calls: Calls,
    watches: Watches,
    in_hand: InHand,
}

impl Loop {
    fn turn_until_signal(&mut self) -> Result<(), StartError> {
        loop {
            self.notifier.turn(self.clock.now().mono, &self.core);
            let deadlines = [self.core.next_deadline(), self.notifier.next_deadline()];
            let next = deadlines.into_iter().flatten().min();
            let wait = next.map(|at| at.saturating_sub(self.clock.now().mono));
            let deadline = wait.map_or_else(never, crossbeam_channel::after);
            select! {
                recv(self.done) -> done => {
                    let Ok(done) = done else { return Ok(()) };
                    self.done(done);
                }
                recv(self.seen) -> event => {
                    let Ok(event) = event else { return Ok(()) };
                    self.seen(event);
                }
                recv(self.asks) -> ask => {
                    if let Ok(ask) = ask {
                        self.answer(ask);
                    }
                }
                recv(self.signals) -> signal => {
                    log::info!("signal {}", signal.unwrap_or_default());
                    return Ok(());
                }
                recv(deadline) -> _ => {}
            }
            for _ in 0..ABSORBED_PER_TURN_MAX {
                if let Ok(done) = self.done.try_recv() {
                    self.done(done);
                } else if let Ok(event) = self.seen.try_recv() {
                    self.seen(event);
                } else {
                    break;
                }
            }
            let tasks = self.core.turn(self.clock.now());
            self.pool.allow_until(self.core.acts_until());
            for task in tasks {
                self.in_hand.count(&task.id, usize::saturating_add);
                self.pool.hand(task)?;
            }
            for ask in self.asks.try_iter().take(ANSWERS_PER_TURN_MAX) {
                self.answer(ask);
            }
        }
    }

    fn done(&mut self, done: Done) {
        self.in_hand.count(&done.report.id, usize::saturating_sub);
        if let Some(call) = done.call {
            self.calls.done(call);
        }
        self.core.absorb(self.clock.now(), Event::Done(done.report));
    }

    fn seen(&mut self, event: Event) {
        if let Event::Seen { scope, what } = &event {
            self.watches.note(scope.as_deref(), what);
        }
        self.core.absorb(self.clock.now(), event);
    }

    fn answer(&self, ask: Ask) {
        let (now, core) = (self.clock.now(), &self.core);
        let answer = listen::answer(ask.topic, now, core, &self.calls, &self.watches);
        ask.answer(answer);
    }

    /// Lets the calls in hand come to their end, for a while. What they bring is of use for the Lease alone.
    fn finish(&mut self) {
        let end = self.clock.now().mono + GRACE;
        while self.in_hand.all > 0 {
            let left = end.saturating_sub(self.clock.now().mono);
            match self.done.recv_timeout(left) {
                Ok(done) if done.report.id.action.class() == Class::Lease => self.done(done),
                Ok(done) => self.in_hand.count(&done.report.id, usize::saturating_sub),
                Err(_) => break,
            }
        }
        if self.in_hand.all > 0 {
            log::info!("{} calls were cut off; they are repeated by the next agent", self.in_hand.all);
        }
    }

    /// Gives up the Lease, so that the next agent need not wait for its end. Not when a write was cut off: it may still have
    /// its effect, and the time of the Lease is there for that.
    fn leave(&mut self) {
        if self.in_hand.writes > 0 {
            return;
        }
        let Some(Task { call, .. }) = self.core.leave(self.clock.now()) else { return };
        let caller = self.pool.caller();
        let (sender, answer) = bounded(1);
        let spawned = spawn("leave", move || sender.send(caller.call(&call, &mut None)));
        match spawned.map(|()| answer.recv_timeout(LEAVE_TIMEOUT)) {
            Ok(Ok(Reply::Kubernetes(Ok(_)))) => log::info!("the lease is given up"),
            Ok(Ok(Reply::Kubernetes(Err(error)))) => log::info!("the lease is left to run out: {error}"),
            _ => log::info!("the lease is left to run out: the API server does not answer"),
        }
    }
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
            log::info!("runner pods are not told of the agent's proxy; --share-proxy archive or all does");
        }
        ShareProxy::Archive | ShareProxy::All if proxies.any(ProxyUrl::has_credentials) => log::warn!(
            "--share-proxy: the proxy's password stands in the runner pods, for everybody who may read pods there; \
             let the proxy know its clients by their address instead"
        ),
        _ => {}
    }
    RunnerNetwork::new(&config.proxies, config.share_proxy, config.runner_ca.clone())
}

pub(crate) fn source(config: &RunConfig) -> Source {
    let env = &config.kube_env;
    Source {
        kubeconfig: config.kubeconfig.clone(),
        context: config.context.clone(),
        env: Environment {
            kubeconfig: env.kubeconfig.clone(),
            home: env.home.clone(),
            service_host: env.service_host.clone(),
            service_port: env.service_port.clone(),
            ..Environment::default()
        },
    }
}

pub(crate) fn scopes(namespaces: &Namespaces) -> Vec<Option<String>> {
    match namespaces {
        Namespaces::All => vec![None],
        Namespaces::Named(names) => BTreeSet::clone(names).into_iter().map(Some).collect(),
    }
}

/// SIGTERM and SIGINT as messages. As PID 1 a process gets only the signals that it handles.
fn signals(stop: &k8s::Stop) -> Result<Receiver<i32>, StartError> {
    let system = |what| move |cause| StartError::System { what, cause };
    let (sender, receiver) = bounded(2);
    for signal in [signal_hook::consts::SIGTERM, signal_hook::consts::SIGINT] {
        let (mut read, write) = UnixStream::pair().map_err(system("a socket pair"))?;
        signal_hook::low_level::pipe::register(signal, write).map_err(system("a signal handler"))?;
        let (sender, stop) = (sender.clone(), stop.clone());
        spawn("signal", move || {
            let mut byte = [0];
            while matches!(std::io::Read::read(&mut read, &mut byte), Ok(1)) {
                if sender.try_send(signal).is_err() {
                    return;
                }
                // Waits at start, before the loop turns, end by this.
                stop.stop();
            }
        })?;
    }
    Ok(receiver)
}

/// A named thread with a small stack.
fn spawn<T: Send + 'static>(name: &str, body: impl FnOnce() -> T + Send + 'static) -> Result<(), StartError> {
    let thread = thread::Builder::new().name(name.to_owned()).stack_size(STACK_BYTES).spawn(body);
    thread.map(drop).map_err(|cause| StartError::System { what: "a thread", cause })
}
