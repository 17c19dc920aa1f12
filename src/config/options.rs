//! The options, as a table: what the parser accepts and what `--help` prints is the same list.
//!
//! Owns names, placeholders, defaults and explanations. Leaves the meaning of a value to `values`.
//! Invariant: an option that is not in a table does not exist.

/// One option of a subcommand.
#[derive(Clone, Copy, Debug)]
pub(super) struct Opt {
    /// `--long`, without the dashes.
    pub(super) long: &'static str,
    /// `-s`, if it has a short form.
    pub(super) short: Option<char>,
    /// The placeholder for the value in the help.
    pub(super) value: &'static str,
    /// Environment variables to read if the flag is not given; the first one that is set wins.
    pub(super) env: &'static [&'static str],
    /// What applies if neither is given; empty if the text explains it.
    pub(super) default: &'static str,
    /// The explanation, its lines separated by newlines.
    pub(super) help: &'static str,
}

/// Options that belong together, under a heading.
#[derive(Clone, Copy, Debug)]
pub(super) struct Group {
    pub(super) title: &'static str,
    pub(super) options: &'static [Opt],
}

const fn opt(
    long: &'static str,
    value: &'static str,
    env: &'static [&'static str],
    default: &'static str,
    help: &'static str,
) -> Opt {
    Opt { long, short: None, value, env, default, help }
}

const CA_FILE: Opt = opt(
    "ca-file",
    "FILE",
    &["SSL_CERT_FILE"],
    "",
    "Trust the certificate authorities in this PEM file in addition to the public ones.",
);

const LOGGING: Group = Group {
    title: "Logging (to stderr)",
    options: &[
        opt(
            "log",
            "FILTER",
            &["PLZ_LOG"],
            "info",
            "error, warn, info, debug or off, or a list such as info,k8s=debug.",
        ),
        opt(
            "log-format",
            "FORMAT",
            &[],
            "text",
            "text, json (one JSON object per line) or journal (for a systemd service).",
        ),
    ],
};

/// The options of `run`.
pub(super) const RUN: &[Group] = &[
    Group {
        title: "Kubernetes",
        options: &[
            opt(
                "kubeconfig",
                "FILE",
                &[],
                "",
                "Kubeconfig to use. If not given: KUBECONFIG, then the service account if the\n\
                 agent runs in a cluster, then ~/.kube/config.",
            ),
            opt("context", "NAME", &[], "", "Context of the kubeconfig; the current one if not given."),
            Opt {
                long: "namespace",
                short: Some('n'),
                value: "NAME[,NAME…]",
                env: &["WATCH_NAMESPACE", "WATCH_NAMESPACES"],
                default: "all namespaces",
                help: "Namespaces to work in; can be given more than once.",
            },
            opt(
                "operator-namespace",
                "NAME[,NAME…]",
                &["PLZ_OPERATOR_NAMESPACE"],
                "k6-operator-system",
                "Namespaces in which to look for a k6-operator; while one is live there, the agent\n\
                 does not act. Its Lease is ignored everywhere else. Can be given more than once.",
            ),
            opt(
                "lease",
                "[NAMESPACE/]NAME",
                &["PLZ_LEASE"],
                "",
                "Lease that elects one of several agents; the others stand by. Its namespace\n\
                 defaults to that of the agent's pod or of the context.",
            ),
        ],
    },
    Group {
        title: "Grafana Cloud k6",
        options: &[
            opt("cloud-api", "URL", &["PLZ_CLOUD_API"], "https://api.k6.io", "Base URL of the REST API."),
            opt(
                "cloud-ingest",
                "URL",
                &["K6_CLOUD_HOST"],
                "https://ingest.k6.io",
                "Base URL for results and events; passed on to the runners.",
            ),
            CA_FILE,
            opt("poll-interval", "DURATION", &[], "10s", "How often to poll for new test runs; 1s to 10m."),
        ],
    },
    Group {
        title: "Test runs",
        options: &[
            opt(
                "start-deadline",
                "DURATION",
                &[],
                "5m",
                "How long runners may take to be scheduled, pull their images and become ready;\n\
                 10s to 1h.",
            ),
            opt(
                "runner-access",
                "HOW",
                &[],
                "auto",
                "How to reach the runners: direct (at the pod's address), proxy (through the API\n\
                 server), or auto (direct inside a cluster, proxy outside).",
            ),
            opt(
                "fetch-image",
                "IMAGE",
                &["PLZ_FETCH_IMAGE"],
                "",
                "Image of the init container that downloads the archive. Defaults to the image of\n\
                 the agent's own pod; required outside a cluster.",
            ),
            opt(
                "share-proxy",
                "WITH",
                &["PLZ_SHARE_PROXY"],
                "none",
                "Who gets the agent's HTTPS_PROXY, HTTP_PROXY and NO_PROXY: none, archive (the init\n\
                 container that downloads the archive) or all (k6 too, which then sends its load\n\
                 through the proxy, except to the hosts in NO_PROXY).",
            ),
            opt(
                "runner-ca",
                "CONFIGMAP[/KEY]",
                &["PLZ_RUNNER_CA"],
                "",
                "Make runner pods trust the certificate authorities in this ConfigMap of the zone's\n\
                 namespace in addition to the public ones; the key defaults to ca.crt.",
            ),
            opt(
                "workers",
                "N",
                &[],
                "4",
                "How many calls may run at once to Kubernetes and to GCk6 each, and four times as\n\
                 many to runners; 2 to 64. Calls that hang get a few extra threads.",
            ),
        ],
    },
    Group {
        title: "Health and metrics",
        options: &[opt(
            "listen",
            "[ADDRESS]:PORT",
            &["PLZ_LISTEN"],
            "",
            "Serve /healthz, /readyz and /metrics on this address; not served if not given.",
        )],
    },
    LOGGING,
];

/// The options that `check` has in addition to those of `run`.
pub(super) const REPORT: Group = Group {
    title: "Report (to stdout)",
    options: &[opt("output", "FORMAT", &[], "text", "text, or json (one JSON object).")],
};

/// The options of `check`: its own, and all of `run`, so that the same arguments can be checked and used.
pub(super) const CHECK: &[Group] = &with_those_of_run();

const fn with_those_of_run() -> [Group; RUN.len() + 1] {
    let mut groups = [REPORT; RUN.len() + 1];
    let mut at = 0;
    while at < RUN.len() {
        groups[at + 1] = RUN[at];
        at += 1;
    }
    groups
}

/// The options of `fetch`.
pub(super) const FETCH: &[Group] = &[
    Group {
        title: "Download",
        options: &[
            opt("to", "FILE", &[], "", "Where to store the archive. Required."),
            opt(
                "deadline",
                "DURATION",
                &[],
                "4m",
                "Give up after this long, over all attempts; 1s to 1h. The default is below the\n\
                 300 s for which the URL is valid and the agent waits.",
            ),
            opt(
                "max-bytes",
                "SIZE",
                &[],
                "2GiB",
                "Reject larger archives; in bytes, or with KiB, MiB or GiB.",
            ),
            CA_FILE,
        ],
    },
    LOGGING,
];

/// Finds an option by its long name.
pub(super) fn find_long(groups: &'static [Group], long: &str) -> Option<&'static Opt> {
    groups.iter().flat_map(|group| group.options).find(|option| option.long == long)
}

/// Finds an option by its short name.
pub(super) fn find_short(groups: &'static [Group], short: char) -> Option<&'static Opt> {
    groups.iter().flat_map(|group| group.options).find(|option| option.short == Some(short))
}
