//! The `PrivateLoadZone` custom resource (`k6.io/v1alpha1`, `privateloadzones`): its shape, and what can be read off
//! it directly.
//!
//! Owns field names, finalizer, annotation and condition type. It leaves alone what is done about a zone. Its
//! invariants: null reads like absence, and nothing empty is written.

use std::collections::BTreeMap;

use k8s::fields::{Faults, Read};
use k8s::{Condition, Key, ObjectMeta, OwnerReference, Resource};
use serde::{Serialize, Serializer};
use serde_json::Value;

use crate::api::run::{API_VERSION, Written};
use crate::maps::map_of;
use crate::passthrough::{self, PodMetadata};

/// `privateloadzones.k6.io`.
pub const RESOURCE: Resource = Resource::new("k6.io", "v1alpha1", "privateloadzones");
/// `kind` of a zone.
pub const KIND: &str = "PrivateLoadZone";
/// Keeps a zone from vanishing before GCk6 has forgotten it.
pub const FINALIZER: &str = "privateloadzones.k6.io/finalizer";
/// Annotation with the provider id that the zone was registered under.
pub const PLZ_UID_ANNOTATION: &str = "privateloadzones.k6.io/plz-uid";
/// Condition: GCk6 knows the zone.
pub const PLZ_REGISTERED: &str = "PLZRegistered";
/// Key of the token within the zone's Secret.
pub const TOKEN_KEY: &str = "token";

/// A private load zone. Written with its `apiVersion` and `kind`, read without a look at them.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct PrivateLoadZone {
    /// `metadata`.
    pub metadata: ObjectMeta,
    /// What is wanted.
    pub spec: ZoneSpec,
    /// What has become of it.
    pub status: ZoneStatus,
}
k8s::readable!(PrivateLoadZone { metadata: "metadata", spec: "spec", status: "status" });

impl PrivateLoadZone {
    /// Whether the zone bears [`FINALIZER`].
    pub fn has_finalizer(&self) -> bool {
        self.metadata.finalizers.iter().any(|finalizer| finalizer == FINALIZER)
    }

    /// The provider id that the zone was registered under, by [`PLZ_UID_ANNOTATION`].
    pub fn recorded_uid(&self) -> Option<&str> {
        self.metadata.annotations.get(PLZ_UID_ANNOTATION).map(String::as_str).filter(|uid| !uid.is_empty())
    }

    /// The provider id to register under: the recorded one, else the object's own uid, which is as stable.
    pub fn provider_id(&self) -> &str {
        self.recorded_uid().unwrap_or(&self.metadata.uid)
    }

    /// The Secret with its token, if it names one.
    pub fn secret(&self) -> Option<Key> {
        let name = &self.spec.token;
        (!name.is_empty()).then(|| Key::new(self.metadata.namespace.clone(), name.clone()))
    }

    /// A condition by its type.
    pub fn condition(&self, type_: &str) -> Option<&Condition> {
        self.status.conditions.iter().find(|condition| condition.type_ == type_)
    }

    /// Whether [`PLZ_REGISTERED`] is true.
    pub fn is_registered(&self) -> bool {
        self.condition(PLZ_REGISTERED).is_some_and(Condition::is_true)
    }

    /// The reference that the zone's test runs bear: controller, blocking the owner's deletion.
    pub fn owner_reference(&self) -> OwnerReference {
        OwnerReference::controller(API_VERSION, KIND, &self.metadata)
    }
}

impl Serialize for PrivateLoadZone {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let Self { metadata, spec, status } = self;
        let status = (!is_default(status)).then_some(status);
        Written { api_version: API_VERSION, kind: KIND, metadata, spec, status }.serialize(serializer)
    }
}

/// `spec` of a zone.
#[derive(Clone, Debug, Default, PartialEq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct ZoneSpec {
    /// Name of the Secret with the token, in the zone's namespace, under [`TOKEN_KEY`].
    pub token: String,
    /// Resources of each runner; the limits are what GCk6 sizes tests by.
    pub resources: Resources,
    /// Service account of the runners' pods.
    #[serde(skip_serializing_if = "String::is_empty")]
    pub service_account_name: String,
    /// Labels of the nodes to run on.
    #[serde(skip_serializing_if = "BTreeMap::is_empty")]
    pub node_selector: BTreeMap<String, String>,
    /// Image of the runners; GCk6 chooses when empty.
    #[serde(skip_serializing_if = "String::is_empty")]
    pub image: String,
    /// `v1.LocalObjectReference`s.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub image_pull_secrets: Vec<Value>,
    /// More environment for the runners.
    #[serde(skip_serializing_if = "is_default")]
    pub config: ZoneConfig,
    /// What to put on the runners' pods.
    #[serde(skip_serializing_if = "is_default")]
    pub pod_template: PodTemplate,
}
k8s::readable!(ZoneSpec {
    token: "token",
    resources: "resources",
    service_account_name: "serviceAccountName",
    node_selector: "nodeSelector",
    image: "image",
    image_pull_secrets: "imagePullSecrets" by passthrough::list,
    config: "config",
    pod_template: "podTemplate",
});

/// `v1.ResourceRequirements`. Quantities are text, whether they came as text or as a number.
#[derive(Clone, Debug, Default, PartialEq, Serialize)]
pub struct Resources {
    /// At most, by resource name.
    #[serde(skip_serializing_if = "BTreeMap::is_empty")]
    pub limits: BTreeMap<String, String>,
    /// At least, by resource name.
    #[serde(skip_serializing_if = "BTreeMap::is_empty")]
    pub requests: BTreeMap<String, String>,
    /// `v1.ResourceClaim`s.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub claims: Vec<Value>,
}
k8s::readable!(Resources {
    limits: "limits" by quantities,
    requests: "requests" by quantities,
    claims: "claims" by passthrough::list,
});

impl Resources {
    /// The limit on `cpu` or `memory` as Kubernetes prints it (`0.5` is `500m`, `1024Mi` is `1Gi`); none when unset.
    pub fn limit(&self, resource: &str) -> Option<String> {
        self.limits.get(resource).map(|quantity| super::quantity::canonical(quantity))
    }
}

/// `spec.config` of a zone.
#[derive(Clone, Debug, Default, PartialEq, Serialize)]
pub struct ZoneConfig {
    /// `v1.EnvFromSource`s without a prefix: `{"secretRef":…}` or `{"configMapRef":…}`.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub secrets: Vec<Value>,
}
k8s::readable!(ZoneConfig {
    secrets: "secrets" by passthrough::list,
});

/// The part of a `v1.PodTemplateSpec` that is put on the runners' pods.
#[derive(Clone, Debug, Default, PartialEq, Serialize)]
pub struct PodTemplate {
    /// Labels and annotations.
    #[serde(skip_serializing_if = "PodMetadata::is_empty")]
    pub metadata: PodMetadata,
    /// Security contexts and tolerations.
    #[serde(skip_serializing_if = "is_default")]
    pub spec: PodTemplateSpec,
}
k8s::readable!(PodTemplate { metadata: "metadata", spec: "spec" });

/// `spec.podTemplate.spec` of a zone.
#[derive(Clone, Debug, Default, PartialEq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct PodTemplateSpec {
    /// `v1.PodSecurityContext`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub security_context: Option<Value>,
    /// `v1.Toleration`s.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub tolerations: Vec<Value>,
    /// `v1.Container`s, of which the first one's `securityContext` counts.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub containers: Vec<Value>,
}
k8s::readable!(PodTemplateSpec {
    security_context: "securityContext" by passthrough::object,
    tolerations: "tolerations" by passthrough::list,
    containers: "containers" by passthrough::list,
});

impl PodTemplateSpec {
    /// The `v1.SecurityContext` for every container of a runner's pod.
    pub fn container_security_context(&self) -> Option<&Value> {
        self.containers.first().and_then(|container| container.get("securityContext"))
    }
}

/// `status` of a zone.
#[derive(Clone, Debug, Default, PartialEq, Serialize)]
pub struct ZoneStatus {
    /// Conditions, each type once.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub conditions: Vec<Condition>,
}
k8s::readable!(ZoneStatus { conditions: "conditions" });

fn quantities(value: &Value, faults: &mut Faults) -> BTreeMap<String, String> {
    let map: BTreeMap<String, Value> = Read::read(value, faults);
    let filled = map.into_iter().filter(|(_, quantity)| !quantity.is_null());
    map_of(filled.map(|(resource, quantity)| match quantity {
        Value::String(text) => (resource, text),
        number => (resource, number.to_string()),
    }))
}

fn is_default<T: Default + PartialEq>(value: &T) -> bool {
    *value == T::default()
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[track_caller]
    fn read(value: Value) -> PrivateLoadZone {
        serde_json::from_value(value).unwrap()
    }

    #[test]
    fn null_reads_like_absence_and_is_not_written() {
        let nulls = json!({
            "metadata": { "name": "edge", "annotations": null, "finalizers": null },
            "spec": {
                "token": null, "resources": { "limits": { "cpu": null }, "requests": null, "claims": null },
                "nodeSelector": null, "image": null, "imagePullSecrets": null, "config": { "secrets": null },
                "podTemplate": { "metadata": { "creationTimestamp": null }, "spec": { "containers": null, "securityContext": null } },
            },
            "status": { "conditions": null },
        });
        let wanted = json!({ "apiVersion": API_VERSION, "kind": KIND, "metadata": { "name": "edge" },
            "spec": { "token": "", "resources": {} } });
        assert_eq!(serde_json::to_value(read(nulls)).unwrap(), wanted);
        assert_eq!(
            read(json!({ "spec": null, "status": null, "metadata": null })),
            PrivateLoadZone::default()
        );
    }

    #[test]
    fn limits_as_kubernetes_prints_them() {
        let check = |cpu: Value, wanted: Option<&str>| {
            let zone = read(json!({ "spec": { "resources": { "limits": { "cpu": cpu } } } }));
            assert_eq!(zone.spec.resources.limit("cpu").as_deref(), wanted, "{cpu}");
        };
        check(json!("200m"), Some("200m"));
        check(json!(2), Some("2"));
        check(json!("0.5"), Some("500m"));
        check(json!(0.5), Some("500m"));
        check(json!(null), None);
        assert_eq!(PrivateLoadZone::default().spec.resources.limit("memory"), None);
    }

    #[test]
    fn the_provider_id_is_the_recorded_one_or_the_uid() {
        let check = |annotations: Value, wanted: &str| {
            let zone = read(json!({ "metadata": { "uid": "own", "annotations": annotations } }));
            assert_eq!(zone.provider_id(), wanted);
        };
        check(json!({ PLZ_UID_ANNOTATION: "recorded" }), "recorded");
        check(json!({ PLZ_UID_ANNOTATION: "" }), "own");
        check(json!(null), "own");
    }

    #[test]
    fn registered_means_true() {
        for (status, wanted) in [("True", true), ("False", false), ("Unknown", false)] {
            let conditions =
                json!([{ "type": "Other", "status": "True" }, { "type": PLZ_REGISTERED, "status": status }]);
            assert_eq!(read(json!({ "status": { "conditions": conditions } })).is_registered(), wanted);
        }
        assert!(!PrivateLoadZone::default().is_registered());
    }
}
