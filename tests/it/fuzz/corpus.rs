//! Honest input, as the systems around the agent send it: what is mutated.

pub(super) const ZONES: &[&[u8]] = &[
    br#"{"metadata":{"name":"edge","namespace":"load","uid":"zone-uid","resourceVersion":"5","generation":1},"spec":{"token":"k6-token","resources":{"limits":{"cpu":"200m","memory":"256Mi"}}}}"#,
    br#"{"metadata":{"name":"edge","namespace":"load","uid":"z2","resourceVersion":"7","generation":2,"deletionTimestamp":"2026-01-01T00:00:00Z","finalizers":["privateloadzones.k6.io/finalizer"],"annotations":{"privateloadzones.k6.io/plz-uid":"u"}},"spec":{"token":"t","image":"grafana/k6:0.57.0","nodeSelector":{"a":"b"},"config":{"secrets":[{"secretRef":{"name":"s"}}]},"podTemplate":{"metadata":{"labels":{"a":"b"}},"spec":{"tolerations":[{"key":"a"}],"containers":[{"securityContext":{"runAsUser":1}}]}},"resources":{"limits":{"cpu":1,"memory":"1Gi"}}},"status":{"conditions":[{"type":"PLZRegistered","status":"True","reason":"PLZRegisteredTrue","message":"m","lastTransitionTime":"2026-01-01T00:00:00Z"}]}}"#,
];

pub(super) const RUNS: &[&[u8]] = &[
    br#"{"metadata":{"name":"plz-test-101","namespace":"load","uid":"run-uid","resourceVersion":"6","ownerReferences":[{"apiVersion":"k6.io/v1alpha1","kind":"PrivateLoadZone","name":"edge","uid":"zone-uid","controller":true}],"finalizers":["k6.io/plz-agent"]},"spec":{"testRunId":"101","token":"k6-token","parallelism":2,"args":["--out","cloud"],"script":{"localFile":"/test/archive.tar"},"cleanup":"post","runner":{"image":"grafana/k6:latest","env":[{"name":"A","value":"b"}]}},"status":{"stage":"created","testRunId":"101","aggregationVars":"2|3s|8s|1s|1","conditions":[{"type":"TestRunRunning","status":"Unknown","reason":"TestRunPreparation","message":"","lastTransitionTime":"2026-01-01T00:00:00Z"}]}}"#,
    br#"{"metadata":{"name":"plain","namespace":"load","uid":"p","resourceVersion":"8"},"spec":{"parallelism":4000000000,"arguments":"--vus 1","script":{"configMap":{"name":"c","file":"test.js"}},"ports":[{"containerPort":1}],"quiet":"true","paused":"true"},"status":{"stage":"finished"}}"#,
];

pub(super) const PODS: &[&[u8]] = &[
    br#"{"metadata":{"name":"plz-test-101-1-abcde","namespace":"load","uid":"pod-uid","resourceVersion":"9","labels":{"app":"k6","k6_cr":"plz-test-101","runner":"true","job-name":"plz-test-101-1"},"ownerReferences":[{"apiVersion":"batch/v1","kind":"Job","name":"plz-test-101-1","uid":"job-uid","controller":true}]},"spec":{"nodeName":"n"},"status":{"phase":"Running","podIP":"10.1.2.3","startTime":"2026-01-01T00:00:00Z","conditions":[{"type":"PodScheduled","status":"True"}],"initContainerStatuses":[{"name":"archive-download","state":{"terminated":{"exitCode":0}}}],"containerStatuses":[{"name":"k6","state":{"running":{"startedAt":"2026-01-01T00:00:00Z"}}}]}}"#,
    br#"{"metadata":{"name":"p2","namespace":"load","uid":"p2","resourceVersion":"11","labels":{"k6_cr":"plz-test-101","runner":"true","job-name":"plz-test-101-4000000000"},"deletionTimestamp":"2026-01-01T00:00:00Z"},"status":{"phase":"Failed","reason":"Evicted","message":"low on memory","containerStatuses":[{"name":"k6","state":{"terminated":{"exitCode":107,"reason":"Error","message":"time=x level=error msg=\"Token 0f9a8b7c\""}}}]}}"#,
];

pub(super) const LEASES: &[&[u8]] = &[
    br#"{"metadata":{"name":"plz-agent","namespace":"plz","resourceVersion":"3"},"spec":{"holderIdentity":"a_b","leaseDurationSeconds":15,"acquireTime":"2026-01-01T00:00:00.000000Z","renewTime":"2026-01-01T00:00:05.123456Z","leaseTransitions":3}}"#,
    br#"{"items":[{"metadata":{"name":"fcdfce80.io","namespace":"k6-operator-system"},"spec":{"holderIdentity":"op","renewTime":"2026-01-01T00:00:05.123456Z"}}]}"#,
];

pub(super) const OPERATORS: &[&[u8]] = &[
    br#"{"metadata":{"name":"fcdfce80.io","namespace":"k6-operator-system","uid":"op-uid","resourceVersion":"7"},"spec":{"holderIdentity":"op","leaseDurationSeconds":15,"renewTime":"2026-01-01T00:00:05.123456Z"}}"#,
    br#"{"metadata":{"name":"fcdfce80.io","namespace":"load","uid":"op-2","resourceVersion":"12"},"spec":{"holderIdentity":"","leaseDurationSeconds":-1}}"#,
];

pub(super) const SECRETS: &[&[u8]] = &[br#"{"metadata":{"name":"k6-token","namespace":"load"},"data":{"token":"Z2xjX2FiYw=="}}"#];

pub(super) const STATUSES: &[&[u8]] = &[
    br#"{"kind":"Status","apiVersion":"v1","status":"Failure","message":"jobs.batch \"x\" already exists","reason":"AlreadyExists","details":{"name":"x","kind":"jobs","retryAfterSeconds":1,"causes":[{"reason":"FieldValueInvalid","message":"m","field":"spec"}]},"code":409}"#,
    br#"{"kind":"SelfSubjectAccessReview","status":{"allowed":false,"reason":"no","evaluationError":"clusterrole not found"}}"#,
    b"<html><title>Bad Gateway</title>http://u:p@h/?q=1</html>",
];

pub(super) const ALL_OF_KUBERNETES: &[&[u8]] =
    &[ZONES[0], RUNS[0], RUNS[1], PODS[0], LEASES[0], LEASES[1], SECRETS[0], br#"{"metadata":{"name":"plz-test-101-1","uid":"job-uid"}}"#];

pub(super) const CLOUD_LISTS: &[&[u8]] = &[br#"{"object":[{"id":101},{"id":"102"}]}"#, b""];

pub(super) const CLOUD_DATA: &[&[u8]] = &[
    br#"{"id":101,"run_status":1,"k8s_load_zones_config":{"load_runner_image":"grafana/k6:latest","instance_count":2,"k6_archive_temp_public_url":"https://bucket.s3.amazonaws.com/a?X-Amz-Signature=0f9a8b","cli_flags":{"blacklist_ips":["10.0.0.0/8"],"blocked_hostnames":["*.bad"],"include_system_env_vars":false,"user_agent":"u","tags":{"team":"edge, team"}},"environment":{"GREETING":"$(HOME) \"quoted\""},"gck6_env_vars":{}},"k6_runtime_config":{"aggregationPeriod":"3s","aggregationWaitPeriod":"8s","metricPushInterval":"1s","metricPushConcurrency":1},"load_zone_distribution":{"label":{"loadZone":"edge","percent":100}},"test_run_token":"t","secrets_config":{"endpoint":"https://h/{key}","response_path":"plaintext"}}"#,
];

pub(super) const CLOUD_STATES: &[&[u8]] = &[br#"{"id":101,"run_status":2}"#];

pub(super) const CLOUD_ERRORS: &[&[u8]] = &[
    br#"{"error":{"message":"the token is bad","code":4,"details":{"field":["bad"]}}}"#,
    b"<html><title>Login</title></html>",
];

pub(super) const ALL_OF_CLOUD: &[&[u8]] = &[CLOUD_LISTS[0], CLOUD_DATA[0], CLOUD_STATES[0], br#"{"k6_load_zone_id":"edge"}"#, b"{}"];

pub(super) const RUNNER_STATUSES: &[&[u8]] = &[
    br#"{"data":{"type":"status","id":"default","attributes":{"status":4,"paused":true,"vus":0,"vus-max":2,"stopped":false,"running":false,"tainted":false}}}"#,
    br#"{"data":{"type":"status","id":"default","attributes":{"status":10,"execution_result":{"exit_code":108}}}}"#,
];

pub(super) const RUNNER_SETUPS: &[&[u8]] = &[br#"{"data":{"type":"setupData","id":"default","attributes":{"data":{"a":[1,2.5,null]}}}}"#];

pub(super) const RUNNER_ERRORS: &[&[u8]] =
    &[br#"{"errors":[{"status":"500","title":"Error executing setup","detail":"Error: no\n\tat setup (http://u:p@h/x.js:1:1)"}]}"#];

pub(super) const ALL_OF_RUNNERS: &[&[u8]] = &[RUNNER_STATUSES[0], RUNNER_STATUSES[1], RUNNER_SETUPS[0], b""];

pub(super) const KUBECONFIGS: &[&[u8]] = &[
    b"apiVersion: v1\nkind: Config\ncurrent-context: c\ncontexts:\n- name: c\n  context: {cluster: k, user: u, namespace: n}\nclusters:\n- name: k\n  cluster:\n    server: https://10.0.0.1:6443\n    certificate-authority-data: YQ==\n    tls-server-name: x\nusers:\n- name: u\n  user:\n    token: abc\n",
    b"current-context: c\ncontexts: [{name: c, context: {cluster: k, user: u}}]\nclusters: [{name: k, cluster: {server: 'http://h', proxy-url: 'http://u:p@proxy:1', insecure-skip-tls-verify: true}}]\nusers:\n- name: u\n  user:\n    exec: {apiVersion: client.authentication.k8s.io/v1, command: aws, args: [a], env: [{name: A, value: b}], interactiveMode: Never}\n",
];

/// A token of a plugin, which no error may repeat.
pub(super) const PLANTED: &str = "hunter2hunter2";

pub(super) const EXEC_CREDENTIALS: &[&[u8]] = &[
    br#"{"apiVersion":"client.authentication.k8s.io/v1","kind":"ExecCredential","status":{"token":"hunter2hunter2","expirationTimestamp":"2026-01-01T00:00:05Z"}}"#,
    br#"{"apiVersion":"client.authentication.k8s.io/v1","kind":"ExecCredential","spec":{"interactive":false},"status":{"clientCertificateData":"-----BEGIN CERTIFICATE-----","clientKeyData":"hunter2hunter2"}}"#,
    b"apiVersion: client.authentication.k8s.io/v1\nkind: ExecCredential\nstatus:\n  token: !!binary aHVudGVyMmh1bnRlcjI=\n  expirationTimestamp: &t 2026-01-01T00:00:05Z\n",
];

pub(super) const HEADS: &[&[u8]] = &[
    b"GET /metrics?x=y HTTP/1.1\r\nHost: 10.0.0.7:8080\r\nUser-Agent: Prometheus/3.0\r\nAccept: text/plain;version=0.0.4;q=0.5,*/*;q=0.1\r\n\r\n",
    b"HEAD http://a:8080/readyz HTTP/1.0\n\n",
    b"POST /healthz HTTP/1.1\r\nContent-Length: 3\r\n\r\nabc",
    b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n",
    b"\x16\x03\x01\x02\0\x01\0\x01\xfc\x03\x03",
];

pub(super) const WATCHES: &[&[u8]] = &[
    br#"{"kind":"PodList","metadata":{"resourceVersion":"5","continue":"c"},"items":[{"metadata":{"name":"p","namespace":"n","uid":"u","resourceVersion":"4"},"status":{"phase":"Running"}}]}"#,
    b"{\"type\":\"ADDED\",\"object\":{\"metadata\":{\"name\":\"p\",\"uid\":\"u\",\"resourceVersion\":\"7\"}}}\n{\"type\":\"BOOKMARK\",\"object\":{\"metadata\":{\"resourceVersion\":\"8\"}}}\r\n\n",
    br#"{"type":"ERROR","object":{"kind":"Status","code":410,"reason":"Expired"}}"#,
];

pub(super) const SERVERS: &[&[u8]] = &[b"https://10.0.0.1:6443/prefix", b"http://[fd00::1]:80", b"https://h/k8s/clusters/c-1"];
pub(super) const TIMES: &[&[u8]] = &[b"2026-01-01T00:00:05.123456Z", b"Wed, 21 Oct 2026 07:28:00 GMT", b"120"];
pub(super) const QUANTITIES: &[&[u8]] = &[b"200m", b"1.5Gi", b"1e3", b"100k", b"0.1u"];
pub(super) const PROXIES: &[&[u8]] = &[b"http://u:p@proxy:3128", b"proxy:3128", b"socks5://[::1]:1"];
pub(super) const SOCKS: &[&[u8]] = &[b"\x05\x02\x01\0\x05\0\0\x03\x02ab\x01\xbb", b"\x05\0\x05\0\0\x01\x0a\0\0\x01\x01\xbb", b"\x05\xff"];
pub(super) const NO_PROXIES: &[&[u8]] = &[b"localhost,.cluster.local, 10.0.0.0/8,*.a,fd00::/8,h:80", b"*"];
pub(super) const TARS: &[&[u8]] = &[b"metadata.json\0\0\0", b"<?xml version=\"1.0\"?><Error><Code>AccessDenied</Code><Message>Request has expired</Message></Error>", &[0x1f, 0x8b]];
pub(super) const TERMINATIONS: &[&[u8]] = &[b"expired: the link to the archive has expired", b"tls: https://h/p?sig=1 is bad"];
pub(super) const TEXTS: &[&[u8]] = &[
    b"GET http://proxy/https://bob:0f9a8b7c@host/?a=1 Authorization: Bearer eyJhbGciOi.x.y, token=\"a b\" Token x Token y",
    b"u=http%3A%2F%2Fbob%3Apa%40h http:\\/\\/b:c@h\\u0026X-Amz-Signature=a <redacted>",
];
pub(super) const PEMS: &[&[u8]] = &[b"-----BEGIN CERTIFICATE-----\nMIIBAzCBqqADAgECAgEBMAoGCCqGSM49BAMCMA==\n-----END CERTIFICATE-----\n", b"-----BEGIN PRIVATE KEY-----\nMC4=\n-----END PRIVATE KEY-----"];
pub(super) const ARGUMENTS: &[&[u8]] = &[
    b"run\n--namespace\na,b\n--poll-interval\n10s\n--workers=4\n--log-filter\ninfo,k8s=debug\n--listen\n[::]:8080\n--start-deadline\n1h",
    b"fetch\n--to\n/nowhere/archive.tar\n--max-bytes\n2GiB\n--deadline\n100s",
    b"check\n--output\njson",
];
pub(super) const IDS: &[&[u8]] = &[b"101", b"18446744073709551615"];
