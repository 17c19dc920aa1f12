//! Arguments and environment to a typed configuration.
//!
//! Owns the reading of both, and of the CA file they name; contacts nothing. `raw` holds what was written, this
//! module what it means. Leaves the kubeconfig to crate `k8s`.
//!
//! Invariant: a [`Command`] that was returned is valid in itself; whatever is wrong with the input is one
//! [`UsageError`] that names the option, the value and what is accepted, and no credential.

mod env;
mod help;
mod options;
mod raw;
mod values;

#[cfg(test)]
mod tests;

use std::collections::BTreeSet;
use std::ffi::OsString;
use std::path::{Path, PathBuf};
use std::time::Duration;

use thiserror::Error;

use crate::logging::{LogConfig, LogFormat};
use crate::net::{ExtraCa, NoProxy, ProxySettings, ProxyUrl};
use crate::redact::Secret;

pub use env::Env;
pub use help::{Topic, version};
use raw::{Flags, Raw, Setting};

/// Exit code of a [`UsageError`].
pub const EXIT_USAGE: i32 = 2;

/// The environment variable with the presigned URL of the archive.
pub const ARCHIVE_URL_VAR: &str = "PLZ_ARCHIVE_URL";

/// The environment variable that names another file than [`TERMINATION_LOG`].
pub const TERMINATION_LOG_VAR: &str = "PLZ_TERMINATION_LOG";

/// Where the kubelet looks for a container's last words.
pub const TERMINATION_LOG: &str = "/dev/termination-log";

const SECOND: Duration = Duration::from_secs(1);
const HOUR: Duration = Duration::from_secs(3600);
const POLL_INTERVAL_MAX: Duration = Duration::from_secs(600);
const START_DEADLINE_MIN: Duration = Duration::from_secs(10);
const WORKERS_MIN: usize = 2;
const WORKERS_MAX: usize = 64;

/// What to do.
#[derive(Clone, Debug, PartialEq)]
pub enum Command {
    /// Serve the zones of a cluster.
    Run(Box<RunConfig>),
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
    /// Threads of the pool.
    pub workers: usize,
    /// The log.
    pub log: LogConfig,
    /// What the Kubernetes configuration needs of the environment.
    pub kube_env: KubeEnv,
}

/// The namespaces to work in.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Namespaces {
    /// All of the cluster.
    All,
    /// These; never empty.
    Named(BTreeSet<String>),
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
        Raw::Run(flags) => Input { flags, env }.run().map(|config| Command::Run(Box::new(config))),
        Raw::Fetch(flags) => Input { flags, env }.fetch().map(|config| Command::Fetch(Box::new(config))),
    }
}

/// The file for a container's last words, which is also needed when the arguments are wrong.
pub fn termination_log(env: &Env) -> PathBuf {
    env.os(TERMINATION_LOG_VAR).map_or_else(|| TERMINATION_LOG.into(), PathBuf::from)
}

struct Input<'a> {
    flags: Flags,
    env: &'a Env,
}

impl Input<'_> {
    fn run(self) -> Result<RunConfig, UsageError> {
        let context = self.flags.one("context", self.env).map(|setting| setting.text());
        Ok(RunConfig {
            kubeconfig: self.flags.one("kubeconfig", self.env).map(|setting| setting.value.into()),
            context,
            namespaces: self.namespaces()?,
            cloud_api: self.value("cloud-api", values::base_url)?,
            cloud_ingest: self.value("cloud-ingest", values::base_url)?,
            extra_ca: self.extra_ca()?,
            proxies: self.proxies()?,
            poll_interval: self
                .value("poll-interval", |text| values::duration(text, SECOND, POLL_INTERVAL_MAX))?,
            start_deadline: self
                .value("start-deadline", |text| values::duration(text, START_DEADLINE_MIN, HOUR))?,
            runner_access: self.value("runner-access", runner_access)?,
            fetch_image: self.optional("fetch-image", values::image)?,
            workers: self.value("workers", |text| values::number(text, WORKERS_MIN, WORKERS_MAX))?,
            log: self.log()?,
            kube_env: KubeEnv {
                kubeconfig: self.env.os("KUBECONFIG").map(Into::into),
                home: self.env.os("HOME").map(Into::into),
                service_host: self.env.text("KUBERNETES_SERVICE_HOST"),
                service_port: self.env.text("KUBERNETES_SERVICE_PORT"),
                pod_name: self.env.text("POD_NAME"),
                pod_namespace: self.env.text("POD_NAMESPACE"),
            },
        })
    }

    fn fetch(self) -> Result<FetchConfig, UsageError> {
        let to = self.flags.one("to", self.env).map(|setting| PathBuf::from(setting.value));
        let to = to
            .ok_or_else(|| self.error("--to is missing: --to FILE says where the archive goes".to_owned()))?;
        if to.file_name().is_none() {
            return Err(self.error(format!("--to: {} names no file", values::shown(&to.to_string_lossy()))));
        }
        let url = self.env.text(ARCHIVE_URL_VAR).map(|url| url.trim().to_owned());
        let url = url.ok_or_else(|| {
            self.error(format!("{ARCHIVE_URL_VAR} is not set: it holds the URL of the archive"))
        })?;
        values::archive_url(&url)
            .map_err(|fragment| self.error(format!("{ARCHIVE_URL_VAR}: its value {fragment}")))?;
        Ok(FetchConfig {
            to,
            url: Secret::new(url),
            deadline: self.value("deadline", |text| values::duration(text, SECOND, HOUR))?,
            bytes_max: self.value("max-bytes", values::size)?,
            extra_ca: self.extra_ca()?,
            proxies: self.proxies()?,
            termination_log: termination_log(self.env),
            log: self.log()?,
        })
    }

    fn namespaces(&self) -> Result<Namespaces, UsageError> {
        let mut names = BTreeSet::new();
        for setting in self.flags.all("namespace", self.env) {
            let text = setting.text();
            for name in text.split(',').map(str::trim).filter(|name| !name.is_empty()) {
                let name =
                    values::namespace(name).map_err(|fragment| self.refuse(&setting, name, &fragment))?;
                names.insert(name);
            }
            if setting.origin.starts_with('-') && names.is_empty() {
                return Err(self.refuse(&setting, &text, "names no namespace; leave it out for all"));
            }
        }
        Ok(if names.is_empty() { Namespaces::All } else { Namespaces::Named(names) })
    }

    fn extra_ca(&self) -> Result<Option<ExtraCa>, UsageError> {
        let Some(setting) = self.flags.one("ca-file", self.env) else { return Ok(None) };
        let path = Path::new(&setting.value);
        let pem = std::fs::read(path)
            .map_err(|error| self.refuse(&setting, &setting.text(), &format!("cannot be read: {error}")))?;
        let ca = ExtraCa::from_pem(&pem)
            .map_err(|error| self.refuse(&setting, &setting.text(), &format!("cannot be used: {error}")))?;
        Ok(Some(ca))
    }

    fn proxies(&self) -> Result<ProxySettings, UsageError> {
        let no_proxy =
            ["NO_PROXY", "no_proxy"].iter().find_map(|name| self.env.text(name)).unwrap_or_default();
        Ok(ProxySettings {
            https: self.proxy(&["HTTPS_PROXY", "https_proxy", "ALL_PROXY", "all_proxy"])?,
            http: self.proxy(&["HTTP_PROXY", "http_proxy", "ALL_PROXY", "all_proxy"])?,
            no_proxy: NoProxy::parse(&no_proxy),
        })
    }

    fn proxy(&self, names: &[&str]) -> Result<Option<ProxyUrl>, UsageError> {
        let Some((name, value)) = names.iter().find_map(|name| Some((name, self.env.text(name)?))) else {
            return Ok(None);
        };
        ProxyUrl::parse(&value).map(Some).map_err(|error| self.error(format!("{name}: {error}")))
    }

    fn log(&self) -> Result<LogConfig, UsageError> {
        Ok(LogConfig {
            filter: self.value("log", values::log_filter)?,
            format: self.value("log-format", log_format)?,
        })
    }

    fn value<T>(&self, long: &str, read: impl Fn(&str) -> Result<T, String>) -> Result<T, UsageError> {
        self.read(&self.flags.or_default(long, self.env), read)
    }

    fn optional<T>(
        &self,
        long: &str,
        read: impl Fn(&str) -> Result<T, String>,
    ) -> Result<Option<T>, UsageError> {
        self.flags.one(long, self.env).map(|setting| self.read(&setting, read)).transpose()
    }

    fn read<T>(&self, setting: &Setting, read: impl Fn(&str) -> Result<T, String>) -> Result<T, UsageError> {
        let text = setting.text();
        read(&text).map_err(|fragment| self.refuse(setting, &text, &fragment))
    }

    fn refuse(&self, setting: &Setting, value: &str, fragment: &str) -> UsageError {
        self.error(format!("{}: {} {fragment}", setting.origin, values::shown(value)))
    }

    fn error(&self, message: String) -> UsageError {
        UsageError::new(self.flags.topic(), message)
    }
}

fn runner_access(text: &str) -> Result<RunnerAccess, String> {
    match text {
        "auto" => Ok(RunnerAccess::Auto),
        "direct" => Ok(RunnerAccess::Direct),
        "proxy" => Ok(RunnerAccess::Proxy),
        _ => Err("is not one of auto, direct and proxy".to_owned()),
    }
}

fn log_format(text: &str) -> Result<LogFormat, String> {
    match text {
        "text" => Ok(LogFormat::Text),
        "json" => Ok(LogFormat::Json),
        _ => Err("is not one of text and json".to_owned()),
    }
}
