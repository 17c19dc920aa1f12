//! What holds at every step of a swarm, and what is remembered of it for [`ended`](super::ended).
//!
//! Leaves alone how the world came to be as it is. The driver itself checks that no two agents act at once, the log that no line
//! shows a token.

use std::collections::BTreeSet;

use plz_core::queue::USER_CODE_MAX;
use sim::api::{Change, ChangeKind, Counted};
use sim::cloud::FINISHED;
use sim::cloud::rest::Route;

use super::super::*;
use super::{Swarm, ZONES};

/// More calls under way than any agent may have: a share for each class of calls.
const CALLS_MAX: usize = 6 * 16 + USER_CODE_MAX;

/// What is remembered of the world, to see what changes.
#[derive(Default)]
pub(super) struct Watchman {
    /// Objects of others, which nobody may touch.
    pub foreign: Vec<Key>,
    /// Runs that GCk6 goes on to list although nothing is left of them: let go, since their end took too long after somebody had
    /// deleted them, or not told of, since GCk6 did not know them when it was asked.
    pub let_go: BTreeSet<u64>,
    /// When the last TestRun of a run went.
    pub gone: BTreeMap<u64, Duration>,
    /// Runs that GCk6 has said again and again that it does not know, to an agent that had just begun: it does not hear of those.
    denied: BTreeSet<u64>,
    /// Runs with a pod that never goes.
    pub node_lost: BTreeSet<u64>,
    /// Runs whose namespace was deleted: their pods are taken away while the agent brings them to their end.
    pub bereft: BTreeSet<u64>,
    /// Whether runners are reached through the API server, which may not let "stop" pass for long.
    pub by_proxy: bool,
    /// Pods whose k6 has not answered as it should.
    pub ill_mannered: BTreeSet<String>,
    /// Which TestRun a pod was made for, by the uids of those who control it.
    pub generations: BTreeMap<String, String>,
    /// Which TestRun a Job belongs to, both by uid.
    jobs: BTreeMap<String, String>,
    version: u64,
    stages: BTreeMap<String, usize>,
}

impl Watchman {
    /// Looks at what has changed.
    pub(super) fn look(&mut self, drive: &Drive) {
        let api = &drive.world.api;
        if self.version == api.version() {
            return;
        }
        for change in api.changes_since(self.version) {
            if change.key.kind == Kind::TestRun {
                self.stage_moves_forward(&change.object);
                self.gone.extend(gone(change).map(|id| (id, drive.now)));
                self.let_go.extend(let_go(change));
                self.denied.extend(denied(change));
            }
            if matches!(change.key.kind, Kind::TestRun | Kind::PrivateLoadZone | Kind::Event | Kind::Lease) {
                // The spec of a TestRun holds the URL: that is where runners get it from.
                let is_run = change.key.kind == Kind::TestRun;
                let text = if is_run { &change.object["status"] } else { &*change.object }.to_string();
                assert!(!text.contains("sim-token") && !text.contains("X-Amz-"), "a secret in {text}");
            }
            self.note_generation(change);
            if self.foreign.contains(&change.key) {
                let is_new = change.before.is_none();
                assert!(
                    is_new
                        || change.before.as_ref().is_some_and(|old| old["spec"] == change.object["spec"]
                            && change.object["metadata"]["deletionTimestamp"].is_null()),
                    "touched: {}",
                    change.object
                );
            }
        }
        self.version = api.version();
        Swarm::tenant_is_kept_out(drive);
        for agent in &drive.agents {
            assert!(agent.calls_under_way() <= CALLS_MAX, "{} calls under way", agent.calls_under_way());
        }
    }

    /// A TestRun that is made again under its name is another: its Jobs have its uid, and its pods those of the Jobs.
    fn note_generation(&mut self, change: &Change) {
        if change.kind != ChangeKind::Added || change.key.namespace != NAMESPACE {
            return;
        }
        let metadata = &change.object["metadata"];
        let Some(owner) = metadata["ownerReferences"][0]["uid"].as_str() else { return };
        match change.key.kind {
            Kind::Job => {
                self.jobs.insert(metadata["uid"].as_str().unwrap().to_owned(), owner.to_owned());
            }
            Kind::Pod => {
                let run = self.jobs.get(owner).cloned().unwrap_or_default();
                self.generations.insert(change.key.name.clone(), run);
            }
            _ => {}
        }
    }

    fn stage_moves_forward(&mut self, run: &Value) {
        const STAGES: [&str; 7] =
            ["", "initialization", "initialized", "created", "started", "stopped", "finished"];
        let stage = run["status"]["stage"].as_str().unwrap_or_default();
        let stage = if stage == "error" { "finished" } else { stage };
        let rank = STAGES.iter().position(|known| *known == stage).unwrap();
        let before = self.stages.entry(run["metadata"]["uid"].as_str().unwrap().to_owned()).or_default();
        assert!(rank >= *before, "from {} back to {stage:?}: {run:#}", STAGES[*before]);
        *before = rank;
    }
}

/// The run of a TestRun that is gone.
fn gone(change: &Change) -> Option<u64> {
    let is_gone = change.kind == ChangeKind::Deleted && change.key.namespace == NAMESPACE;
    change.key.name.strip_prefix("plz-test-").filter(|_| is_gone)?.parse().ok()
}

/// The same if GCk6 was not told that it is over.
fn let_go(change: &Change) -> Option<u64> {
    gone(change).filter(|_| condition(&change.object, "CloudTestRunFinalized")["status"] != "True")
}

/// The run of a TestRun that GCk6 is said not to have given to the zone.
fn denied(change: &Change) -> Option<u64> {
    let said = condition(&change.object, "CloudTestRunFinalized")["message"].to_string();
    // It may have been about to end for something else.
    let is_denied = condition(&change.object, "CloudTestRunAborted")["reason"] == "NotOfZone"
        || said.contains("a test run that does not belong to this zone");
    change
        .key
        .name
        .strip_prefix("plz-test-")
        .filter(|_| is_denied && change.key.namespace == NAMESPACE)?
        .parse()
        .ok()
}

/// Whether GCk6 knows how a run ended and nothing of it is left.
pub(super) fn is_over(drive: &Drive, watchman: &Watchman, id: u64) -> bool {
    let (name, prefix) = (format!("plz-test-{id}"), format!("plz-test-{id}-"));
    let api = &drive.world.api;
    let is_foreign = |object: &Value| object["metadata"]["labels"].is_null();
    let mut left = [Kind::TestRun, Kind::Job]
        .into_iter()
        .flat_map(|kind| api.objects(kind, NAMESPACE))
        .filter(|(key, object)| (key.name == name || key.name.starts_with(&prefix)) && !is_foreign(object));
    let is_told = drive.world.cloud.runs[&id].status >= FINISHED || watchman.denied.contains(&id);
    is_told && left.next().is_none()
}

/// Whether all zones are there, and their namespace, and none is on its way out.
pub(super) fn zones_stay(drive: &Drive) -> bool {
    let stays = |object: Value| !object.is_null() && object["metadata"]["deletionTimestamp"].is_null();
    let namespace = drive.world.object(Kind::Namespace, "", NAMESPACE);
    let mut zones = ZONES.iter().map(|name| drive.world.object(Kind::PrivateLoadZone, NAMESPACE, name));
    stays(namespace) && zones.all(stays)
}

/// Each zone is registered under the id of the object that is there.
pub(super) fn zones_agree(drive: &Drive) {
    for name in ZONES {
        let object = drive.world.object(Kind::PrivateLoadZone, NAMESPACE, name);
        assert_eq!(condition(&object, "PLZRegistered")["status"], "True", "{object:#}");
        let registered = &drive.world.cloud.zones[name];
        assert_eq!(
            registered.body["pod_tiers"]["cpu"], object["spec"]["resources"]["limits"]["cpu"],
            "{object:#}"
        );
    }
}

type Requests = (BTreeMap<Counted, u64>, BTreeMap<Route, u64>);

pub(super) fn requests(drive: &Drive) -> Requests {
    (drive.world.api.counts.clone(), drive.world.cloud.counts.clone())
}

/// Nothing was asked since but what is asked all the time.
pub(super) fn nothing_but_polls(before: &Requests, drive: &Drive) {
    let (api, cloud) = requests(drive);
    let more = |what: &Counted, count: u64| count > before.0.get(what).copied().unwrap_or_default();
    let odd: Vec<_> = api
        .iter()
        .filter(|(what, count)| more(what, **count))
        .map(|(what, _)| (what.verb, what.resource, what.subresource.as_str()))
        .filter(|what| {
            !matches!(what, ("watch", _, _) | ("get" | "patch", "leases", _) | ("get", "secrets", _))
        })
        .collect();
    assert_eq!(odd, Vec::new(), "asked without a cause");
    let asked: Vec<_> =
        cloud.into_iter().filter(|(route, count)| before.1.get(route) != Some(count)).collect();
    assert!(asked.iter().all(|(route, _)| *route == Route::Poll), "asked without a cause: {asked:?}");
}
