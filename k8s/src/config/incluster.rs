//! The service account of the pod that this process runs in.

use std::path::PathBuf;

use super::{Config, ConfigError, Credentials, Environment, Origin, Pem, SERVICE_ACCOUNT_DIR, Trust, read};

fn dir(env: &Environment) -> PathBuf {
    env.service_account_dir.clone().unwrap_or_else(|| PathBuf::from(SERVICE_ACCOUNT_DIR))
}

/// Whether there is a cluster around this process that has given it an identity.
pub(super) fn is_inside(env: &Environment) -> bool {
    env.service_host.as_deref().is_some_and(|host| !host.is_empty()) && dir(env).join("token").exists()
}

pub(super) fn config(env: &Environment) -> Result<Config, ConfigError> {
    let host = env.service_host.as_deref().unwrap_or_default();
    let port = env.service_port.as_deref().filter(|port| !port.is_empty()).unwrap_or("443");
    let bracketed =
        if host.contains(':') && !host.starts_with('[') { format!("[{host}]") } else { host.to_owned() };
    let plain =
        Config::plain(&format!("https://{bracketed}:{port}")).map_err(|problem| ConfigError::Entry {
            file: "the environment".to_owned(),
            entry: "KUBERNETES_SERVICE_HOST, KUBERNETES_SERVICE_PORT".to_owned(),
            problem,
        })?;
    let dir = dir(env);
    let bytes = read(&dir.join("namespace")).unwrap_or_default();
    let text = String::from_utf8_lossy(&bytes);
    let namespace = Some(text.trim().to_owned()).filter(|namespace| !namespace.is_empty());
    Ok(Config {
        origin: Origin::InCluster,
        names_namespace: namespace.is_some(),
        namespace: namespace.unwrap_or_else(|| plain.namespace.clone()),
        trust: Trust::Authorities(Pem::File(dir.join("ca.crt"))),
        credentials: Credentials::TokenFile(dir.join("token")),
        ..plain
    })
}
