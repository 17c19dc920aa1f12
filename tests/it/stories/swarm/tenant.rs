//! A tenant of a swarm who means no good, in a namespace of his own: beside every blow he may do one of his [misdeeds](Tenant).
//!
//! He has the rights of a namespace's administrator, and a token of an organisation of his own. What he does is drawn from a seed
//! of its own, so that the blows of a seed are the same with him and without. Invariant of what is tested ([`Swarm::tenant_is_kept_out`]):
//! GCk6 hears nothing for him but whose a test run is, none of his objects leads to a Job, and nobody speaks to his pods.

use sim::api::Part;
use sim::cloud::Cloud;
use sim::cloud::rest::Route;

use super::super::*;
use super::{Rng, Swarm, ZONES};
use crate::stories::leases::operator_in;

/// His namespace.
const NAMESPACE: &str = "evil";
/// The zone that is his own.
const HIS_ZONE: &str = "evil";
/// What GCk6 takes for his organisation.
const HIS_TOKEN: &str = "evil-token";
/// What anybody might ask for.
const PARALLELISM: [i64; 8] = [1, 2, 0, -1, 5_000, 100_000, 2_147_483_647, i64::MIN];
/// An object that the API server takes, and hardly more.
const LARGE_BYTES: usize = 1_200_000;
/// How many of those: each list and each watch of each agent brings them all.
const LARGE_MAX: u32 = 2;
/// How many objects he makes.
const MADE_MAX: u32 = 60;

/// One kind of misdeed: its name, how often it comes beside the others where nothing else is drawn, and itself.
type Misdeed = (&'static str, u64, fn(&mut Swarm));

/// All kinds.
pub(super) const MISDEEDS: [Misdeed; 7] = [
    ("forge run", 2, Swarm::forge_run),
    ("edit run", 1, Swarm::edit_run),
    ("delete", 1, Swarm::delete_something),
    ("forge pod", 2, Swarm::forge_pod),
    ("squat", 1, Swarm::squat),
    ("forge lease", 1, Swarm::forge_lease),
    ("large object", 1, Swarm::large_object),
];

/// See the module.
pub(super) struct Tenant {
    rng: Rng,
    is_there: bool,
    made: u32,
    large: u32,
}

impl Tenant {
    pub(super) fn new(seed: u64) -> Self {
        let mut rng = Rng::new(seed ^ 0x5eed_0fe1_1fe1_104e);
        Self { is_there: rng.below(4) > 0, rng, made: 0, large: 0 }
    }

    pub(super) fn is_there(&self) -> bool {
        self.is_there
    }
}

impl Swarm {
    pub(super) fn tenant_comes(&mut self) {
        if !self.tenant.is_there {
            return;
        }
        let world = &mut self.story.drive.world;
        let namespace = json!({"metadata": {"name": NAMESPACE}});
        world.api.create(Duration::ZERO, Kind::Namespace, "", namespace).unwrap();
        world.cloud.others.push(Cloud::new(HIS_TOKEN));
        world.apply_zone(Duration::ZERO, NAMESPACE, HIS_ZONE);
        self.his_secret(HIS_ZONE, HIS_TOKEN);
        self.his_secret("somebodys", "sim-token-of-somebody");
    }

    /// What he has made stays, and GCk6 can be asked about it.
    pub(super) fn tenant_rests(&mut self) {
        if self.tenant.is_there {
            self.his_secret(HIS_ZONE, HIS_TOKEN);
        }
    }

    fn his_secret(&mut self, zone: &str, token: &str) {
        let world = &mut self.story.drive.world;
        let key = Key::new(Kind::Secret, NAMESPACE, &format!("{zone}-token"));
        let _ = world.api.delete(world.now, &key, &DeleteOptions::default());
        let secret = json!({"metadata": {"name": key.name}, "stringData": {"token": token}});
        world.api.create(world.now, Kind::Secret, NAMESPACE, secret).unwrap();
    }

    /// One of his misdeeds, or none.
    pub(super) fn misdeed(&mut self) {
        if !self.tenant.is_there || self.tenant.made >= MADE_MAX {
            return;
        }
        for _ in 0..self.tenant.rng.below(3) {
            self.tenant.made += 1;
            let at = self.odds.misdeed(&mut self.tenant.rng);
            (MISDEEDS[at].2)(self);
        }
    }

    fn pick<T: Copy>(&mut self, of: &[T]) -> T {
        of[self.tenant.rng.below(of.len() as u64) as usize]
    }

    /// An id that GCk6 has given to somebody else, will give, or never gives.
    fn an_id(&mut self) -> u64 {
        let (upcoming, nobodys) = (self.story.drive.world.cloud.upcoming(), 9_000 + self.tenant.rng.below(9));
        let ids = [&self.ids[..], &[upcoming, nobodys]].concat();
        self.pick(&ids)
    }

    fn forge_run(&mut self) {
        let id = self.an_id();
        let uid = |drive: &Drive, namespace: &str, zone: &str| {
            drive.world.object(Kind::PrivateLoadZone, namespace, zone)["metadata"]["uid"].clone()
        };
        let drive = &self.story.drive;
        let owner = |name: &str, uid: Value| json!([{"apiVersion": "k6.io/v1alpha1", "kind": "PrivateLoadZone", "name": name, "uid": uid, "controller": true}]);
        let his = owner(HIS_ZONE, uid(drive, NAMESPACE, HIS_ZONE));
        let victims = owner(ZONES[0], uid(drive, super::super::NAMESPACE, ZONES[0]));
        let owner = match self.tenant.rng.below(4) {
            0 => json!([]),
            1 if !victims[0]["uid"].is_null() => victims,
            _ => his,
        };
        let names = [format!("plz-test-{id}"), format!("plz-test-{}", id + 1), "mine".to_owned()];
        let name = &names[[0, 0, 0, 0, 1, 2][self.tenant.rng.below(6) as usize]];
        let token = self.pick(&["evil-token", "evil-token", "somebodys-token", "edge-token", ""]);
        let finalizers =
            if self.tenant.rng.below(4) == 0 { json!(["testruns.k6.io/plz-agent"]) } else { json!([]) };
        let run = json!({
            "metadata": {"name": name, "ownerReferences": owner, "finalizers": finalizers},
            "spec": {
                "testRunId": id.to_string(), "token": token, "parallelism": self.pick(&PARALLELISM),
                "script": {"localFile": "/x.js"},
                "runner": {"image": "evil", "serviceAccountName": "admin",
                    "containerSecurityContext": {"privileged": true},
                    "volumes": [{"name": "host", "hostPath": {"path": "/"}}]},
            },
        });
        self.say(&format!("the tenant makes TestRun {name} for test run {id}"));
        let now = self.story.drive.now;
        drop(self.story.drive.world.api.create(now, Kind::TestRun, NAMESPACE, run));
    }

    fn one_of_his(&mut self, kind: Kind) -> Option<Key> {
        let keys: Vec<Key> =
            self.story.drive.world.api.objects(kind, NAMESPACE).map(|(key, _)| key.clone()).collect();
        let at = self.tenant.rng.below(keys.len().max(1) as u64) as usize;
        keys.get(at).cloned()
    }

    fn edit_run(&mut self) {
        let (id, parallelism) = (self.an_id(), self.pick(&PARALLELISM));
        let Some(key) = self.one_of_his(Kind::TestRun) else { return };
        self.say(&format!("the tenant edits TestRun {}", key.name));
        self.story.drive.world.api.modify(&key, Part::Main, |run| {
            run["spec"]["testRunId"] = json!(id.to_string());
            run["spec"]["parallelism"] = json!(parallelism);
        });
    }

    fn delete_something(&mut self) {
        let kind = self.pick(&[Kind::TestRun, Kind::Pod, Kind::PrivateLoadZone, Kind::Secret]);
        if let Some(key) = self.one_of_his(kind).filter(|key| key.name != HIS_ZONE) {
            self.say(&format!("the tenant deletes {kind:?} {}", key.name));
            let now = self.story.drive.now;
            drop(self.story.drive.world.api.delete(now, &key, &DeleteOptions::default()));
        }
    }

    /// A pod with all labels of a runner, and a k6 that waits for somebody to start it.
    fn forge_pod(&mut self) {
        let (id, n) = (self.an_id(), 1 + self.tenant.rng.below(3));
        let job = format!("plz-test-{id}-{n}");
        let object = self.story.drive.world.object(Kind::Job, super::super::NAMESPACE, &job);
        let uid = object["metadata"]["uid"].as_str().unwrap_or("00000000-0000-4000-8000-000000000000");
        let owners = match self.tenant.rng.below(3) {
            0 => json!([]),
            _ => {
                json!([{"apiVersion": "batch/v1", "kind": "Job", "name": job, "uid": uid, "controller": true}])
            }
        };
        let far = format!("plz-test-{id}-4000000000");
        let job = if self.tenant.rng.below(4) == 0 { &far } else { &job };
        let labels = json!({"app": "k6", "k6_cr": format!("plz-test-{id}"), "runner": "true", "job-name": job,
            "batch.kubernetes.io/job-name": job});
        let command = ["k6", "run", "/x.js", "--address=0.0.0.0:6565", "--paused", "--linger"];
        let name = format!("evil-{}", self.tenant.made);
        let pod = json!({
            "metadata": {"name": name, "labels": labels, "ownerReferences": owners},
            "spec": {"restartPolicy": "Never", "containers": [{"name": "k6", "image": "i", "command": command}]},
        });
        self.say(&format!("the tenant makes pod {name} as a runner of {id}"));
        let now = self.story.drive.now;
        drop(self.story.drive.world.api.create(now, Kind::Pod, NAMESPACE, pod));
    }

    /// A zone of somebody else's name, without a token that is good for anything.
    fn squat(&mut self) {
        let zone = self.pick(&ZONES);
        let key = Key::new(Kind::PrivateLoadZone, NAMESPACE, zone);
        if self.story.drive.world.api.object(&key).is_none() {
            let now = self.story.drive.now;
            self.say(&format!("the tenant makes a zone {zone}"));
            let token = Key::new(Kind::Secret, NAMESPACE, &format!("{zone}-token"));
            let world = &mut self.story.drive.world;
            let _ = world.api.delete(now, &token, &DeleteOptions::default());
            world.apply_zone(now, NAMESPACE, zone);
            let _ = world.api.delete(now, &token, &DeleteOptions::default());
        }
        if self.tenant.rng.below(2) == 0 {
            self.his_secret(zone, "nonsense");
        }
    }

    /// A k6-operator that does not exist, where none counts.
    fn forge_lease(&mut self) {
        self.say("the tenant renews a k6-operator's Lease");
        let renewal = self.tenant.made;
        operator_in(&mut self.story, NAMESPACE, "op_1", renewal);
    }

    fn large_object(&mut self) {
        if self.tenant.large >= LARGE_MAX {
            return;
        }
        self.tenant.large += 1;
        let (id, text) = (self.an_id(), "x".repeat(LARGE_BYTES));
        let run = json!({
            "metadata": {"name": format!("large-{}", self.tenant.large)},
            "spec": {"testRunId": id.to_string(), "parallelism": 1, "script": {"localFile": "/x.js"}, "arguments": text},
        });
        self.say("the tenant makes a TestRun of 1.2 MB");
        let now = self.story.drive.now;
        drop(self.story.drive.world.api.create(now, Kind::TestRun, NAMESPACE, run));
    }

    /// What holds at any time.
    pub(super) fn tenant_is_kept_out(drive: &Drive) {
        let api = &drive.world.api;
        let jobs: Vec<_> = api.objects(Kind::Job, NAMESPACE).map(|(key, _)| &key.name).collect();
        assert_eq!(jobs, Vec::<&String>::new(), "Jobs of the tenant");
        for (pod, runner) in drive.world.k6s.all("evil-") {
            let is_untouched = runner.setups.is_empty()
                && runner.data_puts.is_empty()
                && runner.resumed.is_none()
                && runner.stopped.is_none()
                && runner.teardowns.is_empty();
            assert!(is_untouched, "{pod:?} was taken for a runner: {runner:?}");
        }
        // With his own token it is asked whose a test run is, and no more: before its Jobs are made with its data, after with its state.
        for other in &drive.world.cloud.others {
            let asked = other.counts.keys().copied();
            let odd: Vec<Route> = asked
                .filter(|route| {
                    matches!(route, Route::Events | Route::Create | Route::Finish | Route::Metrics)
                })
                .collect();
            assert_eq!(odd, Vec::new(), "GCk6 was told of test runs that it did not give to the tenant");
            assert!(other.zones.keys().all(|zone| zone == HIS_ZONE), "{:?}", other.zones);
        }
    }
}
