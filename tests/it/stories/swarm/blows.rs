//! What befalls a swarm's world: one blow at a time, drawn from its seed, and the peace after them.

use sim::api::status::Status;
use sim::api::{Call, Fault, Part, Propagation};
use sim::cloud::rest::Route;
use sim::cloud::{Listed, Trouble};
use sim::drive::{Echo, candidate};
use sim::k6::{Exit, Manners, Script};
use sim::kube::plan::{Mishap, Place};

use super::super::*;
use super::{Draw, Rng, Swarm, ZONES};
use crate::stories::leases::{OPERATOR, operator, operator_in};

/// How often a k6-operator renews its Lease.
const RENEWAL: Duration = s(2);

/// One kind of blow.
pub(super) struct Blow {
    pub name: &'static str,
    /// How often it comes, beside the others, where nothing else is drawn.
    pub weight: u64,
    deal: fn(&mut Swarm),
}

const fn blow(name: &'static str, weight: u64, deal: fn(&mut Swarm)) -> Blow {
    Blow { name, weight, deal }
}

/// All kinds; the first is what the others befall.
#[rustfmt::skip]
pub(super) const BLOWS: [Blow; 22] = [
    blow("queue",        5, Swarm::queue),
    blow("kill",         2, Swarm::kill),
    blow("terminate",    1, Swarm::terminate),
    blow("join",         1, Swarm::join_if_there_may_be_more),
    blow("partition",    1, Swarm::partition),
    blow("slow",         1, Swarm::slow_network),
    blow("watches",      1, Swarm::bad_watches),
    blow("compact",      1, Swarm::compact),
    blow("api",          2, Swarm::api_trouble),
    blow("cloud",        2, Swarm::cloud_trouble),
    blow("wan",          1, Swarm::wan),
    blow("abort",        1, Swarm::abort),
    blow("token",        1, Swarm::rotate_token),
    blow("operator",     1, Swarm::operate),
    blow("runner",       1, Swarm::bad_runner),
    blow("delete run",   1, Swarm::delete_test_run),
    blow("zone",         1, Swarm::zone_comes_or_goes),
    blow("edit",         1, Swarm::edit),
    blow("delete part",  1, Swarm::delete_a_part),
    blow("clock",        1, Swarm::clock_jump),
    blow("restart api",  2, Swarm::api_restarts),
    blow("lease",        1, Swarm::lease_is_touched),
];

impl Swarm {
    pub(super) fn blow(&mut self) {
        let at = self.odds.blow(&mut self.rng);
        (BLOWS[at].deal)(self);
    }

    /// Renews and ends what lasts; returns until when nothing of that is to be done.
    pub(super) fn endure(&mut self, end: Duration) -> Duration {
        let now = self.story.drive.now;
        let mut next = end;
        if self.operator_until > now {
            self.renewals += 1;
            operator(&mut self.story, "op_1", self.renewals);
            next = next.min(now + RENEWAL);
        }
        if let Some(namespace) = self.forged {
            self.renewals += 1;
            operator_in(&mut self.story, namespace, "op_2", self.renewals);
            next = next.min(now + RENEWAL);
        }
        if self.wan_until > now {
            next = next.min(self.wan_until);
        } else if self.wan_until > Duration::ZERO {
            self.wan_until = Duration::ZERO;
            self.story.drive.world.cloud.plagues.retain(|plague| plague.left < u32::MAX / 2);
        }
        if self.api_until > now {
            next = next.min(self.api_until);
        } else if self.api_until > Duration::ZERO {
            self.api_until = Duration::ZERO;
            self.story.drive.world.api.faults = None;
        }
        next
    }

    /// Two objects of others under names that the first runs' would get.
    pub(super) fn foreign_objects(&mut self) {
        let template =
            json!({"spec": {"restartPolicy": "Never", "containers": [{"name": "c", "image": "i"}]}});
        let job =
            json!({"metadata": {"name": "plz-test-102-1"}, "spec": {"suspend": true, "template": template}});
        let run = json!({"metadata": {"name": "plz-test-103"},
            "spec": {"parallelism": 1, "script": {"localFile": "/x.js"}}});
        if self.rng.below(4) == 0 {
            self.story.drive.world.api.create(Duration::ZERO, Kind::Job, NAMESPACE, job).unwrap();
            self.watchman.foreign.push(Key::new(Kind::Job, NAMESPACE, "plz-test-102-1"));
        }
        if self.rng.below(4) == 0 {
            self.story.drive.world.api.create(Duration::ZERO, Kind::TestRun, NAMESPACE, run).unwrap();
            self.watchman.foreign.push(Key::new(Kind::TestRun, NAMESPACE, "plz-test-103"));
        }
    }

    fn queue(&mut self) {
        if self.ids.len() >= 5 {
            return;
        }
        let rng = &mut self.rng;
        let id = self.story.drive.world.cloud.upcoming();
        let script = script(rng);
        self.story.plan(&format!("plz-test-{id}-*"), PodPlan::script(script.clone()));
        if rng.below(3) == 0 {
            let mishap = mishap(rng);
            if matches!(mishap, Mishap::NodeLost(_)) {
                self.watchman.node_lost.insert(id);
            }
            let plan = PodPlan { mishap: Some(mishap), script, ..PodPlan::default() };
            self.story.plan(&format!("plz-test-{id}-1"), plan);
        }
        let (zone, instances) = (ZONES[rng.below(2) as usize], 1 + rng.below(4));
        let now = self.story.drive.now;
        self.story.drive.world.queue_run(now, zone, instances);
        if self.rng.below(8) == 0 {
            self.story.drive.world.cloud.runs.get_mut(&id).unwrap().spec.listed = Listed::ForEver;
        }
        self.ids.push(id);
        self.say(&format!("run {id} is queued for {zone} with {instances} runners"));
    }

    fn living(&mut self) -> Option<usize> {
        let agents = &self.story.drive.agents;
        let living: Vec<usize> = (0..agents.len()).filter(|at| !agents[*at].is_over()).collect();
        if living.is_empty() { None } else { Some(living[self.rng.below(living.len() as u64) as usize]) }
    }

    pub(super) fn join(&mut self) {
        let n = self.story.drive.agents.len() as u64;
        let seed = self.seed + n;
        let settings = if self.is_elected { candidate(seed, &format!("agent-{n}")) } else { settings(seed) };
        let at = self.story.drive.join(settings);
        let agent = &mut self.story.drive.agents[at];
        (agent.skew_s, agent.by_proxy) = (self.rng.skew(), self.by_proxy);
        self.say(&format!("agent {at} joins"));
    }

    fn join_if_there_may_be_more(&mut self) {
        let living = self.story.drive.agents.iter().filter(|agent| !agent.is_over()).count();
        if living == 0 || self.is_elected && living < 3 {
            self.join();
        }
    }

    fn kill(&mut self) {
        let Some(at) = self.living() else { return self.join() };
        self.say(&format!("agent {at} is killed"));
        self.story.drive.agents[at].kill();
        let pause = self.pause();
        self.wait(pause);
        if self.rng.below(3) > 0 {
            self.join_if_there_may_be_more();
        }
    }

    fn terminate(&mut self) {
        let Some(at) = self.living() else { return self.join() };
        self.say(&format!("agent {at} is told to end"));
        self.story.drive.terminate(at);
        self.wait(s(2));
        if self.rng.below(3) > 0 {
            self.join_if_there_may_be_more();
        }
    }

    fn partition(&mut self) {
        let Some(at) = self.living() else { return };
        let time = self.rng.millis(40_000);
        self.say(&format!("agent {at} is cut off for {time:?}"));
        self.story.drive.cut(at, time);
    }

    fn slow_network(&mut self) {
        let Some(at) = self.living() else { return };
        let agent = &mut self.story.drive.agents[at];
        match self.rng.below(3) {
            0 => agent.lag = self.rng.millis(30_000),
            1 => agent.drag = self.rng.millis(4_000),
            _ => (agent.lag, agent.drag) = (Duration::ZERO, Duration::ZERO),
        }
        let (lag, drag) = (agent.lag, agent.drag);
        self.say(&format!("agent {at}: answers {lag:?} late, calls {drag:?} late"));
    }

    fn bad_watches(&mut self) {
        let Some(at) = self.living() else { return };
        let kind = self.rng.below(4);
        self.say(&format!("agent {at} has bad watches ({kind})"));
        match kind {
            0 => self.story.drive.cut_watches_of(at),
            1 => self.story.drive.agents[at].echo = Echo::Twice,
            2 => self.story.drive.agents[at].echo = Echo::Once,
            _ => {
                let deaf_until = self.story.drive.now + self.rng.millis(30_000);
                self.story.drive.agents[at].deaf_until = deaf_until;
            }
        }
    }

    /// Watches that begin anew are told 410.
    fn compact(&mut self) {
        self.say("the API server compacts, and cuts all watches");
        self.story.drive.world.api.compact();
        for at in 0..self.story.drive.agents.len() {
            self.story.drive.cut_watches_of(at);
        }
    }

    /// As on a single server that is upgraded. In one case of three the history is lost with it.
    fn api_restarts(&mut self) {
        let away = self.rng.millis(20_000);
        if self.rng.below(3) == 0 {
            self.story.drive.world.api.compact();
        }
        self.say(&format!("the API server restarts and is away for {away:?}"));
        self.story.drive.restart_api(away);
    }

    fn api_trouble(&mut self) {
        let until = self.story.drive.now + self.rng.millis(40_000);
        let (mut rng, share, kind) = (Rng::new(self.rng.bits()), self.rng.below(90), self.rng.below(9));
        self.say(&format!("the API server has trouble {kind} with {share} % until {until:?}"));
        self.api_until = until;
        let hook = move |_: Duration, call: &Call, _: &Value| {
            let is_struck = rng.below(100) < share;
            let kind = if kind == 8 { rng.below(8) } else { kind };
            let delay = rng.millis(20_000);
            if is_struck { fault(kind, call, delay) } else { Fault::None }
        };
        self.story.drive.world.api.faults = Some(Box::new(hook));
    }

    fn cloud_trouble(&mut self) {
        let routes = [
            None,
            Some(Route::Register),
            Some(Route::Deregister),
            Some(Route::Poll),
            Some(Route::Data),
            Some(Route::State),
            Some(Route::Events),
            Some(Route::Finish),
        ];
        let route = routes[self.rng.below(routes.len() as u64) as usize];
        let trouble = match self.rng.below(9) {
            0 => Trouble::Down,
            1 => Trouble::LostAnswer,
            2 => Trouble::Failing(500 + self.rng.below(5) as u16),
            3 => Trouble::Busy(self.rng.below(40)),
            4 => Trouble::Slow(self.rng.millis(40_000)),
            5 => Trouble::Unauthorized,
            6 => Trouble::Malformed,
            7 => Trouble::Nulls,
            // What GCk6 refuses for good it does not hear of again; but that it has forgotten a run it says more than once.
            _ if route == Some(Route::State) => Trouble::Failing(404),
            _ => Trouble::Failing(408),
        };
        let times = 1 + self.rng.below(6) as u32;
        self.say(&format!("GCk6 has trouble {trouble:?} with {route:?} {times} times"));
        self.story.drive.world.cloud.trouble(route, trouble, times);
    }

    fn wan(&mut self) {
        let time = self.rng.millis(90_000);
        self.say(&format!("GCk6 is out of reach for {time:?}"));
        self.wan_until = self.story.drive.now + time;
        self.story.drive.world.cloud.trouble(None, Trouble::Down, u32::MAX);
    }

    fn abort(&mut self) {
        let Some(id) = self.any_run() else { return };
        if self.story.drive.world.cloud.runs[&id].status < FINISHED {
            let status = 4 + self.rng.below(7) as i64;
            self.say(&format!("GCk6 gives run {id} status {status}"));
            self.story.drive.world.cloud.set_status(id, status);
        }
    }

    fn any_run(&mut self) -> Option<u64> {
        let ids = &self.ids;
        if ids.is_empty() { None } else { Some(ids[self.rng.below(ids.len() as u64) as usize]) }
    }

    /// First the token changes at GCk6, later in the Secrets.
    fn rotate_token(&mut self) {
        self.tokens += 1;
        self.story.drive.world.cloud.token = format!("sim-token-{}", self.tokens);
        self.say("the token is rotated at GCk6");
        let pause = self.pause();
        self.wait(pause);
        self.tokens_are_good();
    }

    fn tokens_are_good(&mut self) {
        let token = self.story.drive.world.cloud.token.clone();
        let world = &mut self.story.drive.world;
        for zone in ZONES {
            let key = Key::new(Kind::Secret, NAMESPACE, &format!("{zone}-token"));
            let _ = world.api.delete(world.now, &key, &DeleteOptions::default());
            let secret = json!({"metadata": {"name": key.name}, "stringData": {"token": token}});
            // A namespace that goes takes none.
            let _ = world.api.create(world.now, Kind::Secret, NAMESPACE, secret);
        }
    }

    fn operate(&mut self) {
        if self.rng.below(2) == 0 {
            self.operator_until = self.story.drive.now + self.rng.millis(40_000);
            self.say(&format!("a k6-operator is there until {:?}", self.operator_until));
        } else {
            self.say("a k6-operator gives up its Lease");
            self.operator_until = Duration::ZERO;
            operator(&mut self.story, "", self.renewals);
        }
    }

    fn bad_runner(&mut self) {
        let pods: Vec<_> = self.story.drive.world.k6s.all("plz-test").map(|(pod, _)| pod.clone()).collect();
        if pods.is_empty() {
            return;
        }
        let (namespace, pod) = pods[self.rng.below(pods.len() as u64) as usize].clone();
        let manners = match self.rng.below(4) {
            0 => Manners::Unreachable,
            1 => Manners::Failing(500),
            2 => Manners::Slow(self.rng.millis(20_000)),
            _ => Manners::Good,
        };
        self.say(&format!("runner {pod} is {manners:?}"));
        self.watchman.ill_mannered.insert(pod.clone());
        self.story.drive.world.k6s.runner_mut(&namespace, &pod).unwrap().script.manners = manners;
    }

    fn delete_test_run(&mut self) {
        let Some(id) = self.any_run() else { return };
        let key = Key::new(Kind::TestRun, NAMESPACE, &format!("plz-test-{id}"));
        if self.watchman.foreign.contains(&key) {
            return;
        }
        let propagation = [Propagation::Background, Propagation::Foreground][self.rng.below(2) as usize];
        let options = DeleteOptions { propagation: Some(propagation), ..DeleteOptions::default() };
        let drive = &mut self.story.drive;
        if drive.world.api.delete(drive.now, &key, &options).is_ok() {
            self.say(&format!("the TestRun of {id} is deleted ({propagation:?})"));
        }
    }

    fn zone_comes_or_goes(&mut self) {
        let name = ZONES[self.rng.below(2) as usize];
        let key = Key::new(Kind::PrivateLoadZone, NAMESPACE, name);
        let drive = &mut self.story.drive;
        if drive.world.api.delete(drive.now, &key, &DeleteOptions::default()).is_ok() {
            self.say(&format!("zone {name} is deleted"));
            let pause = self.pause();
            self.wait(pause);
        }
        if self.rng.below(3) > 0 {
            self.zone_is_there(name);
        }
    }

    fn zone_is_there(&mut self, name: &str) {
        let key = Key::new(Kind::PrivateLoadZone, NAMESPACE, name);
        let world = &mut self.story.drive.world;
        if world.api.object(&key).is_none() {
            let spec = json!({"token": format!("{name}-token"),
                "resources": {"limits": {"cpu": "200m", "memory": "256Mi"}}});
            let zone = json!({"metadata": {"name": name}, "spec": spec});
            if world.api.create(world.now, Kind::PrivateLoadZone, NAMESPACE, zone).is_ok() {
                self.say(&format!("zone {name} is made anew"));
            }
        }
    }

    /// The namespace is deleted, with all that is in it. It is made anew when there is peace.
    pub(super) fn namespace_goes(&mut self) {
        let drive = &mut self.story.drive;
        drive.world.kube.config.pods_go_first = self.seed.is_multiple_of(2);
        let key = Key::new(Kind::Namespace, "", NAMESPACE);
        drive.world.api.delete(drive.now, &key, &DeleteOptions::default()).unwrap();
        self.watchman.foreign.clear();
        self.watchman.bereft.extend(&self.ids);
        self.say("the namespace is deleted");
    }

    fn edit(&mut self) {
        let limit = format!("{}m", 100 + self.rng.below(900));
        let key = Key::new(Kind::PrivateLoadZone, NAMESPACE, ZONES[self.rng.below(2) as usize]);
        if self.rng.below(2) == 0 {
            self.say(&format!("the limits of {} change", key.name));
            self.story.drive.world.api.modify(&key, Part::Main, |zone| {
                zone["spec"]["resources"]["limits"]["cpu"] = json!(limit);
            });
        } else if let Some(id) = self.any_run() {
            let key = Key::new(Kind::TestRun, NAMESPACE, &format!("plz-test-{id}"));
            if !self.watchman.foreign.contains(&key) {
                self.say(&format!("the TestRun of {id} is edited"));
                self.story.drive.world.api.modify(&key, Part::Main, |run| {
                    run["spec"]["arguments"] = json!("--vus 7");
                });
            }
        }
    }

    /// A Job or a pod of a run is deleted by somebody.
    fn delete_a_part(&mut self) {
        let kind = if self.rng.below(2) == 0 { Kind::Job } else { Kind::Pod };
        let api = &mut self.story.drive.world.api;
        let keys: Vec<Key> = api.objects(kind, NAMESPACE).map(|(key, _)| key.clone()).collect();
        let keys: Vec<Key> = keys.into_iter().filter(|key| !self.watchman.foreign.contains(key)).collect();
        if keys.is_empty() {
            return;
        }
        let key = &keys[self.rng.below(keys.len() as u64) as usize];
        // As kubectl does. Known: pods that are left behind are nobody's runners to an agent that is started later.
        let options =
            DeleteOptions { propagation: Some(Propagation::Background), ..DeleteOptions::default() };
        let _ = api.delete(self.story.drive.now, key, &options);
        self.say(&format!("{kind:?} {} is deleted", key.name));
    }

    /// The calendar jumps; the other clock runs at another rate from now on.
    fn clock_jump(&mut self) {
        let Some(at) = self.living() else { return };
        let now = self.story.drive.now;
        let permille = [1000, 1000, 900, 1100][self.rng.below(4) as usize];
        let agent = &mut self.story.drive.agents[at];
        agent.skew_s = self.rng.skew();
        agent.pace.set(now, permille);
        self.say(&format!("the calendar of agent {at} jumps, its clock runs at {permille}/1000"));
    }

    /// Anybody with the rights may write anything into it, but for the mark of a release, which he would have to forge.
    fn lease_is_touched(&mut self) {
        let key = Key::new(Kind::Lease, "default", "plz-agent");
        let somebody = format!("agent-{}", self.rng.below(self.story.drive.agents.len() as u64));
        let (field, value) = match self.rng.below(9) {
            0 | 1 => {
                let drive = &mut self.story.drive;
                drop(drive.world.api.delete(drive.now, &key, &DeleteOptions::default()));
                return self.say("somebody deletes the Lease");
            }
            2 => ("holderIdentity", json!("somebody")),
            3 => ("holderIdentity", json!(somebody)),
            4 => ("holderIdentity", json!("")),
            5 => ("leaseDurationSeconds", json!(1)),
            6 => ("leaseDurationSeconds", json!(i32::MAX)),
            7 => ("leaseTransitions", json!(self.rng.below(3))),
            _ => ("renewTime", json!("2001-01-01T00:00:00.000000Z")),
        };
        self.say(&format!("somebody writes {value} as {field} into the Lease"));
        self.story.drive.world.api.modify(&key, Part::Main, |lease| {
            lease["spec"][field] = value;
        });
    }

    /// Nothing befalls the world any more.
    pub(super) fn peace(&mut self) {
        self.say("peace");
        self.story.manners(Manners::Good);
        let drive = &mut self.story.drive;
        drive.world.api.faults = None;
        drive.world.api.warming_until = Duration::ZERO;
        drive.world.cloud.plagues.clear();
        for agent in &mut drive.agents {
            (agent.lag, agent.drag, agent.echo) = (Duration::ZERO, Duration::ZERO, Echo::Once);
            (agent.cut_until, agent.deaf_until) = (Duration::ZERO, Duration::ZERO);
        }
        (self.wan_until, self.api_until, self.operator_until) = Default::default();
        let key = Key::new(Kind::Lease, OPERATOR, "fcdfce80.io");
        let _ = drive.world.api.delete(drive.now, &key, &DeleteOptions::default());
        self.tokens_are_good();
        self.zones_are_there();
        self.tenant_rests();
        if self.living().is_none() {
            self.join();
        }
    }

    /// One that is still on its way out cannot be made anew yet.
    pub(super) fn zones_are_there(&mut self) {
        let world = &mut self.story.drive.world;
        let namespace = json!({"metadata": {"name": NAMESPACE}});
        if world.api.create(world.now, Kind::Namespace, "", namespace).is_ok() {
            self.say("the namespace is made anew");
        }
        // Whoever forges a Lease there may have made it anew before.
        let secret = Key::new(Kind::Secret, NAMESPACE, &format!("{ZONE}-token"));
        if self.story.drive.world.api.object(&secret).is_none() {
            self.tokens_are_good();
        }
        ZONES.into_iter().for_each(|zone| self.zone_is_there(zone));
    }
}

fn fault(kind: u64, call: &Call, delay: Duration) -> Fault {
    let refuse = |code, reason, message: &str| Fault::Refuse(Status::new(code, reason, message), None);
    let is_watch = call.verb == "watch";
    let writes = matches!(call.verb, "create" | "patch" | "update" | "delete");
    match kind {
        0 => refuse(503, "ServiceUnavailable", "etcd leader changed"),
        1 => refuse(500, "InternalError", "etcdserver: request timed out"),
        2 => Fault::Refuse(Status::new(429, "TooManyRequests", "too many requests"), Some(2)),
        3 if !is_watch => Fault::DropBefore,
        4 if !is_watch => Fault::DropAfter,
        5 if !is_watch => Fault::Late(delay),
        6 if writes => refuse(409, "Conflict", "the object has been modified"),
        7 if !writes => refuse(410, "Expired", "too old resource version"),
        _ => Fault::None,
    }
}

fn script(rng: &mut Rng) -> Script {
    let short_or_long =
        |rng: &mut Rng| if rng.below(3) == 0 { rng.millis(40_000) } else { rng.millis(2_000) };
    let mut script = Script {
        boot: rng.millis(1_000),
        init: rng.millis(2_000),
        duration: rng.millis(90_000),
        setup: short_or_long(rng),
        teardown: short_or_long(rng),
        flush: rng.millis(4_000),
        ..Script::default()
    };
    match rng.below(8) {
        0 => script.setup_error = Some("ReferenceError: x".to_owned()),
        1 => script.teardown_error = Some("TypeError: y".to_owned()),
        2 => script.exit = Exit::new(99, ""),
        3 => script.dies = Some((rng.millis(20_000), Exit::new(107, "TypeError: z"))),
        _ => script.setup_data = json!({"a": 1}),
    }
    script
}

fn mishap(rng: &mut Rng) -> Mishap {
    let at = rng.millis(40_000);
    match rng.below(11) {
        0 => Mishap::Quota("exceeded quota: pods=2".to_owned()),
        1 => Mishap::Unschedulable("0/3 nodes are available".to_owned()),
        2 => Mishap::Pull(Place::Main, "manifest unknown".to_owned()),
        3 => Mishap::InvalidImage(Place::Init),
        4 => Mishap::Init(Exit::new(10, "expired")),
        5 => Mishap::Exit(at, Exit::new(109, "panic")),
        6 => Mishap::OomKilled(at),
        7 => Mishap::Evicted(at, "The node was low on memory".to_owned()),
        8 => Mishap::Disrupted(at),
        9 => Mishap::NodeLost(at),
        _ => Mishap::Deleted(at),
    }
}
