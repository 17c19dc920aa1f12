//! Arguments and environment to a typed configuration.
//!
//! Owns the reading of both, and of the CA file they name; contacts nothing. `raw` holds what was written, this
//! module what it means. Leaves the kubeconfig to crate `k8s`.
//!
//! Invariant: a [`Command`] that was returned is valid in itself; whatever is wrong with the input is one
//! [`UsageError`] that names the option, the value and what is accepted, and no credential.

mod env;
mod help;
mod input;
mod options;
mod raw;
mod values;
mod variables;

#[cfg(test)]
mod tests;

use std::collections::BTreeSet;
use std::ffi::OsString;
use std::fmt;
use std::net::SocketAddr;
use std::path::PathBuf;
use std::time::Duration;

use k8s::config::{ConfigError, Environment, Source};
use thiserror::Error;

use crate::logging::LogConfig;
use crate::net::{ExtraCa, ProxySettings, USER_AGENT};
use plz_core::redact::Secret;
use plz_core::testrun::network::{RunnerCa, ShareProxy};

pub use env::Env;
pub use help::{Topic, version};
use input::Input;
use raw::Raw;
pub use variables::{VARIABLES, Variable};

/// Exit code of a [`UsageError`].
pub const EXIT_USAGE: i32 = 2;

/// The environment variable with the presigned URL of the archive.
pub const ARCHIVE_URL_VAR: &str = "PLZ_ARCHIVE_URL";

/// The environment variable that names another file than [`TERMINATION_LOG`].
pub const TERMINATION_LOG_VAR: &str = "PLZ_TERMINATION_LOG";

/// Where the kubelet looks for a container's last words.
pub const TERMINATION_LOG: &str = "/dev/termination-log";

/// What to do.
#[derive(Clone, Debug, PartialEq)]
pub enum Command {
    /// Serve the zones of a cluster.
    Run(Box<RunConfig>),
    /// Look for what would stop the agent.
    Check(Box<CheckConfig>),
    /// Download an archive.
    Fetch(Box<FetchConfig>),
    /// Print the version.
    Version,
    /// Print help.
    Help(Topic),
}

/// Input that cannot be used: one line, without credentials. The process exits with [`EXIT_USAGE`].
#[derive(Debug, Error, PartialEq, Eq)]
#[error("{message}")]
pub struct UsageError {
    /// What help explains the right usage.
    pub topic: Topic,
    /// What is wrong and what is accepted.
    pub message: String,
}

impl UsageError {
    fn new(topic: Topic, message: String) -> UsageError {
        UsageError { topic, message }
    }
}

/// The configuration of `run`.
#[derive(Clone, Debug, PartialEq)]
pub struct RunConfig {
    /// `--kubeconfig`.
    pub kubeconfig: Option<PathBuf>,
    /// `--context`.
    pub context: Option<String>,
    /// The namespaces to work in.
    pub namespaces: Namespaces,
    /// The namespaces where a k6-operator may be; never empty.
    pub operator_namespaces: BTreeSet<String>,
    /// The Lease by which one of several agents is elected.
    pub lease: Option<LeaseName>,
    /// Base of GCk6's REST API, without a trailing slash.
    pub cloud_api: String,
    /// Base of GCk6's ingest, without a trailing slash; runners get it as `K6_CLOUD_HOST`.
    pub cloud_ingest: String,
    /// What is trusted beside the public roots.
    pub extra_ca: Option<ExtraCa>,
    /// Proxies for GCk6.
    pub proxies: ProxySettings,
    /// Between two polls of a zone.
    pub poll_interval: Duration,
    /// From the creation of the runners to the last of them answering.
    pub start_deadline: Duration,
    /// How runners are reached.
    pub runner_access: RunnerAccess,
    /// The image of the init container, if not the agent's own.
    pub fetch_image: Option<String>,
    /// Which containers of the runners' pods get `proxies`.
    pub share_proxy: ShareProxy,
    /// What the runners' pods trust beside the public roots.
    pub runner_ca: Option<RunnerCa>,
    /// Threads of the pool.
    pub workers: usize,
    /// Where health and metrics are served, if at all.
    pub listen: Option<ListenAddress>,
    /// The log.
    pub log: LogConfig,
    /// What the Kubernetes configuration needs of the environment.
    pub kube_env: KubeEnv,
    /// How the service manager wants to be told.
    pub notify_env: NotifyEnv,
}

impl RunConfig {
    /// The way to the API server and the credentials that it takes, as every program in here goes it.
    pub fn kube(&self) -> Result<k8s::Config, ConfigError> {
        let env = &self.kube_env;
        let source = Source {
            kubeconfig: self.kubeconfig.clone(),
            context: self.context.clone(),
            env: Environment {
                kubeconfig: env.kubeconfig.clone(),
                home: env.home.clone(),
                service_host: env.service_host.clone(),
                service_port: env.service_port.clone(),
                ..Environment::default()
            },
        };
        Ok(k8s::Config::infer(&source)?.with_user_agent(USER_AGENT))
    }
}

/// The namespaces to work in.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Namespaces {
    /// All of the cluster.
    All,
    /// These; never empty.
    Named(BTreeSet<String>),
}

impl Namespaces {
    /// What is watched: each by its name, or one `None` for all.
    pub fn scopes(&self) -> Vec<Option<String>> {
        match self {
            Self::All => vec![None],
            Self::Named(names) => names.iter().cloned().map(Some).collect(),
        }
    }
}

/// `[NAMESPACE/]NAME` of a Lease.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct LeaseName {
    /// None: that of the agent's own pod, then that of the kubeconfig's context.
    pub namespace: Option<String>,
    /// The name.
    pub name: String,
}

/// How runners are reached.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum RunnerAccess {
    /// Direct inside a cluster, through the API server outside.
    Auto,
    /// At the pod's address.
    Direct,
    /// Through the API server's pod proxy.
    Proxy,
}

impl RunnerAccess {
    /// Whether they are reached through the API server by an agent that is in the cluster, or is not.
    pub fn is_proxied(self, in_cluster: bool) -> bool {
        match self {
            Self::Auto => !in_cluster,
            Self::Direct => false,
            Self::Proxy => true,
        }
    }
}

/// Where to listen.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ListenAddress {
    /// On every address of the machine, of both families where it has both. A port of 0 lets the system choose.
    Any(u16),
    /// On this one.
    At(SocketAddr),
}

impl fmt::Display for ListenAddress {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Any(port) => write!(f, ":{port}"),
            Self::At(address) => address.fmt(f),
        }
    }
}

/// Variables that lead to the API server, each as it was set.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct KubeEnv {
    /// `KUBECONFIG`: one path or several, separated by `:`.
    pub kubeconfig: Option<OsString>,
    /// `HOME`.
    pub home: Option<PathBuf>,
    /// `KUBERNETES_SERVICE_HOST`; set inside a cluster.
    pub service_host: Option<String>,
    /// `KUBERNETES_SERVICE_PORT`.
    pub service_port: Option<String>,
    /// `POD_NAME`: the agent's own pod, through the downward API.
    pub pod_name: Option<String>,
    /// `POD_NAMESPACE`.
    pub pod_namespace: Option<String>,
}

/// Variables with which a service manager asks to be told how the agent is, each as it was set; sd_notify(3).
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct NotifyEnv {
    /// `NOTIFY_SOCKET`: a path, or `@` and a name in the abstract namespace.
    pub socket: Option<OsString>,
    /// `WATCHDOG_USEC`: after how many microseconds of silence the agent counts as hung.
    pub watchdog_usec: Option<String>,
    /// `WATCHDOG_PID`: the process that this is meant for.
    pub watchdog_pid: Option<String>,
}

/// The configuration of `check`.
#[derive(Clone, Debug, PartialEq)]
pub struct CheckConfig {
    /// What is checked.
    pub run: RunConfig,
    /// The form of the report.
    pub output: Output,
    /// Where a summary of the failures is written.
    pub termination_log: PathBuf,
}

/// The form of a report.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Output {
    /// For people.
    Text,
    /// For programs.
    Json,
}

/// The configuration of `fetch`.
#[derive(Clone, Debug, PartialEq)]
pub struct FetchConfig {
    /// Where the archive goes.
    pub to: PathBuf,
    /// The presigned URL.
    pub url: Secret,
    /// For all tries together.
    pub deadline: Duration,
    /// The largest archive that is taken, in bytes.
    pub bytes_max: u64,
    /// What is trusted beside the public roots.
    pub extra_ca: Option<ExtraCa>,
    /// Proxies.
    pub proxies: ProxySettings,
    /// Where the reason of a failure is written.
    pub termination_log: PathBuf,
    /// The log.
    pub log: LogConfig,
}

/// Reads the arguments that follow the program's name, and the environment. Reads the CA file, contacts nothing.
pub fn parse(args: impl Iterator<Item = OsString>, env: &Env) -> Result<Command, UsageError> {
    match raw::read(args)? {
        Raw::Version => Ok(Command::Version),
        Raw::Help(topic) => Ok(Command::Help(topic)),
        Raw::Run(flags) => {
            let input = Input { flags, env };
            let run = input.run()?;
            if input.flags.topic() == Topic::Run {
                return Ok(Command::Run(Box::new(run)));
            }
            let (output, termination_log) = (input.output()?, termination_log(env));
            Ok(Command::Check(Box::new(CheckConfig { run, output, termination_log })))
        }
        Raw::Fetch(flags) => Input { flags, env }.fetch().map(|config| Command::Fetch(Box::new(config))),
    }
}

/// The file for a container's last words, which is also needed when the arguments are wrong.
pub fn termination_log(env: &Env) -> PathBuf {
    env.os(TERMINATION_LOG_VAR).map_or_else(|| TERMINATION_LOG.into(), PathBuf::from)
}
