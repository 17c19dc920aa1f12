//! What a person reads where TLS fails: the cause, a semicolon, what to do.
//!
//! One translator for the API server and for every other host; the two differ in where a thing is put right ([`Side`]).
//! Invariant: nothing that a library prints for its own people gets into a message.

use rustls::{AlertDescription as Alert, CertificateError, Error, PeerIncompatible};

use super::refusal::{Fault, Refusal, words};

/// Whose side the message is for, hence where to put things right.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Side {
    /// An API server that a kubeconfig names.
    Kubeconfig,
    /// The API server of the pod that this process runs in.
    Pod,
    /// Any other host.
    Elsewhere,
}

/// Why there is no secure connection, and what to do: `cause; fix`.
#[must_use]
pub fn explain(error: &Error, side: Side) -> String {
    if let Some(refusal) = refusal(error) {
        return format!("{refusal}; {}", fix(refusal.fault, side));
    }
    match error {
        Error::InvalidMessage(_) => {
            let fix = match side {
                Side::Elsewhere => "check scheme and port of the URL, and what answers there",
                _ => "check scheme and port of the server",
            };
            format!("the other side does not speak TLS; {fix}")
        }
        Error::AlertReceived(alert) => alerted(*alert, side),
        Error::PeerIncompatible(
            PeerIncompatible::ServerDoesNotSupportTls12Or13
            | PeerIncompatible::ServerTlsVersionIsDisabledByOurConfig,
        ) => too_old(),
        Error::PeerIncompatible(why) => nothing_in_common(&words(&format!("{why:?}"))),
        Error::NoCertificatesPresented => "it presents no certificate; check what answers there".to_owned(),
        Error::InvalidCertificate(CertificateError::BadSignature) => {
            "it does not hold the key of its certificate; check what answers there".to_owned()
        }
        Error::General(text) => format!("{text}; check what answers there"),
        error => {
            let what = format!("{error:?}");
            let what = what.split(['(', ' ', '{']).next().unwrap_or_default();
            format!("TLS failed ({}); check what answers there", words(what))
        }
    }
}

/// The error of TLS inside, whether the HTTP library passes it on or wraps it in an I/O error.
#[must_use]
pub fn cause(error: &ureq::Error) -> Option<&Error> {
    match error {
        ureq::Error::Rustls(error) => Some(error),
        ureq::Error::Io(error) => error.get_ref()?.downcast_ref(),
        _ => None,
    }
}

fn refusal(error: &Error) -> Option<&Refusal> {
    match error {
        Error::InvalidCertificate(CertificateError::Other(other)) => other.0.downcast_ref(),
        _ => None,
    }
}

fn fix(fault: Fault, side: Side) -> &'static str {
    match (fault, side) {
        (Fault::Unknown | Fault::Renewed, Side::Kubeconfig) => {
            "put the authority that signs it into certificate-authority-data of the cluster in the kubeconfig"
        }
        (Fault::Unknown | Fault::Renewed, Side::Pod) => {
            "check that the ConfigMap kube-root-ca.crt in this namespace is up to date, and that nothing on the way \
             intercepts TLS"
        }
        (Fault::Unknown | Fault::Renewed, Side::Elsewhere) => {
            "if something on the way intercepts TLS, add its CA with --ca-file or SSL_CERT_FILE"
        }
        (Fault::Expired, _) => "renew it, or set the clock",
        (Fault::Early, _) => "set the clock",
        (Fault::Name, Side::Kubeconfig) => {
            "use a name that it is for, or set tls-server-name of the cluster in the kubeconfig"
        }
        (Fault::Name, _) => "have a certificate issued for this name, or check what answers in its place",
        (Fault::Purpose, _) => "have one issued with serverAuth",
        (Fault::Authority, Side::Kubeconfig) => {
            "put this very certificate into certificate-authority-data, or have the server present one that is not an \
             authority's (CA:FALSE)"
        }
        (Fault::Authority, _) => "have the server present one that is not an authority's (CA:FALSE)",
        (Fault::Algorithm, _) => {
            "reissue it with RSA of 2048 bits or more or ECDSA on P-256 or P-384, signed with SHA-256 or SHA-384"
        }
        (Fault::Other, _) => "reissue it",
    }
}

fn alerted(alert: Alert, side: Side) -> String {
    let said = words(&format!("{alert:?}"));
    match alert {
        Alert::ProtocolVersion => too_old(),
        Alert::HandshakeFailure | Alert::InsufficientSecurity => nothing_in_common(&said),
        Alert::BadCertificate
        | Alert::UnsupportedCertificate
        | Alert::CertificateRevoked
        | Alert::CertificateExpired
        | Alert::CertificateUnknown
        | Alert::CertificateRequired
        | Alert::UnknownCA
        | Alert::AccessDenied
        | Alert::DecryptError => {
            let fix = match side {
                Side::Kubeconfig => "put one that it accepts into the user's entry in the kubeconfig",
                Side::Pod | Side::Elsewhere => "check whether something on the way asks for one",
            };
            format!("it does not accept the client certificate, or requires one ({said}); {fix}")
        }
        Alert::UnrecognisedName => {
            let fix = match side {
                Side::Kubeconfig => {
                    "correct the server, or tls-server-name of the cluster, in the kubeconfig"
                }
                Side::Pod | Side::Elsewhere => "check what answers there",
            };
            format!("it does not know the name that it is asked for; {fix}")
        }
        _ => format!("it ended the handshake ({said}); check its log"),
    }
}

fn too_old() -> String {
    "it does not support TLS 1.2 or newer; enable TLS 1.2 or 1.3 there".to_owned()
}

fn nothing_in_common(said: &str) -> String {
    format!(
        "it has no cipher suite, curve or signature in common with this client ({said}); enable ECDHE with AES-GCM or \
         ChaCha20-Poly1305 there, and a certificate with an RSA key, or an ECDSA key on P-256 or P-384"
    )
}

#[cfg(test)]
mod tests {
    use rustls::InvalidMessage;

    use super::*;

    #[test]
    fn every_failure_has_a_fix_and_no_word_of_a_library() {
        let check = |error: Error, says: &str| {
            for side in [Side::Kubeconfig, Side::Pod, Side::Elsewhere] {
                let text = explain(&error, side);
                assert!(text.contains("; ") && text.contains(says), "{text}");
                assert!(!text.contains('{') && !text.contains("::") && !text.contains("http"), "{text}");
            }
        };
        check(Error::AlertReceived(Alert::HandshakeFailure), "no cipher suite");
        check(Error::AlertReceived(Alert::ProtocolVersion), "TLS 1.2");
        check(Error::AlertReceived(Alert::CertificateRequired), "client certificate");
        check(Error::AlertReceived(Alert::UnrecognisedName), "the name");
        check(Error::AlertReceived(Alert::InternalError), "internal error");
        check(Error::AlertReceived(Alert::Unknown(200)), "alert description");
        check(Error::PeerIncompatible(PeerIncompatible::ServerDoesNotSupportTls12Or13), "TLS 1.2");
        check(Error::PeerIncompatible(PeerIncompatible::NoKxGroupsInCommon), "no kx groups in common");
        check(Error::InvalidMessage(InvalidMessage::InvalidContentType), "does not speak TLS");
        check(
            Error::PeerMisbehaved(rustls::PeerMisbehaved::IllegalMiddleboxChangeCipherSpec),
            "peer misbehaved",
        );
        check(Error::NoCertificatesPresented, "no certificate");
        check(Error::DecryptError, "decrypt error");
    }
}
