//! The command line of k6 in a runner, and what the kubelet makes of it.
//!
//! Owns the order of the arguments, the segments, and the doubling of `$`. It leaves alone where the arguments come
//! from. Its invariant: with `args`, every element reaches k6 byte for byte, because no shell is in between.

use super::api::TestRun;
use super::script::Location;

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
    // `arguments` has always been read by a shell when the script is a local file, and by none otherwise.
    if spec.args.is_empty() && script.is_local {
        return vec!["sh".to_owned(), "-c".to_owned(), argv.join(" ")];
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
