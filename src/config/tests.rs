//! Arguments and environment together.

use super::*;
use crate::net::NoProxy;

const SECOND: Duration = Duration::from_secs(1);

fn parse_with(args: &[&str], env: &[(&str, &str)]) -> Result<Command, UsageError> {
    parse(args.iter().map(OsString::from), &env.iter().copied().collect())
}

#[track_caller]
fn run(args: &[&str], env: &[(&str, &str)]) -> RunConfig {
    match parse_with(args, env) {
        Ok(Command::Run(config)) => *config,
        other => panic!("{args:?}: {other:?}"),
    }
}

/// The input is refused with a message that holds all of `parts` and no secret.
#[track_caller]
fn refused(args: &[&str], env: &[(&str, &str)], parts: &[&str]) {
    let message = parse_with(args, env).expect_err("is refused").to_string();
    assert!(parts.iter().all(|part| message.contains(part)), "{message}");
    assert!(!message.contains("s3cret") && !message.contains('\n'), "{message}");
}

#[test]
fn defaults() {
    let config = run(&[], &[]);
    assert_eq!(config, run(&["run"], &[("PLZ_LOG", ""), ("WATCH_NAMESPACE", "")]));
    assert_eq!((config.namespaces, config.lease), (Namespaces::All, None));
    assert_eq!(config.operator_namespaces, BTreeSet::from(["k6-operator-system".to_owned()]));
    assert_eq!(
        (config.cloud_api.as_str(), config.cloud_ingest.as_str()),
        ("https://api.k6.io", "https://ingest.k6.io")
    );
    assert_eq!((config.poll_interval, config.start_deadline), (10 * SECOND, 300 * SECOND));
    assert_eq!((config.runner_access, config.workers), (RunnerAccess::Auto, 4));
    assert_eq!(config.listen, None);
    assert_eq!(
        (config.fetch_image, config.extra_ca, config.context, config.kubeconfig),
        (None, None, None, None)
    );
    assert_eq!((config.log, config.kube_env), (LogConfig::default(), KubeEnv::default()));
    assert_eq!(config.notify_env, NotifyEnv::default());
}

#[test]
fn flags_win_over_the_environment() {
    let env = [
        ("PLZ_CLOUD_API", "http://env:1/"),
        ("K6_CLOUD_HOST", "http://ingest:2"),
        ("PLZ_LOG", "debug"),
        ("PLZ_FETCH_IMAGE", "env/image"),
        ("WATCH_NAMESPACE", "a"),
        ("WATCH_NAMESPACES", "b, c"),
    ];
    let named = |names: &[&str]| Namespaces::Named(names.iter().map(|name| (*name).to_owned()).collect());
    let config = run(&[], &env);
    assert_eq!(
        (config.cloud_api.as_str(), config.cloud_ingest.as_str()),
        ("http://env:1", "http://ingest:2")
    );
    assert_eq!((config.log.filter.as_str(), config.fetch_image.as_deref()), ("debug", Some("env/image")));
    assert_eq!(config.namespaces, named(&["a", "b", "c"]));

    let args = [
        "--cloud-api=http://flag:3",
        "--log",
        "warn",
        "--fetch-image",
        "x",
        "-n",
        "d,e",
        "--namespace=f",
        "-ng",
    ];
    let config = run(&args, &env);
    assert_eq!(
        (config.cloud_api.as_str(), config.cloud_ingest.as_str()),
        ("http://flag:3", "http://ingest:2")
    );
    assert_eq!((config.log.filter.as_str(), config.fetch_image.as_deref()), ("warn", Some("x")));
    assert_eq!(config.namespaces, named(&["d", "e", "f", "g"]));
    let operators = |args: &[&str]| run(args, &[("PLZ_OPERATOR_NAMESPACE", "a, b")]).operator_namespaces;
    assert_eq!(operators(&[]), BTreeSet::from(["a".to_owned(), "b".to_owned()]));
    let args = ["--operator-namespace=c", "--operator-namespace", "d"];
    assert_eq!(operators(&args), BTreeSet::from(["c".to_owned(), "d".to_owned()]));
    let lease = |namespace: Option<&str>, name: &str| {
        Some(LeaseName { namespace: namespace.map(str::to_owned), name: name.to_owned() })
    };
    assert_eq!(run(&[], &[("PLZ_LEASE", "a")]).lease, lease(None, "a"));
    assert_eq!(run(&["--lease=n/b"], &[("PLZ_LEASE", "a")]).lease, lease(Some("n"), "b"));
    assert_eq!(run(&["--workers", "2", "--workers=8"], &[]).workers, 8);
    assert_eq!(run(&["--listen=:8080"], &[("PLZ_LISTEN", "[::1]:1")]).listen, Some(ListenAddress::Any(8080)));
    assert_eq!(run(&[], &[("PLZ_LISTEN", ":0")]).listen, Some(ListenAddress::Any(0)));
}

#[test]
fn the_kubernetes_environment_is_passed_on() {
    let env = [
        ("KUBECONFIG", "/a:/b"),
        ("HOME", "/home"),
        ("KUBERNETES_SERVICE_HOST", "fd00::1"),
        ("POD_NAME", "p"),
    ];
    let config = run(&["--kubeconfig", "k", "--context=c"], &env);
    assert_eq!((config.kubeconfig, config.context.as_deref()), (Some("k".into()), Some("c")));
    assert_eq!(config.kube_env.kubeconfig, Some("/a:/b".into()));
    assert_eq!(config.kube_env.service_host.as_deref(), Some("fd00::1"));
    assert_eq!((config.kube_env.pod_name.as_deref(), config.kube_env.pod_namespace), (Some("p"), None));
}

#[test]
fn the_service_managers_environment_is_passed_on() {
    let env = [("NOTIFY_SOCKET", "@name"), ("WATCHDOG_USEC", "60000000"), ("WATCHDOG_PID", "")];
    let expected = NotifyEnv {
        socket: Some("@name".into()),
        watchdog_usec: Some("60000000".to_owned()),
        watchdog_pid: None,
    };
    assert_eq!(run(&[], &env).notify_env, expected);
}

#[test]
fn input_that_cannot_be_used_is_one_clear_line() {
    refused(&["--poll-intervall", "5s"], &[], &["unknown option --poll-intervall", "plz-agent --help"]);
    refused(&["-x"], &[], &["unknown option -x"]);
    refused(&["serve"], &[], &["unknown command \"serve\"", "run, check, fetch"]);
    refused(&["run", "http://u:s3cret@h"], &[], &["unexpected argument"]);
    refused(&["--log", "info", "run"], &[], &["unexpected argument \"run\""]);
    refused(&["--workers"], &[], &["--workers needs a value"]);
    refused(&["--poll-interval", "10"], &[], &["--poll-interval: \"10\" is not a duration", "1s to 10m"]);
    refused(&["--start-deadline=1s"], &[], &["--start-deadline: \"1s\" is out of range", "10s to 1h"]);
    refused(&["--workers=65"], &[], &["--workers: \"65\"", "2 to 64"]);
    refused(&["--runner-access=x"], &[], &["--runner-access: \"x\"", "auto, direct and proxy"]);
    refused(&["--log-format=xml"], &[], &["--log-format: \"xml\"", "text, json and journal"]);
    refused(&["-n", "Team"], &[], &["--namespace: \"Team\" is not a namespace name"]);
    refused(&["--lease", "My/Lease"], &[], &["--lease: \"My/Lease\" is not [NAMESPACE/]NAME"]);
    refused(
        &["--operator-namespace="],
        &[],
        &["--operator-namespace: \"\" names no namespace", "k6-operator-system"],
    );
    refused(&[], &[("PLZ_OPERATOR_NAMESPACE", "a,B")], &["PLZ_OPERATOR_NAMESPACE: \"B\""]);
    refused(&["-n", ","], &[], &["--namespace: \",\" names no namespace"]);
    refused(&[], &[("WATCH_NAMESPACES", "a,B")], &["WATCH_NAMESPACES: \"B\""]);
    refused(&[], &[("PLZ_CLOUD_API", "http://u:s3cret@h")], &["PLZ_CLOUD_API: ", "user name or password"]);
    refused(&["--cloud-ingest=https://h/?s3cret"], &[], &["--cloud-ingest: ", "a query"]);
    refused(
        &[],
        &[("PLZ_FETCH_IMAGE", "A B")],
        &["PLZ_FETCH_IMAGE: \"A B\" is not an image reference", "lower case"],
    );
    refused(&[], &[("PLZ_LOG", "trace")], &["PLZ_LOG: \"trace\" is not a log filter"]);
    refused(
        &[],
        &[("all_proxy", "socks4://u:s3cret@h:1")],
        &["all_proxy: ", "socks4://", "http://host:port"],
    );
    refused(&[], &[("HTTPS_PROXY", "http://")], &["HTTPS_PROXY: not a proxy URL"]);
}

#[test]
fn proxies_by_scheme_upper_case_first() {
    let env = [
        ("HTTPS_PROXY", "upper:1"),
        ("https_proxy", "lower:2"),
        ("ALL_PROXY", "http://all:3"),
        ("no_proxy", "x"),
    ];
    let proxies = run(&[], &env).proxies;
    assert_eq!(proxies.https.map(|proxy| proxy.to_string()).as_deref(), Some("upper:1"));
    assert_eq!(proxies.http.map(|proxy| proxy.to_string()).as_deref(), Some("all:3"));
    assert_eq!(proxies.no_proxy, NoProxy::parse("x"));
}

#[test]
fn what_runner_pods_get_is_asked_for() {
    let config = run(&[], &[("HTTPS_PROXY", "http://127.0.0.1:3128")]);
    assert_eq!((config.share_proxy, config.runner_ca), (ShareProxy::None, None));
    let env =
        [("PLZ_SHARE_PROXY", "archive"), ("https_proxy", "http://u:s3cret@p:1"), ("PLZ_RUNNER_CA", "a/b")];
    let config = run(&[], &env);
    assert_eq!(config.share_proxy, ShareProxy::Archive);
    assert_eq!(config.runner_ca, Some(RunnerCa { config_map: "a".into(), key: "b".into() }));
    assert!(!format!("{config:?}").contains("s3cret"));
    assert_eq!(run(&["--share-proxy=all"], &env).share_proxy, ShareProxy::All);
    refused(&["--share-proxy=yes"], &[], &["--share-proxy: \"yes\"", "none, archive and all"]);
    refused(&["--runner-ca=A"], &[], &["--runner-ca: \"A\" names no ConfigMap"]);
    for proxy in ["http://u:s3cret@localhost:3128", "127.0.0.2:1", "http://[::1]:2"] {
        refused(
            &["--share-proxy=all"],
            &[("HTTPS_PROXY", proxy)],
            &["--share-proxy: the proxy ", "loopback"],
        );
    }
}

#[test]
fn a_ca_file_is_read_and_checked() {
    let dir = std::env::temp_dir();
    let path = |name: &str| dir.join(format!("plz-agent-config-{}-{name}", std::process::id()));
    let file = |name: &str, content: &str| {
        std::fs::write(path(name), content).unwrap();
        path(name).to_str().unwrap().to_owned()
    };
    let key = file("key", "-----BEGIN PRIVATE KEY-----\nAAAA\n-----END PRIVATE KEY-----\n");
    let broken = file("broken", "-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n");
    let good = file("good", include_str!("testdata/ca.pem"));
    refused(&["--ca-file", &key], &[], &["--ca-file: ", "no certificate in it"]);
    refused(&[], &[("SSL_CERT_FILE", &broken)], &["SSL_CERT_FILE: ", "none of its 1 CERTIFICATE blocks"]);
    refused(&["--ca-file=/nonexistent/ca"], &[], &["--ca-file: \"/nonexistent/ca\" cannot be read"]);
    let config = run(&["--ca-file", &good], &[("SSL_CERT_FILE", &broken)]);
    assert_eq!(config.extra_ca.map(|ca| ca.certificates().len()), Some(1));
    for name in ["key", "broken", "good"] {
        std::fs::remove_file(path(name)).unwrap();
    }
}

#[test]
fn fetch_takes_its_url_from_the_environment_only() {
    let url = (ARCHIVE_URL_VAR, "https://h/p?s3cret");
    let Ok(Command::Fetch(config)) = parse_with(&["fetch", "--to", "/test/archive.tar"], &[url]) else {
        panic!("is valid")
    };
    assert_eq!((config.url.expose(), config.to.to_str()), (url.1, Some("/test/archive.tar")));
    assert_eq!((config.deadline, config.bytes_max), (240 * SECOND, 2 << 30));
    assert_eq!(config.termination_log, PathBuf::from(TERMINATION_LOG));
    assert!(!format!("{config:?}").contains("s3cret"));
    assert!(!format!("{:?}", [url].into_iter().collect::<Env>()).contains("s3cret"));

    refused(&["fetch"], &[url], &["--to is missing"]);
    refused(&["fetch", "--to=/"], &[url], &["--to: \"/\" names no file"]);
    refused(&["fetch", "--to=/x"], &[], &["PLZ_ARCHIVE_URL is not set"]);
    refused(
        &["fetch", "--to=/x"],
        &[(url.0, "s3cret")],
        &["PLZ_ARCHIVE_URL: its value is not an http or https URL"],
    );
    refused(
        &["fetch", "--to=/x", "--workers=3"],
        &[url],
        &["unknown option --workers", "plz-agent fetch --help"],
    );
    refused(&["fetch", "--to=/x", "https://h/?s3cret"], &[url], &["unexpected argument"]);
    refused(&["fetch", "--to=/x", "--max-bytes=2GB"], &[url], &["--max-bytes: \"2GB\" is not a size"]);
}

#[test]
fn help_and_version() {
    for args in [&["--help"][..], &["-h"], &["run", "--help"], &["help"], &["--log", "x", "-h"]] {
        assert_eq!(parse_with(args, &[]), Ok(Command::Help(Topic::Run)), "{args:?}");
    }
    for args in [&["fetch", "--help"][..], &["help", "fetch"]] {
        assert_eq!(parse_with(args, &[]), Ok(Command::Help(Topic::Fetch)), "{args:?}");
    }
    for args in [&["--version"][..], &["version"], &["-V"], &["fetch", "--version"]] {
        assert_eq!(parse_with(args, &[]), Ok(Command::Version), "{args:?}");
    }
    refused(&["version", "x"], &[], &["unexpected argument \"x\""]);
    let help = Topic::Run.text();
    for part in ["-n, --namespace NAME", "default: https://api.k6.io; env: PLZ_CLOUD_API", "Kubernetes:\n"] {
        assert!(help.contains(part), "{help}");
    }
    let help = Topic::Fetch.text();
    assert!(help.contains("\n  10  expired ") && help.contains("--to FILE"), "{help}");
    let wide = |text: &str| text.lines().find(|line| line.chars().count() > 100).map(str::to_owned);
    assert_eq!((wide(&Topic::Run.text()), wide(&help)), (None, None));
}
