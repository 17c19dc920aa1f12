//! The options, as a table: what the parser accepts and what `--help` prints is the same list.
//!
//! Owns names, placeholders, defaults and explanations. Leaves alone what a value means.
//! Invariant: an option that is not in a table does not exist.

/// One option of a subcommand.
#[derive(Clone, Copy, Debug)]
pub(super) struct Opt {
    /// `--long`, without the dashes.
    pub(super) long: &'static str,
    /// `-s`, if it has a short form.
    pub(super) short: Option<char>,
    /// What stands for the value in the help.
    pub(super) value: &'static str,
    /// Environment variables that are read when the flag is not given, the first that is set.
    pub(super) env: &'static [&'static str],
    /// What holds when neither is given; empty when that is explained in the text.
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
    "Trust the certificate authorities in this PEM file, beside the public ones.",
);

const LOGGING: Group = Group {
    title: "Logging (to stderr)",
    options: &[
        opt(
            "log",
            "FILTER",
            &["PLZ_LOG"],
            "info",
            "error, warn, info, debug or off; or a list such as info,k8s=debug.",
        ),
        opt(
            "log-format",
            "FORMAT",
            &[],
            "text",
            "text, json for one JSON object a line, or journal for a service of systemd.",
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
                "Kubeconfig to use. Without it: KUBECONFIG, then the service account when in a\n\
                 cluster, then ~/.kube/config.",
            ),
            opt("context", "NAME", &[], "", "Context of the kubeconfig; without it its current one."),
            Opt {
                long: "namespace",
                short: Some('n'),
                value: "NAME[,NAME…]",
                env: &["WATCH_NAMESPACE", "WATCH_NAMESPACES"],
                default: "all namespaces",
                help: "Namespaces to work in; may be given several times.",
            },
            opt(
                "operator-namespace",
                "NAME[,NAME…]",
                &["PLZ_OPERATOR_NAMESPACE"],
                "k6-operator-system",
                "Namespaces where a k6-operator may be, beside which the agent does not act; may\n\
                 be given several times. A Lease like its own counts nowhere else.",
            ),
            opt(
                "lease",
                "[NAMESPACE/]NAME",
                &["PLZ_LEASE"],
                "",
                "Lease by which one of several agents is elected; the others stand by. The\n\
                 namespace is that of the agent's pod or of the context unless given here.",
            ),
        ],
    },
    Group {
        title: "Grafana Cloud k6",
        options: &[
            opt("cloud-api", "URL", &["PLZ_CLOUD_API"], "https://api.k6.io", "REST API."),
            opt(
                "cloud-ingest",
                "URL",
                &["K6_CLOUD_HOST"],
                "https://ingest.k6.io",
                "Host for results and events; runners get it too.",
            ),
            CA_FILE,
            opt("poll-interval", "DURATION", &[], "10s", "How often to ask for new test runs; 1s to 10m."),
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
                "How long runners may take to be scheduled, pulled and ready; 10s to 1h.",
            ),
            opt(
                "runner-access",
                "HOW",
                &[],
                "auto",
                "auto, direct (at the pod's address) or proxy (through the API server);\n\
                 auto is direct inside a cluster and proxy outside.",
            ),
            opt(
                "fetch-image",
                "IMAGE",
                &["PLZ_FETCH_IMAGE"],
                "",
                "Image of the init container that downloads the archive. Without it: the image\n\
                 of the agent's own pod; required outside a cluster.",
            ),
            opt(
                "share-proxy",
                "WITH",
                &["PLZ_SHARE_PROXY"],
                "none",
                "none, archive (HTTPS_PROXY, HTTP_PROXY and NO_PROXY of the agent go to the init\n\
                 container that downloads the archive) or all (to k6 too, which then sends its\n\
                 load through the proxy except for what NO_PROXY names).",
            ),
            opt(
                "runner-ca",
                "CONFIGMAP[/KEY]",
                &["PLZ_RUNNER_CA"],
                "",
                "Runner pods trust the certificate authorities in this ConfigMap of the zone's\n\
                 namespace, beside the public ones; the key is ca.crt unless given.",
            ),
            opt(
                "workers",
                "N",
                &[],
                "4",
                "Threads each for calls to Kubernetes, to GCk6 and to runners; 2 to 64.",
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
            "Serve /healthz, /readyz and /metrics here; without it nowhere.",
        )],
    },
    LOGGING,
];

/// The options that `check` has beside those of `run`.
pub(super) const REPORT: Group = Group {
    title: "Report (to stdout)",
    options: &[opt("output", "FORMAT", &[], "text", "text, or json for one JSON object.")],
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
            opt("to", "FILE", &[], "", "Where to put the archive. Required."),
            opt(
                "deadline",
                "DURATION",
                &[],
                "4m",
                "Give up after this long, all tries together; 1s to 1h. The default is below\n\
                 the 300 s for which the URL is valid and the agent waits.",
            ),
            opt("max-bytes", "SIZE", &[], "2GiB", "Refuse larger archives; bytes, or with KiB, MiB, GiB."),
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
