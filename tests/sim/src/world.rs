//! All stand-ins together: one cluster, its k6 processes, GCk6 and the bucket.
//!
//! Owns the way between the models: calls through the pod proxy and to pod addresses, pod logs, the tick of the controllers
//! after each request. A driver gives the time with every call; it never goes back.
//! Invariant: after a call, everything that was due by its time has happened.

use std::time::Duration;

use serde_json::{Value, json};

use crate::api::serve::after_effect;
use crate::api::{Api, Call, Key, Kind, Served, Status};
use crate::cloud::{Cloud, RunSpec};
use crate::http::{Answer, Method, Request, Response};
use crate::journal::{Door, Journal};
use crate::k6::K6s;
use crate::kube::{Around, Config, Kube};
use crate::s3::{self, S3};
use crate::trail::Trail;
use crate::wall::Wall;

/// Requests to the API server that a run takes beside two for each runner: its Secret is created, the TestRun created, freed of
/// the finalizer and deleted, four stages are recorded, two Events posted. The finalizer costs one: without it a TestRun that
/// somebody deletes is gone before its teardown.
pub const REQUESTS_OF_RUN: u64 = 10;

/// The goal for the requests to the API server that a run takes: one creates the Job of a runner, one deletes it.
pub const fn requests_goal(runners: u64) -> u64 {
    REQUESTS_OF_RUN + 2 * runners
}

/// What a world starts from.
#[derive(Clone, Debug)]
pub struct Options {
    /// For names and uids.
    pub seed: u64,
    /// Wall time at the start.
    pub wall: Wall,
    /// The token that GCk6 takes; empty: any.
    pub token: String,
    /// Scheme and authority of presigned URLs.
    pub s3_base: String,
    /// Delays and plans of pods.
    pub kube: Config,
    /// The archive of queued runs; none for a small one.
    pub archive: Option<Vec<u8>>,
}

impl Default for Options {
    fn default() -> Self {
        Self {
            seed: 1,
            wall: Wall::default(),
            token: "sim-token".to_owned(),
            s3_base: "https://bucket.s3.invalid".to_owned(),
            kube: Config::default(),
            archive: None,
        }
    }
}

/// The world.
pub struct World {
    /// The API server.
    pub api: Api,
    /// The controllers.
    pub kube: Kube,
    /// The k6 processes.
    pub k6s: K6s,
    /// GCk6.
    pub cloud: Cloud,
    /// The bucket.
    pub s3: S3,
    /// The archive of queued runs.
    pub archive: Vec<u8>,
    /// The time of the last call.
    pub now: Duration,
    /// Requests to the API server and to GCk6, when somebody wants them.
    pub journal: Journal,
    /// All that happens in one number, when somebody wants it.
    pub trail: Trail,
}

impl World {
    /// A world at time zero.
    pub fn new(options: Options) -> Self {
        Self {
            api: Api::new(options.wall, options.seed),
            kube: Kube::new(options.kube, options.seed ^ 1),
            k6s: K6s::default(),
            cloud: Cloud::new(&options.token),
            s3: S3::new(&options.s3_base, options.wall, options.seed ^ 2),
            archive: options.archive.unwrap_or_else(s3::sample_archive),
            now: Duration::ZERO,
            journal: Journal::default(),
            trail: Trail::default(),
        }
    }

    /// Lets everything happen that is due by `now`.
    pub fn tick(&mut self, now: Duration) {
        self.now = self.now.max(now);
        let mut around = Around { api: &mut self.api, k6s: &mut self.k6s, s3: &mut self.s3 };
        self.kube.tick(self.now, &mut around);
        self.trail.changes(self.now, &self.api);
    }

    /// When something happens by itself; none while all rests.
    pub fn next_wakeup(&self) -> Option<Duration> {
        self.kube.next_wakeup()
    }

    /// Serves a request to the API server, the pod proxy and pod logs included.
    pub fn serve_api(&mut self, now: Duration, request: &Request) -> Served {
        self.tick(now);
        self.journal.note(now, Door::Api, request);
        let call = Call::parse(request).filter(|call| call.resource.kind == Kind::Pod);
        let served = match call.as_ref().map(|call| (call, call.subresource.as_str())) {
            Some((call, "proxy")) => self.aside(now, call, request, Self::proxy),
            Some((call, "log")) => self.aside(now, call, request, Self::log),
            _ => self.api.serve(now, request),
        };
        let answer = if let Served::Answer(answer) = &served { Some(answer) } else { None };
        self.trail.call(now, "api", request, answer);
        self.tick(now);
        served
    }

    /// Serves a request to the REST API of the pod with an address.
    pub fn serve_pod(&mut self, now: Duration, ip: &str, request: &Request) -> Answer {
        self.tick(now);
        let Some(Key { namespace, name, .. }) = self.kube.pod_at(ip).cloned() else { return Answer::Drop };
        let answer = self.serve_runner(now, &namespace, &name, request);
        self.trail.call(now, ip, request, Some(&answer));
        answer
    }

    /// Serves a request to either host of GCk6.
    pub fn serve_cloud(&mut self, now: Duration, request: &Request) -> Answer {
        self.tick(now);
        self.journal.note(now, Door::Cloud, request);
        let answer = self.cloud.serve(now, request);
        self.trail.call(now, "cloud", request, Some(&answer));
        answer
    }

    /// Serves a download.
    pub fn serve_s3(&mut self, now: Duration, request: &Request) -> Answer {
        self.tick(now);
        let answer = self.s3.serve(now, request);
        self.trail.call(now, "s3", request, Some(&answer));
        answer
    }

    /// Creates the Secret `<zone>-token` with GCk6's token and the PrivateLoadZone, as a user's manifest does.
    pub fn apply_zone(&mut self, now: Duration, namespace: &str, zone: &str) {
        let secret = format!("{zone}-token");
        let token = self.cloud.token.clone();
        let object = json!({"metadata": {"name": secret}, "stringData": {"token": token}});
        self.api
            .create(now, Kind::Secret, namespace, object)
            .expect("the namespace exists and the Secret is new");
        let spec = json!({"token": secret, "resources": {"limits": {"cpu": "200m", "memory": "256Mi"}}});
        let object = json!({"metadata": {"name": zone}, "spec": spec});
        self.api.create(now, Kind::PrivateLoadZone, namespace, object).expect("the zone is new and valid");
        self.tick(now);
    }

    /// Binds the admission policy for test runs, as its manifest does. What a policy refuses is not modelled.
    pub fn bind_policy(&mut self, now: Duration) {
        let name = "plz-agent-test-runs";
        let object =
            json!({"metadata": {"name": name}, "spec": {"policyName": name, "validationActions": ["Deny"]}});
        self.api.create(now, Kind::ValidatingAdmissionPolicyBinding, "", object).expect("the binding is new");
    }

    /// Queues a test run at GCk6 with an archive in the bucket, signed now; returns its id.
    pub fn queue_run(&mut self, now: Duration, zone: &str, instances: u64) -> u64 {
        self.queue_run_with(now, zone, instances, json!({}))
    }

    /// The same with `data` merged into the test run's data.
    pub fn queue_run_with(&mut self, now: Duration, zone: &str, instances: u64, data: Value) -> u64 {
        let name = format!("{}.tar", self.cloud.upcoming());
        let url = self.s3.store(now, &name, self.archive.clone());
        let spec = RunSpec { data, ..RunSpec::new(zone, instances, &url) };
        self.cloud.queue(now, spec)
    }

    /// Lets virtual time pass until `holds`, from one wakeup to the next; false if it does not hold by `deadline`.
    pub fn run_until(&mut self, deadline: Duration, mut holds: impl FnMut(&Self) -> bool) -> bool {
        loop {
            self.tick(self.now);
            if holds(self) {
                return true;
            }
            match self.next_wakeup() {
                Some(next) if next <= deadline => self.tick(next),
                _ => {
                    self.tick(deadline);
                    return holds(self);
                }
            }
        }
    }

    /// What is wrong with a PLZ run so far: see [`K6s::faults`], and finish calls before the last metrics were flushed.
    pub fn faults(&self, id: u64) -> Vec<String> {
        let prefix = format!("plz-test-{id}-");
        let mut faults = self.k6s.faults(&prefix);
        let finish = self.cloud.runs.get(&id).and_then(|run| run.finishes.first()).map(|(at, _)| *at);
        let is_early = |finish: Duration| {
            self.k6s.all(&prefix).any(|(_, runner)| runner.exits().is_none_or(|(exit, _)| exit > finish))
        };
        if finish.is_some_and(is_early) {
            faults.push(format!("test run {id} was finished before its runners had flushed their metrics"));
        }
        faults
    }

    /// The object of a kind by namespace and name; null if there is none.
    pub fn object(&self, kind: Kind, namespace: &str, name: &str) -> Value {
        self.api.object(&Key::new(kind, namespace, name)).map_or(Value::Null, |object| Value::clone(object))
    }

    fn serve_runner(&mut self, now: Duration, namespace: &str, pod: &str, request: &Request) -> Answer {
        if !self.kube.is_reachable(namespace, pod) {
            return Answer::Drop;
        }
        let answer = self.k6s.serve(now, namespace, pod, request);
        // A question changes nothing that the kubelet could see.
        if request.method != Method::Get {
            self.kube.nudge(now, namespace, pod);
            self.tick(now);
        }
        answer
    }

    /// Counts and screens a call that the API server passes on, then serves it.
    fn aside(
        &mut self,
        now: Duration,
        call: &Call,
        request: &Request,
        serve: fn(&mut Self, Duration, &Call, &Request) -> Result<Answer, Status>,
    ) -> Served {
        let fault = match self.api.screen(now, call, request) {
            Ok(fault) => fault,
            Err(answer) => return Served::Answer(answer),
        };
        let answer = serve(self, now, call, request).unwrap_or_else(|status| status.response().into());
        after_effect(fault, Served::Answer(answer))
    }

    fn proxy(&mut self, now: Duration, call: &Call, request: &Request) -> Result<Answer, Status> {
        let (pod, port) = call.name.split_once(':').unwrap_or((&call.name, "80"));
        let key = Key::new(Kind::Pod, &call.namespace, pod);
        let object = self.api.object(&key).ok_or_else(|| Status::not_found(&key))?;
        let ip = crate::json::text(object, "status.podIP").to_owned();
        if ip.is_empty() {
            return Err(Status::bad_request("address not allowed"));
        }
        let unreachable = |why: &str| {
            let message = format!("error trying to reach service: dial tcp {ip}:{port}: {why}");
            Status::new(503, "ServiceUnavailable", message)
        };
        let served_port = self.k6s.runner(&call.namespace, pod).map(|runner| runner.argv.port.to_string());
        if served_port.as_deref() != Some(port) {
            return Err(unreachable("connect: connection refused"));
        }
        let mut inner = request.clone();
        inner.path = format!("/{}", call.rest);
        inner.headers.remove("authorization");
        match self.serve_runner(now, &call.namespace, pod, &inner) {
            Answer::Drop => Err(unreachable("connect: connection refused")),
            answer => Ok(answer),
        }
    }

    fn log(&mut self, _now: Duration, call: &Call, request: &Request) -> Result<Answer, Status> {
        let key = Key::new(Kind::Pod, &call.namespace, &call.name);
        self.api.object(&key).ok_or_else(|| Status::not_found(&key))?;
        let container = request.query("container").unwrap_or_default();
        let log = self.kube.log(&call.namespace, &call.name, container).unwrap_or_default();
        Ok(Response::text(200, &log).into())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_early_finish_is_a_fault() {
        let mut world = World::new(Options::default());
        let id = world.queue_run(Duration::ZERO, "z", 1);
        let argv = ["k6", "run", "a", "--paused", "--linger"].map(str::to_owned);
        let argv = crate::k6::Argv::read(&argv).unwrap().unwrap();
        world.k6s.start(
            Duration::ZERO,
            "default",
            "plz-test-101-1-abcde",
            argv,
            crate::k6::Script::default(),
        );
        let finish = Request::new(Method::Post, &format!("/v1/tests/{id}"))
            .with_header("Authorization", "Token sim-token")
            .with_header("User-Agent", "a")
            .with_header("K6-Idempotency-Key", "0123456789abcdef")
            .with_json(&json!({"result_status": 0, "run_status": 3, "thresholds": {}}));
        world.serve_cloud(Duration::from_secs(1), &finish);
        assert_eq!(
            world.faults(id),
            ["test run 101 was finished before its runners had flushed their metrics"]
        );
        world.k6s.kill(Duration::ZERO, "default", "plz-test-101-1-abcde");
        assert!(world.faults(id).is_empty());
    }

    #[test]
    fn a_zone_is_applied_as_users_do() {
        let mut world = World::new(Options::default());
        world.apply_zone(Duration::ZERO, "default", "z");
        assert_eq!(world.object(Kind::PrivateLoadZone, "default", "z")["spec"]["token"], "z-token");
        assert_eq!(world.object(Kind::Secret, "default", "z-token")["data"]["token"], "c2ltLXRva2Vu");
    }
}
