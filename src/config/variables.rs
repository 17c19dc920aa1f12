//! The environment variables that do not set an option, and what each one is for, as printed in the reference.
//!
//! Owns the explanations. Leaves the reading to `input`. Invariant: a variable that is neither in this table nor among the
//! options is not read; a test compares both with the sources.

/// Variables that belong together.
#[derive(Clone, Copy, Debug)]
pub struct Variable {
    /// Their names.
    pub names: &'static [&'static str],
    /// The commands that read them; `check` reads what `run` reads.
    pub read_by: &'static [&'static str],
    /// What they are for, in Markdown on one line.
    pub meaning: &'static str,
}

const fn row(
    names: &'static [&'static str],
    read_by: &'static [&'static str],
    meaning: &'static str,
) -> Variable {
    Variable { names, read_by, meaning }
}

/// All of them.
#[rustfmt::skip]
pub const VARIABLES: &[Variable] = &[
    row(&["HTTPS_PROXY", "HTTP_PROXY", "ALL_PROXY", "NO_PROXY"], &["run", "fetch"],
        "Proxies for GCk6 and for the archive, in upper or lower case. They are never used for the API server or the runners; for the API server, set `proxy-url` in the kubeconfig."),
    row(&["KUBECONFIG", "HOME"], &["run"],
        "Where to look for a kubeconfig."),
    row(&["KUBERNETES_SERVICE_HOST", "KUBERNETES_SERVICE_PORT"], &["run"],
        "Set by the kubelet; they tell the agent that it runs in a cluster."),
    row(&["POD_NAME", "POD_NAMESPACE"], &["run"],
        "The agent's own pod, whose image becomes that of the init container, and whose name and namespace are used in the election. Set by the shipped Deployment."),
    row(&["NOTIFY_SOCKET", "WATCHDOG_USEC", "WATCHDOG_PID"], &["run"],
        "Set by systemd: where to report readiness, status and liveness, and how often."),
    row(&[super::ARCHIVE_URL_VAR], &["fetch"],
        "The archive's presigned URL. It is not an option because it is a credential."),
    row(&[super::TERMINATION_LOG_VAR], &["fetch", "check"],
        "Where to write the reason for a failure instead of `/dev/termination-log`."),
];
