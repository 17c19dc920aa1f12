//! The command line of k6 in a runner, and what the kubelet makes of it.
//!
//! Owns the order of the arguments, the segments, and the doubling of `$`. It leaves alone where the arguments come
//! from. Its invariant: with `args`, every element reaches k6 byte for byte, because no shell is in between.

use super::script::Location;
use crate::api::run::TestRun;

/// Environment variable of the script with the number of its runner.
pub const INSTANCE_ID: &str = "K6_CLOUDRUN_INSTANCE_ID";

/// `text` so that the kubelet leaves it as it is. The kubelet replaces `$(NAME)` in arguments and environment values
/// and turns `$$` into `$`.
pub fn literal(text: &str) -> String {
    text.replace('$', "$$")
}

/// The share of runner `index`, counted from 1, of `runners`: the two flags of k6, or none for a single runner. The
/// ends are written `0` and `1`, without a denominator.
pub fn segments(index: u32, runners: u32) -> Vec<String> {
    if runners <= 1 {
        return Vec::new();
    }
    let point = |position: u32| match position {
        0 => "0".to_owned(),
        end if end == runners => "1".to_owned(),
        inner => format!("{inner}/{runners}"),
    };
    let sequence: Vec<String> = (0..=runners).map(point).collect();
    vec![
        format!("--execution-segment={}:{}", point(index.saturating_sub(1)), point(index)),
        format!("--execution-segment-sequence={}", sequence.join(",")),
    ]
}

/// The command of runner `index`, counted from 1.
pub fn command(run: &TestRun, index: u32, script: &Location) -> Vec<String> {
    let spec = &run.spec;
    let mut argv = vec!["k6".to_owned(), "run".to_owned()];
    let mut add = |argument: &str| argv.push(argument.to_owned());
    if flag(&spec.quiet).unwrap_or(true) {
        add("--quiet");
    }
    segments(index, run.runners()).iter().for_each(|segment| add(segment));
    match spec.args.as_slice() {
        [] => spec.arguments.split_whitespace().for_each(&mut add),
        args => args.iter().for_each(|argument| add(argument)),
    }
    add(&script.path);
    add(&format!("--address=0.0.0.0:{}", crate::runner::PORT));
    if flag(&spec.paused).unwrap_or(true) {
        add("--paused");
    }
    // Metrics of several runners, or of several runs, may end up in the same place.
    for tag in [format!("instance_id={index}"), format!("testrun_name={}", run.metadata.name)] {
        add("--tag");
        add(&tag);
    }
    if run.is_plz() {
        ["--no-setup", "--no-teardown", "--linger", "-e"].into_iter().for_each(&mut add);
        add(&format!("{INSTANCE_ID}={index}"));
    }
    // `arguments` has always been read by a shell when the script is a local file, and by none otherwise. The shell
    // makes room for k6, which otherwise would never see the SIGTERM on which it flushes its metrics.
    if spec.args.is_empty() && script.is_local {
        return vec!["sh".to_owned(), "-c".to_owned(), format!("exec {}", argv.join(" "))];
    }
    argv
}

/// A flag that a custom resource holds as text, read as k6-operator reads it: what is neither empty nor a spelling of
/// true is false. None when empty.
pub fn flag(text: &str) -> Option<bool> {
    match text {
        "" => None,
        "1" | "t" | "T" | "true" | "TRUE" | "True" => Some(true),
        _ => Some(false),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::testrun::template::tests::{Hostile, expanded};

    #[test]
    #[rustfmt::skip]
    fn segments_as_k6_reads_them() {
        let check = |index, runners, wanted: &[&str]| assert_eq!(segments(index, runners), wanted, "{index} of {runners}");
        check(1, 0, &[]);
        check(1, 1, &[]);
        check(1, 2, &["--execution-segment=0:1/2",   "--execution-segment-sequence=0,1/2,1"]);
        check(2, 2, &["--execution-segment=1/2:1",   "--execution-segment-sequence=0,1/2,1"]);
        check(1, 3, &["--execution-segment=0:1/3",   "--execution-segment-sequence=0,1/3,2/3,1"]);
        check(2, 3, &["--execution-segment=1/3:2/3", "--execution-segment-sequence=0,1/3,2/3,1"]);
        check(3, 3, &["--execution-segment=2/3:1",   "--execution-segment-sequence=0,1/3,2/3,1"]);
        check(7, 7, &["--execution-segment=6/7:1",   "--execution-segment-sequence=0,1/7,2/7,3/7,4/7,5/7,6/7,1"]);
    }

    #[test]
    fn segments_sum_to_the_whole() {
        for runners in [2, 3, 7, 100] {
            let shares: Vec<(String, String)> = (1..=runners)
                .map(|index| {
                    let [segment, sequence] = <[String; 2]>::try_from(segments(index, runners)).unwrap();
                    assert_eq!(sequence.matches(',').count(), usize::try_from(runners).unwrap());
                    let share = segment.strip_prefix("--execution-segment=").unwrap();
                    share.split_once(':').map(|(from, to)| (from.to_owned(), to.to_owned())).unwrap()
                })
                .collect();
            assert_eq!((shares[0].0.as_str(), shares.last().unwrap().1.as_str()), ("0", "1"));
            assert!(shares.windows(2).all(|two| two[0].1 == two[1].0), "{shares:?}");
        }
    }

    #[test]
    fn literal_survives_the_kubelet() {
        let set = [("HOME", "/root"), ("K6_CLOUD_TOKEN", "s3cret")].into();
        let mut hostile = Hostile(7);
        for _ in 0..2000 {
            let text = hostile.text();
            assert_eq!(expanded(&literal(&text), &set), text);
        }
        assert_eq!(expanded("$(K6_CLOUD_TOKEN)$$(HOME)$(NONE)$", &set), "s3cret$(HOME)$(NONE)$");
    }

    #[test]
    fn flags_held_as_text() {
        for (text, wanted) in
            [("", None), ("true", Some(true)), ("1", Some(true)), ("false", Some(false)), ("no", Some(false))]
        {
            assert_eq!(flag(text), wanted, "{text}");
        }
    }
}
