//! The image that `manifests/image/oci-archive` writes without a container engine.
//!
//! Owns: the archive as a reader of the OCI layout takes it: every digest and size that is named, what the image holds and
//! runs, its names, one platform and several, the same bytes twice; and the one line for input that makes no image.
//! Leaves alone: whether containerd and docker load it.
//! Invariant: the binaries are made here, no more than an ELF header and one segment; nothing is built for these tests.

use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::process::{Command, Output};

use serde_json::{Value, json};
use sim::agent::Scratch;

/// ELF's numbers of machines.
const MACHINE_AMD64: u16 = 62;
const MACHINE_ARM: u16 = 40;
const MACHINE_ARM64: u16 = 183;
const MACHINE_RISCV: u16 = 243;
const MACHINE_S390: u16 = 22;

/// Types of segments: what is loaded, and the name of the interpreter that a dynamic program needs.
const LOAD: u32 = 1;
const INTERPRETER: u32 = 3;

const LABEL: &str = "org.opencontainers.image";
const NAME: &str = concat!("docker.io/library/plz-agent:", env!("CARGO_PKG_VERSION"));

/// A program of the class (1: 32 bit, 2: 64 bit) for `machine`, with these segments.
fn elf(class: u8, machine: u16, segments: &[u32]) -> Vec<u8> {
    let (header, entry, table_at, entry_at) = if class == 1 { (52, 32, 28, 42) } else { (64, 56, 32, 54) };
    let mut bytes = vec![0; header];
    bytes[..7].copy_from_slice(&[0x7f, b'E', b'L', b'F', class, 1, 1]);
    bytes[18..20].copy_from_slice(&machine.to_le_bytes());
    bytes[table_at] = u8::try_from(header).unwrap();
    bytes[entry_at] = entry;
    bytes[entry_at + 2] = u8::try_from(segments.len()).unwrap();
    for kind in segments {
        bytes.extend(kind.to_le_bytes());
        bytes.resize(bytes.len() + usize::from(entry) - 4, 0);
    }
    bytes
}

fn amd64() -> Vec<u8> {
    elf(2, MACHINE_AMD64, &[LOAD])
}

/// A folder with the script's input and output.
struct Place(Scratch);

impl Place {
    fn new() -> Self {
        Self(Scratch::new().unwrap())
    }

    /// A binary with the mode of a download, which is not that of a program.
    fn binary(&self, name: &str, bytes: &[u8]) -> PathBuf {
        let file = self.0.file(name);
        fs::write(&file, bytes).unwrap();
        fs::set_permissions(&file, fs::Permissions::from_mode(0o600)).unwrap();
        file
    }

    fn script(&self, args: &[&str], binaries: &[PathBuf]) -> Output {
        let script = Path::new(env!("CARGO_MANIFEST_DIR")).join("manifests/image/oci-archive");
        Command::new(script).args(args).args(binaries).output().unwrap()
    }

    /// The archive of these binaries, unpacked by the test.
    fn archive(&self, name: &str, args: &[&str], binaries: &[PathBuf]) -> Archive {
        let file = self.0.file(name);
        let output = self.script(&[&["--output", file.to_str().unwrap()], args].concat(), binaries);
        assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
        let folder = self.0.file(&format!("{name}.d"));
        fs::create_dir(&folder).unwrap();
        run(Command::new("tar").arg("-xf").arg(&file).arg("-C").arg(&folder));
        Archive { file, folder }
    }
}

/// What a command prints; it has to succeed.
fn run(command: &mut Command) -> String {
    let output = command.output().unwrap();
    assert!(output.status.success(), "{command:?}: {}", String::from_utf8_lossy(&output.stderr));
    String::from_utf8(output.stdout).unwrap()
}

struct Archive {
    file: PathBuf,
    folder: PathBuf,
}

impl Archive {
    fn json(&self, path: &str) -> Value {
        serde_json::from_slice(&fs::read(self.folder.join(path)).unwrap()).unwrap()
    }

    /// The file of the blob that a descriptor names, whose size and digest have to be what it says.
    fn blob(&self, descriptor: &Value) -> String {
        let hex = descriptor["digest"].as_str().unwrap().strip_prefix("sha256:").unwrap();
        let path = format!("blobs/sha256/{hex}");
        let file = self.folder.join(&path);
        assert_eq!(descriptor["size"], fs::metadata(&file).unwrap().len(), "{path}");
        assert!(run(Command::new("sha256sum").arg(&file)).starts_with(hex), "{path}");
        path
    }

    fn top(&self) -> Value {
        assert_eq!(self.json("oci-layout"), json!({"imageLayoutVersion": "1.0.0"}));
        let index = self.json("index.json");
        assert_eq!(index["schemaVersion"], 2);
        assert_eq!(index["manifests"].as_array().unwrap().len(), 1, "{index}");
        index["manifests"][0].clone()
    }

    /// Checks the image of a manifest's descriptor, which has to be for `platform` and hold `binary`.
    fn check_image(&self, descriptor: &Value, platform: &Value, binary: &[u8]) {
        assert_eq!(descriptor["mediaType"], "application/vnd.oci.image.manifest.v1+json");
        assert_eq!(descriptor["platform"], *platform);
        let manifest = self.json(&self.blob(descriptor));
        assert_eq!(manifest["mediaType"], descriptor["mediaType"]);

        let config = self.json(&self.blob(&manifest["config"]));
        for (key, value) in platform.as_object().unwrap() {
            assert_eq!(config[key], *value, "{key}");
        }
        assert_eq!(config["config"]["User"], "65532:65532");
        assert_eq!(config["config"]["Entrypoint"], json!(["/plz-agent"]));
        assert_eq!(config["config"]["Labels"], manifest["annotations"]);

        let layers = manifest["layers"].as_array().unwrap();
        assert_eq!(layers.len(), 1);
        assert_eq!(layers[0]["mediaType"], "application/vnd.oci.image.layer.v1.tar");
        // The layer is not compressed: its content is what the blob is.
        assert_eq!(config["rootfs"]["diff_ids"], json!([layers[0]["digest"]]));
        let layer = self.folder.join(self.blob(&layers[0]));
        let list = run(Command::new("tar").env("TZ", "UTC").arg("-tvf").arg(&layer).arg("--numeric-owner"));
        let words: Vec<_> = list.split_whitespace().collect();
        let licenses =
            fs::read(Path::new(env!("CARGO_MANIFEST_DIR")).join("manifests/image/LICENSES")).unwrap();
        let sizes = [licenses.len(), binary.len()].map(|bytes| bytes.to_string());
        let beside = ["-rw-r--r--", "0/0", &sizes[0], "1970-01-01", "00:00", "LICENSES"];
        assert_eq!(words[..6], beside);
        assert_eq!(words[6..], ["-rwxr-xr-x", "0/0", &sizes[1], "1970-01-01", "00:00", "plz-agent"]);
        let held = Command::new("tar").arg("-xOf").arg(&layer).arg("plz-agent").output().unwrap();
        assert_eq!(held.stdout, binary);
    }
}

fn check_platform(class: u8, machine: u16, platform: &Value) {
    let place = Place::new();
    let binary = elf(class, machine, &[LOAD, LOAD]);
    let archive = place.archive("image.tar", &[], &[place.binary("agent", &binary)]);
    archive.check_image(&archive.top(), platform, &binary);
}

#[test]
fn the_platform_is_that_of_the_binary() {
    check_platform(2, MACHINE_AMD64, &json!({"os": "linux", "architecture": "amd64"}));
    check_platform(2, MACHINE_ARM64, &json!({"os": "linux", "architecture": "arm64"}));
    check_platform(2, MACHINE_RISCV, &json!({"os": "linux", "architecture": "riscv64"}));
    check_platform(1, MACHINE_ARM, &json!({"os": "linux", "architecture": "arm", "variant": "v7"}));
}

#[test]
fn several_binaries_are_one_image_with_an_index() {
    let place = Place::new();
    let (amd64, arm64) = (amd64(), elf(2, MACHINE_ARM64, &[LOAD]));
    let binaries = [place.binary("a", &amd64), place.binary("b", &arm64)];
    let archive = place.archive("image.tar", &[], &binaries);
    let top = archive.top();
    assert_eq!(top["mediaType"], "application/vnd.oci.image.index.v1+json");
    assert_eq!(top["annotations"]["io.containerd.image.name"], NAME);
    let index = archive.json(&archive.blob(&top));
    assert_eq!(index["manifests"].as_array().unwrap().len(), 2);
    let platform = |name: &str| json!({"os": "linux", "architecture": name});
    archive.check_image(&index["manifests"][0], &platform("amd64"), &amd64);
    archive.check_image(&index["manifests"][1], &platform("arm64"), &arm64);
    assert!(!archive.folder.join("manifest.json").exists(), "docker's list cannot tell platforms apart");
}

/// containerd stores an image under its annotation as it stands, and a kubelet asks for the full name.
fn check_name(given: &[&str], full: &str, tag: &str) {
    let place = Place::new();
    let archive = place.archive("image.tar", given, &[place.binary("agent", &amd64())]);
    let top = archive.top();
    assert_eq!(top["annotations"]["io.containerd.image.name"], full);
    assert_eq!(top["annotations"][format!("{LABEL}.ref.name")], tag);
    let manifest = archive.json(&archive.blob(&top));
    assert_eq!(manifest["annotations"][format!("{LABEL}.version")], tag);
    let docker = archive.json("manifest.json");
    assert_eq!(docker[0]["RepoTags"], json!([full]));
    assert_eq!(docker[0]["Config"], archive.blob(&manifest["config"]));
    assert_eq!(docker[0]["Layers"], json!([archive.blob(&manifest["layers"][0])]));
}

#[test]
fn the_name_is_the_one_that_a_kubelet_asks_for() {
    check_name(&[], NAME, env!("CARGO_PKG_VERSION"));
    check_name(&["--name", "agent:2"], "docker.io/library/agent:2", "2");
    check_name(&["--name", "me/agent:2"], "docker.io/me/agent:2", "2");
    check_name(&["--name", "localhost/agent:2"], "localhost/agent:2", "2");
    check_name(&["--name", "box:5000/me/agent:2-rc.1"], "box:5000/me/agent:2-rc.1", "2-rc.1");
}

#[test]
fn the_labels_say_what_it_is() {
    let place = Place::new();
    let binary = place.binary("agent", &amd64());
    let archive = place.archive("image.tar", &["--source", "https://git.example/plz?a=b"], &[binary]);
    let expected = json!({
        format!("{LABEL}.title"): env!("CARGO_PKG_NAME"),
        format!("{LABEL}.version"): env!("CARGO_PKG_VERSION"),
        format!("{LABEL}.licenses"): "Apache-2.0",
        format!("{LABEL}.source"): "https://git.example/plz?a=b",
    });
    assert_eq!(archive.json(&archive.blob(&archive.top()))["annotations"], expected);
}

#[test]
fn the_same_binary_makes_the_same_archive() {
    let place = Place::new();
    let first = place.archive("first.tar", &[], &[place.binary("agent", &amd64())]);
    // Another path, mode and time.
    let copy = place.binary("copy", &amd64());
    fs::set_permissions(&copy, fs::Permissions::from_mode(0o755)).unwrap();
    let second = place.archive("second.tar", &[], &[copy]);
    assert!(fs::read(first.file).unwrap() == fs::read(second.file).unwrap(), "two archives differ");
}

/// Input that makes no image ends in one line that has `words`, and no file is left.
fn check_refused(name: &str, bytes: &[u8], words: &str) {
    let place = Place::new();
    let output = place.0.file("image.tar");
    let run = place.script(&["--output", output.to_str().unwrap()], &[place.binary(name, bytes)]);
    let said = String::from_utf8(run.stderr).unwrap();
    assert_eq!(run.status.code(), Some(1), "{said}");
    assert!(said.contains(words) && said.contains(name), "{said}");
    assert_eq!(said.lines().count(), 1, "{said}");
    assert!(!output.exists());
}

#[test]
fn what_cannot_start_in_an_empty_image_is_refused() {
    check_refused("dynamic", &elf(2, MACHINE_AMD64, &[LOAD, INTERPRETER]), "linked dynamically");
    check_refused("dynamic32", &elf(1, MACHINE_ARM, &[INTERPRETER, LOAD]), "linked dynamically");
    check_refused("script", b"#!/bin/sh\n", "no ELF program");
    check_refused("empty", b"", "no ELF program");
    check_refused("object", &elf(2, MACHINE_AMD64, &[]), "no program but another kind");
    check_refused("mainframe", &elf(2, MACHINE_S390, &[LOAD]), "ELF machine 22");
    check_refused("cut", &amd64()[..60], "cut off");
    check_refused("cut-table", &amd64()[..66], "cut off");
}

#[test]
fn a_platform_comes_once() {
    let place = Place::new();
    let output = place.0.file("image.tar");
    let binaries = [place.binary("a", &amd64()), place.binary("b", &amd64())];
    let run = place.script(&["--output", output.to_str().unwrap()], &binaries);
    assert_eq!(run.status.code(), Some(1));
    assert!(String::from_utf8(run.stderr).unwrap().contains("b is the second binary for amd64"));
    assert!(!output.exists());
}

/// Arguments that cannot be used are answered with the cause and the usage.
fn check_usage(args: &[&str], words: &str) {
    let place = Place::new();
    let binary = place.binary("agent", &amd64());
    let run = place.script(args, &[binary]);
    let said = String::from_utf8(run.stderr).unwrap();
    assert_eq!(run.status.code(), Some(2), "{said}");
    assert!(said.contains(words) && said.contains("\nusage: "), "{said}");
}

#[test]
fn arguments_that_cannot_be_used_are_refused() {
    check_usage(&[], "--output is missing");
    check_usage(&["--image", "x:1"], "--image is no option");
    check_usage(&["--output", "x", "--name", "plz-agent"], "has no tag");
    check_usage(&["--output", "x", "--name", "box:5000/plz-agent"], "has no tag");
    check_usage(&["--output", "x", "--name", "a\"b:1"], "no image name");
    check_usage(&["--output", "x", "--source", "https://a b"], "no URL");
}

#[test]
fn the_licenses_have_to_be_there() {
    let place = Place::new();
    let script = place.0.file("oci-archive");
    fs::copy(Path::new(env!("CARGO_MANIFEST_DIR")).join("manifests/image/oci-archive"), &script).unwrap();
    let output = place.0.file("image.tar");
    let mut command = Command::new(script);
    let run = command.arg("--output").arg(&output).arg(place.binary("agent", &amd64())).output().unwrap();
    assert_eq!(run.status.code(), Some(1));
    assert!(String::from_utf8(run.stderr).unwrap().contains("LICENSES is not there or cannot be read; "));
    assert!(!output.exists());
}

#[test]
fn a_missing_binary_is_named() {
    let place = Place::new();
    let run = place.script(&["--output", "x"], &[place.0.file("gone")]);
    assert_eq!(run.status.code(), Some(1));
    assert!(String::from_utf8(run.stderr).unwrap().contains("gone is not there"));
}
