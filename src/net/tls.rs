//! The certificates that are trusted beside the public ones.
//!
//! Owns the reading of a CA file. Public roots come compiled in; what is read here is added to them and never
//! replaces them.
//!
//! Invariant: an [`ExtraCa`] holds at least one certificate that can be a trust anchor.

use std::fmt;

use rustls::RootCertStore;
use rustls::pki_types::CertificateDer;
use thiserror::Error;

/// Why a CA file cannot be used.
#[derive(Debug, Error, PartialEq, Eq)]
pub enum CaError {
    /// No `BEGIN CERTIFICATE` block that can be read.
    #[error("no certificate in it; a PEM file with at least one CERTIFICATE block is expected")]
    Empty,
    /// Blocks there are, but none of them is an X.509 certificate.
    #[error("none of its {0} CERTIFICATE blocks is a usable X.509 certificate")]
    Unusable(usize),
}

/// Certificate authorities that are trusted beside the public ones, in DER.
#[derive(Clone, PartialEq, Eq)]
pub struct ExtraCa {
    certificates: Vec<CertificateDer<'static>>,
}

impl ExtraCa {
    /// Reads PEM. In a bundle, single certificates that cannot be used are left out, as every TLS library does.
    pub fn from_pem(pem: &[u8]) -> Result<ExtraCa, CaError> {
        let blocks = k8s::tls::certificates(pem);
        if blocks.is_empty() {
            return Err(CaError::Empty);
        }
        let found = blocks.len();
        let usable = |der: &CertificateDer<'static>| RootCertStore::empty().add(der.clone()).is_ok();
        let certificates: Vec<_> = blocks.into_iter().filter(usable).collect();
        if certificates.is_empty() { Err(CaError::Unusable(found)) } else { Ok(ExtraCa { certificates }) }
    }

    /// The certificates, DER.
    pub fn certificates(&self) -> &[CertificateDer<'static>] {
        &self.certificates
    }
}

impl fmt::Debug for ExtraCa {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "ExtraCa({} certificates)", self.certificates.len())
    }
}
