//! Kubeconfig files as they are written, and how several become one.
//!
//! Invariant: as kubectl merges, so is merged here: whoever names a thing first wins, and paths are relative to the file
//! that names them.

use std::path::{Path, PathBuf};

use serde::Deserialize;
use serde_json::Value;

use super::{ConfigError, read};
use crate::meta::nullable;

/// Several files in one; each entry remembers its file's directory.
#[derive(Debug, Default)]
pub(super) struct Merged {
    /// The files, for messages.
    pub(super) files: String,
    pub(super) current_context: String,
    pub(super) contexts: Vec<Named<Context>>,
    pub(super) clusters: Vec<Named<Cluster>>,
    pub(super) users: Vec<Named<User>>,
}

/// An entry, and where it was written.
#[derive(Debug)]
pub(super) struct Named<T> {
    pub(super) name: String,
    pub(super) file: PathBuf,
    pub(super) entry: T,
}

impl<T> Named<T> {
    /// A path that the entry names, relative to its file.
    pub(super) fn path(&self, path: &str) -> PathBuf {
        self.file.parent().unwrap_or(Path::new("")).join(path)
    }
}

#[derive(Debug, Default, Deserialize)]
pub(super) struct Context {
    #[serde(default, deserialize_with = "nullable")]
    pub(super) cluster: String,
    #[serde(default, deserialize_with = "nullable")]
    pub(super) user: String,
    #[serde(default, deserialize_with = "nullable")]
    pub(super) namespace: String,
}

#[derive(Debug, Default, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub(super) struct Cluster {
    #[serde(default, deserialize_with = "nullable")]
    pub(super) server: String,
    #[serde(default, deserialize_with = "nullable")]
    pub(super) tls_server_name: String,
    #[serde(default, deserialize_with = "nullable")]
    pub(super) insecure_skip_tls_verify: bool,
    #[serde(default, deserialize_with = "nullable")]
    pub(super) certificate_authority: String,
    #[serde(default, deserialize_with = "nullable")]
    pub(super) certificate_authority_data: String,
    #[serde(default, deserialize_with = "nullable")]
    pub(super) proxy_url: String,
    #[serde(default, deserialize_with = "nullable")]
    pub(super) extensions: Vec<Extension>,
}

#[derive(Debug, Default, Deserialize)]
pub(super) struct Extension {
    #[serde(default, deserialize_with = "nullable")]
    pub(super) name: String,
    #[serde(default)]
    pub(super) extension: Value,
}

/// No `Debug`: an entry is full of secrets.
#[derive(Default, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub(super) struct User {
    #[serde(default, deserialize_with = "nullable")]
    pub(super) client_certificate: String,
    #[serde(default, deserialize_with = "nullable")]
    pub(super) client_certificate_data: String,
    #[serde(default, deserialize_with = "nullable")]
    pub(super) client_key: String,
    #[serde(default, deserialize_with = "nullable")]
    pub(super) client_key_data: String,
    #[serde(default, deserialize_with = "nullable")]
    pub(super) token: String,
    #[serde(default, deserialize_with = "nullable", rename = "tokenFile")]
    pub(super) token_file: String,
    #[serde(default, deserialize_with = "nullable")]
    pub(super) username: String,
    #[serde(default, deserialize_with = "nullable")]
    pub(super) password: String,
    #[serde(default, deserialize_with = "nullable", rename = "as")]
    pub(super) impersonate: String,
    #[serde(default)]
    pub(super) exec: Option<Exec>,
    #[serde(default)]
    pub(super) auth_provider: Option<AuthProvider>,
}

impl std::fmt::Debug for User {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("(user)")
    }
}

#[derive(Default, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct Exec {
    #[serde(default, deserialize_with = "nullable")]
    pub(super) api_version: String,
    #[serde(default, deserialize_with = "nullable")]
    pub(super) command: String,
    #[serde(default, deserialize_with = "nullable")]
    pub(super) args: Vec<String>,
    #[serde(default, deserialize_with = "nullable")]
    pub(super) env: Vec<ExecEnv>,
    #[serde(default, deserialize_with = "nullable")]
    pub(super) install_hint: String,
    #[serde(default, deserialize_with = "nullable")]
    pub(super) provide_cluster_info: bool,
    #[serde(default, deserialize_with = "nullable")]
    pub(super) interactive_mode: String,
}

#[derive(Default, Deserialize)]
pub(super) struct ExecEnv {
    #[serde(default, deserialize_with = "nullable")]
    pub(super) name: String,
    #[serde(default, deserialize_with = "nullable")]
    pub(super) value: String,
}

#[derive(Default, Deserialize)]
pub(super) struct AuthProvider {
    #[serde(default, deserialize_with = "nullable")]
    pub(super) name: String,
}

#[derive(Default, Deserialize)]
#[serde(rename_all = "kebab-case")]
struct WireFile {
    #[serde(default, deserialize_with = "nullable")]
    current_context: String,
    #[serde(default, deserialize_with = "nullable")]
    contexts: Vec<WireContext>,
    #[serde(default, deserialize_with = "nullable")]
    clusters: Vec<WireCluster>,
    #[serde(default, deserialize_with = "nullable")]
    users: Vec<WireUser>,
}

#[derive(Deserialize)]
struct WireContext {
    name: String,
    #[serde(default, deserialize_with = "nullable")]
    context: Context,
}

#[derive(Deserialize)]
struct WireCluster {
    name: String,
    #[serde(default, deserialize_with = "nullable")]
    cluster: Cluster,
}

#[derive(Deserialize)]
struct WireUser {
    name: String,
    #[serde(default, deserialize_with = "nullable")]
    user: User,
}

/// Reads files that all have to be there.
pub(super) fn load(files: &[PathBuf]) -> Result<Merged, ConfigError> {
    let mut merged = Merged::default();
    for file in files {
        merged.add(file, &read(file)?)?;
    }
    Ok(merged)
}

/// Reads those files that are there; at least one has to be.
pub(super) fn load_present(files: &[PathBuf]) -> Result<Merged, ConfigError> {
    let present: Vec<PathBuf> = files.iter().filter(|file| file.exists()).cloned().collect();
    // With none there, reading the first tells the user what is missing.
    if present.is_empty() { load(&files[..1]) } else { load(&present) }
}

impl Merged {
    /// Merges the text of one more file in: what is there already stays.
    pub(super) fn add(&mut self, file: &Path, text: &str) -> Result<(), ConfigError> {
        let wire: Option<WireFile> = serde_yaml::from_str(text).map_err(|error| ConfigError::Malformed {
            file: file.display().to_string(),
            place: error
                .location()
                .map(|at| format!(" (line {}, column {})", at.line(), at.column()))
                .unwrap_or_default(),
        })?;
        let wire = wire.unwrap_or_default();
        if !self.files.is_empty() {
            self.files.push(':');
        }
        self.files.push_str(&file.display().to_string());
        if self.current_context.is_empty() {
            self.current_context = wire.current_context;
        }
        merge(&mut self.contexts, file, wire.contexts.into_iter().map(|wire| (wire.name, wire.context)));
        merge(&mut self.clusters, file, wire.clusters.into_iter().map(|wire| (wire.name, wire.cluster)));
        merge(&mut self.users, file, wire.users.into_iter().map(|wire| (wire.name, wire.user)));
        Ok(())
    }
}

fn merge<T>(into: &mut Vec<Named<T>>, file: &Path, entries: impl Iterator<Item = (String, T)>) {
    for (name, entry) in entries {
        if into.iter().all(|known| known.name != name) {
            into.push(Named { name, file: file.to_owned(), entry });
        }
    }
}
