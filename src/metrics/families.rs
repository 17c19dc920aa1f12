//! The table of metrics: every family that `/metrics` can show, with its type, its labels and its help.
//!
//! Owns names and words. Leaves the values to `page`. Invariant: a family that is not in the table does not exist, and the
//! reference, the dashboard and the alerts name no other.

use std::fmt::Write as _;

/// What Prometheus does with a family's values.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    /// Only grows, until the process ends.
    Counter,
    /// Goes up and down.
    Gauge,
    /// Counts by upper bound, with a sum.
    Histogram,
}

impl Kind {
    /// The word after `# TYPE`.
    #[must_use]
    pub const fn word(self) -> &'static str {
        match self {
            Self::Counter => "counter",
            Self::Gauge => "gauge",
            Self::Histogram => "histogram",
        }
    }
}

/// The families.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[expect(missing_docs, reason = "the table below says what each one is")]
pub enum Metric {
    BuildInfo,
    Role,
    WatchFailing,
    OperatorLeasesIgnored,
    StoreBytes,
    ObjectsIgnored,
    Zones,
    ZoneRegistered,
    ZoneTokenRefused,
    ZoneLastSuccessfulPoll,
    ZonePollFailures,
    Polls,
    TestRuns,
    OldestTestRunStageAge,
    TestRunsEnded,
    TestRunStartSkew,
    Requests,
    RequestDuration,
    QueueDepth,
    CallsInFlight,
    ProcessCpu,
    ProcessResidentMemory,
    ProcessVirtualMemory,
    ProcessStartTime,
    ProcessOpenFds,
    ProcessMaxFds,
    ProcessThreads,
}

/// One row of the table.
#[derive(Clone, Copy, Debug)]
pub struct Family {
    /// Which one.
    pub metric: Metric,
    /// Its name: base units, counters end with `_total`.
    pub name: &'static str,
    /// Its type.
    pub kind: Kind,
    /// The names of its labels.
    pub labels: &'static [&'static str],
    /// What it counts, on one line.
    pub help: &'static str,
}

use Kind::{Counter, Gauge, Histogram};
use Metric as M;

const fn row(
    metric: Metric,
    name: &'static str,
    kind: Kind,
    labels: &'static [&'static str],
    help: &'static str,
) -> Family {
    Family { metric, name, kind, labels, help }
}

/// All families, in the order in which they are shown.
#[rustfmt::skip]
pub const FAMILIES: &[Family] = &[
    // the agent
    row(M::BuildInfo, "plz_agent_build_info", Gauge, &["version"],
        "Always 1; the label holds the agent's version."),
    row(M::Role, "plz_agent_role", Gauge, &["role"],
        "1 for the agent's current role, 0 for all others: starting, active, standby, waits_for_operator."),
    row(M::WatchFailing, "plz_agent_watch_failing", Gauge, &["resource"],
        "Watches on this resource that are currently blind. There is one per watched namespace, or a single one for all."),
    row(M::OperatorLeasesIgnored, "plz_agent_operator_leases_ignored", Gauge, &[],
        "Leases with the name of k6-operator's that are held in namespaces not named by --operator-namespace; counted up to 64."),
    row(M::StoreBytes, "plz_agent_store_bytes", Gauge, &[],
        "Memory taken by the zones, test runs and pods that the agent knows, as estimated by the agent."),
    row(M::ObjectsIgnored, "plz_agent_objects_ignored_total", Counter, &["resource", "cause"],
        "Times an object was ignored: unreadable, too_large, or no_room (its namespace, or all together, hold too much)."),
    // zones
    row(M::Zones, "plz_agent_zones", Gauge, &["state"],
        "PrivateLoadZones by state; each is in exactly one. Only the active agent exports zone and test run metrics."),
    row(M::ZoneRegistered, "plz_agent_zone_registered", Gauge, &["namespace", "zone"],
        "1 if the zone is registered with GCk6, else 0."),
    row(M::ZoneTokenRefused, "plz_agent_zone_token_refused", Gauge, &["namespace", "zone"],
        "1 if GCk6 rejects the zone's token, else 0."),
    row(M::ZoneLastSuccessfulPoll, "plz_agent_zone_last_successful_poll_timestamp_seconds", Gauge, &["namespace", "zone"],
        "Time of the zone's last successful poll of GCk6; absent before the first."),
    row(M::ZonePollFailures, "plz_agent_zone_poll_failures", Gauge, &["namespace", "zone"],
        "Failed polls of the zone since the last successful one."),
    row(M::Polls, "plz_agent_polls_total", Counter, &["result"],
        "Polls of all zones by result: ok, refused (the token), error."),
    // test runs
    row(M::TestRuns, "plz_agent_test_runs", Gauge, &["stage"],
        "Test runs of PrivateLoadZones in the cluster, by stage."),
    row(M::OldestTestRunStageAge, "plz_agent_oldest_test_run_stage_age_seconds", Gauge, &["stage"],
        "Age of the oldest test run in the stage, counted from when this process first saw it there; 0 if there is none."),
    row(M::TestRunsEnded, "plz_agent_test_runs_ended_total", Counter, &["outcome", "cause"],
        "Test runs that this process brought to an end: finished, or failed or aborted with a cause."),
    row(M::TestRunStartSkew, "plz_agent_test_run_start_skew_seconds", Histogram, &[],
        "Time between the start of a test run's first runner and of its last."),
    // calls
    row(M::Requests, "plz_agent_requests_total", Counter, &["target", "verb", "code"],
        "Requests to kubernetes, gck6 and runner by HTTP status (uncommon ones by class, as 4xx), or error if there was no answer. Watches are not counted."),
    row(M::RequestDuration, "plz_agent_request_duration_seconds", Histogram, &["target", "verb"],
        "Duration of these requests."),
    row(M::QueueDepth, "plz_agent_queue_depth", Gauge, &["class"],
        "Calls waiting for a worker."),
    row(M::CallsInFlight, "plz_agent_calls_in_flight", Gauge, &["class"],
        "Calls currently made by workers."),
    // the process
    row(M::ProcessCpu, "process_cpu_seconds_total", Counter, &[],
        "Total user and system CPU time."),
    row(M::ProcessResidentMemory, "process_resident_memory_bytes", Gauge, &[],
        "Resident memory size."),
    row(M::ProcessVirtualMemory, "process_virtual_memory_bytes", Gauge, &[],
        "Virtual memory size, mostly stacks that are never touched."),
    row(M::ProcessStartTime, "process_start_time_seconds", Gauge, &[],
        "Start time of the process."),
    row(M::ProcessOpenFds, "process_open_fds", Gauge, &[],
        "Open file descriptors."),
    row(M::ProcessMaxFds, "process_max_fds", Gauge, &[],
        "Maximum number of open file descriptors."),
    row(M::ProcessThreads, "process_threads", Gauge, &[],
        "Number of threads."),
];

impl Metric {
    /// Its row.
    #[must_use]
    pub fn family(self) -> &'static Family {
        FAMILIES.iter().find(|family| family.metric == self).expect("every metric has a row, see the test")
    }
}

/// The table as Markdown, for docs/reference.md.
#[must_use]
pub fn markdown() -> String {
    let mut text = String::from("| metric | type | labels | meaning |\n|---|---|---|---|\n");
    for family in FAMILIES {
        let labels: Vec<String> = family.labels.iter().map(|label| format!("`{label}`")).collect();
        let labels = if labels.is_empty() { "–".to_owned() } else { labels.join(", ") };
        let _ = writeln!(text, "| `{}` | {} | {labels} | {} |", family.name, family.kind.word(), family.help);
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_rows_are_in_the_order_of_the_metrics_and_leave_none_out() {
        for (at, family) in FAMILIES.iter().enumerate() {
            assert_eq!(family.metric as usize, at, "{}", family.name);
        }
        assert_eq!(FAMILIES.len(), M::ProcessThreads as usize + 1);
    }

    #[test]
    fn names_follow_the_conventions() {
        for family in FAMILIES {
            let name = family.name;
            assert!(name.starts_with("plz_agent_") || name.starts_with("process_"), "{name}");
            assert!(name.bytes().all(|byte| byte.is_ascii_lowercase() || byte == b'_'), "{name}");
            assert_eq!(family.kind == Counter, name.ends_with("_total"), "{name}");
            assert!(family.help.ends_with('.') && !family.help.contains(['\n', '\\', '|']), "{name}");
        }
    }
}
