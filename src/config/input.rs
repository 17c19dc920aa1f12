//! From what was written to what is meant: each option's value read, checked and put in its place.
//!
//! Owns which option feeds which field. Reads the CA file, as the value of an option is useless without it.

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};
use std::time::Duration;

use super::raw::{Flags, Setting};
use super::{
    ARCHIVE_URL_VAR, Env, FetchConfig, KubeEnv, Namespaces, NotifyEnv, Output, RunConfig, RunnerAccess,
    UsageError, values,
};
use crate::logging::{LogConfig, LogFormat};
use crate::net::{ExtraCa, NoProxy, ProxySettings, ProxyUrl};
use plz_core::redact::Secret;
use plz_core::testrun::network::ShareProxy;

const SECOND: Duration = Duration::from_secs(1);
const HOUR: Duration = Duration::from_secs(3600);
const POLL_INTERVAL_MAX: Duration = Duration::from_secs(600);
const START_DEADLINE_MIN: Duration = Duration::from_secs(10);
const WORKERS_MIN: usize = 2;
const WORKERS_MAX: usize = 64;

/// The flags and the environment of one invocation.
pub(super) struct Input<'a> {
    pub(super) flags: Flags,
    pub(super) env: &'a Env,
}

impl Input<'_> {
    /// The form of the report of `check`.
    pub(super) fn output(&self) -> Result<Output, UsageError> {
        self.value("output", output)
    }

    pub(super) fn run(&self) -> Result<RunConfig, UsageError> {
        let context = self.flags.one("context", self.env).map(|setting| setting.text());
        Ok(RunConfig {
            kubeconfig: self.flags.one("kubeconfig", self.env).map(|setting| setting.value.into()),
            context,
            namespaces: self.namespaces()?,
            operator_namespaces: self.operator_namespaces()?,
            lease: self.optional("lease", values::lease)?,
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
            share_proxy: self.share_proxy()?,
            runner_ca: self.optional("runner-ca", values::runner_ca)?,
            workers: self.value("workers", |text| values::number(text, WORKERS_MIN, WORKERS_MAX))?,
            listen: self.optional("listen", values::listen_address)?,
            log: self.log()?,
            kube_env: KubeEnv {
                kubeconfig: self.env.os("KUBECONFIG").map(Into::into),
                home: self.env.os("HOME").map(Into::into),
                service_host: self.env.text("KUBERNETES_SERVICE_HOST"),
                service_port: self.env.text("KUBERNETES_SERVICE_PORT"),
                pod_name: self.env.text("POD_NAME"),
                pod_namespace: self.env.text("POD_NAMESPACE"),
            },
            notify_env: NotifyEnv {
                socket: self.env.os("NOTIFY_SOCKET").map(Into::into),
                watchdog_usec: self.env.text("WATCHDOG_USEC"),
                watchdog_pid: self.env.text("WATCHDOG_PID"),
            },
        })
    }

    pub(super) fn fetch(self) -> Result<FetchConfig, UsageError> {
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
            termination_log: super::termination_log(self.env),
            log: self.log()?,
        })
    }

    fn namespaces(&self) -> Result<Namespaces, UsageError> {
        let settings = self.flags.all("namespace", self.env);
        let names = self.names(&settings, "names no namespace; leave it out for all")?;
        Ok(if names.is_empty() { Namespaces::All } else { Namespaces::Named(names) })
    }

    fn operator_namespaces(&self) -> Result<BTreeSet<String>, UsageError> {
        let settings = self.flags.all("operator-namespace", self.env);
        let fallback = self.flags.default_of("operator-namespace");
        let absent = format!("names no namespace; leave it out for {}", fallback.text());
        let names = self.names(&settings, &absent)?;
        if names.is_empty() { self.names(&[fallback], &absent) } else { Ok(names) }
    }

    /// The namespaces of all settings together. A flag has to name one.
    fn names(&self, settings: &[Setting], absent: &str) -> Result<BTreeSet<String>, UsageError> {
        let mut names = BTreeSet::new();
        for setting in settings {
            let text = setting.text();
            for name in text.split(',').map(str::trim).filter(|name| !name.is_empty()) {
                let name =
                    values::namespace(name).map_err(|fragment| self.refuse(setting, name, &fragment))?;
                names.insert(name);
            }
            if setting.origin.starts_with('-') && names.is_empty() {
                return Err(self.refuse(setting, &text, absent));
            }
        }
        Ok(names)
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

    fn share_proxy(&self) -> Result<ShareProxy, UsageError> {
        let setting = self.flags.or_default("share-proxy", self.env);
        let share = self.read(&setting, share_proxy)?;
        let proxies = self.proxies()?;
        match proxies.proxies().find(|proxy| proxy.is_loopback()) {
            Some(proxy) if share != ShareProxy::None => Err(self.error(format!(
                "{}: the proxy {proxy} is on this machine's loopback, which pods do not share; give it an address \
                 that pods can reach",
                setting.origin
            ))),
            _ => Ok(share),
        }
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
    let words =
        [("auto", RunnerAccess::Auto), ("direct", RunnerAccess::Direct), ("proxy", RunnerAccess::Proxy)];
    choice(text, &words)
}

fn share_proxy(text: &str) -> Result<ShareProxy, String> {
    choice(text, &[("none", ShareProxy::None), ("archive", ShareProxy::Archive), ("all", ShareProxy::All)])
}

fn output(text: &str) -> Result<Output, String> {
    choice(text, &[("text", Output::Text), ("json", Output::Json)])
}

fn log_format(text: &str) -> Result<LogFormat, String> {
    choice(text, &[("text", LogFormat::Text), ("json", LogFormat::Json), ("journal", LogFormat::Journal)])
}

/// The value that goes by that word. The fragment lists the words.
fn choice<T: Copy>(text: &str, words: &[(&str, T)]) -> Result<T, String> {
    let known = words.iter().find(|(word, _)| *word == text);
    known.map(|(_, value)| *value).ok_or_else(|| {
        let names: Vec<&str> = words.iter().map(|(word, _)| *word).collect();
        let (last, others) = names.split_last().expect("there is something to choose from");
        format!("is not one of {} and {last}", others.join(", "))
    })
}
