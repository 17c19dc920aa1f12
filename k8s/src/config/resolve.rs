//! From a merged kubeconfig and a context to a [`Config`]: follows the names, checks the values, says what is wrong.

use std::fmt;
use std::net::Ipv6Addr;
use std::os::unix::fs::PermissionsExt as _;
use std::path::{Path, PathBuf};

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use serde_json::{Map, Value, json};

use crate::proxy;
use crate::secret::Secret;

use super::kubeconfig::{Cluster, Context, Exec, Merged, Named, User};
use super::{
    Config, ConfigError, Credentials, Environment, ExecPlugin, Origin, Pem, Trust, system_authorities,
};

const EXEC_VERSIONS: [&str; 2] = ["client.authentication.k8s.io/v1", "client.authentication.k8s.io/v1beta1"];
/// The cluster extension that credential plugins are given as `spec.cluster.config`.
const EXEC_EXTENSION: &str = "client.authentication.k8s.io/exec";

/// An API server's address. Shown as a URL.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Server {
    /// Whether TLS is spoken.
    pub tls: bool,
    /// A name or an address; IPv6 in brackets.
    pub host: String,
    /// The port.
    pub port: u16,
    /// What stands before `/api`: empty, or a path without a slash at its end.
    pub path: String,
}

impl fmt::Display for Server {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}://{}:{}{}", if self.tls { "https" } else { "http" }, self.host, self.port, self.path)
    }
}

impl Server {
    /// Reads `https://host[:port][/path]`. The error says what is wrong with it.
    pub fn parse(url: &str) -> Result<Self, String> {
        let (tls, rest) = match url.split_once("://") {
            Some(("https", rest)) => (true, rest),
            Some(("http", rest)) => (false, rest),
            _ => return Err("the server must begin with https:// or http://".to_owned()),
        };
        let (authority, path) = rest.find('/').map_or((rest, ""), |at| rest.split_at(at));
        if authority.contains('@') {
            return Err("the server's URL holds a user; put credentials into the user's entry".to_owned());
        }
        if path.contains(['?', '#']) {
            return Err("the server's URL has a query or a fragment; leave it out".to_owned());
        }
        let (host, port) = match authority.rsplit_once(':') {
            Some((host, port)) if !port.contains(']') => {
                let port =
                    port.parse().map_err(|_| format!("the server's port {port:?} is not a valid port"))?;
                (host, port)
            }
            _ => (authority, default_port(tls)),
        };
        let address = host.strip_prefix('[').and_then(|host| host.strip_suffix(']'));
        let named = !host.is_empty()
            && host.bytes().all(|byte| byte.is_ascii_alphanumeric() || b"-._".contains(&byte));
        if address.map_or(!named, |address| address.parse::<Ipv6Addr>().is_err()) {
            return Err(format!(
                "the server's host {host:?} is neither a name nor an address (IPv6 in brackets)"
            ));
        }
        Ok(Self { tls, host: host.to_owned(), port, path: path.trim_end_matches('/').to_owned() })
    }

    /// `host:port`, always with its port.
    #[must_use]
    pub fn authority(&self) -> String {
        format!("{}:{}", self.host, self.port)
    }

    /// What the `Host` header is to say: the port stands in it only where it is not the scheme's own, since there are
    /// gateways that take it literally.
    #[must_use]
    pub fn host_header(&self) -> String {
        if self.port == default_port(self.tls) { self.host.clone() } else { self.authority() }
    }
}

const fn default_port(tls: bool) -> u16 {
    if tls { 443 } else { 80 }
}

pub(super) fn resolve(
    merged: &Merged,
    context: Option<&str>,
    env: &Environment,
) -> Result<Config, ConfigError> {
    let wanted = context.unwrap_or(&merged.current_context);
    if wanted.is_empty() {
        return Err(ConfigError::Entry {
            file: merged.files.clone(),
            entry: "current-context".to_owned(),
            problem: format!("is not set; choose a context, there are: {}", names(&merged.contexts)),
        });
    }
    let context = find(&merged.contexts, wanted).ok_or_else(|| ConfigError::Entry {
        file: merged.files.clone(),
        entry: format!("context {wanted:?}"),
        problem: format!("does not exist; there are: {}", names(&merged.contexts)),
    })?;
    let cluster = named_by(context, "cluster", &merged.clusters, &context.entry.cluster)?;
    let user = match context.entry.user.as_str() {
        "" => None,
        user => Some(named_by(context, "user", &merged.users, user)?),
    };

    let wrong = |problem: String| cluster.wrong(problem);
    let entry = &cluster.entry;
    let trust = trust(cluster, env)?;
    let plain = Config::plain(&with_scheme(&entry.server, &trust, entry).map_err(&wrong)?).map_err(&wrong)?;
    let proxy = proxy(&entry.proxy_url).map_err(&wrong)?;
    let namespace = Some(context.entry.namespace.clone()).filter(|namespace| !namespace.is_empty());
    let mut config = Config {
        origin: Origin::Kubeconfig { context: context.name.clone() },
        names_namespace: namespace.is_some(),
        namespace: namespace.unwrap_or_else(|| plain.namespace.clone()),
        trust,
        tls_server_name: Some(entry.tls_server_name.clone()).filter(|name| !name.is_empty()),
        proxy,
        warnings: merged.unread.iter().map(ToString::to_string).collect(),
        ..plain
    };
    if config.server.tls && config.trust == Trust::Anyone {
        config.warnings.push(format!(
            "cluster {:?} of the kubeconfig has insecure-skip-tls-verify: the agent trusts whoever answers and sends \
             the credentials; \
             put the server's authority into certificate-authority-data instead",
            cluster.name
        ));
    }
    match user {
        None => Ok(config),
        Some(user) => with_user(config, user, cluster),
    }
}

/// The proxy on the way to a cluster; an empty text is none.
fn proxy(url: &str) -> Result<Option<Secret>, String> {
    if url.is_empty() {
        return Ok(None);
    }
    if !url.contains("://") {
        return Err("proxy-url has no scheme; begin it with http://, https:// or socks5://".to_owned());
    }
    proxy::parse(url).map_err(|error| format!("proxy-url: {error}"))?;
    Ok(Some(Secret::new(url)))
}

/// The configuration with the credentials of a user.
fn with_user(
    mut config: Config,
    user: &Named<User>,
    cluster: &Named<Cluster>,
) -> Result<Config, ConfigError> {
    let identity = identity(user)?;
    let credentials = credentials(user, cluster)?;
    let is_secret = matches!(credentials, Credentials::Token(_) | Credentials::Basic { .. })
        || matches!(identity, Some((_, Pem::Inline(_))));
    if is_secret && is_readable_by_others(&user.file.path) {
        config.warnings.push(format!(
            "{}: holds the credentials of user {:?} and every user of this machine may read it; run chmod o= on it",
            user.file.path.display(),
            user.name
        ));
    }
    Ok(Config { identity, credentials, ..config })
}

/// Whether the file's mode lets anyone read it.
fn is_readable_by_others(file: &Path) -> bool {
    std::fs::metadata(file).is_ok_and(|about| about.permissions().mode() & 0o004 != 0)
}

/// The server with a scheme where it has none: as kubectl, `https` where the cluster says something about TLS. Where it does
/// not, kubectl speaks plain HTTP and leaves the credentials out; here somebody has to say what is meant.
fn with_scheme(server: &str, trust: &Trust, entry: &Cluster) -> Result<String, String> {
    if server.contains("://") || server.is_empty() {
        return Ok(server.to_owned());
    }
    let names_authority =
        !entry.certificate_authority.is_empty() || !entry.certificate_authority_data.is_empty();
    if !names_authority && *trust != Trust::Anyone {
        return Err("the server has no scheme; begin it with https:// or http://".to_owned());
    }
    if server.trim_end_matches('/').contains('/') {
        return Err("the server has a path and no scheme; begin it with https://".to_owned());
    }
    Ok(format!("https://{server}"))
}

fn trust(cluster: &Named<Cluster>, env: &Environment) -> Result<Trust, ConfigError> {
    let entry = &cluster.entry;
    if entry.insecure_skip_tls_verify {
        return Ok(Trust::Anyone);
    }
    let data = inline(cluster, "certificate-authority-data", &entry.certificate_authority_data)?;
    let file = (!entry.certificate_authority.is_empty())
        .then(|| Pem::File(cluster.path(&entry.certificate_authority)));
    // Few kubeconfigs name no authority, and those mean a server with a public certificate.
    let named = data.or(file).or_else(|| system_authorities(env));
    Ok(named.map_or(Trust::Public, Trust::Authorities))
}

fn identity(user: &Named<User>) -> Result<Option<(Pem, Pem)>, ConfigError> {
    let entry = &user.entry;
    let pem = |field: &str, data: &str, file: &str| -> Result<Option<Pem>, ConfigError> {
        let data = inline(user, field, data)?;
        Ok(data.or_else(|| (!file.is_empty()).then(|| Pem::File(user.path(file)))))
    };
    let certificate =
        pem("client-certificate-data", &entry.client_certificate_data, &entry.client_certificate)?;
    let key = pem("client-key-data", &entry.client_key_data, &entry.client_key)?;
    match (certificate, key) {
        (Some(certificate), Some(key)) => Ok(Some((certificate, key))),
        (None, None) => Ok(None),
        (Some(_), None) => {
            Err(user
                .wrong("has a client certificate but no key; add client-key or client-key-data".to_owned()))
        }
        (None, Some(_)) => Err(user.wrong(
            "has a client key but no certificate; add client-certificate or client-certificate-data"
                .to_owned(),
        )),
    }
}

fn credentials(user: &Named<User>, cluster: &Named<Cluster>) -> Result<Credentials, ConfigError> {
    let entry = &user.entry;
    if !entry.impersonate.is_empty() {
        return Err(user.wrong(
            "impersonates (`as`), which is not supported; use that user's own credentials".to_owned(),
        ));
    }
    if !entry.token_file.is_empty() {
        return Ok(Credentials::TokenFile(user.path(&entry.token_file)));
    }
    if !entry.token.is_empty() {
        return Ok(Credentials::Token(Secret::new(entry.token.clone())));
    }
    if !entry.username.is_empty() {
        let (username, password) = (entry.username.clone(), Secret::new(entry.password.clone()));
        return Ok(Credentials::Basic { username, password });
    }
    if let Some(exec) = &entry.exec {
        return plugin(user, exec, cluster).map(Credentials::Exec);
    }
    if let Some(provider) = &entry.auth_provider {
        let instead = match provider.name.as_str() {
            "oidc" => {
                "kubelogin does the same: exec with command: kubectl-oidc_login and args: [get-token, …]"
            }
            "gcp" => "use the exec plugin gke-gcloud-auth-plugin",
            "azure" => "use the exec plugin kubelogin of Azure (kubelogin convert-kubeconfig)",
            _ => "use an exec credential plugin or a token",
        };
        let problem = format!(
            "has the auth-provider {:?}, which is built into some kubectl and not into this client; {instead}",
            provider.name
        );
        return Err(user.wrong(problem));
    }
    Ok(Credentials::None)
}

fn plugin(user: &Named<User>, exec: &Exec, cluster: &Named<Cluster>) -> Result<ExecPlugin, ConfigError> {
    if !EXEC_VERSIONS.contains(&exec.api_version.as_str()) {
        let problem = format!(
            "exec.apiVersion is {:?}; only {} and {} are supported",
            exec.api_version, EXEC_VERSIONS[0], EXEC_VERSIONS[1]
        );
        return Err(user.wrong(problem));
    }
    if exec.command.is_empty() {
        return Err(user.wrong("exec.command is empty; name the credential plugin".to_owned()));
    }
    if exec.interactive_mode == "Always" {
        let problem =
            "exec.interactiveMode is Always, but there is nobody to ask; use a plugin that needs no input";
        return Err(user.wrong(problem.to_owned()));
    }
    let command =
        if exec.command.contains('/') { user.path(&exec.command) } else { PathBuf::from(&exec.command) };
    Ok(ExecPlugin {
        api_version: exec.api_version.clone(),
        command,
        args: exec.args.clone(),
        env: exec.env.iter().map(|env| (env.name.clone(), env.value.clone())).collect(),
        cluster: exec.provide_cluster_info.then(|| cluster_info(cluster)),
        install_hint: exec.install_hint.clone(),
        user: user.name.clone(),
    })
}

/// `spec.cluster` of an `ExecCredential`.
fn cluster_info(cluster: &Named<Cluster>) -> Value {
    let entry = &cluster.entry;
    let mut info = Map::new();
    let mut text = |name: &str, value: &str| {
        if !value.is_empty() {
            info.insert(name.to_owned(), json!(value));
        }
    };
    text("server", &entry.server);
    text("tls-server-name", &entry.tls_server_name);
    text("proxy-url", &entry.proxy_url);
    text("certificate-authority-data", &entry.certificate_authority_data);
    if entry.certificate_authority_data.is_empty()
        && !entry.certificate_authority.is_empty()
        && let Ok(pem) = std::fs::read(cluster.path(&entry.certificate_authority))
    {
        text("certificate-authority-data", &STANDARD.encode(pem));
    }
    if entry.insecure_skip_tls_verify {
        info.insert("insecure-skip-tls-verify".to_owned(), json!(true));
    }
    let config = entry.extensions.iter().find(|extension| extension.name == EXEC_EXTENSION);
    if let Some(config) = config.filter(|config| !config.extension.is_null()) {
        info.insert("config".to_owned(), config.extension.clone());
    }
    Value::Object(info)
}

fn inline<T>(named: &Named<T>, field: &str, data: &str) -> Result<Option<Pem>, ConfigError> {
    if data.is_empty() {
        return Ok(None);
    }
    let compact: String = data.split_ascii_whitespace().collect();
    match STANDARD.decode(compact) {
        Ok(pem) => Ok(Some(Pem::Inline(pem))),
        Err(_) => Err(named.wrong(format!("{field} is not base64; encode the PEM file, all on one line"))),
    }
}

fn find<'a, T>(entries: &'a [Named<T>], name: &str) -> Option<&'a Named<T>> {
    entries.iter().find(|entry| entry.name == name)
}

/// What a context names.
fn named_by<'a, T>(
    context: &Named<Context>,
    kind: &str,
    entries: &'a [Named<T>],
    name: &str,
) -> Result<&'a Named<T>, ConfigError> {
    find(entries, name).ok_or_else(|| {
        context.wrong(format!("its {kind} {name:?} does not exist; there are: {}", names(entries)))
    })
}

fn names<T>(entries: &[Named<T>]) -> String {
    let names: Vec<&str> =
        entries.iter().map(|entry| entry.name.as_str()).filter(|name| !name.is_empty()).collect();
    if names.is_empty() { "none that has a name".to_owned() } else { names.join(", ") }
}

#[cfg(test)]
#[path = "resolve_tests.rs"]
mod tests;
