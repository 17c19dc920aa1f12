//! From a [`Call`] to its [`Reply`]: the one place where the three kinds of calls meet their clients.
//!
//! Owns addresses, headers and time limits. Leaves the meaning of an answer to `cloud` and `runner`. Invariant: no error
//! that leaves here shows a token or a query string.

use std::time::Duration;

use super::room::{Place, Room};
use k8s::Method;
use k8s::resource::pod_proxy;

use crate::net::{HttpClient, NetError};
use plz_core::cloud::{self, Host};
use plz_core::event::{Call, Class, Reply, RunnerTarget};
use plz_core::redact::Secret;
use plz_core::{limits, runner, watched};

/// How the API server begins to say that it has no connection to a pod: nothing listens there, or its node is away.
const UNREACHED: &str = "error trying to reach service: ";
/// The HTTP status of a success.
const SUCCESS: u16 = 200;
/// How much of an answer is taken at a time.
const READ_BYTES: usize = 4 * 1024;

/// The clients, shared by the workers.
#[derive(Debug)]
pub(super) struct Caller {
    pub(super) kubernetes: k8s::Client,
    pub(super) cloud: HttpClient,
    pub(super) cloud_api: String,
    pub(super) cloud_ingest: String,
    /// For runners at their address; through the API server if there is none.
    pub(super) runners: Option<HttpClient>,
    pub(super) rooms: Rooms,
}

/// The rooms for long answers, by whom they come from.
#[derive(Debug)]
pub(super) struct Rooms {
    kubernetes: Room,
    cloud: Room,
    runner: Room,
}

impl Default for Rooms {
    fn default() -> Self {
        Self {
            kubernetes: Room::new(limits::KUBERNETES_ANSWERS.long_max),
            cloud: Room::new(limits::CLOUD_ANSWERS.long_max),
            runner: Room::new(limits::RUNNER_ANSWERS.long_max),
        }
    }
}

/// The place that an answer takes once it has grown long; whoever has done with the answer drops it.
#[derive(Debug, Default)]
pub(super) struct Held(Option<Place>);

impl Held {
    fn grows(&mut self, room: &Room, short_bytes: usize, bytes: usize) {
        if bytes > short_bytes && self.0.is_none() {
            self.0 = Some(room.enter());
        }
    }
}

impl Caller {
    /// Makes the call and waits for the answer, for `timeout` or as long as the client usually does; `code` becomes its HTTP
    /// status, if one comes.
    pub(super) fn call(
        &self,
        call: &Call,
        timeout: Option<Duration>,
        code: &mut Option<u16>,
    ) -> (Reply, Held) {
        let mut held = Held::default();
        let reply = match call {
            Call::Kubernetes(request) => {
                Reply::Kubernetes(self.kubernetes(request, timeout, code, &mut held))
            }
            Call::Cloud { request, token } => {
                Reply::Cloud(self.cloud(request, token, timeout, code, &mut held))
            }
            Call::Runner { target, request } => {
                Reply::Runner(self.runner(target, request, timeout, code, &mut held))
            }
        };
        (reply, held)
    }

    fn kubernetes(
        &self,
        request: &k8s::Request,
        wait: Option<Duration>,
        code: &mut Option<u16>,
        held: &mut Held,
    ) -> Result<Vec<u8>, k8s::Error> {
        let short = limits::KUBERNETES_ANSWERS.short_bytes;
        let mut grows = |bytes| held.grows(&self.rooms.kubernetes, short, bytes);
        let response = self.kubernetes.send_keeping(request, wait, &watched::answer(request), &mut grows)?;
        *code = Some(response.code);
        response.into_body()
    }

    fn cloud(
        &self,
        request: &cloud::Request,
        token: &Secret,
        timeout: Option<Duration>,
        code: &mut Option<u16>,
        held: &mut Held,
    ) -> Result<Vec<u8>, cloud::Error> {
        let base = match request.host {
            Host::Api => &self.cloud_api,
            Host::Ingest => &self.cloud_ingest,
        };
        let url = format!("{base}{}", request.path);
        let authorization = format!("Token {}", token.expose());
        let mut headers =
            vec![("Authorization", authorization.as_str()), ("Content-Type", "application/json")];
        if let Some(key) = &request.idempotency_key {
            headers.push(("K6-Idempotency-Key", key));
        }
        let body = request.body.as_deref().unwrap_or_default();
        let timeout = timeout.or(Class::Cloud.timeout()).unwrap_or_default();
        let short = limits::CLOUD_ANSWERS.short_bytes;
        let mut grows = |bytes| held.grows(&self.rooms.cloud, short, bytes);
        let send = || self.cloud.send_growing(request.method, &url, &headers, body, timeout, &mut grows);
        let reply = once_more_if_cut(send);
        // One cause is one text, whatever was asked for.
        let reply = reply.map_err(|error| cloud::Error::Transport(error.at_host().to_string()))?;
        *code = Some(reply.status);
        cloud::reply::interpret(reply.status, reply.retry_after, &reply.body)?;
        Ok(reply.body)
    }

    fn runner(
        &self,
        target: &RunnerTarget,
        request: &runner::Request,
        timeout: Option<Duration>,
        code: &mut Option<u16>,
        held: &mut Held,
    ) -> Result<Vec<u8>, runner::Error> {
        let timeout = timeout.or(Class::Runner.timeout()).unwrap_or_default();
        // Setup data have a room of their own, which the core keeps.
        let is_short = request.answer_bytes_max(SUCCESS) > runner::STATUS_BYTES_MAX;
        let short = if is_short { usize::MAX } else { limits::RUNNER_ANSWERS.short_bytes };
        let mut grows = |bytes| held.grows(&self.rooms.runner, short, bytes);
        let (status, body) = match &self.runners {
            Some(client) => direct(client, target, request, timeout, &mut grows)?,
            None => self.proxied(target, request, timeout, &mut grows)?,
        };
        *code = Some(status);
        request.accept(status, body)
    }

    fn proxied(
        &self,
        target: &RunnerTarget,
        request: &runner::Request,
        timeout: Duration,
        grows: &mut dyn FnMut(usize),
    ) -> Result<(u16, Vec<u8>), runner::Error> {
        let method = match request.method {
            "GET" => Method::Get,
            "POST" => Method::Post,
            "PUT" => Method::Put,
            _ => Method::Patch,
        };
        let content_type = request.content_type;
        let (namespace, pod) = (&target.namespace, &target.pod);
        let call = pod_proxy(method, namespace, pod, runner::PORT, request.path, content_type, Vec::new());
        let unreached = |error: k8s::Error| unproxied(&error, &target.pod, timeout);
        let answer = self.kubernetes.open_pod(&call, request.body.as_bytes(), timeout);
        let mut answer = answer.map_err(unreached)?;
        let body = receive(request.answer_bytes_max(answer.code), grows, |buffer| answer.read(buffer));
        let body = body.map_err(unreached)?;
        match refusal(answer.code, &body, &target.pod) {
            Some(why) if answer.code == 403 => Err(runner::Error::Refused(why)),
            Some(why) => Err(runner::Error::Unreachable(why)),
            None => Ok((answer.code, body)),
        }
    }

    /// Closes the connections to runners that are kept open.
    pub(super) fn rest_runners(&self) {
        // Those to the runners' own addresses are closed after seconds, and are few.
        if self.runners.is_none() {
            self.kubernetes.rest_pods();
        }
    }
}

/// Reads an answer to its end, or until it is longer than `bytes_max`. To the end, its connection is used again.
fn receive<E>(
    bytes_max: usize,
    grows: &mut dyn FnMut(usize),
    mut read: impl FnMut(&mut [u8]) -> Result<usize, E>,
) -> Result<Vec<u8>, E> {
    let (mut body, mut buffer) = (Vec::new(), [0; READ_BYTES]);
    while body.len() <= bytes_max {
        match read(&mut buffer)? {
            0 => break,
            count => body.extend_from_slice(&buffer[..count]),
        }
        grows(body.len());
    }
    Ok(body)
}

/// Whom a call goes to and what it does there, as the metrics have it.
pub(super) fn target_and_verb(call: &Call) -> (&'static str, &'static str) {
    let small = |method: &'static str| match method {
        "GET" => "get",
        "POST" => "post",
        "PUT" => "put",
        "PATCH" => "patch",
        "DELETE" => "delete",
        _ => "other",
    };
    match call {
        Call::Kubernetes(request) => ("kubernetes", request.attributes.verb),
        Call::Cloud { request, .. } => ("gck6", small(request.method)),
        Call::Runner { request, .. } => ("runner", small(request.method)),
    }
}

/// Who it was that did not answer: of an API server that takes the call, it is the runner behind it.
fn unproxied(error: &k8s::Error, pod: &str, timeout: Duration) -> runner::Error {
    match error {
        k8s::Error::Transport { .. } => runner::Error::NoWay(error.to_string()),
        k8s::Error::Timeout { .. } => runner::Error::Unreachable(format!(
            "pod {pod} sent no answer through the API server within {} s",
            timeout.as_secs_f64()
        )),
        _ => runner::Error::Unreachable(error.to_string()),
    }
}

/// Why the API server does not pass a call on, if the answer is its own (a `metav1.Status` with a reason) and not the
/// runner's.
fn refusal(code: u16, body: &[u8], pod: &str) -> Option<String> {
    if (200..300).contains(&code) {
        return None;
    }
    let Err(k8s::Error::Api { status }) = k8s::status::interpret(code, None, body.to_vec()) else {
        return None;
    };
    if let Some(why) = status.message.strip_prefix(UNREACHED) {
        return Some(format!("pod {pod} does not accept the call that the API server forwards: {why}"));
    }
    let mend = match status.reason.as_str() {
        "" => return None,
        "Forbidden" => {
            "; grant get, create, update and patch on pods/proxy (kubectl apply -k manifests/outside), or reach the pods directly with --runner-access direct"
        }
        _ => "",
    };
    Some(format!("the API server does not let the agent reach pod {pod}: {}{mend}", status.message))
}

fn direct(
    client: &HttpClient,
    target: &RunnerTarget,
    request: &runner::Request,
    timeout: Duration,
    grows: &mut dyn FnMut(usize),
) -> Result<(u16, Vec<u8>), runner::Error> {
    let url = format!("http://{}:{}{}", host(&target.ip), runner::PORT, request.path);
    let content_type = request.content_type.map(|content_type| ("Content-Type", content_type));
    let headers: Vec<_> = content_type.into_iter().collect();
    let unreached = |error: NetError| runner::Error::Unreachable(error.to_string());
    let answer = client.open(request.method, &url, &headers, request.body.as_bytes(), timeout);
    let mut answer = answer.map_err(unreached)?;
    let status = answer.status;
    let body = receive(request.answer_bytes_max(status), grows, |buffer| answer.read(buffer));
    let body = body.map_err(unreached)?;
    Ok((status, body))
}

/// IPv6 addresses stand in brackets in URLs.
fn host(ip: &str) -> String {
    if ip.contains(':') { format!("[{ip}]") } else { ip.to_owned() }
}

/// A connection that was kept open may have been closed by the other side in the moment it is used again. Every call to
/// GCk6 is idempotent, by its nature or by its key, so it is simply made once more.
fn once_more_if_cut<T>(mut send: impl FnMut() -> Result<T, NetError>) -> Result<T, NetError> {
    match send() {
        Err(NetError::Io { .. }) => send(),
        result => result,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const TIMEOUT: Duration = Duration::from_secs(5);

    #[test]
    fn the_api_server_speaks_for_itself_and_k6_too() {
        let forbidden = br#"{"kind":"Status","reason":"Forbidden","message":"pods is forbidden","code":403}"#;
        let why = refusal(403, forbidden, "p-1").unwrap();
        assert!(why.contains("pods is forbidden") && why.contains("pods/proxy"), "{why}");
        let of_k6 = br#"{"errors":[{"title":"Error executing setup","detail":"x"}]}"#;
        assert_eq!(refusal(500, of_k6, "p-1"), None);
        assert_eq!(refusal(200, b"{}", "p-1"), None);
    }

    #[test]
    fn a_runner_that_does_not_listen_is_not_the_api_servers_refusal() {
        let body = br#"{"kind":"Status","apiVersion":"v1","metadata":{},"status":"Failure","reason":"ServiceUnavailable","code":503,
            "message":"error trying to reach service: dial tcp 10.42.0.7:6565: connect: connection refused"}"#;
        let why = refusal(503, body, "p-1").unwrap();
        assert!(
            why.contains("pod p-1") && why.ends_with("dial tcp 10.42.0.7:6565: connect: connection refused"),
            "{why}"
        );
        assert!(!why.contains("does not let") && !why.contains("error trying"), "{why}");
    }

    #[test]
    fn who_did_not_answer_is_told_apart() {
        let server = || "https://10.0.0.1:6443".to_owned();
        let timeout = k8s::Error::Timeout { server: server(), cause: "receive response".to_owned() };
        let text = unproxied(&timeout, "p-1", TIMEOUT).to_string();
        assert!(
            text.contains("pod p-1 sent no answer") && text.contains("5 s") && !text.contains("10.0.0.1"),
            "{text}"
        );
        let refused = k8s::Error::Transport { server: server(), cause: "connection refused".to_owned() };
        assert!(matches!(unproxied(&refused, "p-1", TIMEOUT), runner::Error::NoWay(_)));
    }

    #[test]
    fn addresses_of_both_families_make_urls() {
        assert_eq!(host("10.0.0.7"), "10.0.0.7");
        assert_eq!(host("fd00::7"), "[fd00::7]");
    }
}
