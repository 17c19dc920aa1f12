//! The calls to GCk6, one function each.
//!
//! Owns paths, queries, bodies and idempotency keys. It leaves alone authentication and sending. Its invariant:
//! equal arguments build equal requests, so that a retried call carries the key of the first try.

use std::collections::BTreeMap;
use std::fmt::Write as _;

use serde::Serialize;

use super::{Event, Host, Request, ResultStatus, RunId, RunStatus};

/// Fields that [`data`] asks for; GCk6 sends no others.
const DATA_FIELDS: &str = "id,run_status,k8s_load_zones_config,k6_runtime_config,test_run_token,secrets_config,\
                           load_zone_distribution";

/// Fields that [`confirm`] asks for.
const CONFIRM_FIELDS: &str = "id,run_status,load_zone_distribution";

/// Fields that [`state`] asks for.
const STATE_FIELDS: &str = "id,run_status";

/// What GCk6 has to know of a zone.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Registration {
    /// Name of the PrivateLoadZone. GCk6 tells zones apart by this alone.
    pub name: String,
    /// `spec.resources.limits.cpu`, a quantity such as `200m`.
    pub cpu: String,
    /// `spec.resources.limits.memory`, a quantity such as `256Mi`.
    pub memory: String,
    /// `spec.image`, when the user chose one.
    pub image: Option<String>,
    /// A UUID that stays the same for the life of the zone.
    pub provider_id: String,
}

/// `POST {api}/cloud-resources/v1/load-zones`: makes a zone known. `salt` tells one registration from the next
/// of the same content.
pub fn register(registration: &Registration, salt: &str) -> Request {
    #[derive(Serialize)]
    struct Body<'a> {
        k6_load_zone_id: &'a str,
        pod_tiers: Tiers<'a>,
        config: Config<'a>,
        provider_id: &'a str,
    }
    #[derive(Serialize)]
    struct Tiers<'a> {
        cpu: &'a str,
        memory: &'a str,
    }
    #[derive(Serialize)]
    struct Config<'a> {
        #[serde(skip_serializing_if = "Option::is_none")]
        load_runner_image: Option<&'a str>,
    }
    let Registration { name, cpu, memory, image, provider_id } = registration;
    let load_runner_image = image.as_deref().filter(|image| !image.is_empty());
    let body = Body {
        k6_load_zone_id: name,
        pod_tiers: Tiers { cpu, memory },
        config: Config { load_runner_image },
        provider_id,
    };
    write(Host::Api, "POST", "/cloud-resources/v1/load-zones".to_owned(), Some(json(&body)), salt)
}

/// `DELETE {api}/cloud-resources/v1/load-zones/<name>`: makes GCk6 forget a zone. 404 means that it already has.
pub fn deregister(name: &str, salt: &str) -> Request {
    write(Host::Api, "DELETE", format!("/cloud-resources/v1/load-zones/{}", encoded(name)), None, salt)
}

/// `GET {api}/v4/plz-test-runs`: the runs that wait for the zone; see [`super::reply::listed_runs`].
pub fn poll(name: &str) -> Request {
    read(format!("/v4/plz-test-runs?plz_name={}", encoded(name)))
}

/// `GET {api}/loadtests/v4/test_runs(<id>)`: everything needed to run a test; see [`super::reply::test_run_data`].
pub fn data(id: RunId) -> Request {
    read(format!("/loadtests/v4/test_runs({id})?$select={DATA_FIELDS}"))
}

/// `GET {api}/loadtests/v4/test_runs(<id>)`: what GCk6 thinks of a run, and of which zones it is; see
/// [`super::reply::test_run_data`].
pub fn confirm(id: RunId) -> Request {
    read(format!("/loadtests/v4/test_runs({id})?$select={CONFIRM_FIELDS}"))
}

/// `GET {api}/loadtests/v4/test_runs(<id>)`: what GCk6 thinks of a run; see [`super::reply::test_run_state`].
pub fn state(id: RunId) -> Request {
    read(format!("/loadtests/v4/test_runs({id})?$select={STATE_FIELDS}"))
}

/// `POST {ingest}/orchestrator/v1/testruns/<id>/events`: tells GCk6 and its user what happened to a run.
pub fn events(id: RunId, events: &[Event], salt: &str) -> Request {
    let path = format!("/orchestrator/v1/testruns/{id}/events");
    write(Host::Ingest, "POST", path, Some(json(&events)), salt)
}

/// `POST {ingest}/v1/tests/<id>`: ends a run. After an abort, `status` is the one that GCk6 itself reported.
pub fn finish(id: RunId, result: ResultStatus, status: RunStatus, salt: &str) -> Request {
    #[derive(Serialize)]
    struct Body {
        result_status: u8,
        run_status: RunStatus,
        // Thresholds are evaluated by GCk6: the runners have `--no-thresholds`.
        thresholds: BTreeMap<String, BTreeMap<String, bool>>,
    }
    let result_status = match result {
        ResultStatus::Passed => 0,
        ResultStatus::Failed => 1,
    };
    let body = Body { result_status, run_status: status, thresholds: BTreeMap::new() };
    write(Host::Ingest, "POST", format!("/v1/tests/{id}"), Some(json(&body)), salt)
}

fn read(path: String) -> Request {
    Request { host: Host::Api, method: "GET", path, body: None, idempotency_key: None }
}

fn write(host: Host, method: &'static str, path: String, body: Option<Vec<u8>>, salt: &str) -> Request {
    let key = idempotency_key(&[
        method.as_bytes(),
        path.as_bytes(),
        body.as_deref().unwrap_or(&[]),
        salt.as_bytes(),
    ]);
    Request { host, method, path, body, idempotency_key: Some(key) }
}

fn json<T: Serialize>(body: &T) -> Vec<u8> {
    serde_json::to_vec(body).expect("bodies are structs of text and numbers with text as keys")
}

/// Sixteen hexadecimal digits over all parts (64 bit FNV-1a). A key has to differ between calls, not to resist an
/// attacker.
fn idempotency_key(parts: &[&[u8]]) -> String {
    const OFFSET: u64 = 0xcbf2_9ce4_8422_2325;
    const PRIME: u64 = 0x0000_0100_0000_01b3;
    let mut hash = OFFSET;
    for part in parts {
        // The length in front keeps `ab`,`c` and `a`,`bc` apart.
        let length = (part.len() as u64).to_le_bytes();
        for byte in length.iter().chain(*part) {
            hash = (hash ^ u64::from(*byte)).wrapping_mul(PRIME);
        }
    }
    format!("{hash:016x}")
}

/// Percent-encodes everything but the unreserved characters of RFC 3986. A zone's name has only those, unless
/// somebody serves us an object that no API server would accept.
fn encoded(text: &str) -> String {
    let mut encoded = String::with_capacity(text.len());
    for byte in text.bytes() {
        match byte {
            b'A'..=b'Z' | b'a'..=b'z' | b'0'..=b'9' | b'-' | b'.' | b'_' | b'~' => {
                encoded.push(char::from(byte));
            }
            _ => write!(encoded, "%{byte:02X}").expect("writing to a string cannot fail"),
        }
    }
    encoded
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::cloud::ErrorCode;

    const ID: RunId = RunId(101);

    fn registration() -> Registration {
        Registration {
            name: "edge".to_owned(),
            cpu: "200m".to_owned(),
            memory: "256Mi".to_owned(),
            image: None,
            provider_id: "u-1".to_owned(),
        }
    }

    #[test]
    #[rustfmt::skip]
    fn calls() {
        let check = |request: Request, host: Host, line: &str, body: &str| {
            assert_eq!(format!("{} {}", request.method, request.path), line);
            assert_eq!(request.host, host, "{line}");
            assert_eq!(String::from_utf8(request.body.unwrap_or_default()).unwrap(), body, "{line}");
            let key = request.idempotency_key.unwrap_or_default();
            assert_eq!(key.len(), if request.method == "GET" { 0 } else { 16 }, "{line}");
            assert!(key.bytes().all(|byte| byte.is_ascii_hexdigit()), "{line}");
        };
        let with_image = Registration { image: Some("k6:\"1\"".to_owned()), ..registration() };
        let no_image = Registration { image: Some(String::new()), ..registration() };
        let plain = r#"{"k6_load_zone_id":"edge","pod_tiers":{"cpu":"200m","memory":"256Mi"},"config":{},"provider_id":"u-1"}"#;
        check(register(&registration(), ""), Host::Api, "POST /cloud-resources/v1/load-zones", plain);
        check(register(&no_image, ""), Host::Api, "POST /cloud-resources/v1/load-zones", plain);
        check(register(&with_image, ""), Host::Api, "POST /cloud-resources/v1/load-zones",
            r#"{"k6_load_zone_id":"edge","pod_tiers":{"cpu":"200m","memory":"256Mi"},"config":{"load_runner_image":"k6:\"1\""},"provider_id":"u-1"}"#);
        check(deregister("edge", ""), Host::Api, "DELETE /cloud-resources/v1/load-zones/edge", "");
        check(deregister("a/../b?c", ""), Host::Api, "DELETE /cloud-resources/v1/load-zones/a%2F..%2Fb%3Fc", "");
        check(poll("edge"), Host::Api, "GET /v4/plz-test-runs?plz_name=edge", "");
        check(poll("a&b=ü"), Host::Api, "GET /v4/plz-test-runs?plz_name=a%26b%3D%C3%BC", "");
        check(data(ID), Host::Api, "GET /loadtests/v4/test_runs(101)?$select=id,run_status,k8s_load_zones_config,k6_runtime_config,test_run_token,secrets_config,load_zone_distribution", "");
        check(state(ID), Host::Api, "GET /loadtests/v4/test_runs(101)?$select=id,run_status", "");
        check(confirm(ID), Host::Api, "GET /loadtests/v4/test_runs(101)?$select=id,run_status,load_zone_distribution", "");
        check(events(ID, &[Event::error(ErrorCode::Setup, "x")], ""), Host::Ingest, "POST /orchestrator/v1/testruns/101/events",
            r#"[{"event_type":"TestRunErrorEvent","event":{"error_code":8030,"error_detail":"x","error_detail_public":"x"}}]"#);
        check(finish(ID, ResultStatus::Passed, RunStatus::FINISHED, ""), Host::Ingest, "POST /v1/tests/101",
            r#"{"result_status":0,"run_status":3,"thresholds":{}}"#);
        check(finish(ID, ResultStatus::Failed, RunStatus::ABORTED_BY_USER, ""), Host::Ingest, "POST /v1/tests/101",
            r#"{"result_status":1,"run_status":5,"thresholds":{}}"#);
    }

    #[test]
    fn a_retry_has_the_key_of_the_first_try_and_nothing_else_has() {
        let mut other = registration();
        other.memory = "257Mi".to_owned();
        let requests = [
            register(&registration(), "a"),
            register(&registration(), "b"),
            register(&other, "a"),
            deregister("edge", "a"),
            finish(ID, ResultStatus::Passed, RunStatus::FINISHED, "a"),
            finish(RunId(102), ResultStatus::Passed, RunStatus::FINISHED, "a"),
        ];
        let keys: std::collections::BTreeSet<_> =
            requests.iter().map(|request| &request.idempotency_key).collect();
        assert_eq!(keys.len(), requests.len());
        assert_eq!(register(&registration(), "a"), requests[0]);
        assert_ne!(idempotency_key(&[b"ab", b"c"]), idempotency_key(&[b"a", b"bc"]));
    }
}
