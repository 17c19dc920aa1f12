//! What cannot be right: one line that says so, an exit code, and nothing is contacted.

use super::*;

/// How an agent ends that cannot begin: its exit code and all that it says.
fn ended(args: &[&str]) -> (Option<i32>, String) {
    let scratch = Scratch::new().unwrap();
    let broken = scratch.write("broken", "clusters: [").unwrap();
    let lost = scratch.write("lost", "current-context: nowhere\n").unwrap();
    let good = "current-context: c\nclusters: [{name: c, cluster: {server: 'http://127.0.0.1:1'}}]\n\
                contexts: [{name: c, context: {cluster: c}}]\n";
    let good = scratch.write("good", good).unwrap();
    let absent = scratch.file("absent");
    let files = [("BROKEN", broken), ("LOST", lost), ("GOOD", good), ("ABSENT", absent)];
    let path = |arg: &str| {
        let file = files.iter().find(|(name, _)| *name == arg);
        file.map_or(arg.into(), |(_, path)| path.clone().into_os_string())
    };
    let launch = Launch::new(Path::new(AGENT), &scratch.file("log"));
    let mut agent = launch.args(args.iter().map(|arg| path(arg))).spawn().unwrap();
    let status = agent.wait(TIMEOUT).expect("it ends by itself");
    (status.code(), agent.log())
}

#[track_caller]
fn check(args: &[&str], code: i32, says: &str) {
    let (status, said) = ended(args);
    assert_eq!(status, Some(code), "{said}");
    assert!(said.contains(says), "{said:?} does not say {says:?}");
    assert_eq!(said.lines().count(), 1, "{said}");
}

#[test]
fn what_cannot_be_right_is_one_line() {
    check(&["--kubeconfig", "ABSENT", "--fetch-image", "a"], 2, "absent");
    check(&["--kubeconfig", "BROKEN", "--fetch-image", "a"], 2, "broken");
    check(&["--kubeconfig", "LOST", "--fetch-image", "a"], 2, "nowhere");
    check(&["--kubeconfig", "GOOD", "--context", "other", "--fetch-image", "a"], 2, "other");
    check(&["--kubeconfig", "GOOD"], 2, "--fetch-image");
    let lease = ["--kubeconfig", "GOOD", "--fetch-image", "a", "--lease", "x"];
    check(&lease, 2, "--lease x: no namespace is known; name it, as in --lease NAMESPACE/x");
    check(&["--workers", "0"], 2, "--workers");
    check(&["--no-such-option"], 2, "--no-such-option");
    check(&["--ca-file", "ABSENT"], 2, "--ca-file");
    check(&["fetch"], 2, "--to");
    check(&["version"], 0, concat!("plz-agent ", env!("CARGO_PKG_VERSION")));
}
