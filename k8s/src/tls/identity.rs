//! What a client shows: a certificate with its chain, and the key that fits it.
//!
//! Owns the reading of the pair. Keys are taken in whatever form they are, whatever their PEM label says, as Go does: tools have
//! put PKCS#8 under `RSA PRIVATE KEY` and PKCS#1 under `PRIVATE KEY` for decades. Invariant: an [`Identity`] is a pair that fits.

use std::fmt;
use std::sync::Arc;

use rustls::client::ResolvesClientCert;
use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, PrivateKeyDer};
use rustls::sign::{CertifiedKey, SingleCertAndKey};

use super::{certificates, provider, x509};
use crate::status::Error;

/// A client certificate with its chain, and the key that fits it.
#[derive(Clone)]
pub(crate) struct Identity {
    pair: Arc<CertifiedKey>,
    /// What was read, to tell a new pair from the old one.
    key: Vec<u8>,
}

impl PartialEq for Identity {
    fn eq(&self, other: &Self) -> bool {
        self.pair.cert == other.pair.cert && self.key == other.key
    }
}

impl fmt::Debug for Identity {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("(identity)")
    }
}

impl Identity {
    /// Reads a certificate and its key, both PEM. `place` says where they stand.
    pub(crate) fn read(certificate: &[u8], key: &[u8], place: &str) -> Result<Self, Error> {
        let wrong = |what: &str| Error::Auth { message: format!("{place}: {what}") };
        let chain = certificates(certificate);
        let Some(leaf) = chain.first().cloned() else {
            return Err(wrong(
                "the client certificate is not a certificate; put PEM with BEGIN CERTIFICATE there",
            ));
        };
        let Ok(found) = PrivateKeyDer::from_pem_slice(key) else {
            let is_locked = String::from_utf8_lossy(key).contains("ENCRYPTED");
            return Err(wrong(if is_locked {
                "the client key is encrypted; put the key without its passphrase there (openssl pkey)"
            } else {
                "the client key is not a key; put PEM with BEGIN … PRIVATE KEY there"
            }));
        };
        let der = found.secret_der();
        match pair(&chain, der) {
            Ok(pair) => Ok(Self { pair: Arc::new(pair), key: der.to_vec() }),
            Err(rustls::Error::InconsistentKeys(_)) => {
                Err(wrong("the client key does not belong to the client certificate; renew the pair"))
            }
            Err(_) => Err(wrong(&unusable(&leaf))),
        }
    }

    pub(super) fn resolver(&self) -> Arc<dyn ResolvesClientCert> {
        Arc::new(SingleCertAndKey::from(self.pair.clone()))
    }
}

/// The first form that a key can be read in, and the pair that it makes.
fn pair(chain: &[CertificateDer<'static>], key: &[u8]) -> Result<CertifiedKey, rustls::Error> {
    let key = key.to_vec();
    let forms: [PrivateKeyDer<'static>; 3] = [
        PrivateKeyDer::Pkcs8(key.clone().into()),
        PrivateKeyDer::Pkcs1(key.clone().into()),
        PrivateKeyDer::Sec1(key.into()),
    ];
    let provider = provider();
    for form in forms {
        match CertifiedKey::from_der(chain.to_vec(), form, &provider) {
            // Not of this form.
            Err(rustls::Error::General(_)) => {}
            made => return made,
        }
    }
    Err(rustls::Error::General(String::new()))
}

fn unusable(leaf: &[u8]) -> String {
    let kind = x509::Certificate::parse(leaf)
        .map_or_else(|| "of another kind".to_owned(), |leaf| x509::key(leaf.key));
    format!(
        "the client key cannot be used here (by its certificate it is {kind}); have a pair issued with ECDSA on P-256 or P-384, \
         or with RSA of 2048 to 4096 bits and the exponent 65537"
    )
}
