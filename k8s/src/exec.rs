//! Credential plugins: runs the program that a kubeconfig names and reads the `ExecCredential` it prints.
//!
//! Owns the protocol (`client.authentication.k8s.io`) and the child process with its time limit. Leaves alone when to run
//! it: `auth.rs` decides. Invariant: what the plugin prints on its standard output never gets into a message.
#![expect(clippy::disallowed_methods, reason = "the time limit of a child process needs the clock")]

use std::io::{self, Read};
use std::process::{Child, Command, ExitStatus, Stdio};
use std::sync::mpsc::{Receiver, sync_channel};
use std::thread;
use std::time::{Duration, Instant, SystemTime};

use serde_json::json;

use crate::config::{ExecPlugin, yaml};
use crate::fields;
use crate::meta::parse_time;
use crate::secret::Secret;
use crate::status::Error;
use crate::text::printable;

/// The kind of what a plugin is given, and of what it prints.
const KIND: &str = "ExecCredential";
/// What a version may be called that a plugin prints; other words may be a secret that has slipped.
const VERSIONS: [&str; 3] = [
    "client.authentication.k8s.io/v1",
    "client.authentication.k8s.io/v1beta1",
    "client.authentication.k8s.io/v1alpha1",
];

/// The most that is read of what a plugin prints, in bytes.
const OUTPUT_BYTES_MAX: u64 = 1024 * 1024;
/// The most that is shown of what a plugin complains, in characters.
const COMPLAINT_CHARS_MAX: usize = 300;
/// Between looks at whether the child has ended.
const LOOK_INTERVAL: Duration = Duration::from_millis(5);
const READER_STACK_BYTES: usize = 64 * 1024;

/// What a plugin has made: a token, a client certificate or both.
#[derive(Debug, PartialEq, Eq)]
pub struct ExecCredential {
    /// The bearer token.
    pub token: Option<Secret>,
    /// Certificate and key, both PEM.
    pub identity: Option<(Vec<u8>, Secret)>,
    /// When they end.
    pub expires: Option<SystemTime>,
}

/// Runs the plugin to its end, or to its time limit.
pub(crate) fn run(plugin: &ExecPlugin, time_limit: Duration) -> Result<ExecCredential, Error> {
    let failed = |what: String| failed(plugin, &what);
    let mut child = start(plugin)?;
    let printed = collect(child.stdout.take()).map_err(|error| failed(error.to_string()))?;
    let complained = collect(child.stderr.take()).map_err(|error| failed(error.to_string()))?;
    let deadline = Instant::now() + time_limit;
    let Some(status) = wait(&mut child, deadline).map_err(|error| failed(error.to_string()))? else {
        return Err(failed(format!("took longer than {} s and was stopped", time_limit.as_secs_f32())));
    };
    let left = || deadline.saturating_duration_since(Instant::now());
    if !status.success() {
        let complaint = complained.recv_timeout(left()).unwrap_or_default();
        let complaint = printable(&String::from_utf8_lossy(&complaint), COMPLAINT_CHARS_MAX);
        return Err(failed(format!("ended with {status}: {complaint}")));
    }
    let printed = printed
        .recv_timeout(left())
        .map_err(|_| failed("left its standard output open to another process".to_owned()))?;
    parse(plugin, &printed)
}

fn start(plugin: &ExecPlugin) -> Result<Child, Error> {
    let mut spec = json!({ "interactive": false });
    if let Some(cluster) = &plugin.cluster {
        spec["cluster"] = cluster.clone();
    }
    let info = json!({ "apiVersion": plugin.api_version, "kind": KIND, "spec": spec });
    Command::new(&plugin.command)
        .args(&plugin.args)
        .envs(plugin.env.iter().map(|(name, value)| (name, value)))
        .env("KUBERNETES_EXEC_INFO", info.to_string())
        .stdin(Stdio::null())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .map_err(|error| {
            let hint = match (error.kind(), plugin.install_hint.trim()) {
                (io::ErrorKind::NotFound, "") => "; install it, or name it with its directory".to_owned(),
                (io::ErrorKind::NotFound, hint) => format!("; {}", printable(hint, COMPLAINT_CHARS_MAX)),
                _ => String::new(),
            };
            failed(plugin, &format!("cannot be started: {error}{hint}"))
        })
}

/// Reads a pipe to its end on a thread of its own, so that a full pipe never holds the child up.
fn collect(pipe: Option<impl Read + Send + 'static>) -> io::Result<Receiver<Vec<u8>>> {
    let (sender, receiver) = sync_channel(1);
    thread::Builder::new().name("k8s-exec".to_owned()).stack_size(READER_STACK_BYTES).spawn(move || {
        let mut bytes = Vec::new();
        if let Some(pipe) = pipe {
            // What was read until a failure is all there is.
            let _ = pipe.take(OUTPUT_BYTES_MAX).read_to_end(&mut bytes);
        }
        // Nobody waits any longer once the time limit is over.
        let _ = sender.send(bytes);
    })?;
    Ok(receiver)
}

/// Waits for the child; at the deadline ends it and answers none.
fn wait(child: &mut Child, deadline: Instant) -> io::Result<Option<ExitStatus>> {
    loop {
        if let Some(status) = child.try_wait()? {
            return Ok(Some(status));
        }
        if Instant::now() >= deadline {
            child.kill()?;
            child.wait()?;
            return Ok(None);
        }
        thread::park_timeout(LOOK_INTERVAL);
    }
}

/// Reads what a plugin has printed, JSON or YAML.
pub fn parse(plugin: &ExecPlugin, printed: &[u8]) -> Result<ExecCredential, Error> {
    let failed = |what: &str| failed(plugin, what);
    let document =
        serde_json::from_slice(printed).map_err(drop).or_else(|()| yaml::read(printed).map_err(drop));
    let wire: Wire = document
        .ok()
        .and_then(|document| fields::read(&document).ok())
        .ok_or_else(|| failed("did not print an ExecCredential as JSON or YAML"))?;
    if wire.kind != KIND {
        return Err(failed(&format!("printed something whose kind is not {KIND}")));
    }
    if wire.api_version != plugin.api_version {
        let printed = VERSIONS.into_iter().find(|version| *version == wire.api_version);
        return Err(failed(&format!(
            "printed an {KIND} of {} where the kubeconfig asks for {}; set exec.apiVersion to what the plugin prints",
            printed.unwrap_or("an unknown version"),
            plugin.api_version
        )));
    }
    let WireStatus { token, client_certificate_data, client_key_data, expiration_timestamp } = wire.status;
    let identity = match (client_certificate_data.is_empty(), client_key_data.is_empty()) {
        (true, true) => None,
        (false, false) => Some((client_certificate_data.into_bytes(), Secret::new(client_key_data))),
        _ => return Err(failed("printed a client certificate without its key, or the other way round")),
    };
    if token.is_empty() && identity.is_none() {
        return Err(failed("printed neither a token nor a client certificate"));
    }
    let expires = match expiration_timestamp.as_str() {
        "" => None,
        text => Some(
            parse_time(text)
                .ok_or_else(|| failed("printed an expirationTimestamp that is not an RFC 3339 time"))?,
        ),
    };
    Ok(ExecCredential { token: (!token.is_empty()).then_some(Secret::new(token)), identity, expires })
}

fn failed(plugin: &ExecPlugin, what: &str) -> Error {
    Error::Auth {
        message: format!(
            "the credential plugin {} of user {:?} {what}",
            plugin.command.display(),
            plugin.user
        ),
    }
}

#[derive(Default)]
struct Wire {
    api_version: String,
    kind: String,
    status: WireStatus,
}
crate::readable!(Wire { api_version: "apiVersion", kind: "kind", status: "status" });

#[derive(Default)]
struct WireStatus {
    token: String,
    client_certificate_data: String,
    client_key_data: String,
    expiration_timestamp: String,
}
crate::readable!(WireStatus {
    token: "token",
    client_certificate_data: "clientCertificateData",
    client_key_data: "clientKeyData",
    expiration_timestamp: "expirationTimestamp",
});

#[cfg(test)]
mod tests {
    use super::*;

    const V1: &str = "client.authentication.k8s.io/v1";

    /// A plugin that is a line of shell.
    fn shell(script: &str) -> ExecPlugin {
        ExecPlugin {
            api_version: V1.to_owned(),
            command: "/bin/sh".into(),
            args: vec!["-c".to_owned(), script.to_owned()],
            env: vec![("FLAVOUR".to_owned(), "sweet".to_owned())],
            cluster: Some(json!({ "server": "https://h" })),
            install_hint: "ask around".to_owned(),
            user: "u".to_owned(),
        }
    }

    fn prints(status: &str) -> ExecPlugin {
        shell(&format!(r#"echo '{{"apiVersion":"{V1}","kind":"ExecCredential","status":{status}}}'"#))
    }

    #[track_caller]
    fn fails(plugin: &ExecPlugin, wanted: &[&str]) {
        let text = run(plugin, Duration::from_secs(20)).unwrap_err().to_string();
        assert!(wanted.iter().all(|part| text.contains(part)), "{text}");
    }

    #[test]
    fn tokens_and_certificates() {
        let status = r#"{"token":"t","clientCertificateData":"c","clientKeyData":"k","expirationTimestamp":"1970-01-01T00:00:09Z"}"#;
        let made = run(&prints(status), Duration::from_secs(20)).unwrap();
        assert_eq!(made.token, Some(Secret::new("t")));
        assert_eq!(made.identity, Some((b"c".to_vec(), Secret::new("k"))));
        let yaml = format!("printf 'apiVersion: {V1}\\nkind: ExecCredential\\nstatus: {{token: t}}\\n'");
        assert_eq!(run(&shell(&yaml), Duration::from_secs(20)).unwrap().token, Some(Secret::new("t")));
        assert_eq!(made.expires, Some(SystemTime::UNIX_EPOCH + Duration::from_secs(9)));
    }

    #[test]
    fn a_plugin_is_told_what_it_needs() {
        let script = r#"case "$FLAVOUR$KUBERNETES_EXEC_INFO" in
            sweet*'"cluster":{"server":"https://h"}'*'"interactive":false'*) exec echo '{"apiVersion":"'$0'","kind":"ExecCredential","status":{"token":"t"}}';;
            *) exit 9;; esac"#;
        let mut plugin = shell(script);
        plugin.args.push(V1.to_owned());
        assert!(run(&plugin, Duration::from_secs(20)).is_ok());
    }

    #[test]
    fn failures_name_plugin_user_and_cause() {
        fails(
            &shell("echo hunter2; echo expired login >&2; exit 3"),
            &["/bin/sh", "\"u\"", "3", "expired login"],
        );
        fails(&shell("echo hunter2"), &["did not print an ExecCredential"]);
        fails(&prints("{}"), &["neither a token"]);
        fails(&prints(r#"{"clientKeyData":"k"}"#), &["without its key"]);
        fails(&prints(r#"{"token":"t","expirationTimestamp":"soon"}"#), &["RFC 3339"]);
        let mut older = prints(r#"{"token":"t"}"#);
        older.api_version.push_str("beta1");
        fails(
            &older,
            &["of client.authentication.k8s.io/v1 where", "asks for", "v1beta1; set exec.apiVersion"],
        );
        for slipped in [r#"{"kind":"hunter2"}"#, r#"{"kind":"ExecCredential","apiVersion":"hunter2"}"#] {
            let error = parse(&shell(""), slipped.as_bytes()).unwrap_err().to_string();
            assert!(error.contains("printed") && !error.contains("hunter2"), "{error}");
        }
        let missing = ExecPlugin { command: "/nowhere/plugin".into(), ..shell("") };
        fails(&missing, &["/nowhere/plugin", "cannot be started", "ask around"]);
    }

    #[test]
    fn a_plugin_that_hangs_is_stopped() {
        let text = run(&shell("exec sleep 60"), Duration::from_millis(50)).unwrap_err().to_string();
        assert!(text.contains("took longer than 0.05 s"), "{text}");
    }

    #[test]
    fn much_output_does_not_hold_a_plugin_up() {
        fails(&shell("head -c 3000000 /dev/zero | tr '\\0' x >&2; exit 1"), &["ended with"]);
    }
}
