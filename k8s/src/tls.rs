//! Certificates and keys: from PEM to what a TLS session is made of.
//!
//! Owns the check that a client certificate fits its key. It has to be made here: the HTTP client takes the pair for
//! granted and would end the process over one that does not fit.

use rustls::crypto::ring;
use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, PrivateKeyDer};
use rustls::sign::CertifiedKey;

use crate::status::Error;

/// What a TLS session is made of.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Tls {
    pub(crate) roots: Roots,
    pub(crate) identity: Option<Identity>,
}

/// Whom to believe.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Roots {
    Authorities(Vec<CertificateDer<'static>>),
    Public,
    Anyone,
}

/// A client certificate with its chain, and the key that fits it.
#[derive(PartialEq, Eq)]
pub(crate) struct Identity {
    pub(crate) chain: Vec<CertificateDer<'static>>,
    /// PEM; it has been read once already.
    pub(crate) key: Vec<u8>,
}

impl std::fmt::Debug for Identity {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("(identity)")
    }
}

/// Reads the authorities out of a PEM bundle. `place` says where it stands.
pub(crate) fn authorities(pem: &[u8], place: &str) -> Result<Vec<CertificateDer<'static>>, Error> {
    certificates(pem).ok_or_else(|| Error::Auth {
        message: format!("{place}: holds no certificate; expected PEM with BEGIN CERTIFICATE"),
    })
}

/// Reads a client certificate and its key, and checks that they belong together.
pub(crate) fn identity(certificate: &[u8], key: &[u8], place: &str) -> Result<Identity, Error> {
    let wrong = |what: String| Error::Auth { message: format!("{place}: {what}") };
    let chain = certificates(certificate).ok_or_else(|| {
        wrong("the client certificate is none; expected PEM with BEGIN CERTIFICATE".to_owned())
    })?;
    let parsed = PrivateKeyDer::from_pem_slice(key)
        .map_err(|_| wrong("the client key is none; expected PEM with BEGIN … PRIVATE KEY".to_owned()))?;
    CertifiedKey::from_der(chain.clone(), parsed, &ring::default_provider()).map_err(|error| {
        wrong(match error {
            rustls::Error::InconsistentKeys(_) => {
                "the client key does not belong to the client certificate; renew the pair".to_owned()
            }
            error => format!("the client certificate and key cannot be used: {error}"),
        })
    })?;
    Ok(Identity { chain, key: key.to_vec() })
}

/// Why there is no secure connection to the API server, and what mends it.
pub(crate) fn explain(error: &rustls::Error) -> String {
    use rustls::{CertificateError as Certificate, Error};
    let Error::InvalidCertificate(why) = error else {
        return match error {
            Error::InvalidMessage(_) => {
                format!("it does not speak TLS ({error}); check scheme and port of the server")
            }
            error => error.to_string(),
        };
    };
    match why {
        Certificate::UnknownIssuer | Certificate::BadSignature => {
            "its certificate is signed by an authority that is not trusted; put that authority into \
             certificate-authority-data of the cluster in the kubeconfig"
                .to_owned()
        }
        Certificate::Expired | Certificate::ExpiredContext { .. } => {
            "its certificate has expired, or the clock of this machine is wrong; set the clock or renew the certificate"
                .to_owned()
        }
        Certificate::NotValidYet | Certificate::NotValidYetContext { .. } => {
            "its certificate is not valid yet, or the clock of this machine is wrong; set the clock".to_owned()
        }
        Certificate::NotValidForName | Certificate::NotValidForNameContext { .. } => {
            "its certificate is for other names than this one; use a name that it bears, or set tls-server-name of \
             the cluster in the kubeconfig"
                .to_owned()
        }
        why => format!("its certificate is not valid: {why}"),
    }
}

/// None where the text holds no certificate, or a broken one.
fn certificates(pem: &[u8]) -> Option<Vec<CertificateDer<'static>>> {
    let found: Vec<_> = CertificateDer::pem_slice_iter(pem).collect::<Result<_, _>>().ok()?;
    (!found.is_empty()).then_some(found)
}
