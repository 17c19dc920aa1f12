//! The REST interface of GCk6: both hosts, one router, for their paths do not collide.

use std::time::Duration;

use serde_json::{Value, json};

use super::{ABORTED_BY_SYSTEM, Cloud, FINISHED, INITIALIZING, Plague, RUNNING, RunSpec, Trouble, Zone};
use crate::http::{Answer, Method, Request, Response};
use crate::json;

/// What a request is for.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Route {
    /// `POST /cloud-resources/v1/load-zones`.
    Register,
    /// `DELETE /cloud-resources/v1/load-zones/<name>`.
    Deregister,
    /// `GET /v4/plz-test-runs`.
    Poll,
    /// `GET /loadtests/v4/test_runs(<id>)` with the configuration selected.
    Data,
    /// The same with only the status selected.
    State,
    /// `POST /orchestrator/v1/testruns/<id>/events`.
    Events,
    /// `POST /v1/tests`.
    Create,
    /// `POST /v1/tests/<id>`.
    Finish,
    /// `POST /v2/metrics/<id>`: what runners push.
    Metrics,
}

/// The idempotency key's length in hexadecimal digits.
const KEY_LEN: usize = 16;
/// How late a call may come.
const IN_FLIGHT: Duration = Duration::from_secs(5);
/// Error codes of events that the protocol knows.
const EVENT_CODES: [i64; 9] = [8030, 8031, 8032, 8033, 8034, 8035, 8050, 8051, 8052];

impl Route {
    /// The route of a request and the name or id in its path; `None` when there is none.
    pub fn of(request: &Request) -> Option<(Self, String)> {
        let parts: Vec<&str> = request.path.trim_matches('/').split('/').collect();
        let of = |route, name: &str| Some((route, name.to_owned()));
        match (request.method, &parts[..]) {
            (Method::Post, ["cloud-resources", "v1", "load-zones"]) => of(Self::Register, ""),
            (Method::Delete, ["cloud-resources", "v1", "load-zones", name]) => of(Self::Deregister, name),
            (Method::Get, ["v4", "plz-test-runs"]) => {
                of(Self::Poll, request.query("plz_name").unwrap_or_default())
            }
            (Method::Get, ["loadtests", "v4", run]) => {
                let id = run.strip_prefix("test_runs(")?.strip_suffix(')')?;
                let selects_all =
                    request.query("$select").is_none_or(|fields| fields.contains("k8s_load_zones_config"));
                of(if selects_all { Self::Data } else { Self::State }, id)
            }
            (Method::Post, ["orchestrator", "v1", "testruns", id, "events"]) => of(Self::Events, id),
            (Method::Post, ["v1", "tests"]) => of(Self::Create, ""),
            (Method::Post, ["v1", "tests", id]) => of(Self::Finish, id),
            (Method::Post, ["v1" | "v2", "metrics", id]) => of(Self::Metrics, id),
            _ => None,
        }
    }
}

impl Cloud {
    /// Answers a request to either host.
    pub fn serve(&mut self, now: Duration, request: &Request) -> Answer {
        // What somebody asks who wants to know whether there is a way here.
        if request.method == Method::Get && request.path == "/" {
            return error(404, "not found").into();
        }
        if let Some(other) = self.others.iter_mut().find(|other| other.token == token(request)) {
            // It is behind the same line.
            let is_down = |plague: &Plague| {
                plague.left > 0 && plague.route.is_none() && plague.trouble == Trouble::Down
            };
            return if self.plagues.iter().any(is_down) { Answer::Drop } else { other.serve(now, request) };
        }
        let Some((route, name)) = Route::of(request) else {
            self.complaints.push(format!("nothing is served at {} {}", request.method.name(), request.path));
            return error(404, "not found").into();
        };
        *self.counts.entry(route).or_default() += 1;
        let trouble = self.strike(route);
        match trouble {
            Some(Trouble::Down) => return Answer::Drop,
            Some(Trouble::Failing(status)) => return error(status, "the request failed on our side").into(),
            Some(Trouble::Portal(status)) => {
                let page = "<!DOCTYPE html><title>Welcome to our shop</title>";
                return Response::new(status, "text/html", page).into();
            }
            Some(Trouble::Busy(seconds)) => {
                return error(429, "slow down").with_header("Retry-After", &seconds.to_string()).into();
            }
            Some(Trouble::Unauthorized) => return error(401, "invalid token").into(),
            _ => {}
        }
        let response = match self.check(route, request) {
            Ok(()) => selected(request, self.once(now, route, &name, request)),
            // What comes with 200 below has been done.
            Err(refusal) => return refusal.into(),
        };
        match trouble {
            Some(Trouble::LostAnswer) => Answer::Drop,
            Some(Trouble::Slow(after)) => Answer::After(after, response),
            Some(Trouble::Malformed) => {
                Response::new(200, "application/json", "{\"object\":[{\"id\":").into()
            }
            Some(Trouble::Nulls) => Response::json(200, &nulled(response.value())).into(),
            _ => match self.slow_polls.get(&name).filter(|_| route == Route::Poll) {
                Some(after) => Answer::After(*after, response),
                None => response.into(),
            },
        }
    }

    fn strike(&mut self, route: Route) -> Option<Trouble> {
        let fits = |plague: &&mut Plague| plague.left > 0 && plague.route.is_none_or(|only| only == route);
        let plague = self.plagues.iter_mut().find(fits)?;
        plague.left -= 1;
        Some(plague.trouble)
    }

    /// Checks the headers; an oddity is a complaint and a 400, a wrong token a 401.
    fn check(&mut self, route: Route, request: &Request) -> Result<(), Response> {
        let token = token(request);
        if token.is_empty() || (!self.token.is_empty() && token != self.token) {
            return Err(error(401, "invalid token"));
        }
        if route == Route::Metrics {
            return Ok(());
        }
        let key = request.header("k6-idempotency-key").unwrap_or_default();
        let is_key = key.len() == KEY_LEN && key.bytes().all(|byte| byte.is_ascii_hexdigit());
        let wrong = if request.header("user-agent").unwrap_or_default().is_empty() {
            "has no User-Agent"
        } else if request.method == Method::Post && request.content_type() != "application/json" {
            "has another Content-Type than application/json"
        } else if request.method != Method::Get && !is_key {
            "has no K6-Idempotency-Key of 16 hexadecimal digits"
        } else if request.method == Method::Post && request.json().is_none() {
            "has no JSON body"
        } else {
            return Ok(());
        };
        self.complaints.push(format!("{route:?} {wrong}"));
        Err(error(400, wrong))
    }

    /// Serves a call at most once per idempotency key: a repetition gets the first answer again.
    fn once(&mut self, now: Duration, route: Route, name: &str, request: &Request) -> Response {
        let key =
            request.header("k6-idempotency-key").filter(|_| request.method != Method::Get).map(str::to_owned);
        if let Some((first, response)) = key.as_ref().and_then(|key| self.answered.get(key)) {
            if *first == route {
                return response.clone();
            }
            self.complaints.push(format!("{route:?} uses the idempotency key of an earlier {first:?}"));
        }
        let response = self.dispatch(now, route, name, &request.json().unwrap_or_default());
        if let Some(key) = key {
            self.answered.insert(key, (route, response.clone()));
        }
        response
    }

    fn dispatch(&mut self, now: Duration, route: Route, name: &str, body: &Value) -> Response {
        match route {
            Route::Register => self.register(body),
            Route::Deregister => match self.zones.remove(name) {
                Some(_) => {
                    self.deregistered.push(name.to_owned());
                    self.deregistered_at.insert(name.to_owned(), now);
                    Response::empty(204)
                }
                None => error(404, "load zone not found"),
            },
            Route::Poll => self.poll(now, name),
            Route::Create => self.create(now, body),
            Route::Data | Route::State | Route::Events | Route::Finish | Route::Metrics => {
                let id = name.parse().unwrap_or_default();
                self.about_run(now, route, id, body)
            }
        }
    }

    fn register(&mut self, body: &Value) -> Response {
        let text = |path| json::text(body, path).to_owned();
        let (name, provider_id) = (text("k6_load_zone_id"), text("provider_id"));
        for field in ["k6_load_zone_id", "provider_id", "pod_tiers.cpu", "pod_tiers.memory"] {
            if text(field).is_empty() {
                self.complaints.push(format!("Register of {name:?} has no {field}"));
                return error(400, &format!("{field} is required"));
            }
        }
        let former = self.zones.get(&name);
        if former.is_some_and(|zone| zone.provider_id != provider_id) {
            self.doubles.push((name.clone(), provider_id.clone()));
        }
        let registrations = former.map_or(0, |zone| zone.registrations) + 1;
        let polls = former.map_or(0, |zone| zone.polls);
        self.zones.insert(name, Zone { provider_id, body: body.clone(), registrations, polls });
        Response::json(200, &json!({}))
    }

    fn poll(&mut self, now: Duration, name: &str) -> Response {
        let Some(zone) = self.zones.get_mut(name) else {
            // The deregistration may have overtaken it on the way.
            if self.deregistered_at.get(name).is_none_or(|at| now >= *at + IN_FLIGHT) {
                self.complaints.push(format!("Poll for {name:?}, which is not registered"));
            }
            return error(404, "load zone not found");
        };
        zone.polls += 1;
        let mut listed = Vec::new();
        for (id, run) in self.runs.iter_mut().filter(|(_, run)| run.spec.zone == name && run.is_listed()) {
            run.listed.get_or_insert(now);
            listed.push(json!({"id": id}));
        }
        Response::json(200, &json!({"object": listed}))
    }

    fn create(&mut self, now: Duration, body: &Value) -> Response {
        for field in ["name", "vus", "thresholds", "duration", "process_thresholds", "instances"] {
            if body[field].is_null() {
                self.complaints.push(format!("Create has no {field}"));
                return error(400, &format!("{field} is required"));
            }
        }
        let id = self.next_id();
        self.insert(now, id, RunSpec::new("", body["instances"].as_u64().unwrap_or(1), ""));
        self.created.push(body.clone());
        let config = json!({"aggregationPeriod": "3s", "aggregationWaitPeriod": "8s", "metricPushInterval": "1s",
            "metricPushConcurrency": 1});
        Response::json(200, &json!({"reference_id": id.to_string(), "config": config}))
    }

    fn about_run(&mut self, now: Duration, route: Route, id: u64, body: &Value) -> Response {
        let Some(run) = self.runs.get_mut(&id) else {
            self.complaints.push(format!("{route:?} for test run {id}, which does not exist"));
            return error(404, "test run not found");
        };
        match route {
            Route::Data => {
                run.data_reads.push(now);
                let data = run.data(id);
                if run.status == INITIALIZING {
                    run.status = RUNNING;
                }
                Response::json(200, &data)
            }
            Route::State => {
                run.state_reads.push(now);
                Response::json(200, &run.data(id))
            }
            Route::Events => {
                let Some(events) = body.as_array() else {
                    self.complaints.push(format!("Events of test run {id} are no list"));
                    return error(400, "a list of events is expected");
                };
                for event in events {
                    match json::text(event, "event_type") {
                        "TestRunAbortEvent" if run.status < FINISHED => run.status = ABORTED_BY_SYSTEM,
                        "TestRunAbortEvent" => {}
                        "TestRunErrorEvent"
                            if event["event"]["error_code"]
                                .as_i64()
                                .is_some_and(|code| EVENT_CODES.contains(&code)) => {}
                        _ => self
                            .complaints
                            .push(format!("an event of test run {id} is of an unknown type or code")),
                    }
                    run.events.push((now, event.clone()));
                }
                Response::empty(204)
            }
            Route::Metrics => {
                let (first, _, count) = run.metrics.unwrap_or((now, now, 0));
                run.metrics = Some((first, now, count + 1));
                if !run.finishes.is_empty() {
                    self.complaints.push(format!("metrics of test run {id} came after its finish"));
                }
                Response::empty(204)
            }
            _ => {
                for field in ["result_status", "run_status", "thresholds"] {
                    if body[field].is_null() {
                        self.complaints.push(format!("Finish of test run {id} has no {field}"));
                    }
                }
                if !run.finishes.is_empty() {
                    self.complaints.push(format!("test run {id} was finished twice"));
                }
                run.finishes.push((now, body.clone()));
                if run.status < FINISHED {
                    run.status = body["run_status"].as_i64().unwrap_or(FINISHED);
                }
                Response::json(200, &json!({}))
            }
        }
    }
}

fn token(request: &Request) -> &str {
    request.header("authorization").and_then(|value| value.strip_prefix("Token ")).unwrap_or_default()
}

/// The fields that a request has selected, and no others.
fn selected(request: &Request, response: Response) -> Response {
    let Some(fields) = request.query("$select").filter(|_| response.status == 200) else { return response };
    let fields: Vec<&str> = fields.split(',').collect();
    let mut value = response.value();
    if let Some(map) = value.as_object_mut() {
        map.retain(|field, _| fields.contains(&field.as_str()));
    }
    Response::json(200, &value)
}

fn nulled(mut value: Value) -> Value {
    for field in value.as_object_mut().into_iter().flat_map(|map| map.values_mut()) {
        *field = Value::Null;
    }
    value
}

fn error(status: u16, message: &str) -> Response {
    Response::json(status, &json!({"error": {"message": message, "code": status}}))
}
