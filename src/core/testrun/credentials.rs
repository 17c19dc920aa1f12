//! What of a zone's run is for those alone who may read Secrets: the presigned URL of its archive, and the token by which its runners
//! read the secrets of the test.
//!
//! Owns the Secret that holds them, and the variables of pods that refer to it. Leaves alone when it is made (`table`). Invariant: what
//! is in here is in no other object of the run.

use serde_json::{Value, json};

use crate::api::run::{APP, EnvVar, LABEL_APP, LABEL_TEST_RUN, TestRun};
use crate::cloud::TestRunData;
use crate::redact::Secret;

/// Key of the presigned URL.
pub const ARCHIVE_URL_KEY: &str = "archive-url";
/// Key of the `Authorization` header for the secrets of the test.
pub const AUTHORIZATION_KEY: &str = "secrets-authorization";

/// See the module.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Credentials {
    archive_url: Secret,
    authorization: Option<Secret>,
}

impl Credentials {
    /// What GCk6 has sent; none where the archive's URL is missing, without which there is no run.
    #[must_use]
    pub fn of(data: &TestRunData) -> Option<Self> {
        let archive_url = data.config.archive_url.clone()?;
        let authorization = has_secrets(data)
            .then_some(data.test_run_token.as_ref())
            .flatten()
            .map(|token| Secret::new(format!("Bearer {}", token.expose())));
        Some(Self { archive_url, authorization })
    }

    /// The Secret (`v1`) of `run`, which owns it and bears the same name.
    #[must_use]
    pub fn object(&self, run: &TestRun) -> Value {
        let mut data = json!({ ARCHIVE_URL_KEY: self.archive_url.expose() });
        if let Some(authorization) = &self.authorization {
            data[AUTHORIZATION_KEY] = json!(authorization.expose());
        }
        let name = &run.metadata.name;
        json!({
            "apiVersion": "v1",
            "kind": "Secret",
            "metadata": {
                "name": name,
                "namespace": run.metadata.namespace,
                "labels": { LABEL_APP: APP, LABEL_TEST_RUN: name },
                "ownerReferences": [run.owner_reference()],
            },
            "immutable": true,
            "stringData": data,
        })
    }
}

/// Whether runners are given a place to read secrets from.
#[must_use]
pub fn has_secrets(data: &TestRunData) -> bool {
    data.secrets.as_ref().is_some_and(|secrets| !secrets.endpoint.is_empty())
}

/// A variable that the kubelet fills in from the Secret of the run `run`. It expands nothing in what it finds there.
#[must_use]
pub fn variable(name: &str, run: &str, key: &str) -> EnvVar {
    let reference = json!({ "secretKeyRef": { "name": run, "key": key } });
    EnvVar { value_from: Some(reference), ..EnvVar::new(name, "") }
}

/// Whether the run's pods wait for its Secret. Those of an earlier version, and of k6-operator, have all in plain.
#[must_use]
pub fn are_awaited(run: &TestRun) -> bool {
    let name = run.metadata.name.as_str();
    let refers = |variable: &EnvVar| {
        let source = variable.value_from.as_ref();
        source.is_some_and(|source| source["secretKeyRef"]["name"] == name)
    };
    let settings = &run.spec.runner;
    settings.init_containers.iter().flat_map(|container| &container.env).chain(&settings.env).any(refers)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::cloud::RunId;
    use crate::testrun::template::{self, tests as zones};

    fn run(data: &TestRunData) -> TestRun {
        let mut run = template::test_run(&zones::full_zone(), RunId(101), data, &zones::settings()).unwrap();
        run.metadata.uid = "run-uid".to_owned();
        run
    }

    #[test]
    fn the_secret_is_the_runs_own() {
        let data = zones::full_data();
        let secret = Credentials::of(&data).unwrap().object(&run(&data));
        let url = data.config.archive_url.unwrap();
        assert_eq!(
            secret["stringData"],
            json!({ ARCHIVE_URL_KEY: url.expose(), AUTHORIZATION_KEY: "Bearer run-t$ken" }),
        );
        assert_eq!(secret["metadata"]["ownerReferences"][0]["uid"], "run-uid");
        assert_eq!(
            (&secret["metadata"]["name"], &secret["immutable"]),
            (&json!("plz-test-101"), &json!(true))
        );
    }

    #[test]
    fn what_is_missing_is_left_out() {
        let data = zones::plain_data();
        let secret = Credentials::of(&data).unwrap().object(&run(&data));
        assert_eq!(secret["stringData"].as_object().unwrap().len(), 1);
        assert_eq!(Credentials::of(&TestRunData::default()), None);
    }

    #[test]
    fn a_run_waits_for_the_secret_that_it_refers_to() {
        let mut run = run(&zones::plain_data());
        assert!(are_awaited(&run));
        run.metadata.name = "other".to_owned();
        assert!(!are_awaited(&run));
        assert!(!are_awaited(&TestRun::default()));
    }

    #[test]
    fn nothing_of_it_is_in_the_run_or_its_jobs() {
        let data = zones::full_data();
        let run = run(&data);
        let job = crate::testrun::jobs::runner::job(&run, 1).unwrap();
        for object in [serde_json::to_string(&run).unwrap(), job.to_string()] {
            for part in ["X-Amz", "bucket.s3", "run-t", "Bearer"] {
                assert!(!object.contains(part), "{part}: {object}");
            }
        }
        assert!(!format!("{:?}", Credentials::of(&data)).contains("X-Amz"));
    }
}
