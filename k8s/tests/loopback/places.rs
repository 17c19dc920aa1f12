//! Where a configuration is found, with real files.

use std::fs;
use std::path::PathBuf;

use k8s::config::{Config, Credentials, Environment, Origin, Pem, Source, Trust};

use crate::scratch;

fn kubeconfig(context: &str, server: &str) -> String {
    format!(
        "current-context: {context}
contexts: [{{name: {context}, context: {{cluster: k}}}}]
clusters: [{{name: k, cluster: {{server: '{server}'}}}}]"
    )
}

struct Places {
    dir: PathBuf,
    source: Source,
}

impl Places {
    /// A home with a kubeconfig, a pod with a service account, and a KUBECONFIG of two files.
    fn new(test: &str) -> Self {
        let dir = scratch(test);
        fs::create_dir_all(dir.join("home/.kube")).unwrap();
        fs::create_dir_all(dir.join("account")).unwrap();
        fs::write(dir.join("home/.kube/config"), kubeconfig("home", "http://home")).unwrap();
        fs::write(dir.join("one"), kubeconfig("one", "http://one")).unwrap();
        fs::write(dir.join("two"), kubeconfig("two", "http://two")).unwrap();
        for (name, text) in [("token", "t"), ("ca.crt", "pem"), ("namespace", "web\n")] {
            fs::write(dir.join("account").join(name), text).unwrap();
        }
        let env = Environment {
            kubeconfig: Some(
                std::env::join_paths([dir.join("missing"), dir.join("one"), dir.join("two")]).unwrap(),
            ),
            home: Some(dir.join("home")),
            service_host: Some("fd00::1".to_owned()),
            service_port: Some("6443".to_owned()),
            service_account_dir: Some(dir.join("account")),
            ..Environment::default()
        };
        Self { source: Source { kubeconfig: Some(dir.join("two")), context: None, env }, dir }
    }

    #[track_caller]
    fn finds(&self, wanted: &str) {
        let found = Config::infer(&self.source).map(|config| config.server.to_string());
        assert_eq!(found.unwrap_or_else(|error| error.to_string()), wanted);
    }
}

#[test]
fn places_are_looked_at_in_order() {
    let mut places = Places::new("places");
    places.finds("http://two:80");
    places.source.kubeconfig = None;
    places.finds("http://one:80");
    places.source.context = Some("two".to_owned());
    // Both name their cluster k: the first file's counts, as with kubectl.
    places.finds("http://one:80");
    places.source.context = None;
    places.source.env.kubeconfig = Some(std::ffi::OsString::new());
    places.finds("https://[fd00::1]:6443");
    places.source.context = Some("home".to_owned());
    places.finds("http://home:80");
    places.source.context = None;
    places.source.env.service_host = None;
    places.finds("http://home:80");
    places.source.env.home = None;
    let text = Config::infer(&places.source).unwrap_err().to_string();
    assert!(text.contains("KUBECONFIG") && text.contains("~/.kube/config"), "{text}");
}

#[test]
fn a_named_file_has_to_be_there() {
    let mut places = Places::new("missing");
    places.source.kubeconfig = Some(places.dir.join("nowhere"));
    let text = Config::infer(&places.source).unwrap_err().to_string();
    assert!(text.contains("nowhere") && text.contains("cannot be read"), "{text}");
    places.source.kubeconfig = None;
    places.source.env.kubeconfig = Some("/nowhere/else".into());
    let text = Config::infer(&places.source).unwrap_err().to_string();
    assert!(text.contains("/nowhere/else"), "{text}");
}

#[test]
fn a_service_account_is_files_and_two_variables() {
    let places = Places::new("account");
    let source = Source {
        kubeconfig: None,
        env: Environment { kubeconfig: None, service_port: None, ..places.source.env },
        context: None,
    };
    let config = Config::infer(&source).unwrap();
    let account = places.dir.join("account");
    assert_eq!((config.origin, config.namespace.as_str()), (Origin::InCluster, "web"));
    assert_eq!(config.server.to_string(), "https://[fd00::1]:443");
    assert_eq!(config.credentials, Credentials::TokenFile(account.join("token")));
    assert_eq!(config.trust, Trust::Authorities(Pem::File(account.join("ca.crt"))));
}

#[test]
fn one_of_several_files_that_cannot_be_read_is_named() {
    let mut places = Places::new("unreadable");
    let folder = places.dir.join("folder");
    fs::create_dir(&folder).unwrap();
    places.source.kubeconfig = None;
    places.source.env.kubeconfig = Some(std::env::join_paths([&folder, &places.dir.join("one")]).unwrap());
    let config = Config::infer(&places.source).unwrap();
    assert_eq!(config.server.to_string(), "http://one:80");
    assert!(config.warnings[0].contains("folder: cannot be read"), "{:?}", config.warnings);
    // The others have to make a whole.
    places.source.context = Some("two".to_owned());
    assert!(Config::infer(&places.source).unwrap_err().to_string().contains("folder: cannot be read"));
    places.source.env.kubeconfig = Some(folder.into());
    assert!(Config::infer(&places.source).unwrap_err().to_string().contains("folder: cannot be read"));
}

#[test]
fn a_file_with_secrets_that_others_may_read_is_named() {
    use std::os::unix::fs::PermissionsExt;
    let places = Places::new("modes");
    let check = |user: &str, mode: u32, wanted: usize| {
        let text = kubeconfig("c", "http://h").replace("cluster: k}", "cluster: k, user: u}");
        fs::write(places.dir.join("two"), format!("{text}\nusers: [{{name: u, user: {{{user}}}}}]")).unwrap();
        fs::set_permissions(places.dir.join("two"), fs::Permissions::from_mode(mode)).unwrap();
        let warnings = Config::infer(&places.source).unwrap().warnings;
        assert_eq!(warnings.len(), wanted, "{warnings:?}");
        assert!(
            warnings.iter().all(|text| text.contains("may read it; run chmod") && !text.contains("hunter"))
        );
    };
    check("token: hunter", 0o644, 1);
    check("{token: !!binary aHVudGVy}".trim_matches(['{', '}']), 0o604, 1);
    check("token: hunter", 0o640, 0);
    check("tokenFile: t", 0o644, 0);
}
