//! Agents: the HTTP library's connections, set up with this crate's limits, and replaced when certificates change.
//!
//! Invariants: an agent never outlives the certificates it was made for; a stop cuts every connection of every agent; the
//! environment has no say in any of it.

use std::net::ToSocketAddrs;
use std::sync::{Arc, Mutex, PoisonError};

use ureq::tls::{Certificate, ClientCert, PrivateKey, RootCerts, TlsConfig};
use ureq::unversioned::resolver::{ResolvedSocketAddrs, Resolver};
use ureq::unversioned::transport::{DefaultConnector, NextTimeout};
use ureq::{Agent, http};

use crate::config::Config;
use crate::stop::{Registration, Stop};
use crate::tls::{Identity, Roots, Tls};

/// Per connection and direction; the library's own 128 KiB are for other uses.
const INPUT_BUFFER_BYTES: usize = 8 * 1024;
/// What is sent is small, or cut into pieces.
const OUTPUT_BUFFER_BYTES: usize = 4 * 1024;
/// Connections that are kept open between calls.
const IDLE_CONNECTIONS_MAX: usize = 8;
/// As many addresses as the library's own resolver keeps.
const ADDRESSES_MAX: usize = 16;

/// What an agent is for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Purpose {
    /// Calls: the whole body within a limit.
    Calls,
    /// One watch: no limit on the whole, one on each read.
    Watch,
}

/// An agent with its connections, made anew when certificates change, and cut by a stop.
pub(crate) struct Wire {
    purpose: Purpose,
    pub(super) stop: Stop,
    live: Mutex<Option<Live>>,
}

struct Live {
    tls: Arc<Tls>,
    agent: Agent,
    _cut: Registration,
}

impl Wire {
    pub(crate) fn new(purpose: Purpose, stop: Stop) -> Self {
        Self { purpose, stop, live: Mutex::default() }
    }

    pub(super) fn agent(&self, config: &Config, tls: &Arc<Tls>) -> Result<Agent, ureq::Error> {
        let mut live = self.live.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(live) = live.as_ref().filter(|live| Arc::ptr_eq(&live.tls, tls)) {
            return Ok(live.agent.clone());
        }
        let agent = agent(config, tls, self.purpose)?;
        let cut = {
            let agent = agent.clone();
            self.stop.on_stop(move || agent.shutdown())
        };
        *live = Some(Live { tls: tls.clone(), agent: agent.clone(), _cut: cut });
        Ok(agent)
    }
}

fn agent(config: &Config, tls: &Tls, purpose: Purpose) -> Result<Agent, ureq::Error> {
    let limits = &config.limits;
    let (body, silence) = match purpose {
        Purpose::Calls => (Some(limits.body), None),
        Purpose::Watch => (None, Some(limits.silence)),
    };
    // Without one that is named here, none: the library would take one from the environment.
    let proxy = config.proxy.as_ref().map(|proxy| ureq::Proxy::new(&proxy.0)).transpose()?;
    let settings = Agent::config_builder()
        .http_status_as_error(false)
        .max_redirects(0)
        .proxy(proxy)
        .user_agent(config.user_agent.as_str())
        .accept_encoding("")
        .tls_config(tls_config(tls))
        .timeout_connect(Some(limits.connect))
        .timeout_send_request(Some(limits.response))
        .timeout_send_body(Some(limits.response))
        .timeout_recv_response(Some(limits.response))
        .timeout_recv_body(body)
        .timeout_per_read(silence)
        .input_buffer_size(INPUT_BUFFER_BYTES)
        .output_buffer_size(OUTPUT_BUFFER_BYTES)
        .max_idle_connections(IDLE_CONNECTIONS_MAX)
        .max_idle_connections_per_host(IDLE_CONNECTIONS_MAX)
        .build();
    if config.tls_server_name.is_some() {
        let resolver = Fixed { authority: config.server.authority() };
        Ok(Agent::with_parts(settings, DefaultConnector::default(), resolver))
    } else {
        Ok(Agent::new_with_config(settings))
    }
}

fn tls_config(tls: &Tls) -> TlsConfig {
    let builder = TlsConfig::builder().client_cert(tls.identity.as_ref().map(client_certificate));
    match &tls.roots {
        Roots::Anyone => builder.disable_verification(true).build(),
        Roots::Public => builder.root_certs(RootCerts::WebPki).build(),
        Roots::Authorities(roots) => {
            let roots: Vec<_> = roots.iter().map(|root| Certificate::from_der(root).to_owned()).collect();
            builder.root_certs(RootCerts::from(roots)).build()
        }
    }
}

fn client_certificate(identity: &Identity) -> ClientCert {
    let chain: Vec<_> =
        identity.chain.iter().map(|certificate| Certificate::from_der(certificate).to_owned()).collect();
    let key = PrivateKey::from_pem(&identity.key).expect("the same key was read when it was checked");
    ClientCert::new_with_certs(&chain, key)
}

/// Finds one server, whatever it is asked for: with `tls-server-name` the URL bears another name than the server has.
#[derive(Debug)]
struct Fixed {
    authority: String,
}

impl Resolver for Fixed {
    fn resolve(
        &self,
        _uri: &http::Uri,
        _config: &ureq::config::Config,
        _timeout: NextTimeout,
    ) -> Result<ResolvedSocketAddrs, ureq::Error> {
        let mut found = self.empty();
        for address in self.authority.to_socket_addrs()?.take(ADDRESSES_MAX) {
            found.push(address);
        }
        if found.is_empty() { Err(ureq::Error::HostNotFound) } else { Ok(found) }
    }
}

/// The URL to ask for. The name in it is what TLS checks; where that is not the server's own, [`Fixed`] finds the server.
pub(super) fn url(config: &Config, target: &str) -> String {
    let server = &config.server;
    let scheme = if server.tls { "https" } else { "http" };
    let host = match &config.tls_server_name {
        Some(name) => format!("{name}:{}", server.port),
        None => server.host_header(),
    };
    format!("{scheme}://{host}{}{target}", server.path)
}
