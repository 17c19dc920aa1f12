//! Where the runner finds its script.
//!
//! Owns the reading of `spec.script` and the volume that goes with it. It leaves alone what is in the script. Its
//! invariant: the path is absolute unless the user gave a relative local file.

use serde_json::{Value, json};

use crate::api::run::{ConfigMap, Script, VolumeClaim};

/// Volume with the script of a plain run.
const VOLUME: &str = "k6-test-volume";
/// Where scripts are mounted.
const MOUNT_PATH: &str = "/test";
/// File that is run when none is named.
const DEFAULT_FILE: &str = "test.js";

/// A script as the runner sees it.
#[derive(Clone, Debug, PartialEq)]
pub struct Location {
    /// What k6 is told to run.
    pub path: String,
    /// Whether it comes with the image or from an init container.
    pub is_local: bool,
    /// `v1.Volume`, unless local.
    pub volume: Option<Value>,
    /// `v1.VolumeMount`, unless local.
    pub mount: Option<Value>,
}

/// The first of volume claim, config map and local file that is given; none when there is none.
pub fn locate(script: &Script) -> Option<Location> {
    let claim = script.volume_claim.as_ref().filter(|claim| !claim.name.is_empty());
    let config_map = script.config_map.as_ref().filter(|config_map| !config_map.name.is_empty());
    match (claim, config_map, script.local_file.as_str()) {
        (Some(claim), _, _) => Some(on_volume(claim)),
        (None, Some(config_map), _) => Some(in_config_map(config_map)),
        (None, None, "") => None,
        (None, None, path) => {
            Some(Location { path: path.to_owned(), is_local: true, volume: None, mount: None })
        }
    }
}

fn on_volume(VolumeClaim { name, file, read_only }: &VolumeClaim) -> Location {
    let file = if file.is_empty() { DEFAULT_FILE } else { file };
    // The directory of an absolute path is the mount point; a relative one lies within the volume.
    let (mount_path, path) = match file.rsplit_once('/') {
        Some((directory, _)) if file.starts_with('/') => (format!("{directory}/"), file.to_owned()),
        _ => (MOUNT_PATH.to_owned(), format!("{MOUNT_PATH}/{file}")),
    };
    let mut mount = json!({ "name": VOLUME, "mountPath": mount_path });
    if *read_only {
        mount["readOnly"] = json!(true);
    }
    let volume = json!({ "name": VOLUME, "persistentVolumeClaim": { "claimName": name } });
    Location { path, is_local: false, volume: Some(volume), mount: Some(mount) }
}

fn in_config_map(ConfigMap { name, file }: &ConfigMap) -> Location {
    let file = if file.is_empty() { DEFAULT_FILE } else { file };
    Location {
        path: format!("{MOUNT_PATH}/{file}"),
        is_local: false,
        volume: Some(json!({ "name": VOLUME, "configMap": { "name": name } })),
        mount: Some(json!({ "name": VOLUME, "mountPath": MOUNT_PATH, "readOnly": true })),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn paths_and_mounts() {
        let check = |script: Value, path: &str, mount_path: Option<&str>| {
            let location = locate(&serde_json::from_value(script.clone()).unwrap()).unwrap();
            assert_eq!(location.path, path, "{script}");
            let mount = location.mount.as_ref().map(|mount| mount["mountPath"].as_str().unwrap());
            assert_eq!(mount, mount_path, "{script}");
            assert_eq!(
                (location.is_local, location.volume.is_some()),
                (mount.is_none(), mount.is_some()),
                "{script}"
            );
        };
        check(json!({ "configMap": { "name": "c" } }), "/test/test.js", Some("/test"));
        check(json!({ "configMap": { "name": "c", "file": "a.tar" } }), "/test/a.tar", Some("/test"));
        check(json!({ "volumeClaim": { "name": "v" } }), "/test/test.js", Some("/test"));
        check(json!({ "volumeClaim": { "name": "v", "file": "d/a.js" } }), "/test/d/a.js", Some("/test"));
        check(json!({ "volumeClaim": { "name": "v", "file": "/d/e/a.js" } }), "/d/e/a.js", Some("/d/e/"));
        check(json!({ "localFile": "/d/a.js" }), "/d/a.js", None);
        check(
            json!({ "localFile": "/a", "configMap": { "name": "c" }, "volumeClaim": null }),
            "/test/test.js",
            Some("/test"),
        );
        assert_eq!(locate(&Script::default()), None);
    }
}
