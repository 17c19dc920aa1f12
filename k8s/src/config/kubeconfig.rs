//! Kubeconfig files as they are written, and how several become one.
//!
//! Invariant: as kubectl merges, so is merged here: whoever names a thing first wins, and paths are relative to the file
//! that names them.

use std::path::{Path, PathBuf};
use std::rc::Rc;

use serde_json::Value;

use super::{ConfigError, read, yaml};
use crate::fields::{self, Faults, Read as _};

/// Several files in one; each entry remembers its file's directory.
#[derive(Debug, Default)]
pub(super) struct Merged {
    /// The files, for messages.
    pub(super) files: String,
    pub(super) current_context: String,
    pub(super) contexts: Vec<Named<Context>>,
    pub(super) clusters: Vec<Named<Cluster>>,
    pub(super) users: Vec<Named<User>>,
    /// Why files among several are not in it.
    pub(super) unread: Vec<ConfigError>,
}

/// An entry, and where it was written.
#[derive(Debug)]
pub(super) struct Named<T> {
    /// `context`, `cluster` or `user`.
    pub(super) kind: &'static str,
    pub(super) name: String,
    pub(super) file: Rc<File>,
    /// Its place in the list of its kind.
    at: usize,
    pub(super) entry: T,
}

impl<T> Named<T> {
    /// A path that the entry names, relative to its file.
    pub(super) fn path(&self, path: &str) -> PathBuf {
        self.file.path.parent().unwrap_or(Path::new("")).join(path)
    }

    /// The error that says what is wrong with the entry.
    pub(super) fn wrong(&self, problem: String) -> ConfigError {
        ConfigError::Entry {
            file: self.file.path.display().to_string() + &self.file.place(self.kind, self.at, None),
            entry: format!("{} {:?}", self.kind, self.name),
            problem,
        }
    }
}

/// A file as it was read: only an error takes the work of finding the line of an entry.
pub(super) struct File {
    pub(super) path: PathBuf,
    text: Vec<u8>,
}

impl File {
    /// ` (line 12)`, where the entry begins, or ` (line 12: fault)`. No line where the list comes by a merge key.
    fn place(&self, kind: &str, at: usize, fault: Option<String>) -> String {
        let line = yaml::line_of(&self.text, &format!("{kind}s"), at).map(|line| format!("line {line}"));
        let place: Vec<String> = line.into_iter().chain(fault).collect();
        if place.is_empty() { String::new() } else { format!(" ({})", place.join(": ")) }
    }
}

/// The text is full of secrets.
impl std::fmt::Debug for File {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{}", self.path.display())
    }
}

#[derive(Debug, Default)]
pub(super) struct Context {
    pub(super) cluster: String,
    pub(super) user: String,
    pub(super) namespace: String,
}
crate::readable!(Context { cluster: "cluster", user: "user", namespace: "namespace" });

#[derive(Debug, Default)]
pub(super) struct Cluster {
    pub(super) server: String,
    pub(super) tls_server_name: String,
    pub(super) insecure_skip_tls_verify: bool,
    pub(super) certificate_authority: String,
    pub(super) certificate_authority_data: String,
    pub(super) proxy_url: String,
    pub(super) extensions: Vec<Extension>,
}
crate::readable!(Cluster {
    server: "server",
    tls_server_name: "tls-server-name",
    insecure_skip_tls_verify: "insecure-skip-tls-verify" by truth,
    certificate_authority: "certificate-authority",
    certificate_authority_data: "certificate-authority-data",
    proxy_url: "proxy-url",
    extensions: "extensions",
});

#[derive(Debug, Default)]
pub(super) struct Extension {
    pub(super) name: String,
    pub(super) extension: Value,
}
crate::readable!(Extension { name: "name", extension: "extension" });

/// No `Debug`: an entry is full of secrets.
#[derive(Default)]
pub(super) struct User {
    pub(super) client_certificate: String,
    pub(super) client_certificate_data: String,
    pub(super) client_key: String,
    pub(super) client_key_data: String,
    pub(super) token: String,
    pub(super) token_file: String,
    pub(super) username: String,
    pub(super) password: String,
    pub(super) impersonate: String,
    pub(super) exec: Option<Exec>,
    pub(super) auth_provider: Option<AuthProvider>,
}
crate::readable!(User {
    client_certificate: "client-certificate",
    client_certificate_data: "client-certificate-data",
    client_key: "client-key",
    client_key_data: "client-key-data",
    token: "token",
    token_file: "tokenFile",
    username: "username",
    password: "password",
    impersonate: "as",
    exec: "exec",
    auth_provider: "auth-provider",
});

impl std::fmt::Debug for User {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("(user)")
    }
}

#[derive(Default)]
pub(super) struct Exec {
    pub(super) api_version: String,
    pub(super) command: String,
    pub(super) args: Vec<String>,
    pub(super) env: Vec<ExecEnv>,
    pub(super) install_hint: String,
    pub(super) provide_cluster_info: bool,
    pub(super) interactive_mode: String,
}
crate::readable!(Exec {
    api_version: "apiVersion",
    command: "command",
    args: "args",
    env: "env",
    install_hint: "installHint",
    provide_cluster_info: "provideClusterInfo" by truth,
    interactive_mode: "interactiveMode",
});

#[derive(Default)]
pub(super) struct ExecEnv {
    pub(super) name: String,
    pub(super) value: String,
}
crate::readable!(ExecEnv { name: "name", value: "value" });

#[derive(Default)]
pub(super) struct AuthProvider {
    pub(super) name: String,
}
crate::readable!(AuthProvider { name: "name" });

#[derive(Default)]
struct WireFile {
    current_context: String,
}
crate::readable!(WireFile { current_context: "current-context" });

#[derive(Default)]
struct WireContext {
    name: String,
    context: Context,
}
crate::readable!(WireContext { name: "name", context: "context" });

#[derive(Default)]
struct WireCluster {
    name: String,
    cluster: Cluster,
}
crate::readable!(WireCluster { name: "name", cluster: "cluster" });

#[derive(Default)]
struct WireUser {
    name: String,
    user: User,
}
crate::readable!(WireUser { name: "name", user: "user" });

/// Reads files that all have to be there.
pub(super) fn load(files: &[PathBuf]) -> Result<Merged, ConfigError> {
    let mut merged = Merged::default();
    for file in files {
        merged.add(file, &read(file)?)?;
    }
    Ok(merged)
}

/// Reads those files that are there; at least one has to be. One of several that cannot be read is left out.
pub(super) fn load_present(files: &[PathBuf]) -> Result<Merged, ConfigError> {
    let present: Vec<&PathBuf> = files.iter().filter(|file| file.exists()).collect();
    // With none there, reading the first tells the user what is missing.
    let Some(last) = present.len().checked_sub(1) else { return load(&files[..1]) };
    let mut merged = Merged::default();
    for (at, file) in present.into_iter().enumerate() {
        match read(file) {
            Ok(text) => merged.add(file, &text)?,
            Err(error) if at == last && merged.unread.len() == last => return Err(error),
            Err(error) => merged.unread.push(error),
        }
    }
    Ok(merged)
}

/// YAML 1.1 has more words for yes and no than the parser knows.
fn truth(value: &Value, faults: &mut Faults) -> bool {
    value.as_str().and_then(yaml::truth).unwrap_or_else(|| bool::read(value, faults))
}

impl Merged {
    /// Merges the text of one more file in: what is there already stays.
    pub(super) fn add(&mut self, path: &Path, text: &[u8]) -> Result<(), ConfigError> {
        let malformed = |place| malformed(path, place);
        let document = yaml::read(text).map_err(malformed)?;
        let wire: WireFile = fields::read(&document).map_err(|fault| malformed(format!(" ({fault})")))?;
        if !self.files.is_empty() {
            self.files.push(':');
        }
        self.files.push_str(&path.display().to_string());
        if self.current_context.is_empty() {
            self.current_context = wire.current_context;
        }
        let file = Rc::new(File { path: path.to_owned(), text: text.to_owned() });
        merge(&mut self.contexts, "context", &file, &document, |wire: WireContext| {
            (wire.name, wire.context)
        })?;
        merge(&mut self.clusters, "cluster", &file, &document, |wire: WireCluster| {
            (wire.name, wire.cluster)
        })?;
        merge(&mut self.users, "user", &file, &document, |wire: WireUser| (wire.name, wire.user))
    }
}

fn malformed(path: &Path, place: String) -> ConfigError {
    ConfigError::Malformed { file: path.display().to_string(), place }
}

fn merge<W: fields::Read, T>(
    into: &mut Vec<Named<T>>,
    kind: &'static str,
    file: &Rc<File>,
    document: &Value,
    parts: fn(W) -> (String, T),
) -> Result<(), ConfigError> {
    let list = match document.get(format!("{kind}s")) {
        None | Some(Value::Null) => return Ok(()),
        Some(Value::Array(list)) => list,
        Some(_) => return Err(malformed(&file.path, format!(" ({kind}s is not a list)"))),
    };
    for (at, value) in list.iter().enumerate().filter(|(_, value)| !value.is_null()) {
        let wire = fields::read(value)
            .map_err(|fault| malformed(&file.path, file.place(kind, at, Some(format!("{kind}s.{fault}")))))?;
        let (name, entry) = parts(wire);
        if into.iter().all(|known| known.name != name) {
            into.push(Named { kind, name, file: file.clone(), at, entry });
        }
    }
    Ok(())
}
