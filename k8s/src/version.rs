//! Which Kubernetes a server is.

/// What `GET /version` says.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct ServerVersion {
    /// `1`.
    pub major: String,
    /// `36`; providers append a `+`.
    pub minor: String,
    /// `v1.36.2+k3s1`.
    pub git_version: String,
}
crate::readable!(ServerVersion { major: "major", minor: "minor", git_version: "gitVersion" });
