//! What an older k6 is told differently.
//!
//! Owns what is known of k6's versions: `--tag` takes commas as they are from 0.58 on (before, its value was a line of CSV),
//! and `--summary-mode` knows `disabled` from 1.3 on, whereas 2.0 dropped `--no-summary`. Only the tag of an official image
//! says what is in it; any other image counts as current.

/// Repositories whose tags are versions of k6, under whatever registry.
const OFFICIAL: [&str; 2] = ["grafana/k6", "loadimpact/k6"];

/// The first version whose `--tag` takes a comma as it is.
const PLAIN_TAGS: Version = Version { major: 0, minor: 58 };

/// The first version that knows `--summary-mode=disabled`.
const SUMMARY_DISABLED: Version = Version { major: 1, minor: 3 };

/// A version of k6, as far as it matters.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct Version {
    major: u32,
    minor: u32,
}

impl Version {
    /// Whatever is newer than all that is known.
    const CURRENT: Version = Version { major: u32::MAX, minor: u32::MAX };

    /// By an image's name: `registry:5000/grafana/k6:0.57.0-with-browser@sha256:…`.
    pub(super) fn of_image(image: &str) -> Version {
        let tagged = image.split('@').next().unwrap_or_default();
        let Some((repository, tag)) = tagged.rsplit_once(':') else { return Version::CURRENT };
        let is_official = OFFICIAL.iter().any(|official| {
            repository.strip_suffix(official).is_some_and(|rest| rest.is_empty() || rest.ends_with('/'))
        });
        if !is_official {
            return Version::CURRENT;
        }
        let mut numbers = tag.trim_start_matches('v').split(['.', '-']).map(str::parse);
        match (numbers.next(), numbers.next()) {
            (Some(Ok(major)), Some(Ok(minor))) => Version { major, minor },
            // `1` moves with the latest of them.
            (Some(Ok(major)), _) => Version { major, minor: u32::MAX },
            _ => Version::CURRENT,
        }
    }

    /// The value of `--tag` for `pair`, `key=value`.
    pub(super) fn tag(self, pair: String) -> String {
        if self >= PLAIN_TAGS || !pair.contains([',', '"', '\n', '\r']) {
            return pair;
        }
        format!("\"{}\"", pair.replace('"', "\"\""))
    }

    /// The option that keeps k6 from printing its summary.
    pub(super) fn no_summary(self) -> &'static str {
        if self >= SUMMARY_DISABLED { "--summary-mode=disabled" } else { "--no-summary" }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn versions_of_images() {
        let check = |image: &str, major: u32, minor: u32| {
            assert_eq!(Version::of_image(image), Version { major, minor }, "{image}");
        };
        check("grafana/k6:0.57.0", 0, 57);
        check("registry.example:5000/mirror/grafana/k6:v1.2.3-with-browser@sha256:ab", 1, 2);
        check("docker.io/loadimpact/k6:0.38", 0, 38);
        check("grafana/k6:1", 1, u32::MAX);
        for image in [
            "grafana/k6",
            "grafana/k6:latest",
            "grafana/k6:master-with-browser",
            "grafana/k6@sha256:ab",
            "registry:5000/k6:0.1.0",
            "corp/notgrafana/k6-x:0.1",
            "corp/xgrafana/k6:0.1",
            "registry.example:5000/grafana/k6",
            "",
            "grafana/k6:99999999999.1",
        ] {
            assert_eq!(Version::of_image(image), Version::CURRENT, "{image}");
        }
    }

    #[test]
    fn what_each_version_is_told() {
        let check = |image: &str, tag: &str, summary: &str| {
            let version = Version::of_image(image);
            assert_eq!(version.tag("team=a,\"b\"".to_owned()), tag, "{image}");
            assert_eq!(version.tag("team=a b".to_owned()), "team=a b", "{image}");
            assert_eq!(version.no_summary(), summary, "{image}");
        };
        let plain = "team=a,\"b\"";
        check("grafana/k6:0.57.0", "\"team=a,\"\"b\"\"\"", "--no-summary");
        check("grafana/k6:0.58.0", plain, "--no-summary");
        check("grafana/k6:1.2.3", plain, "--no-summary");
        check("grafana/k6:1.3.0", plain, "--summary-mode=disabled");
        check("grafana/k6:2.2.0", plain, "--summary-mode=disabled");
        check("corp/k6:0.1", plain, "--summary-mode=disabled");
    }
}
