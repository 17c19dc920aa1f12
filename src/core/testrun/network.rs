//! What runner pods are told of the network around them: the agent's proxies and a certificate authority.
//!
//! Owns which of the two containers gets which variable and mount. Leaves alone where a pod gets its other settings from
//! (`template`) and how a proxy is chosen (`net::proxy`). Invariants: nothing is shared unless it was asked for; what is
//! shared comes before the zone's own variables, so that those win; an authority is added to the public ones and never
//! replaces them.

use serde_json::{Value, json};

use crate::api::run::{EnvVar, PodSettings};
use crate::redact::Secret;
use crate::testrun::argv::literal;

/// Where the authority's file is mounted, in both containers.
const CA_MOUNT_PATH: &str = "/etc/plz-agent/ca";
/// Its name there.
const CA_FILE: &str = "ca.crt";
const CA_VOLUME: &str = "runner-ca";
/// The directories that Go reads by itself: naming any replaces them, while the bundle file is read all the same
/// (crypto/x509, root_linux.go).
const GO_CA_DIRECTORIES: &str = "/etc/ssl/certs:/etc/pki/tls/certs";

/// Which containers of a runner pod get the agent's proxies.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum ShareProxy {
    /// None.
    #[default]
    None,
    /// The init container that downloads the archive.
    Archive,
    /// That and k6, which sends its load through them too.
    All,
}

/// A certificate authority in a ConfigMap of the test run's namespace.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RunnerCa {
    /// Name of the ConfigMap.
    pub config_map: String,
    /// Key of the PEM text in it.
    pub key: String,
}

/// See the module.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct RunnerNetwork {
    archive: Vec<(&'static str, Secret)>,
    k6: Vec<(&'static str, Secret)>,
    ca: Option<RunnerCa>,
}

impl RunnerNetwork {
    /// What is shared of the agent's own settings; `proxies` are the variables that give another process the same ones.
    #[must_use]
    pub fn new(proxies: &[(&'static str, Secret)], share: ShareProxy, ca: Option<RunnerCa>) -> Self {
        let to = |shared: bool| if shared { proxies.to_vec() } else { Vec::new() };
        let (mut archive, mut k6) = (to(share != ShareProxy::None), to(share == ShareProxy::All));
        if ca.is_some() {
            // The agent's own program adds the file to the roots that it has compiled in; Go would replace them by it.
            archive.push(("SSL_CERT_FILE", Secret::new(format!("{CA_MOUNT_PATH}/{CA_FILE}"))));
            k6.push(("SSL_CERT_DIR", Secret::new(format!("{GO_CA_DIRECTORIES}:{CA_MOUNT_PATH}"))));
        }
        Self { archive, k6, ca }
    }

    /// Variables of the init container.
    pub fn archive_env(&self) -> impl Iterator<Item = EnvVar> + '_ {
        variables(&self.archive)
    }

    /// Variables of k6.
    pub fn k6_env(&self) -> impl Iterator<Item = EnvVar> + '_ {
        variables(&self.k6)
    }

    /// The pod's volume.
    #[must_use]
    pub fn volume(&self) -> Option<Value> {
        let ca = self.ca.as_ref()?;
        let items = [json!({ "key": ca.key, "path": CA_FILE })];
        Some(json!({ "name": CA_VOLUME, "configMap": { "name": ca.config_map, "items": items } }))
    }

    /// The mount of that volume, the same in both containers.
    #[must_use]
    pub fn mount(&self) -> Option<Value> {
        self.ca.as_ref().map(|_| json!({ "name": CA_VOLUME, "mountPath": CA_MOUNT_PATH, "readOnly": true }))
    }
}

/// The ConfigMap that the pods wait for if it is missing, by what the test run asks for: the kubelet says so in an event
/// only, not in the pod's status.
#[must_use]
pub fn awaited_config_map(pod: &PodSettings) -> Option<String> {
    let volume = pod.volumes.iter().find(|volume| is_awaited(volume))?;
    let config_map = &volume["configMap"];
    let (name, key) = (config_map["name"].as_str()?, config_map["items"][0]["key"].as_str()?);
    Some(format!("ConfigMap {name} with the key {key}"))
}

/// Whether a volume is the one that [`awaited_config_map`] tells of.
#[must_use]
pub fn is_awaited(volume: &Value) -> bool {
    volume["name"] == CA_VOLUME
}

fn variables<'a>(pairs: &'a [(&'static str, Secret)]) -> impl Iterator<Item = EnvVar> + 'a {
    pairs.iter().map(|(name, value)| EnvVar::new(*name, literal(value.expose())))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn proxies() -> [(&'static str, Secret); 2] {
        let no_proxy = Secret::new("10.0.0.0/8, .local");
        [("HTTPS_PROXY", Secret::new("http://u:p$(HOME)@proxy:3128")), ("NO_PROXY", no_proxy)]
    }

    #[track_caller]
    fn check(share: ShareProxy, archive: &[&str], k6: &[&str]) {
        let network = RunnerNetwork::new(&proxies(), share, None);
        let shown = |variable: EnvVar| format!("{}={}", variable.name, variable.value);
        assert_eq!(network.archive_env().map(shown).collect::<Vec<_>>(), archive);
        assert_eq!(network.k6_env().map(shown).collect::<Vec<_>>(), k6);
        assert_eq!((network.volume(), network.mount()), (None, None));
        assert!(!format!("{network:?}").contains("u:p"), "{network:?}");
    }

    #[test]
    fn each_container_gets_what_was_asked_for() {
        let both = ["HTTPS_PROXY=http://u:p$$(HOME)@proxy:3128", "NO_PROXY=10.0.0.0/8, .local"];
        check(ShareProxy::None, &[], &[]);
        check(ShareProxy::Archive, &both, &[]);
        check(ShareProxy::All, &both, &both);
    }

    #[test]
    fn an_authority_is_added_for_each_in_its_own_way() {
        let ca = RunnerCa { config_map: "edge-ca".into(), key: "root.pem".into() };
        let network = RunnerNetwork::new(&[], ShareProxy::All, Some(ca));
        let archive: Vec<EnvVar> = network.archive_env().collect();
        let k6: Vec<EnvVar> = network.k6_env().collect();
        assert_eq!(archive, [EnvVar::new("SSL_CERT_FILE", "/etc/plz-agent/ca/ca.crt")]);
        assert_eq!(k6, [EnvVar::new("SSL_CERT_DIR", "/etc/ssl/certs:/etc/pki/tls/certs:/etc/plz-agent/ca")]);
        let pod = PodSettings { volumes: network.volume().into_iter().collect(), ..PodSettings::default() };
        assert_eq!(awaited_config_map(&pod).as_deref(), Some("ConfigMap edge-ca with the key root.pem"));
        assert_eq!(awaited_config_map(&PodSettings::default()), None);
    }
}
