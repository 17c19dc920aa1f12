//! A [`World`] over real HTTP on 127.0.0.0/8, in real time.
//!
//! Owns the clock, the sockets and the threads: API server, GCk6 (api and ingest), bucket, one listener for each pod at
//! `<podIP>:6565`, and a ticker that runs the controllers when they have something to do. The models stay behind one lock;
//! whoever changes them tells everybody who waits.
//! Invariant: the lock is never held over I/O on a connection.
//!
//! ```
//! use std::time::Duration;
//! use sim::api::Kind;
//! use sim::loopback::{Loopback, Scheme};
//! use sim::world::Options;
//!
//! let sim = Loopback::start(Options::default(), Scheme::Http)?;
//! let file = std::env::temp_dir().join(format!("kubeconfig-{}", std::process::id()));
//! sim.write_kubeconfig(&file)?; // for an agent with --cloud-api sim.cloud_api_url() --cloud-ingest sim.cloud_ingest_url()
//! sim.with(|world, now| world.apply_zone(now, "default", "my-zone"));
//! let id = sim.with(|world, now| world.queue_run(now, "my-zone", 3));
//! // The agent works; what comes of it is looked at or waited for.
//! let is_over = sim.wait(Duration::from_millis(1), |world| !world.cloud.runs[&id].finishes.is_empty());
//! assert!(!is_over, "no agent, no finish");
//! assert!(sim.with(|world, _| world.faults(id)).is_empty());
//! assert_eq!(sim.with(|world, _| world.api.objects(Kind::PrivateLoadZone, "").count()), 1);
//! # std::fs::remove_file(file)?;
//! # Ok::<(), std::io::Error>(())
//! ```

#![expect(
    clippy::disallowed_methods,
    reason = "a driver: it has the clock and the threads that models must not have"
)]

pub mod flood;
pub mod http1;
mod pods;
pub mod proxy;
pub mod server;
mod services;
#[cfg(test)]
mod tests;
pub mod tls;

use std::io;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr, TcpListener};
use std::os::unix::fs::PermissionsExt as _;
use std::path::Path;
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::thread::{self, JoinHandle};
use std::time::{Duration, Instant, SystemTime};

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;

use self::flood::Flood;
use self::pods::PodServers;
use self::server::{Server, Service};
use self::services::{Abbreviation, ApiService, Bucket, CloudService};
use self::tls::Identity;
use crate::http::Request;
use crate::wall::Wall;
use crate::world::{Options, World};

/// The longest sleep of the ticker.
const TICK_MAX: Duration = Duration::from_secs(1);

/// How often [`Loopback::wait`] looks at what changes without a sign, such as the state of a k6 process.
const LOOK_INTERVAL: Duration = Duration::from_millis(20);

/// How the servers speak. Pods always speak plain HTTP.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Scheme {
    /// Plain HTTP.
    #[default]
    Http,
    /// HTTPS with certificates of a CA made for the purpose, see [`Loopback::ca_pem`].
    Https,
}

/// Which family of addresses everything listens on.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Family {
    /// 127.0.0.0/8: an address for each pod.
    #[default]
    V4,
    /// `::1`: one pod at a time, since there is one such address.
    V6,
}

impl Family {
    fn localhost(self) -> IpAddr {
        match self {
            Self::V4 => Ipv4Addr::LOCALHOST.into(),
            Self::V6 => Ipv6Addr::LOCALHOST.into(),
        }
    }
}

/// A running world. Dropping it stops everything.
pub struct Loopback {
    shared: Arc<Shared>,
    api: Server,
    cloud_api: Server,
    cloud_ingest: Server,
    bucket: Server,
    scheme: Scheme,
    ca_pem: Option<String>,
    ticker: Option<JoinHandle<()>>,
}

/// What all threads share.
struct Shared {
    world: Mutex<World>,
    changed: Condvar,
    start: Instant,
    stopping: Mutex<bool>,
    bearer: Mutex<Option<String>>,
    floods: Mutex<Vec<Arc<Flood>>>,
    /// What clients of the API server write and read in full, and the world by its abbreviation.
    abbreviated: Mutex<Option<Abbreviation>>,
    pods: Arc<PodServers>,
}

impl Loopback {
    /// Starts a world; the wall time of `options` is replaced by the real one.
    pub fn start(options: Options, scheme: Scheme) -> io::Result<Self> {
        Self::start_on(Family::V4, options, scheme)
    }

    /// The same on addresses of a family.
    pub fn start_on(family: Family, mut options: Options, scheme: Scheme) -> io::Result<Self> {
        options.wall = Wall(SystemTime::now());
        let identity = match scheme {
            Scheme::Http => None,
            Scheme::Https => Some(Identity::new()?),
        };
        let pods = Arc::new(PodServers::new(family));
        let shared = Arc::new(Shared {
            world: Mutex::new(World::new(options)),
            changed: Condvar::new(),
            start: Instant::now(),
            stopping: Mutex::new(false),
            bearer: Mutex::new(None),
            floods: Mutex::new(Vec::new()),
            abbreviated: Mutex::new(None),
            pods: Arc::clone(&pods),
        });
        let serve = |service: Arc<dyn Service>| {
            let listener = TcpListener::bind((family.localhost(), 0))?;
            Server::start(listener, identity.as_ref().map(|identity| Arc::clone(&identity.config)), service)
        };
        let api = serve(Arc::new(ApiService(Arc::clone(&shared))))?;
        let cloud_api = serve(Arc::new(CloudService(Arc::clone(&shared))))?;
        let cloud_ingest = serve(Arc::new(CloudService(Arc::clone(&shared))))?;
        let bucket = serve(Arc::new(Bucket(Arc::clone(&shared))))?;
        let ca_pem = identity.map(|identity| identity.ca_pem);
        let mut loopback =
            Self { shared, api, cloud_api, cloud_ingest, bucket, scheme, ca_pem, ticker: None };
        let s3_base = loopback.url(&loopback.bucket);
        let shared = Arc::downgrade(&loopback.shared);
        loopback.with(|world, _| {
            world.s3.base = s3_base;
            world.kube.addresses = Box::new(move || pods.open(&shared));
        });
        let shared = Arc::clone(&loopback.shared);
        loopback.ticker =
            Some(thread::Builder::new().name("ticker".to_owned()).spawn(move || shared.run_ticks())?);
        Ok(loopback)
    }

    /// Looks at the world or changes it; the time since its start is given along. Whatever this makes due happens at once.
    pub fn with<T>(&self, f: impl FnOnce(&mut World, Duration) -> T) -> T {
        self.shared.with(f)
    }

    /// Waits until something holds of the world; false if it does not within `timeout`.
    pub fn wait(&self, timeout: Duration, mut holds: impl FnMut(&mut World) -> bool) -> bool {
        let deadline = Instant::now() + timeout;
        let mut world = self.shared.lock();
        loop {
            if holds(&mut world) {
                return true;
            }
            let left = deadline.saturating_duration_since(Instant::now());
            if left.is_zero() {
                return false;
            }
            world = self.shared.sleep(world, left.min(LOOK_INTERVAL));
        }
    }

    /// Time since the start.
    pub fn now(&self) -> Duration {
        self.shared.now()
    }

    /// URL of the API server.
    pub fn api_url(&self) -> String {
        self.url(&self.api)
    }

    /// URL of GCk6's api host.
    pub fn cloud_api_url(&self) -> String {
        self.url(&self.cloud_api)
    }

    /// Where GCk6's api host, its ingest host and the bucket listen.
    pub fn wan(&self) -> [SocketAddr; 3] {
        [self.cloud_api.addr(), self.cloud_ingest.addr(), self.bucket.addr()]
    }

    /// How many connections there have been to GCk6's api host.
    pub fn cloud_api_connections(&self) -> u64 {
        self.cloud_api.connections()
    }

    /// URL of GCk6's ingest host.
    pub fn cloud_ingest_url(&self) -> String {
        self.url(&self.cloud_ingest)
    }

    /// URL of the bucket.
    pub fn bucket_url(&self) -> String {
        self.url(&self.bucket)
    }

    /// The CA to trust, as PEM; none without TLS.
    pub fn ca_pem(&self) -> Option<&str> {
        self.ca_pem.as_deref()
    }

    /// Has the API server ask for a bearer token from now on; none: it asks for nothing.
    pub fn require_bearer(&self, token: Option<&str>) {
        let mut bearer = self.shared.bearer.lock().unwrap_or_else(PoisonError::into_inner);
        *bearer = token.map(str::to_owned);
    }

    /// Has the API server tell of what a flood brings, beside what there is, from now on.
    pub fn flood(&self, flood: Flood) {
        let mut floods = self.shared.floods.lock().unwrap_or_else(PoisonError::into_inner);
        floods.push(Arc::new(flood));
    }

    /// Has the world hold `short` where clients of the API server write and read `long`: thousands of objects that all have the same
    /// text of a hundred kilobytes in them are more than a test has room for. Whatever GCk6 sends is not touched.
    pub fn abbreviate(&self, long: &str, short: &str) {
        let mut abbreviated = self.shared.abbreviated.lock().unwrap_or_else(PoisonError::into_inner);
        *abbreviated = Some(Abbreviation { long: long.into(), short: short.into() });
    }

    /// Sets the clock of the API server, in seconds beside the real one, as its answers tell it.
    pub fn set_api_clock(&self, seconds: i64) {
        self.api.set_clock_offset(seconds);
    }

    /// The same of both hosts of GCk6.
    pub fn set_cloud_clock(&self, seconds: i64) {
        self.cloud_api.set_clock_offset(seconds);
        self.cloud_ingest.set_clock_offset(seconds);
    }

    /// Breaks all open connections to the API server, watches included.
    pub fn cut_api(&self) {
        self.api.cut();
    }

    /// The text of a kubeconfig for the API server.
    pub fn kubeconfig(&self) -> String {
        let ca = self.ca_pem.as_ref().map_or_else(String::new, |pem| {
            format!("\n    certificate-authority-data: {}", STANDARD.encode(pem))
        });
        let bearer = self.shared.bearer.lock().unwrap_or_else(PoisonError::into_inner);
        // Without any credentials kubectl would ask its user for a name.
        let token = bearer.as_deref().unwrap_or("any");
        format!(
            "apiVersion: v1\nkind: Config\ncurrent-context: sim\nclusters:\n- name: sim\n  cluster:\n    server: {}{ca}\n\
             users:\n- name: sim\n  user:\n    token: {token}\ncontexts:\n- name: sim\n  context:\n    cluster: sim\n    user: sim\n    namespace: default\n",
            self.api_url()
        )
    }

    /// Writes that kubeconfig to a file that nobody else may read, since a token is in it.
    pub fn write_kubeconfig(&self, path: &Path) -> io::Result<()> {
        std::fs::write(path, self.kubeconfig())?;
        std::fs::set_permissions(path, std::fs::Permissions::from_mode(0o600))
    }

    fn url(&self, server: &Server) -> String {
        let scheme = match self.scheme {
            Scheme::Http => "http",
            Scheme::Https => "https",
        };
        format!("{scheme}://{}", server.addr())
    }
}

impl Drop for Loopback {
    fn drop(&mut self) {
        *self.shared.stopping.lock().unwrap_or_else(PoisonError::into_inner) = true;
        {
            let _world = self.shared.lock();
            self.shared.changed.notify_all();
        }
        if let Some(ticker) = self.ticker.take() {
            drop(ticker.join());
        }
        self.shared.pods.close_all();
    }
}

impl Shared {
    fn lock(&self) -> MutexGuard<'_, World> {
        // A test that panics inside of the lock has its own message; the others go on.
        self.world.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn now(&self) -> Duration {
        self.start.elapsed()
    }

    fn flood_over(&self, request: &Request) -> Option<Arc<Flood>> {
        let floods = self.floods.lock().unwrap_or_else(PoisonError::into_inner);
        floods.iter().find(|flood| flood.is_over(request)).cloned()
    }

    fn abbreviation(&self) -> Option<Abbreviation> {
        self.abbreviated.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    fn is_stopping(&self) -> bool {
        *self.stopping.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Calls `f` under the lock; wakes whoever waits when it changed an object or the time of the next task.
    fn with<T>(&self, f: impl FnOnce(&mut World, Duration) -> T) -> T {
        let mut world = self.lock();
        let before = (world.api.version(), world.next_wakeup(), world.cloud.requests());
        let now = self.now();
        let result = f(&mut world, now);
        world.tick(now);
        if before != (world.api.version(), world.next_wakeup(), world.cloud.requests()) {
            self.changed.notify_all();
        }
        result
    }

    fn sleep<'a>(&self, world: MutexGuard<'a, World>, at_most: Duration) -> MutexGuard<'a, World> {
        let waited = self.changed.wait_timeout(world, at_most);
        waited.map_or_else(|poisoned| poisoned.into_inner().0, |(world, _)| world)
    }

    fn run_ticks(&self) {
        let mut world = self.lock();
        while !self.is_stopping() {
            let before = world.api.version();
            world.tick(self.now());
            if world.api.version() != before {
                self.changed.notify_all();
            }
            let released = world.kube.take_released();
            if !released.is_empty() {
                // Closing a listener waits for its connections, which may wait for the world.
                drop(world);
                self.pods.close(&released);
                world = self.lock();
                continue;
            }
            let left = world.next_wakeup().map_or(TICK_MAX, |next| next.saturating_sub(self.now()));
            if !left.is_zero() {
                world = self.sleep(world, left.min(TICK_MAX));
            }
        }
    }
}
