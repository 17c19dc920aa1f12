//! The control interface of the stand-in, for curl and for tests over HTTP.
//!
//! ```text
//! GET  /control                    zones, runs with their events and finish calls, complaints, counts
//! POST /control/runs               {"zone":"z","instances":2,"archive":"name.tar"?,"data":{…}?,"listed":"forever"?} → {"id":101}
//! POST /control/runs/<id>/abort    what the user's abort does
//! POST /control/runs/<id>/status   {"run_status":8}
//! ```
//! It needs no token. Invariant: no answer contains a token or a presigned URL.

use std::time::Duration;

use serde_json::{Value, json};

use super::{Cloud, Listed, RunSpec};
use crate::http::{Method, Request, Response};
use crate::s3::S3;

/// Whether a request is for this interface.
pub fn is_control(request: &Request) -> bool {
    request.path == "/control" || request.path.starts_with("/control/")
}

/// Answers a request of control. `archive` is what queued runs get.
pub fn serve(now: Duration, cloud: &mut Cloud, s3: &mut S3, archive: &[u8], request: &Request) -> Response {
    let parts: Vec<&str> = request.path.trim_matches('/').split('/').collect();
    let body = if request.body.is_empty() { Some(json!({})) } else { request.json() };
    let Some(body) = body else { return refusal(400, "the body is not JSON") };
    match (request.method, &parts[..]) {
        (Method::Get, ["control"]) => Response::json(200, &state(cloud)),
        (Method::Post, ["control", "runs"]) => match body["zone"].as_str() {
            Some(zone) => {
                let url = s3.store(now, &format!("{}.tar", cloud.upcoming()), archive.to_vec());
                let mut spec = RunSpec::new(zone, body["instances"].as_u64().unwrap_or(1), &url);
                if body["data"].is_object() {
                    spec.data = body["data"].clone();
                }
                if body["listed"] == "forever" {
                    spec.listed = Listed::ForEver;
                }
                Response::json(201, &json!({"id": cloud.queue(now, spec)}))
            }
            None => refusal(400, "\"zone\" is required: the name of the PrivateLoadZone"),
        },
        (Method::Post, ["control", "runs", id, action]) => {
            let Some(id) = id.parse().ok().filter(|id| cloud.runs.contains_key(id)) else {
                return refusal(404, "there is no such test run");
            };
            match (*action, body["run_status"].as_i64()) {
                ("abort", _) => cloud.abort(id),
                ("status", Some(status)) => cloud.set_status(id, status),
                ("status", None) => return refusal(400, "\"run_status\" is required: a number"),
                _ => return refusal(404, "there is abort and status"),
            }
            Response::json(200, &json!({"id": id, "run_status": cloud.runs[&id].status}))
        }
        _ => refusal(
            404,
            "there is /control, /control/runs, /control/runs/<id>/abort and /control/runs/<id>/status",
        ),
    }
}

fn refusal(status: u16, message: &str) -> Response {
    Response::json(status, &json!({"error": message}))
}

fn seconds(at: Duration) -> f64 {
    at.as_millis() as f64 / 1000.0
}

/// What the stand-in knows; times are seconds since its start.
pub fn state(cloud: &Cloud) -> Value {
    let zones: serde_json::Map<String, Value> = cloud
        .zones
        .iter()
        .map(|(name, zone)| {
            let shown = json!({"provider_id": zone.provider_id, "registration": zone.body,
                "registrations": zone.registrations, "polls": zone.polls});
            (name.clone(), shown)
        })
        .collect();
    let timed = |list: &[(Duration, Value)], what: &str| -> Value {
        list.iter().map(|(at, value)| json!({"at": seconds(*at), what: value})).collect()
    };
    let runs: serde_json::Map<String, Value> = cloud
        .runs
        .iter()
        .map(|(id, run)| {
            let shown = json!({"zone": run.spec.zone, "instances": run.spec.instances, "run_status": run.status,
                "queued_at": seconds(run.queued), "listed_at": run.listed.map(seconds),
                "data_reads": run.data_reads.len(), "state_reads": run.state_reads.len(),
                "events": timed(&run.events, "event"), "finishes": timed(&run.finishes, "finish"),
                "metric_pushes": run.metrics.map_or(0, |(_, _, count)| count)});
            (id.to_string(), shown)
        })
        .collect();
    let counts: serde_json::Map<String, Value> = cloud
        .counts
        .iter()
        .map(|(route, count)| (format!("{route:?}").to_lowercase(), json!(count)))
        .collect();
    json!({"zones": zones, "runs": runs, "deregistered": cloud.deregistered, "requests": counts,
        "registered_under_other_ids": cloud.doubles.len(), "complaints": cloud.complaints})
}
