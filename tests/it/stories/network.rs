//! Runner pods get proxies and a certificate authority, and say what they wait for.

use super::*;
use plz_agent::net::{NoProxy, ProxySettings, ProxyUrl};
use plz_core::testrun::network::{RunnerCa, RunnerNetwork, ShareProxy};

/// A zone whose runners get all that there is to share.
fn story() -> Story {
    let proxies = ProxySettings {
        https: Some(ProxyUrl::parse("http://proxy.edge:3128").unwrap()),
        http: None,
        no_proxy: NoProxy::parse(".edge,10.0.0.0/8"),
    };
    let ca = RunnerCa { config_map: "edge-ca".to_owned(), key: "root.pem".to_owned() };
    let mut settings = settings(7);
    settings.template.network = RunnerNetwork::new(&proxies.variables(), ShareProxy::All, Some(ca));
    let mut story = Story::empty_with(settings);
    story.drive.world.apply_zone(Duration::ZERO, NAMESPACE, ZONE);
    story
}

fn create_ca(story: &mut Story, key: &str) {
    let object = json!({"metadata": {"name": "edge-ca"}, "data": {key: "pem"}});
    story.drive.world.api.create(story.drive.now, Kind::ConfigMap, NAMESPACE, object).unwrap();
}

#[test]
fn pods_have_both() {
    let mut story = story();
    create_ca(&mut story, "root.pem");
    let id = story.run(1);
    story.stage(id, "started", s(10));
    let pods: Vec<Value> =
        story.drive.world.api.objects(Kind::Pod, NAMESPACE).map(|(_, pod)| Value::clone(pod)).collect();
    let spec = &pods[0]["spec"];
    let value = |container: &Value, name: &str| {
        let env = container["env"].as_array().unwrap().iter();
        env.filter(|variable| variable["name"] == name).map(|variable| variable["value"].clone()).next_back()
    };
    let (init, k6) = (&spec["initContainers"][0], &spec["containers"][0]);
    for container in [init, k6] {
        assert_eq!(value(container, "HTTPS_PROXY"), Some(json!("http://proxy.edge:3128")));
        assert_eq!(value(container, "NO_PROXY"), Some(json!(".edge,10.0.0.0/8")));
        let mounts = container["volumeMounts"].as_array().unwrap();
        assert!(
            mounts
                .contains(&json!({"name": "runner-ca", "mountPath": "/etc/plz-agent/ca", "readOnly": true}))
        );
    }
    assert_eq!(value(init, "SSL_CERT_FILE"), Some(json!("/etc/plz-agent/ca/ca.crt")));
    assert_eq!((value(init, "SSL_CERT_DIR"), value(k6, "SSL_CERT_FILE")), (None, None));
    assert!(
        value(k6, "SSL_CERT_DIR").is_some_and(|dirs| dirs.as_str().unwrap().ends_with(":/etc/plz-agent/ca"))
    );
    story.over(id, s(60), 3);
}

#[test]
fn a_config_map_that_is_missing_is_named() {
    for key in [None, Some("another.pem")] {
        let mut story = story();
        if let Some(key) = key {
            create_ca(&mut story, key);
        }
        let id = story.run(2);
        let run = story.over(id, s(400), 6);
        assert_eq!(told(&run), (vec![8050], 1));
        let detail = detail(&run);
        assert!(detail.contains("ConfigMap edge-ca with the key root.pem (--runner-ca)"), "{detail}");
    }
}

#[test]
fn a_config_map_may_come_late() {
    let mut story = story();
    let id = story.run(1);
    story.stage(id, "created", s(5));
    story.drive.run_for(s(60));
    create_ca(&mut story, "root.pem");
    story.over(id, s(90), 3);
}
