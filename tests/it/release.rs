//! What holds for what is given away: locked dependencies, one list of licenses, and the notices beside the binary.
//!
//! Leaves the image to [`crate::image`], and the texts of the licenses to [`crate::licenses`].

use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, Output};

use sim::agent::Scratch;

use crate::licenses::LICENSES;

/// Commands of cargo that would take newer dependencies than those in Cargo.lock unless told not to.
const RESOLVING: [&str; 7] = ["build", "clippy", "doc", "install", "metadata", "run", "test"];

fn root() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR"))
}

/// The calls of cargo in a text that are not bound to Cargo.lock.
fn unlocked(text: &str) -> Vec<&str> {
    let is_resolving = |line: &str| {
        let mut commands = line.split("cargo ").skip(1).filter_map(|rest| rest.split_whitespace().next());
        commands.any(|command| RESOLVING.contains(&command))
    };
    text.lines().filter(|line| is_resolving(line) && !line.contains("--locked")).collect()
}

#[test]
fn cargo_is_called_with_the_locked_dependencies() {
    assert_eq!(unlocked("cargo build --locked\ncargo fmt --all\ncargo test"), ["cargo test"]);
    let docs = fs::read_dir(root().join("docs")).unwrap().map(|entry| entry.unwrap().path());
    let files = [".ci/run", "Dockerfile", "README.md", "CHANGELOG.md"].map(|name| root().join(name));
    for file in docs.chain(files) {
        let text = fs::read_to_string(&file).unwrap();
        assert_eq!(unlocked(&text), Vec::<&str>::new(), "{}: --locked is missing", file.display());
    }
}

#[test]
fn the_allowed_licenses_are_those_that_have_been_looked_at() {
    let config = fs::read_to_string(root().join(".deny.toml")).unwrap();
    let allowed = config.lines().find_map(|line| line.strip_prefix("allow = [")).unwrap();
    let known = LICENSES.map(|(id, ..)| format!("{id:?}")).join(", ");
    assert_eq!(allowed, format!("{known}]"));
}

fn archive(args: &[&str]) -> Output {
    Command::new(root().join("manifests/systemd/release-archive")).args(args).output().unwrap()
}

fn packed(scratch: &Scratch, name: &str) -> PathBuf {
    let file = scratch.file(name);
    let binary = scratch.write("agent", "the agent").unwrap();
    let run = archive(&["--output", file.to_str().unwrap(), binary.to_str().unwrap()]);
    assert!(run.status.success(), "{}", String::from_utf8_lossy(&run.stderr));
    file
}

#[test]
fn the_release_archive_holds_the_binary_its_unit_and_the_licenses() {
    let scratch = Scratch::new().unwrap();
    let file = packed(&scratch, "plz-agent-1.tar.gz");
    let list = Command::new("tar").arg("-tvzf").arg(&file).output().unwrap();
    let list = String::from_utf8(list.stdout).unwrap();
    let mut modes_and_names = list.lines().map(|line| {
        let words: Vec<&str> = line.split_whitespace().collect();
        assert_eq!(words[1], "0/0", "{line}");
        (words[0], *words.last().unwrap())
    });
    let entries = [
        ("drwxr-xr-x", "plz-agent-1/"),
        ("-rw-r--r--", "plz-agent-1/LICENSE"),
        ("-rw-r--r--", "plz-agent-1/LICENSES"),
        ("-rwxr-xr-x", "plz-agent-1/plz-agent"),
        ("-rw-r--r--", "plz-agent-1/plz-agent.service"),
    ];
    assert!(modes_and_names.by_ref().eq(entries), "{list}");
    let notices = Command::new("tar").arg("-xOzf").arg(&file).arg("plz-agent-1/LICENSES").output().unwrap();
    assert!(notices.stdout == fs::read(root().join("manifests/image/LICENSES")).unwrap());

    let first = fs::read(&file).unwrap();
    assert!(first == fs::read(packed(&scratch, "plz-agent-1.tar.gz")).unwrap(), "two archives differ");
}

#[test]
fn arguments_that_make_no_archive_are_refused() {
    let check = |args: &[&str], code: i32, words: &str| {
        let run = archive(args);
        let said = String::from_utf8(run.stderr).unwrap();
        assert_eq!(run.status.code(), Some(code), "{said}");
        assert!(said.contains(words), "{said}");
    };
    check(&[], 2, "--output is missing");
    check(&["--output", "x.tar.gz"], 2, "one file and one binary");
    check(&["--output", "x.zip", "y"], 2, "does not end in .tar.gz");
    check(&["--output", "/tmp/x.tar.gz", "/gone"], 1, "/gone is not there");
}
