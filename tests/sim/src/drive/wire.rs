//! From the agent's requests to those that the models serve, and from their responses to the agent's replies.

use std::time::Duration;

use k8s::intake::Intake;
use plz_core::event::RunnerTarget;
use plz_core::{cloud, runner, watched};

use super::USER_AGENT;
use crate::http::{Method, Request, Response};

pub(super) fn to_api(request: &k8s::Request) -> Request {
    let method = Method::parse(request.method.as_str()).expect("the models know the client's methods");
    let mut sent = Request::new(method, &request.target).with_header("user-agent", USER_AGENT);
    if let Some(content_type) = request.content_type {
        sent = sent.with_header("content-type", content_type);
    }
    sent.body.clone_from(&request.body);
    sent
}

pub(super) fn from_api(response: Option<Response>) -> Result<Vec<u8>, k8s::Error> {
    let Some(response) = response else {
        return Err(k8s::Error::Transport { server: "sim".to_owned(), cause: "connection reset".to_owned() });
    };
    k8s::status::interpret(response.status, retry_after(&response), response.body)
}

/// The same of a call, of whose answer the agent keeps a part.
pub(super) fn from_api_kept(
    request: &k8s::Request,
    response: Option<Response>,
) -> Result<Vec<u8>, k8s::Error> {
    let kept = response.map(|mut response| {
        let mut intake = Intake::new(response.status, &watched::answer(request));
        intake.feed(&response.body).map(|()| {
            response.body = intake.into_body();
            response
        })
    });
    from_api(kept.transpose()?)
}

pub(super) fn to_cloud(request: &cloud::Request, token: &str) -> Request {
    let method = Method::parse(request.method).expect("the models know the agent's methods");
    let mut sent = Request::new(method, &request.path)
        .with_header("authorization", &format!("Token {token}"))
        .with_header("content-type", "application/json")
        .with_header("user-agent", USER_AGENT);
    if let Some(key) = &request.idempotency_key {
        sent = sent.with_header("k6-idempotency-key", key);
    }
    sent.body = request.body.clone().unwrap_or_default();
    sent
}

pub(super) fn from_cloud(response: Option<Response>) -> Result<Vec<u8>, cloud::Error> {
    let response = response.ok_or_else(|| cloud::Error::Transport("connection reset".to_owned()))?;
    cloud::reply::interpret(response.status, retry_after(&response), &response.body)?;
    Ok(response.body)
}

pub(super) fn to_runner(request: &runner::Request) -> Request {
    let method = Method::parse(request.method).expect("the models know the agent's methods");
    let mut sent = Request::new(method, request.path);
    if let Some(content_type) = request.content_type {
        sent = sent.with_header("content-type", content_type);
    }
    sent.body = request.body.as_bytes().to_vec();
    sent
}

/// The same through the API server.
pub(super) fn to_proxy(target: &RunnerTarget, request: &runner::Request) -> k8s::Request {
    let method = match request.method {
        "GET" => k8s::Method::Get,
        "POST" => k8s::Method::Post,
        "PUT" => k8s::Method::Put,
        _ => k8s::Method::Patch,
    };
    let body = request.body.as_bytes().to_vec();
    let (namespace, pod) = (&target.namespace, &target.pod);
    k8s::resource::pod_proxy(method, namespace, pod, runner::PORT, request.path, request.content_type, body)
}

pub(super) fn from_proxy(
    request: &runner::Request,
    response: Option<Response>,
) -> Result<Vec<u8>, runner::Error> {
    let response = response.ok_or_else(|| runner::Error::NoWay("connection reset".to_owned()))?;
    match k8s::status::interpret(response.status, None, response.body.clone()) {
        // Its own words have a reason; k6 gives none.
        Err(k8s::Error::Api { status }) if status.code == 403 && !status.reason.is_empty() => {
            Err(runner::Error::Refused(status.message))
        }
        Err(k8s::Error::Api { status }) if !status.reason.is_empty() => {
            Err(runner::Error::Unreachable(status.message))
        }
        _ => from_runner(request, Some(response)),
    }
}

/// As the shell does: read up to the bound and one read more, then judged by the request.
pub(super) fn from_runner(
    request: &runner::Request,
    response: Option<Response>,
) -> Result<Vec<u8>, runner::Error> {
    let mut response = response.ok_or_else(|| runner::Error::Unreachable("connection refused".to_owned()))?;
    response.body.truncate(request.answer_bytes_max(response.status) + 1);
    request.accept(response.status, response.body)
}

fn retry_after(response: &Response) -> Option<Duration> {
    response.header("retry-after")?.parse().ok().map(Duration::from_secs)
}
