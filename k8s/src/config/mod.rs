//! Where the API server is and how to be let in: from a kubeconfig, or from what a pod finds in its cluster.
//!
//! Owns the search for it and the reading of it into one typed [`Config`]. Leaves alone what changes over time (tokens,
//! certificates, plugins): a `Config` names their places, `auth.rs` reads them. Invariant: the environment comes in as
//! data ([`Environment`]); nothing here reads a variable.

mod incluster;
mod kubeconfig;
mod resolve;
pub(crate) mod yaml;

use std::ffi::OsString;
use std::fmt;
use std::path::{Path, PathBuf};
use std::time::Duration;

use thiserror::Error;

use crate::secret::Secret;

pub use resolve::Server;

/// Where a pod finds its token, the CA and its namespace.
pub const SERVICE_ACCOUNT_DIR: &str = "/var/run/secrets/kubernetes.io/serviceaccount";

/// Everything a client has to know.
#[derive(Clone, Debug, PartialEq)]
pub struct Config {
    /// The API server.
    pub server: Server,
    /// Where the configuration comes from.
    pub origin: Origin,
    /// The context's namespace, or the pod's own; `default` where none is named.
    pub namespace: String,
    /// Whether one is named.
    pub names_namespace: bool,
    /// Whom to believe to be the server.
    pub trust: Trust,
    /// The name that the server's certificate is to bear, where it is not the host.
    pub tls_server_name: Option<String>,
    /// The certificate to show, and its key.
    pub identity: Option<(Pem, Pem)>,
    /// What to say who one is.
    pub credentials: Credentials,
    /// An `http://`, `https://` or `socks5://` proxy; see [`proxy`](crate::proxy).
    pub proxy: Option<Secret>,
    /// Sent with every request.
    pub user_agent: String,
    /// How long to wait.
    pub limits: Limits,
    /// What works and yet deserves a look; each names the cause and, after a semicolon, the fix.
    pub warnings: Vec<String>,
}

/// Where a configuration comes from.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Origin {
    /// The service account of the pod that this process runs in.
    InCluster,
    /// A context of a kubeconfig.
    Kubeconfig {
        /// The context's name.
        context: String,
    },
}

/// Whom to believe to be the server.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Trust {
    /// Whoever shows a certificate by one of these authorities.
    Authorities(Pem),
    /// Whoever shows a certificate by an authority that browsers believe in; the list is built in.
    Public,
    /// Whoever answers. What `insecure-skip-tls-verify` asks for.
    Anyone,
}

/// PEM text, or where to find it. Files are read again when they change.
#[derive(Clone, PartialEq, Eq)]
pub enum Pem {
    /// The text itself.
    Inline(Vec<u8>),
    /// A file.
    File(PathBuf),
}

impl fmt::Debug for Pem {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Inline(bytes) => write!(f, "{} bytes inline", bytes.len()),
            Self::File(path) => write!(f, "{}", path.display()),
        }
    }
}

/// What to say who one is.
#[derive(Clone, Debug, PartialEq)]
pub enum Credentials {
    /// Nothing; the client certificate, if there is one, speaks for itself.
    None,
    /// A bearer token.
    Token(Secret),
    /// A file that holds a bearer token; read again when it changes.
    TokenFile(PathBuf),
    /// A user name and a password.
    Basic {
        /// The user name.
        username: String,
        /// The password.
        password: Secret,
    },
    /// A program that makes a token or a certificate.
    Exec(ExecPlugin),
}

/// A credential plugin: `client.authentication.k8s.io`, v1 or v1beta1.
#[derive(Clone, PartialEq)]
pub struct ExecPlugin {
    /// `client.authentication.k8s.io/v1` or `…/v1beta1`; the answer has to be of the same.
    pub api_version: String,
    /// The program; searched in PATH unless it has a directory.
    pub command: PathBuf,
    /// Its arguments.
    pub args: Vec<String>,
    /// What is added to the environment it inherits.
    pub env: Vec<(String, String)>,
    /// `spec.cluster` of `KUBERNETES_EXEC_INFO`, where `provideClusterInfo` asks for it.
    pub cluster: Option<serde_json::Value>,
    /// What the kubeconfig's author would have people do when the program is missing; may be empty.
    pub install_hint: String,
    /// The kubeconfig's entry, for messages.
    pub user: String,
}

impl fmt::Debug for ExecPlugin {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("ExecPlugin").field("user", &self.user).field("command", &self.command).finish()
    }
}

/// How long to wait.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Limits {
    /// For a connection, TLS and proxies included.
    pub connect: Duration,
    /// For an answer to begin, once the request is sent.
    pub response: Duration,
    /// For the whole body of an answer that is no watch.
    pub body: Duration,
    /// For the next byte of a watch. API servers send a bookmark each minute.
    pub silence: Duration,
    /// For a credential plugin to end.
    pub plugin: Duration,
    /// Between looks at whether token and certificate files have changed.
    pub reread: Duration,
}

impl Default for Limits {
    fn default() -> Self {
        Self {
            connect: Duration::from_secs(5),
            response: Duration::from_secs(20),
            body: Duration::from_secs(60),
            silence: Duration::from_secs(100),
            plugin: Duration::from_secs(30),
            reread: Duration::from_secs(60),
        }
    }
}

/// What a configuration is made from.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Source {
    /// A kubeconfig named by the user: that one and no other.
    pub kubeconfig: Option<PathBuf>,
    /// A context named by the user, in place of `current-context`.
    pub context: Option<String>,
    /// What the environment says.
    pub env: Environment,
}

/// The part of the environment that matters, read by whoever may read it.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Environment {
    /// `KUBECONFIG`: one path or several, separated by colons.
    pub kubeconfig: Option<OsString>,
    /// `HOME`.
    pub home: Option<PathBuf>,
    /// `KUBERNETES_SERVICE_HOST`.
    pub service_host: Option<String>,
    /// `KUBERNETES_SERVICE_PORT`.
    pub service_port: Option<String>,
    /// `SSL_CERT_FILE`: the authorities to believe where the kubeconfig names none.
    pub ca_file: Option<PathBuf>,
    /// In place of [`SERVICE_ACCOUNT_DIR`], for tests.
    pub service_account_dir: Option<PathBuf>,
}

/// Why there is no configuration. Each message names the file, the entry and the mend.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
pub enum ConfigError {
    /// A file cannot be read.
    #[error("{file}: cannot be read: {cause}; check that it exists and that this user may read it")]
    Unreadable {
        /// The file.
        file: String,
        /// What the system says.
        cause: String,
    },
    /// A file is no kubeconfig. What stands in it is not repeated, since it may be a secret.
    #[error(
        "{file}: is not a kubeconfig: a value is missing or of the wrong kind{place}; compare it with `kubectl config view`"
    )]
    Malformed {
        /// The file.
        file: String,
        /// Line and column, where they are known.
        place: String,
    },
    /// An entry is wrong or missing.
    #[error("{file}: {entry}: {problem}")]
    Entry {
        /// The file, and the line on which the entry begins; several files where they are merged.
        file: String,
        /// The entry, `user "admin"`.
        entry: String,
        /// What is wrong with it, and the mend.
        problem: String,
    },
    /// Neither a kubeconfig nor a service account.
    #[error(
        "no Kubernetes configuration was found (looked for: {looked}); name a kubeconfig, or run in a pod with a \
         mounted service account token"
    )]
    Nothing {
        /// What was looked for.
        looked: String,
    },
}

impl Config {
    /// Finds the configuration, in this order: the kubeconfig named by the user, `KUBECONFIG`, the pod's service account,
    /// `~/.kube/config`. Naming a context rules the service account out.
    pub fn infer(source: &Source) -> Result<Self, ConfigError> {
        let env = &source.env;
        let context = source.context.as_deref();
        if let Some(file) = &source.kubeconfig {
            return resolve::resolve(&kubeconfig::load(std::slice::from_ref(file))?, context, env);
        }
        let named = env.kubeconfig.as_ref().map(split_paths).unwrap_or_default();
        if !named.is_empty() {
            let merged = kubeconfig::load_present(&named)?;
            return match resolve::resolve(&merged, context, env) {
                // What is missing may well be in the file that could not be read.
                Err(error) => Err(merged.unread.into_iter().next().unwrap_or(error)),
                found => found,
            };
        }
        if context.is_none() && incluster::is_inside(env) {
            return incluster::config(env);
        }
        let home = env.home.as_ref().map(|home| home.join(".kube").join("config"));
        match home.filter(|file| file.exists()) {
            Some(file) => resolve::resolve(&kubeconfig::load(&[file])?, context, env),
            None => Err(ConfigError::Nothing {
                looked: "--kubeconfig, KUBECONFIG, KUBERNETES_SERVICE_HOST and a service account's token, ~/.kube/config".to_owned(),
            }),
        }
    }

    /// A configuration of a server and nothing else: no credentials, no authorities.
    pub fn plain(url: &str) -> Result<Self, String> {
        Ok(Self {
            server: Server::parse(url)?,
            origin: Origin::Kubeconfig { context: String::new() },
            namespace: "default".to_owned(),
            names_namespace: false,
            trust: Trust::Public,
            tls_server_name: None,
            identity: None,
            credentials: Credentials::None,
            proxy: None,
            user_agent: concat!("k8s/", env!("CARGO_PKG_VERSION")).to_owned(),
            limits: Limits::default(),
            warnings: Vec::new(),
        })
    }

    /// The same with another `User-Agent`.
    #[must_use]
    pub fn with_user_agent(self, user_agent: &str) -> Self {
        Self { user_agent: user_agent.to_owned(), ..self }
    }

    /// Whether this process runs in the cluster it talks to.
    #[must_use]
    pub fn is_in_cluster(&self) -> bool {
        self.origin == Origin::InCluster
    }
}

/// Where systems keep the authorities they believe in.
const CA_BUNDLES: [&str; 4] = [
    "/etc/ssl/certs/ca-certificates.crt",
    "/etc/pki/tls/certs/ca-bundle.crt",
    "/etc/ssl/ca-bundle.pem",
    "/etc/ssl/cert.pem",
];

/// The authorities of this system.
fn system_authorities(env: &Environment) -> Option<Pem> {
    let bundles = CA_BUNDLES.iter().map(PathBuf::from);
    env.ca_file.clone().into_iter().chain(bundles).find(|file| file.exists()).map(Pem::File)
}

fn split_paths(list: &OsString) -> Vec<PathBuf> {
    std::env::split_paths(list).filter(|path| !path.as_os_str().is_empty()).collect()
}

fn read(file: &Path) -> Result<Vec<u8>, ConfigError> {
    std::fs::read(file).map_err(|error| ConfigError::Unreadable {
        file: file.display().to_string(),
        cause: error.to_string(),
    })
}
