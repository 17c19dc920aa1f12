//! A world with an agent in it, with all that the shipped Deployment switches on: the lease, health and metrics.
//!
//! Owns both, and the directory with the kubeconfig, the CA and the agent's log. Invariant: a wait that comes to nothing is
//! an error that shows the end of the agent's log.

#![expect(clippy::disallowed_methods, reason = "a driver: figures are taken over a length of time")]

use std::fs;
use std::net::SocketAddr;
use std::path::PathBuf;
use std::thread;
use std::time::Duration;

use sim::k6::Script;
use sim::kube::PodPlan;
use sim::loopback::{Loopback, Scheme};
use sim::scrape;
use sim::world::{Options, World};

use super::agent::Agent;
use super::binary::Binary;
use super::relay::Relay;
use super::{failed, io};
use crate::cmd::Error;

const NAMESPACE: &str = "default";
const LOG_LINES_SHOWN: usize = 15;
/// Between two probes of the shipped Deployment; Prometheus asks less often by default.
const PROBE_INTERVAL: Duration = Duration::from_secs(10);
/// For zones to be registered and polled.
const ZONE_TIMEOUT: Duration = Duration::from_secs(45);

/// A world with an agent.
pub(super) struct Scene {
    /// Before the world: the agent goes first.
    pub(super) agent: Agent,
    pub(super) world: Loopback,
    /// Stands between the agent and GCk6's api host.
    pub(super) relay: Relay,
    directory: PathBuf,
}

/// How the agent reaches runners.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Access {
    /// At their addresses.
    Direct,
    /// Through the API server.
    Proxy,
}

impl Access {
    /// As the agent's option has it.
    pub(super) fn name(self) -> &'static str {
        match self {
            Self::Direct => "direct",
            Self::Proxy => "proxy",
        }
    }
}

impl Scene {
    /// Starts both. Scripts of runners last `script`.
    pub(super) fn start(
        name: &str,
        binary: &Binary,
        poll: Duration,
        script: Duration,
    ) -> Result<Self, Error> {
        Self::start_by(Access::Direct, name, binary, poll, script)
    }

    /// The same for another way to runners.
    pub(super) fn start_by(
        access: Access,
        name: &str,
        binary: &Binary,
        poll: Duration,
        script: Duration,
    ) -> Result<Self, Error> {
        let mut options = Options::default();
        let script = Script { duration: script, ..Script::default() };
        options.kube.prefer("*", PodPlan::script(script));
        let world = Loopback::start(options, Scheme::Https).map_err(io("starting the world"))?;
        let cloud = world.cloud_api_url();
        let target: Option<SocketAddr> =
            cloud.split("://").nth(1).and_then(|authority| authority.parse().ok());
        let target = target.expect("the world's URLs are addresses");
        let relay = Relay::start(target).map_err(io("starting the relay"))?;
        let directory = std::env::temp_dir().join(format!("sim-bench-{}-{name}", std::process::id()));
        fs::create_dir_all(&directory).map_err(io("making a directory for the scene"))?;
        let (kubeconfig, ca) = (directory.join("kubeconfig"), directory.join("ca.pem"));
        world.write_kubeconfig(&kubeconfig).map_err(io("writing the kubeconfig"))?;
        fs::write(&ca, world.ca_pem().unwrap_or_default()).map_err(io("writing the CA"))?;
        let args = [
            format!("--kubeconfig={}", kubeconfig.display()),
            format!("--cloud-api=https://{}", relay.addr()),
            format!("--cloud-ingest={}", world.cloud_ingest_url()),
            format!("--ca-file={}", ca.display()),
            format!("--poll-interval={}s", poll.as_secs()),
            format!("--runner-access={}", access.name()),
            format!("--lease={NAMESPACE}/plz-agent"),
            "--listen=127.0.0.1:0".to_owned(),
            "--fetch-image=plz-agent".to_owned(),
        ];
        let agent = Agent::start(&binary.path, &args, &directory.join("log"))?;
        Ok(Self { agent, world, relay, directory })
    }

    /// Applies zones `zone-1`, `zone-2`, … and waits until each was polled.
    pub(super) fn apply_zones(&self, count: usize) -> Result<(), Error> {
        self.world.with(|world, now| {
            for n in 1..=count {
                world.apply_zone(now, NAMESPACE, &zone(n));
            }
        });
        self.wait("every zone is polled", ZONE_TIMEOUT, |world| {
            world.cloud.zones.values().filter(|zone| zone.polls > 0).count() == count
        })
    }

    /// Waits until something holds of the world.
    pub(super) fn wait(
        &self,
        what: &str,
        timeout: Duration,
        holds: impl FnMut(&mut World) -> bool,
    ) -> Result<(), Error> {
        if self.world.wait(timeout, holds) {
            return Ok(());
        }
        let log = fs::read_to_string(self.directory.join("log")).unwrap_or_default();
        let lines: Vec<&str> = log.lines().collect();
        let last = lines[lines.len().saturating_sub(LOG_LINES_SHOWN)..].join("\n  ");
        let why = format!("not within {} s; the agent's log ends in\n  {last}", timeout.as_secs());
        Err(failed(&format!("waiting until {what}"), why))
    }

    /// Lets time pass.
    pub(super) fn rest(&self, duration: Duration) {
        thread::sleep(duration);
    }

    /// The same, while a kubelet asks for the agent's health and Prometheus for its metrics.
    pub(super) fn rest_observed(&self, duration: Duration) -> Result<(), Error> {
        let log = fs::read_to_string(self.directory.join("log")).unwrap_or_default();
        let address = scrape::address_in(&log)
            .ok_or_else(|| failed("looking for the agent's address", "it does not listen"))?;
        let ask = |path| scrape::get(address, path).map_err(io(format!("asking the agent for {path}")));
        let mut left = duration;
        while !left.is_zero() {
            let step = PROBE_INTERVAL.min(left);
            thread::sleep(step);
            left -= step;
            ask("/healthz")?;
            ask("/readyz")?;
            ask("/metrics")?;
        }
        Ok(())
    }
}

impl Drop for Scene {
    fn drop(&mut self) {
        drop(fs::remove_dir_all(&self.directory));
    }
}

/// The name of the n-th zone.
pub(super) fn zone(n: usize) -> String {
    format!("zone-{n}")
}
