//! Agents: the HTTP library's connections, set up with this crate's limits, and replaced when certificates change.
//!
//! Invariants: an agent never outlives the certificates it was made for; a stop cuts every connection of every agent; the
//! environment has no say in any of it.

use std::sync::{Mutex, PoisonError};

use ureq::Agent;
use ureq::unversioned::resolver::DefaultResolver;

use crate::config::Config;
use crate::proxy;
use crate::stop::{Registration, Stop};
use crate::tls::{Tls, connector};

/// Per connection and direction; the library's own 128 KiB are for other uses.
const INPUT_BUFFER_BYTES: usize = 8 * 1024;
/// What is sent is small, or cut into pieces.
const OUTPUT_BUFFER_BYTES: usize = 4 * 1024;
/// Connections that are kept open between calls.
const IDLE_CONNECTIONS_MAX: usize = 8;
/// The same for calls to pods: as many as a burst has calls under way, so that none begins with a handshake.
const POD_CONNECTIONS_MAX: usize = 32;

/// What an agent is for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Purpose {
    /// Calls: the whole body within a limit.
    Calls,
    /// Calls that are passed on to pods.
    Pods,
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
    tls: Tls,
    agent: Agent,
    _cut: Registration,
}

impl Wire {
    pub(crate) fn new(purpose: Purpose, stop: Stop) -> Self {
        Self { purpose, stop, live: Mutex::default() }
    }

    /// Closes the connections that are kept open. Those in use are not kept after their call.
    pub(super) fn close(&self) {
        drop(self.live.lock().unwrap_or_else(PoisonError::into_inner).take());
    }

    pub(super) fn agent(&self, config: &Config, tls: &Tls) -> Result<Agent, ureq::Error> {
        let mut live = self.live.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(live) = live.as_ref().filter(|live| live.tls.is_same(tls)) {
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
        Purpose::Calls | Purpose::Pods => (Some(limits.body), None),
        Purpose::Watch => (None, Some(limits.silence)),
    };
    let kept = if purpose == Purpose::Pods { POD_CONNECTIONS_MAX } else { IDLE_CONNECTIONS_MAX };
    // Without one that is named here, none: the library would take one from the environment.
    let proxy = config.proxy.as_ref().map(|proxy| proxy::parse(proxy.expose())).transpose();
    let proxy = proxy.map_err(|error| ureq::Error::Other(error.into()))?;
    let settings = Agent::config_builder()
        .http_status_as_error(false)
        .max_redirects(0)
        .proxy(proxy)
        .user_agent(config.user_agent.as_str())
        .accept_encoding("")
        .timeout_connect(Some(limits.connect))
        .timeout_send_request(Some(limits.response))
        .timeout_send_body(Some(limits.response))
        .timeout_recv_response(Some(limits.response))
        .timeout_recv_body(body)
        .timeout_per_read(silence)
        .input_buffer_size(INPUT_BUFFER_BYTES)
        .output_buffer_size(OUTPUT_BUFFER_BYTES)
        .max_idle_connections(kept)
        .max_idle_connections_per_host(kept)
        .build();
    let server = config.server.host.trim_start_matches('[').trim_end_matches(']').to_owned();
    let name = config.tls_server_name.clone().map(|name| (server, name));
    Ok(Agent::with_parts(settings, connector(tls.clone(), name), DefaultResolver::default()))
}

/// The URL to ask for.
pub(super) fn url(config: &Config, target: &str) -> String {
    let server = &config.server;
    let scheme = if server.tls { "https" } else { "http" };
    format!("{scheme}://{}{}{target}", server.host_header(), server.path)
}
