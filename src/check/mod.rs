//! `plz-agent check`: what would stop this agent from working here, and how to fix it.
//!
//! ```text
//!   arguments of `run` ─► configuration ─┬─► API server ──┬─► permissions, dry runs, k6-operator, own image
//!                                        ├─► GCk6's api ──┴─► zones ─► Secret ─► token
//!                                        └─► GCk6's ingest
//!                                                   all ─► findings ─► text or JSON ─► exit code
//! ```
//! Owns the order of the probes and what is printed. What is looked at is the table in [`finding`], what is asked is in
//! `probe`, what the answers mean is in `kubernetes`, `cloud`, `zones`, `operator`, `policy`, `clock` and `expiry`, which do no
//! I/O. Leaves alone everything there is: nothing is written, registered or started.
//!
//! Invariants: it ends within [`TIME_LIMIT`] of the start of the probes, whatever answers; no token, password or presigned
//! URL is in what it prints.

#![expect(clippy::disallowed_methods, reason = "the whole has a deadline")]

mod clock;
mod cloud;
mod expiry;
pub mod finding;
mod kubernetes;
mod operator;
pub mod policy;
mod probe;
pub mod render;
pub mod rights;
mod sample;
mod side;
mod zones;

use std::io::{self, Write};
use std::path::Path;
use std::sync::Arc;
use std::time::{Duration, Instant};

pub use finding::{Check, Finding, Verdict, markdown};

use crate::config::{CheckConfig, Namespaces, Output, RunConfig, TERMINATION_LOG};
use crate::net::HttpClient;
use crate::{fetch, shell};
use finding::{complete, is_well};
use probe::Probes;
use side::{Task, side_by_side};

/// For all probes together.
pub const TIME_LIMIT: Duration = Duration::from_secs(25);

/// The word before the last words of a container.
const LAST_WORD: &str = "check";
/// The number of a container's own process.
const MAIN_PROCESS: u32 = 1;

/// Looks at everything and prints the report to stdout. True if nothing has failed.
pub fn run(config: CheckConfig) -> bool {
    let findings = findings(&Arc::new(config.run));
    let report = match config.output {
        Output::Text => render::text(&findings),
        Output::Json => render::json(&findings),
    };
    // Whoever has closed the pipe has read enough.
    let _ = io::stdout().lock().write_all(report.as_bytes());
    let is_ok = render::is_ok(&findings);
    if !is_ok && has_last_words(std::process::id(), &config.termination_log) {
        fetch::leave_words(&config.termination_log, LAST_WORD, &render::last_words(&findings));
    }
    is_ok
}

/// Whether what is left at `path` is of this process: in the pod of an agent that runs it would be taken for the agent's.
fn has_last_words(process: u32, path: &Path) -> bool {
    process == MAIN_PROCESS || path != Path::new(TERMINATION_LOG)
}

/// Looks at everything.
pub fn findings(config: &Arc<RunConfig>) -> Vec<Finding> {
    let deadline = Instant::now() + TIME_LIMIT;
    let (mut findings, client) = probe::configuration(config);
    let cloud = Arc::new(HttpClient::cloud(&config.proxies, config.extra_ca.as_ref()));
    let mut tasks = Vec::new();
    if let Some(client) = client.clone() {
        tasks.push(Task::new(Check::Connection, "", move || probe::api_server(&client)));
    }
    for (check, base) in [(Check::CloudApi, &config.cloud_api), (Check::CloudIngest, &config.cloud_ingest)] {
        let (cloud, base) = (cloud.clone(), base.clone());
        tasks.push(Task::new(check, &base.clone(), move || probe::host(check, &base, &cloud)));
    }
    findings.extend(side_by_side(tasks, deadline));

    if let Some(client) = client.filter(|_| is_well(&findings, Check::Credentials)) {
        let scopes = config.namespaces.scopes();
        let lease = match shell::identity::place(config, client.config()) {
            Ok(lease) => lease,
            Err(error) => {
                findings.push(Finding::told(Check::Lease, &error.to_string(), "name its namespace"));
                None
            }
        };
        let probes = Arc::new(Probes { config: config.clone(), client, scopes, lease, deadline });
        let tasks = inside(&probes, &cloud, &findings);
        findings.extend(side_by_side(tasks, deadline));
    }
    let wanted: Vec<Check> = Check::ALL.into_iter().filter(|check| is_wanted(*check, config)).collect();
    complete(findings, &wanted)
}

/// What can be asked once the API server lets us in.
fn inside(probes: &Arc<Probes>, cloud: &Arc<HttpClient>, findings: &[Finding]) -> Vec<Task> {
    let mut tasks = probes.permissions();
    let one = |probes: &Arc<Probes>, check, work: fn(&Probes) -> Vec<Finding>| {
        let probes = probes.clone();
        Task::new(check, "", move || work(&probes))
    };
    // The longest first.
    tasks.insert(0, one(probes, Check::Operator, Probes::operator));
    tasks.push(one(probes, Check::Lease, Probes::election));
    tasks.push(one(probes, Check::AdmissionPolicy, Probes::admission_policy));
    if probes.client.config().is_in_cluster() && probes.config.fetch_image.is_none() {
        tasks.push(one(probes, Check::FetchImage, Probes::own_image));
    }
    if is_well(findings, Check::Definitions) {
        tasks.push(one(probes, Check::Fields, Probes::dry_runs));
        let (probes, cloud) = (probes.clone(), cloud.clone());
        let is_reached = is_well(findings, Check::CloudApi);
        tasks.push(Task::new(Check::Zones, "", move || probes.zones(&cloud, is_reached)));
    }
    tasks
}

/// Whether the absence of a finding of this check needs a word.
fn is_wanted(check: Check, config: &RunConfig) -> bool {
    match check {
        Check::Namespace => config.namespaces != Namespaces::All,
        Check::Lease => config.lease.is_some(),
        Check::Expiry => false,
        // One word for the zones is enough.
        Check::ZoneSpec | Check::ZoneSecret | Check::ZoneToken => false,
        _ => true,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_guest_in_the_agents_pod_leaves_no_words() {
        let there = Path::new(TERMINATION_LOG);
        assert!(has_last_words(MAIN_PROCESS, there));
        assert!(!has_last_words(37, there));
        assert!(has_last_words(37, Path::new("/tmp/words")), "a file that was asked for");
    }
}
