//! Targets, attributes and bodies of the requests.

use super::*;

const PLANETS: Resource = Resource::new("example.com", "v1beta1", "planets");

#[rustfmt::skip]
#[test]
fn targets() {
    let check = |request: Request, wanted: &str| assert_eq!(format!("{request:?}"), wanted);
    let pages = ListOptions { label_selector: Some("a=b"), limit: Some(500), continue_token: Some("x/="), ..ListOptions::default() };
    let since = WatchOptions { resource_version: Some("7"), timeout: Some(Duration::from_secs(290)), ..WatchOptions::default() };
    let tail = LogOptions { container: Some("web"), tail_lines: Some(5), limit_bytes: Some(9), previous: true };
    let none = json!({});

    check(PODS.get(Some("ns"), "web"),                  "GET /api/v1/namespaces/ns/pods/web");
    check(JOBS.get(Some("ns"), "web"),                  "GET /apis/batch/v1/namespaces/ns/jobs/web");
    check(CRDS.get(None, "planets.example.com"),        "GET /apis/apiextensions.k8s.io/v1/customresourcedefinitions/planets.example.com");
    check(SECRETS.get(Some("ns"), ""),                  "GET /api/v1/namespaces/ns/secrets/-");
    check(SECRETS.get(Some(""), "a"),                   "GET /api/v1/namespaces/-/secrets/a");
    check(PODS.list(None, &ListOptions::default()),     "GET /api/v1/pods");
    check(PODS.list(Some("ns"), &pages),                "GET /api/v1/namespaces/ns/pods?labelSelector=a%3Db&limit=500&continue=x%2F%3D");
    check(PLANETS.watch(None, &since),                  "GET /apis/example.com/v1beta1/planets?watch=1&resourceVersion=7&allowWatchBookmarks=true&timeoutSeconds=290");
    check(LEASES.watch(None, &WatchOptions { field_selector: Some("metadata.name=l"), ..since }), "GET /apis/coordination.k8s.io/v1/leases?watch=1&fieldSelector=metadata.name%3Dl&resourceVersion=7&allowWatchBookmarks=true&timeoutSeconds=290");
    check(EVENTS.create(Some("ns"), &none),             "POST /api/v1/namespaces/ns/events");
    check(LEASES.merge_patch(Some("ns"), "l", &none),   "PATCH /apis/coordination.k8s.io/v1/namespaces/ns/leases/l");
    check(LEASES.find(None, "l"),                       "GET /apis/coordination.k8s.io/v1/leases?fieldSelector=metadata.name%3Dl");
    check(PLANETS.merge_patch_status(Some("ns"), "p", &none), "PATCH /apis/example.com/v1beta1/namespaces/ns/planets/p/status");
    check(JOBS.delete(Some("ns"), "j", None), "DELETE /apis/batch/v1/namespaces/ns/jobs/j");
    check(pod_log("ns", "web", &tail),                  "GET /api/v1/namespaces/ns/pods/web/log?container=web&tailLines=5&limitBytes=9&previous=true");
    check(pod_proxy(Method::Patch, "ns", "web", 80, "/v1/x?y=1", None, vec![]), "PATCH /api/v1/namespaces/ns/pods/web:80/proxy/v1/x?y=1");
    check(self_subject_access_review(&Attributes::default()), "POST /apis/authorization.k8s.io/v1/selfsubjectaccessreviews");
}

#[rustfmt::skip]
#[test]
fn attributes_are_what_rbac_sees() {
    let check = |request: Request, wanted: [&str; 6]| {
        let Attributes { verb, group, version: _, resource, subresource, namespace, name } = &request.attributes;
        assert_eq!([*verb, *group, *resource, *subresource, namespace.as_str(), name.as_str()], wanted, "{request:?}");
    };
    let none = json!({});
    check(PODS.list(None, &ListOptions::default()),         ["list", "", "pods", "", "", ""]);
    check(PODS.watch(Some("ns"), &WatchOptions::default()), ["watch", "", "pods", "", "ns", ""]);
    check(LEASES.find(Some("ns"), "l"),                     ["list", "coordination.k8s.io", "leases", "", "ns", "l"]);
    let one = WatchOptions { field_selector: Some("metadata.name=l"), ..WatchOptions::default() };
    check(LEASES.watch(None, &one),                         ["watch", "coordination.k8s.io", "leases", "", "", "l"]);
    let some = ListOptions { field_selector: Some("reason=Failed"), ..ListOptions::default() };
    check(EVENTS.list(Some("ns"), &some),                   ["list", "", "events", "", "ns", ""]);
    check(JOBS.create(Some("ns"), &none),                   ["create", "batch", "jobs", "", "ns", ""]);
    check(JOBS.merge_patch_status(Some("ns"), "j", &none),  ["patch", "batch", "jobs", "status", "ns", "j"]);
    check(pod_log("ns", "web", &LogOptions::default()),     ["get", "", "pods", "log", "ns", "web"]);
    check(pod_proxy(Method::Post, "ns", "web", 80, "/", None, vec![]), ["create", "", "pods", "proxy", "ns", "web"]);
}

#[test]
fn bodies() {
    let check = |request: &Request, content_type: &str, wanted: &str| {
        assert_eq!(request.content_type, Some(content_type));
        assert_eq!(String::from_utf8_lossy(&request.body), wanted);
    };
    check(
        &JOBS.delete(Some("ns"), "j", Some("u1")),
        JSON,
        r#"{"apiVersion":"v1","kind":"DeleteOptions","preconditions":{"uid":"u1"},"propagationPolicy":"Background"}"#,
    );
    check(
        &JOBS.delete(Some("ns"), "j", None),
        JSON,
        r#"{"apiVersion":"v1","kind":"DeleteOptions","propagationPolicy":"Background"}"#,
    );
    check(&JOBS.merge_patch(Some("ns"), "j", &json!({"a": 1})), MERGE_PATCH, r#"{"a":1}"#);
    check(
        &self_subject_access_review(&PODS.get(Some("ns"), "web").attributes),
        JSON,
        r#"{"apiVersion":"authorization.k8s.io/v1","kind":"SelfSubjectAccessReview","spec":{"resourceAttributes":{"name":"web","namespace":"ns","resource":"pods","verb":"get","version":"v1"}}}"#,
    );
}
