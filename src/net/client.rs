//! The client: agents by trust and proxy, requests, whole replies and downloads.
//!
//! Owns every connection that does not lead to the Kubernetes API. Leaves retries, redirects and the meaning of a
//! status to its callers.
//!
//! Invariant: a reply's body is read to its end before the reply is returned, so that its connection is used again.

#![expect(
    clippy::disallowed_methods,
    reason = "HTTP is part of the shell: `Retry-After` dates need the clock"
)]

use std::io::{self, Read};
use std::time::{Duration, SystemTime};

use k8s::tls::{Roots, Tls, connector};
use ureq::Agent;
use ureq::http::{Request, Response, header};

use super::error::{NetError, classify};
use super::proxy::{ProxySettings, ProxyUrl, Target};
use super::reply::{Reply, parse_http_date, parse_retry_after};
use super::resolve::Names;
use super::tls::ExtraCa;
use plz_core::redact::without_query;

/// Time for TCP, the proxy's CONNECT and the TLS handshake together.
pub const CONNECT_TIMEOUT: Duration = Duration::from_secs(5);

/// Longest answer of GCk6 that [`HttpClient::send`] takes. What is read into values takes thirty times its bytes, and the agent is given 32 MiB.
pub const CLOUD_REPLY_BYTES_MAX: u64 = 512 * 1024;

/// How much of an answer is taken at a time.
const READ_BYTES: usize = 4 * 1024;
/// Bytes of the read buffer of a connection; the head of an answer has to fit in.
const INPUT_BUFFER_BYTES: usize = 8 * 1024;
/// Bytes of the write buffer of a connection.
const OUTPUT_BUFFER_BYTES: usize = 4 * 1024;

/// Below the 60 s after which common load balancers close an idle connection.
const CLOUD_IDLE_AGE: Duration = Duration::from_secs(45);
const CLOUD_IDLE_CONNECTIONS: usize = 8;

/// Runners are asked every second or two while they run; a finished run must not hold memory.
const RUNNER_IDLE_AGE: Duration = Duration::from_secs(5);
const RUNNER_IDLE_CONNECTIONS: usize = 8;

/// How the agent introduces itself everywhere.
pub const USER_AGENT: &str = concat!("plz-agent/", env!("CARGO_PKG_VERSION"));

/// A blocking HTTP/1.1 client, shared by threads; connections are kept and used again.
#[derive(Debug)]
pub struct HttpClient {
    settings: ProxySettings,
    direct: Route,
    https_proxy: Option<Route>,
    http_proxy: Option<Route>,
}

/// One way out.
struct Route {
    agent: Agent,
    proxy: Option<String>,
}

impl HttpClient {
    /// For GCk6 and S3: TLS with the public roots and `extra_ca`, proxy by URL.
    pub fn cloud(proxies: &ProxySettings, extra_ca: Option<&ExtraCa>) -> HttpClient {
        let extra = extra_ca.map(|ca| ca.certificates().to_vec()).unwrap_or_default();
        let tls = Tls::new(Roots::Public { extra });
        let route =
            |proxy: Option<&ProxyUrl>| Route::new(proxy, &tls, CLOUD_IDLE_AGE, CLOUD_IDLE_CONNECTIONS);
        HttpClient {
            direct: route(None),
            https_proxy: proxies.https.as_ref().map(|proxy| route(Some(proxy))),
            http_proxy: proxies.http.as_ref().map(|proxy| route(Some(proxy))),
            settings: proxies.clone(),
        }
    }

    /// For runners at their pod's address: never a proxy, connections kept for seconds only.
    pub fn runners() -> HttpClient {
        HttpClient {
            // They speak plain HTTP; nobody vouches for anybody.
            direct: Route::new(
                None,
                &Tls::new(Roots::Named(Vec::new())),
                RUNNER_IDLE_AGE,
                RUNNER_IDLE_CONNECTIONS,
            ),
            https_proxy: None,
            http_proxy: None,
            settings: ProxySettings::default(),
        }
    }

    /// Sends a request as [`send_growing`](Self::send_growing) does, wherever there is room for the answer.
    pub fn send(
        &self,
        method: &str,
        url: &str,
        headers: &[(&str, &str)],
        body: &[u8],
        timeout: Duration,
    ) -> Result<Reply, NetError> {
        self.send_growing(method, url, headers, body, timeout, &mut |_| ())
    }

    /// Sends a request to GCk6 and reads the whole answer, whatever its status; redirects are not followed. `grows` is told
    /// how much of it is held, in bytes, whenever more has come, and may wait until there is room for it.
    ///
    /// `timeout` bounds each of sending, waiting for the answer and receiving its body; connecting has
    /// [`CONNECT_TIMEOUT`] for itself. Names are resolved by the system, within its own limits.
    pub fn send_growing(
        &self,
        method: &str,
        url: &str,
        headers: &[(&str, &str)],
        body: &[u8],
        timeout: Duration,
        grows: &mut dyn FnMut(usize),
    ) -> Result<Reply, NetError> {
        let call = Call { method, url, headers, body, timeout, idle: timeout };
        let (response, via) = self.run(&call)?;
        let retry_after = header_text(&response, header::RETRY_AFTER)
            .and_then(|value| parse_retry_after(value, SystemTime::now()));
        let status = response.status().as_u16();
        let mut reader = response.into_body().into_with_config().limit(CLOUD_REPLY_BYTES_MAX).reader();
        let (mut body, mut buffer) = (Vec::new(), [0; READ_BYTES]);
        loop {
            match reader.read(&mut buffer) {
                Ok(0) => break,
                Ok(count) => body.extend_from_slice(&buffer[..count]),
                Err(error) if error.kind() == io::ErrorKind::Interrupted => continue,
                Err(error) => return Err(classify(error.into(), &without_query(url), via)),
            }
            grows(body.len());
        }
        Ok(Reply { status, retry_after, body })
    }

    /// Starts a GET whose body is streamed. `timeout` bounds waiting for the answer and, anew, the whole body;
    /// `idle` bounds the time without a byte.
    pub fn download(&self, url: &str, timeout: Duration, idle: Duration) -> Result<Download, NetError> {
        self.begin(&Call { method: "GET", url, headers: &[], body: &[], timeout, idle })
    }

    /// Sends a request as [`send`](Self::send) does, and leaves the answer's body to be read as it comes.
    pub fn open(
        &self,
        method: &str,
        url: &str,
        headers: &[(&str, &str)],
        body: &[u8],
        timeout: Duration,
    ) -> Result<Download, NetError> {
        self.begin(&Call { method, url, headers, body, timeout, idle: timeout })
    }

    fn begin(&self, call: &Call<'_>) -> Result<Download, NetError> {
        let (response, via) = self.run(call)?;
        Ok(Download {
            status: response.status().as_u16(),
            length_bytes: header_text(&response, header::CONTENT_LENGTH).and_then(|text| text.parse().ok()),
            location: header_text(&response, header::LOCATION).map(str::to_owned),
            retry_after: header_text(&response, header::RETRY_AFTER)
                .and_then(|value| parse_retry_after(value, SystemTime::now())),
            date: header_text(&response, header::DATE).and_then(parse_http_date),
            target: without_query(call.url),
            proxy: via.map(str::to_owned),
            body: Box::new(response.into_body().into_reader()),
        })
    }

    fn run(&self, call: &Call<'_>) -> Result<(Response<ureq::Body>, Option<&str>), NetError> {
        let target = without_query(call.url);
        let Some(parsed) = Target::parse(call.url) else {
            return Err(NetError::Invalid {
                target,
                cause: "not an http or https URL with a host".to_owned(),
            });
        };
        let route = self.route(&parsed);
        let via = route.proxy.as_deref();
        let response = call.run(&route.agent).map_err(|error| classify(error, &target, via))?;
        Ok((response, via))
    }

    /// The proxy, `host:port`, through which a request to `url` goes; `None` when it goes direct.
    pub fn proxy_for(&self, url: &str) -> Option<String> {
        self.settings.select(&Target::parse(url)?).map(ToString::to_string)
    }

    fn route(&self, target: &Target) -> &Route {
        match self.settings.select(target) {
            Some(_) if target.https => self.https_proxy.as_ref().unwrap_or(&self.direct),
            Some(_) => self.http_proxy.as_ref().unwrap_or(&self.direct),
            None => &self.direct,
        }
    }
}

impl Route {
    fn new(proxy: Option<&ProxyUrl>, tls: &Tls, idle_age: Duration, idle_connections: usize) -> Route {
        // Without a proxy of its own, a configuration takes one from the environment.
        let config = Agent::config_builder()
            .proxy(proxy.map(ProxyUrl::to_ureq))
            .http_status_as_error(false)
            .max_redirects(0)
            .max_redirects_will_error(false)
            .user_agent(USER_AGENT)
            .timeout_connect(Some(CONNECT_TIMEOUT))
            .input_buffer_size(INPUT_BUFFER_BYTES)
            .output_buffer_size(OUTPUT_BUFFER_BYTES)
            .max_response_header_size(INPUT_BUFFER_BYTES)
            .max_idle_age(idle_age)
            .max_idle_connections(idle_connections)
            .max_idle_connections_per_host(idle_connections);
        let agent = Agent::with_parts(config.build(), connector(tls.clone(), None), Names::default());
        Route { agent, proxy: proxy.map(ToString::to_string) }
    }
}

impl std::fmt::Debug for Route {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "Route(proxy: {:?})", self.proxy)
    }
}

struct Call<'a> {
    method: &'a str,
    url: &'a str,
    headers: &'a [(&'a str, &'a str)],
    body: &'a [u8],
    timeout: Duration,
    idle: Duration,
}

impl Call<'_> {
    fn run(&self, agent: &Agent) -> Result<Response<ureq::Body>, ureq::Error> {
        let mut builder = Request::builder().method(self.method).uri(self.url);
        for (name, value) in self.headers {
            builder = builder.header(*name, *value);
        }
        // These methods carry no body unless there is one: not even a `Content-Length: 0`.
        let bodiless = matches!(self.method, "GET" | "HEAD" | "DELETE") && self.body.is_empty();
        if bodiless {
            let request = agent.configure_request(builder.body(())?);
            return agent.run(self.with_timeouts(request).build());
        }
        let request = agent.configure_request(builder.body(self.body)?);
        agent.run(self.with_timeouts(request).allow_non_standard_methods(true).build())
    }

    fn with_timeouts<S: ureq::AsSendBody>(
        &self,
        request: ureq::config::ConfigBuilder<ureq::typestate::HttpCrateScope<S>>,
    ) -> ureq::config::ConfigBuilder<ureq::typestate::HttpCrateScope<S>> {
        request
            .timeout_send_request(Some(self.timeout))
            .timeout_send_body(Some(self.timeout))
            .timeout_recv_response(Some(self.timeout))
            .timeout_recv_body(Some(self.timeout))
            .timeout_per_read(Some(self.idle))
    }
}

/// An answer whose body is still to be read.
pub struct Download {
    /// The HTTP status.
    pub status: u16,
    /// `Content-Length`, if the server said it.
    pub length_bytes: Option<u64>,
    /// `Location`, of a redirect.
    pub location: Option<String>,
    /// `Retry-After`.
    pub retry_after: Option<Duration>,
    /// `Date`: the server's clock as it answered.
    pub date: Option<SystemTime>,
    target: String,
    proxy: Option<String>,
    body: Box<dyn Read + Send>,
}

impl Download {
    /// Reads on; 0 is the end. With a `Content-Length`, an end that comes too early is an error.
    pub fn read(&mut self, buffer: &mut [u8]) -> Result<usize, NetError> {
        loop {
            return match self.body.read(buffer) {
                Err(error) if error.kind() == io::ErrorKind::Interrupted => continue,
                result => result.map_err(|error| classify(error.into(), &self.target, self.proxy.as_deref())),
            };
        }
    }
}

fn header_text(response: &Response<ureq::Body>, name: header::HeaderName) -> Option<&str> {
    response.headers().get(name).and_then(|value| value.to_str().ok())
}
