//! Signs over time, and what is said of them.

use super::*;

const fn s(seconds: u64) -> Duration {
    Duration::from_secs(seconds)
}

/// Each sign is a second and, for silence, a cause; the lines that are said.
#[track_caller]
fn check(signs: &[(u64, &str)], expected: &[&str]) {
    let mut reach = Reach::default();
    let lines: Vec<String> = signs
        .iter()
        .filter_map(|(at, cause)| {
            let sign = match *cause {
                "" => Sign::Answer,
                cause => Sign::Silence(cause.to_owned()),
            };
            reach.heed(s(*at), Target::Cloud, sign).1
        })
        .map(|line| line.text)
        .collect();
    assert_eq!(lines, expected);
}

#[test]
fn an_outage_is_two_lines() {
    check(&[(0, ""), (10, "")], &[]);
    check(
        &[(0, "dns"), (0, ""), (1, "dns"), (5, "dns"), (3725, ""), (3726, ""), (3800, "")],
        &[
            "GCk6 is unreachable and will be retried: dns",
            "GCk6 answers again after 1h 2m 5s; calls without an answer: 3",
        ],
    );
}

#[test]
fn each_cause_is_told_once_and_not_for_ever() {
    check(
        &[(0, "a"), (1, "b"), (2, "a"), (3, "b"), (4, "c"), (5, "d"), (6, "e"), (7, "f")],
        &[
            "GCk6 is unreachable and will be retried: a",
            "GCk6 is still unreachable, for another reason: b",
            "GCk6 is still unreachable, for another reason: c",
            "GCk6 is still unreachable, for another reason: d",
        ],
    );
}

#[test]
fn a_line_that_comes_and_goes_is_told_as_such() {
    let mut signs: Vec<(u64, &str)> =
        (0..600).step_by(20).map(|at| (at, if at % 40 == 0 { "dns" } else { "" })).collect();
    signs.extend([(600, ""), (620, ""), (640, ""), (660, "")]);
    check(
        &signs,
        &[
            "GCk6 is unreachable and will be retried: dns",
            "GCk6 answers again after 20s; calls without an answer: 1",
            "GCk6 comes and goes: dns",
            "GCk6 answers steadily again; it was unreachable 15 times in 10m 40s, calls without an answer: 15",
        ],
    );
}

#[test]
fn an_outage_that_nobody_waits_for_is_not_for_ever() {
    let told = "GCk6 is unreachable and will be retried: a";
    check(&[(0, "a"), (60, "a"), (1000, "a"), (1010, "a")], &[told, told]);
}

#[test]
fn a_second_outage_after_a_quiet_time_is_one_of_its_own() {
    check(
        &[(0, "a"), (10, ""), (100, "a"), (110, "")],
        &[
            "GCk6 is unreachable and will be retried: a",
            "GCk6 answers again after 10s; calls without an answer: 1",
            "GCk6 is unreachable and will be retried: a",
            "GCk6 answers again after 10s; calls without an answer: 1",
        ],
    );
}

#[test]
fn an_answer_is_an_answer_whatever_it_says() {
    let status = |code| k8s::Error::Api { status: k8s::Status { code, ..k8s::Status::default() } };
    let check = |reply: Reply, expected: Option<Sign>| assert_eq!(Sign::of(&reply), expected, "{reply:?}");
    check(Reply::Kubernetes(Err(status(404))), Some(Sign::Answer));
    check(Reply::Kubernetes(Err(status(503))), None);
    check(Reply::Kubernetes(Ok(vec![])), Some(Sign::Answer));
    let refused = cloud::reply::interpret(503, None, b"").unwrap_err();
    check(Reply::Cloud(Err(refused)), Some(Sign::Answer));
    let cut = cloud::Error::Transport("cut".into());
    check(Reply::Cloud(Err(cut)), Some(Sign::Silence("cut".into())));
    assert!(is_outage(&status(502)) && !is_outage(&status(403)));
}
