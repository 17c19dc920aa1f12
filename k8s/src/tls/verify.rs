//! Whether a server is who it should be: rustls' own verification, and what Go's adds to it.
//!
//! Where kubectl is happy, so is this client: a server's own certificate may be what is trusted (Go's `x509` takes a leaf that
//! is in the pool of roots for a whole chain, an authority's too), and authorities may have RSA keys of 1024 bits. Dates, names
//! and purposes are looked at all the same. Owns what is accepted and who is to blame where it is not ([`Refusal`]). Leaves
//! signatures to ring, chains and names to webpki. Invariant: nothing is accepted that Go would refuse.

use std::sync::Arc;
use std::time::{Duration, SystemTime};

use ring::signature;
use rustls::client::danger::{HandshakeSignatureValid, ServerCertVerified, ServerCertVerifier};
use rustls::client::{verify_server_cert_signed_by_trust_anchor, verify_server_name};
use rustls::crypto::{
    CryptoProvider, WebPkiSupportedAlgorithms, verify_tls12_signature, verify_tls13_signature,
};
use rustls::pki_types::{
    AlgorithmIdentifier, CertificateDer, InvalidSignature, ServerName, SignatureVerificationAlgorithm,
    UnixTime, alg_id,
};
use rustls::server::ParsedCertificate;
use rustls::{CertificateError, DigitallySignedStruct, OtherError, RootCertStore, SignatureScheme};

use super::Roots;
use super::refusal::{self, Refusal};

/// Says yes or no to a server's certificate.
#[derive(Debug)]
pub(super) struct Verifier {
    roots: Arc<Roots>,
    store: RootCertStore,
    algorithms: WebPkiSupportedAlgorithms,
    chains: Vec<&'static dyn SignatureVerificationAlgorithm>,
}

impl Verifier {
    pub(super) fn new(roots: Arc<Roots>, provider: &CryptoProvider) -> Self {
        let mut store = RootCertStore::empty();
        if let Roots::Public { .. } = *roots {
            store.extend(webpki_roots::TLS_SERVER_ROOTS.iter().cloned());
        }
        store.add_parsable_certificates(roots.named().iter().cloned());
        let algorithms = provider.signature_verification_algorithms;
        // The first that fits a key decides. Public authorities have no such keys.
        let mut chains: Vec<_> = if roots.named().is_empty() { vec![] } else { RSA_1024.to_vec() };
        chains.extend(algorithms.all);
        Self { roots, store, algorithms, chains }
    }

    fn is_open(&self) -> bool {
        *self.roots == Roots::Anyone
    }

    fn judge(
        &self,
        leaf: &CertificateDer<'_>,
        others: &[CertificateDer<'_>],
        name: &ServerName<'_>,
        now: UnixTime,
    ) -> Result<(), rustls::Error> {
        let parsed = ParsedCertificate::try_from(leaf)?;
        if self.roots.named().contains(leaf) {
            is_fit(leaf, now)?;
        } else {
            verify_server_cert_signed_by_trust_anchor(&parsed, &self.store, others, now, &self.chains)?;
        }
        verify_server_name(&parsed, name)
    }
}

/// What is left to look at where the certificate itself is trusted.
fn is_fit(leaf: &CertificateDer<'_>, now: UnixTime) -> Result<(), CertificateError> {
    let certificate = super::x509::Certificate::parse(leaf).ok_or(CertificateError::BadEncoding)?;
    let now = SystemTime::UNIX_EPOCH + Duration::from_secs(now.as_secs());
    if now < certificate.not_before {
        Err(CertificateError::NotValidYet)
    } else if now > certificate.not_after {
        Err(CertificateError::Expired)
    } else if !certificate.is_for_servers {
        Err(CertificateError::InvalidPurpose)
    } else {
        Ok(())
    }
}

impl ServerCertVerifier for Verifier {
    fn verify_server_cert(
        &self,
        leaf: &CertificateDer<'_>,
        others: &[CertificateDer<'_>],
        name: &ServerName<'_>,
        _ocsp: &[u8],
        now: UnixTime,
    ) -> Result<ServerCertVerified, rustls::Error> {
        if self.is_open() {
            return Ok(ServerCertVerified::assertion());
        }
        let refusal = match self.judge(leaf, others, name, now) {
            Ok(()) => refusal::short_key(leaf),
            Err(rustls::Error::InvalidCertificate(why)) => {
                Some(Refusal::new(why, leaf, others, &self.store, now))
            }
            Err(error) => return Err(error),
        };
        match refusal {
            None => Ok(ServerCertVerified::assertion()),
            Some(refusal) => Err(CertificateError::Other(OtherError(Arc::new(refusal))).into()),
        }
    }

    fn verify_tls12_signature(
        &self,
        message: &[u8],
        leaf: &CertificateDer<'_>,
        signed: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, rustls::Error> {
        if self.is_open() {
            return Ok(HandshakeSignatureValid::assertion());
        }
        verify_tls12_signature(message, leaf, signed, &self.algorithms)
    }

    fn verify_tls13_signature(
        &self,
        message: &[u8],
        leaf: &CertificateDer<'_>,
        signed: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, rustls::Error> {
        if self.is_open() {
            return Ok(HandshakeSignatureValid::assertion());
        }
        verify_tls13_signature(message, leaf, signed, &self.algorithms)
    }

    fn supported_verify_schemes(&self) -> Vec<SignatureScheme> {
        let mut schemes = self.algorithms.supported_schemes();
        if self.is_open() {
            // Nobody looks at the signature; a server with another key may as well show it.
            schemes.extend([
                SignatureScheme::ECDSA_NISTP521_SHA512,
                SignatureScheme::ED448,
                SignatureScheme::RSA_PKCS1_SHA1,
            ]);
        }
        schemes
    }
}

/// RSA as ring offers it for keys of 1024 bits and more.
#[derive(Debug)]
struct Rsa1024 {
    id: AlgorithmIdentifier,
    by: &'static signature::RsaParameters,
}

static RSA_1024: [&dyn SignatureVerificationAlgorithm; 2] = [
    &Rsa1024 { id: alg_id::RSA_PKCS1_SHA256, by: &signature::RSA_PKCS1_1024_8192_SHA256_FOR_LEGACY_USE_ONLY },
    &Rsa1024 { id: alg_id::RSA_PKCS1_SHA512, by: &signature::RSA_PKCS1_1024_8192_SHA512_FOR_LEGACY_USE_ONLY },
];

impl SignatureVerificationAlgorithm for Rsa1024 {
    fn public_key_alg_id(&self) -> AlgorithmIdentifier {
        alg_id::RSA_ENCRYPTION
    }

    fn signature_alg_id(&self) -> AlgorithmIdentifier {
        self.id
    }

    fn verify_signature(&self, key: &[u8], message: &[u8], signed: &[u8]) -> Result<(), InvalidSignature> {
        let key = signature::UnparsedPublicKey::new(self.by, key);
        key.verify(message, signed).map_err(|_| InvalidSignature)
    }
}
