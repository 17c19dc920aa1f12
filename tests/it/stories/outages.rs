//! GCk6, or the API server, is out of reach: what runs goes on, nothing spins, the log says it once, and all is made up for
//! when the line is back.

use std::cell::RefCell;
use std::sync::Once;

use super::*;
use sim::api::{Fault, Part, Rule};
use sim::cloud::Trouble;
use sim::drive::candidate;
use sim::k6::Script;

const HOUR: Duration = s(3600);

/// More decisions than this in a second of virtual time, on the average of an outage, for each zone and run is a busy loop:
/// runners are asked each second, and this driver lets the core decide after every single event.
const TURNS_PER_SECOND_MAX: u64 = 10;

thread_local! {
    static LINES: RefCell<Vec<String>> = const { RefCell::new(Vec::new()) };
}

/// Keeps what is logged at `info` and above, story by story: a story is one thread. No line at all may show a secret.
struct Collector;

impl log::Log for Collector {
    fn enabled(&self, metadata: &log::Metadata<'_>) -> bool {
        metadata.level() <= log::Level::Debug
    }

    fn log(&self, record: &log::Record<'_>) {
        let line = format!("{} {}", record.level(), record.args());
        assert!(!line.contains("sim-token") && !line.contains("X-Amz-"), "a secret in the log: {line}");
        if record.level() <= log::Level::Info {
            LINES.with_borrow_mut(|lines| lines.push(line));
        }
    }

    fn flush(&self) {}
}

/// Takes what was logged since the last time.
pub(super) fn lines() -> Vec<String> {
    LINES.take()
}

/// The lines about who is out of reach and who answers again, and those that complain of anything else.
#[track_caller]
fn told_of_outage(expected: &[&str]) {
    let lines = lines();
    let is_about = |line: &&String| {
        line.contains("unreachable") || line.contains("answers") || line.contains("comes and goes")
    };
    let about: Vec<&String> = lines.iter().filter(is_about).collect();
    assert_eq!(about.len(), expected.len(), "{lines:#?}");
    for (line, part) in about.iter().zip(expected) {
        assert!(line.contains(part), "{line:?} lacks {part:?}");
    }
    let complaints = lines.iter().filter(|line| line.starts_with("WARN") && !is_about(line));
    assert_eq!(complaints.collect::<Vec<_>>(), Vec::<&String>::new());
}

/// Keeps the log from now on.
pub(super) fn keep_log() {
    static INSTALLED: Once = Once::new();
    INSTALLED.call_once(|| {
        log::set_logger(&Collector).unwrap();
        log::set_max_level(log::LevelFilter::Debug);
    });
    lines();
}

/// A story with the log kept from now on.
fn story(script: Duration) -> Story {
    keep_log();
    let mut story = Story::new();
    story.plan("*", PodPlan::script(Script { duration: script, ..Script::default() }));
    lines();
    story
}

impl Story {
    fn wan_goes(&mut self) {
        self.drive.world.cloud.trouble(None, Trouble::Down, u32::MAX);
    }

    fn wan_comes(&mut self) {
        self.drive.world.cloud.plagues.clear();
    }

    /// Lets the WAN be gone for so long, and checks that nobody spins: requests to GCk6 per minute and thing that asks, and
    /// decisions.
    #[track_caller]
    fn without_wan(&mut self, time: Duration, askers: u64) {
        self.wan_goes();
        let (requests, turns) = (self.drive.world.cloud.requests(), self.drive.agents[0].turns);
        self.drive.run_for(time);
        let requests = self.drive.world.cloud.requests() - requests;
        let minutes = time.as_secs() / 60;
        // Up to a quarter sooner than each minute, and the first few tries of a growing pause.
        assert!(requests <= askers * (minutes * 4 / 3 + 8), "{requests} requests in {minutes} min");
        assert!(requests >= askers * minutes / 2, "{requests} requests in {minutes} min: it is hardly tried");
        let turns = self.drive.agents[0].turns - turns;
        assert!(turns <= time.as_secs() * TURNS_PER_SECOND_MAX * askers, "{turns} turns in {time:?}");
        self.wan_comes();
    }

    #[track_caller]
    fn is_registered(&self) {
        assert_eq!(condition(&zone(&self.drive), "PLZRegistered")["status"], "True");
    }
}

#[test]
fn gone_for_an_hour_while_idle() {
    let mut story = story(s(5));
    story.without_wan(HOUR, 1);
    story.is_registered();
    assert_eq!(condition(&zone(&story.drive), "PLZPolled")["reason"], "PollFailing");
    let id = story.drive.world.queue_run(story.drive.now, ZONE, 2);
    story.over(id, s(120), 3);
    told_of_outage(&["GCk6 is unreachable", "GCk6 answers again after 1h"]);
}

#[test]
fn gone_for_an_hour_before_the_data() {
    let mut story = story(s(5));
    let id = story.drive.world.queue_run(story.drive.now, ZONE, 2);
    story.drive.world.cloud.trouble(Some(sim::cloud::rest::Route::Data), Trouble::Down, u32::MAX);
    story.until(s(15), "the run is listed", |drive| drive.world.cloud.runs[&id].listed.is_some());
    // Poll and data.
    story.without_wan(HOUR, 2);
    story.is_registered();
    // GCk6 signs when it is asked, the model when the run is queued.
    let url = story.drive.world.s3.store(story.drive.now, "anew.tar", sim::s3::sample_archive());
    story.drive.world.cloud.runs.get_mut(&id).unwrap().spec.archive_url = url;
    // The first answer may take a minute; then the other that waits is asked within seconds.
    let asked = |drive: &Drive| {
        drive.world.cloud.zones[ZONE].polls + drive.world.cloud.runs[&id].data_reads.len() as u64
    };
    let before = asked(&story.drive);
    story.until(s(65), "GCk6 answers", |drive| asked(drive) > before);
    story.until(s(4), "the run is begun", |drive| !test_run(drive, id).is_null());
    story.over(id, s(120), 3);
    let all = lines();
    assert!(all.iter().filter(|line| line.starts_with("WARN")).count() <= 3, "{all:#?}");
}

#[test]
fn gone_for_an_hour_during_the_start() {
    let mut story = story(s(5));
    story.plan("*", PodPlan::script(Script { setup: s(600), ..Script::default() }));
    let id = story.run(2);
    story.stage(id, "created", s(5));
    story.drive.run_for(s(10));
    // Poll and state, then poll and finish.
    story.without_wan(HOUR, 2);
    story.over(id, s(120), 3);
    told_of_outage(&["GCk6 is unreachable", "GCk6's ingest is unreachable", "GCk6", "GCk6"]);
}

#[test]
fn gone_for_an_hour_in_mid_test() {
    let mut story = story(s(2 * 3600));
    let id = story.run(3);
    story.stage(id, "started", s(10));
    story.without_wan(HOUR, 2);
    story.is_registered();
    assert_eq!(test_run(&story.drive, id)["status"]["stage"], "started");
    assert!(story.drive.world.k6s.all("plz-test").all(|(_, runner)| runner.stopped.is_none()));
    told_of_outage(&["GCk6 is unreachable"]);
    story.over(id, s(2 * 3600), 3);
    told_of_outage(&["GCk6 answers again after 1h"]);
}

#[test]
fn a_login_portal_stands_in_the_way_for_a_while() {
    let mut story = story(s(600));
    let id = story.run(2);
    story.stage(id, "started", s(10));
    story.drive.world.cloud.trouble(None, Trouble::Portal(404), u32::MAX);
    story.drive.run_for(s(1200));
    story.is_registered();
    assert_eq!(test_run(&story.drive, id)["status"]["stage"], "stopped", "by its own end");
    story.drive.world.cloud.plagues.clear();
    story.over(id, s(120), 3);
    let all = lines();
    assert!(all.iter().any(|line| line.contains("unreachable") && line.contains("login portal")), "{all:#?}");
}

#[test]
fn gone_for_two_hours_with_the_end_in_it() {
    let mut story = story(s(600));
    let id = story.run(2);
    story.stage(id, "started", s(10));
    story.without_wan(2 * HOUR, 2);
    // The end was recorded and the runners are gone while nobody could be told.
    assert_eq!(test_run(&story.drive, id)["status"]["stage"], "stopped");
    assert_eq!(story.drive.world.api.objects(Kind::Job, NAMESPACE).count(), 0);
    let back = story.drive.now;
    story.until(s(120), "GCk6 is told", |drive| !drive.world.cloud.runs[&id].finishes.is_empty());
    assert!(story.drive.now - back <= s(65), "{:?} after the line is back", story.drive.now - back);
    story.over(id, s(60), 3);
    told_of_outage(&["GCk6 is unreachable", "GCk6's ingest is unreachable", "GCk6", "GCk6"]);
}

#[test]
fn names_that_resolve_now_and_then() {
    let mut story = story(s(900));
    let id = story.run(2);
    story.stage(id, "started", s(10));
    lines();
    for _ in 0..15 {
        story.wan_goes();
        story.drive.run_for(s(20));
        story.wan_comes();
        story.drive.run_for(s(20));
    }
    story.is_registered();
    assert_eq!(test_run(&story.drive, id)["status"]["stage"], "started");
    story.over(id, s(900), 3);
    told_of_outage(&["unreachable", "answers again", "comes and goes", "answers steadily again"]);
}

#[test]
fn many_zones_and_runs_feel_one_outage() {
    let mut story = story(s(2 * 3600));
    let zones: Vec<String> = (0..10).map(|n| format!("zone-{n}")).collect();
    for zone in &zones {
        let now = story.drive.now;
        story.drive.world.apply_zone(now, NAMESPACE, zone);
        story.drive.world.queue_run(now, zone, 1);
    }
    story.drive.run_for(s(60));
    lines();
    story.without_wan(s(1800), 21);
    told_of_outage(&["GCk6 is unreachable"]);
    let polls = |drive: &Drive| drive.world.cloud.zones.values().map(|zone| zone.polls).sum::<u64>();
    let before = polls(&story.drive);
    // The first answer may take a minute; then all the others are asked within seconds.
    story.until(s(65), "GCk6 answers somebody", |drive| polls(drive) > before);
    story.drive.run_for(s(4));
    assert!(polls(&story.drive) >= before + 11, "{} polls", polls(&story.drive) - before);
    told_of_outage(&["GCk6 answers again"]);
}

#[test]
fn a_restart_in_an_outage_does_not_unregister_a_zone() {
    let mut story = story(s(5));
    story.wan_goes();
    let key = Key::new(Kind::PrivateLoadZone, NAMESPACE, ZONE);
    story.drive.world.api.modify(&key, Part::Main, |zone| {
        zone["spec"]["resources"]["limits"]["cpu"] = json!("2");
    });
    story.kill();
    story.until(s(10), "the status says so", |drive| {
        condition(&zone(drive), "PLZRegistered")["reason"] == "UpdateFailed"
    });
    story.is_registered();
    story.wan_comes();
    story.until(s(60), "GCk6 knows", |drive| drive.world.cloud.zones[ZONE].body["pod_tiers"]["cpu"] == "2");
    story.until(s(5), "the status says so", |drive| {
        condition(&zone(drive), "PLZRegistered")["reason"] == "Registered"
    });
}

/// What the status says of the spec before a change must not be taken for the change itself, whoever reads it.
#[test]
fn a_change_of_the_limits_outlives_every_restart_in_an_outage() {
    for pauses in [[0, 0], [20, 0], [0, 20_000], [20_000, 20], [20_000, 20_000]] {
        let mut story = story(s(5));
        story.wan_goes();
        let key = Key::new(Kind::PrivateLoadZone, NAMESPACE, ZONE);
        story.drive.world.api.modify(&key, Part::Main, |zone| {
            zone["spec"]["resources"]["limits"]["cpu"] = json!("2");
        });
        for pause in pauses {
            story.drive.run_for(Duration::from_millis(pause));
            story.is_registered();
            story.kill();
        }
        story.wan_comes();
        story.until(s(70), "GCk6 knows", |drive| {
            drive.world.cloud.zones[ZONE].body["pod_tiers"]["cpu"] == "2"
        });
    }
}

#[test]
fn the_api_server_is_gone_for_ten_minutes_in_mid_run() {
    let mut story = story(s(1800));
    let id = story.run(3);
    story.stage(id, "started", s(10));
    lines();
    let until = story.drive.now + s(600);
    story.drive.world.api.faults =
        Some(Box::new(move |now, _, _| if now < until { Fault::DropBefore } else { Fault::None }));
    let (requests, turns) = (story.drive.world.api.requests(), story.drive.agents[0].turns);
    story.drive.cut_watches();
    story.drive.run_for(s(600));
    assert!(story.drive.agents[0].turns - turns <= 600 * TURNS_PER_SECOND_MAX * 3);
    // Three watches, each tried once a second by this driver; the zone, its token, the run and the
    // search for a k6-operator a few times a minute.
    let requests = story.drive.world.api.requests() - requests;
    assert!(requests <= 3 * 602 + 10 * 20, "{requests} requests");
    assert!(story.drive.world.k6s.all("plz-test").all(|(_, runner)| runner.stopped.is_none()));
    story.over(id, s(1800), 3);
    told_of_outage(&["the API server is unreachable", "the API server answers again after 10m"]);
}

#[test]
fn a_lease_that_may_not_be_used_is_told_once_after_an_outage_too() {
    keep_log();
    let mut story = Story::empty_with(candidate(7, "a"));
    let rules = Rule::from_yaml(include_str!("../../../manifests/rbac/rbac.yaml")).unwrap();
    let no_leases = |rule: &Rule| rule.resources != ["leases"];
    story.drive.world.api.rules = Some(rules.iter().filter(|rule| no_leases(rule)).cloned().collect());
    let until = story.drive.now + s(30);
    story.drive.world.api.faults =
        Some(Box::new(move |now, _, _| if now < until { Fault::DropBefore } else { Fault::None }));
    lines();
    story.drive.run_for(s(120));
    let refused = "Lease default/plz-agent cannot be used: ";
    let about: Vec<_> = lines().into_iter().filter(|line| line.contains(refused)).collect();
    assert!(
        matches!(&about[..], [line] if line.starts_with("WARN") && line.contains("; grant ")),
        "{about:?}"
    );
    assert!(story.drive.agents[0].core.lease_problem().is_some_and(|problem| problem.contains("; grant ")));
    story.drive.world.api.rules = Some(rules);
    story.until(s(3), "it is active", |drive| drive.active() == Some(0));
    assert_eq!(story.drive.agents[0].core.lease_problem(), None);
}

/// The API server restarts: everything is cut, nothing answers for a while, and what the watches had seen is too old.
#[test]
fn watches_see_again_soon_after_the_first_answer() {
    for away in [5, 40, 300] {
        let mut story = story(s(5));
        let back = story.drive.now + s(away);
        let hook = move |now: Duration, _: &sim::api::Call, _: &Value| {
            if now < back { Fault::DropBefore } else { Fault::None }
        };
        story.drive.world.api.faults = Some(Box::new(hook));
        story.drive.cut_watches();
        story.drive.run_for(s(away));
        story.drive.world.api.compact();
        let asked = |drive: &Drive, verb: &str| -> u64 {
            let counts = drive.world.api.counts.iter();
            let of_watches = counts.filter(|(what, _)| what.verb == verb && what.resource != "leases");
            of_watches.map(|(_, count)| *count).sum()
        };
        let (lists, all) = (asked(&story.drive, "list"), story.drive.world.api.requests());
        story.until(s(65), "anybody is answered", |drive| drive.world.api.requests() > all);
        let first = story.drive.now;
        story.until(s(3), "every watch has listed", |drive| asked(drive, "list") >= lists + 3);
        let watches = asked(&story.drive, "watch");
        story.drive.run_for(s(3));
        assert!(
            story.drive.now <= first + s(6) && asked(&story.drive, "watch") <= watches + 6,
            "away for {away} s"
        );
    }
}
