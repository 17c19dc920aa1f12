//! TLS: whom to believe, what to show, and how a connection is made secure. One room for the API server and every other host.
//!
//! ```text
//!   Roots, Identity ──► Tls (a session's settings, made once) ──► Connector ──► an HTTP connection
//!                        │ verify: yes, or a Refusal ──► explain: cause; fix
//! ```
//! Owns the settings of every TLS session, hence also the check that a client certificate fits its key. Leaves alone where
//! certificates come from. Invariant: a [`Tls`] verifies its peer unless it is told in so many words to believe anyone.

mod connect;
mod explain;
mod identity;
mod interim;
mod refusal;
mod verify;
mod x509;

use std::sync::Arc;
use std::time::SystemTime;

use rustls::ClientConfig;
use rustls::crypto::{CryptoProvider, ring};
use rustls::pki_types::CertificateDer;
use rustls::pki_types::pem::PemObject;

pub use connect::{Connector, connector};
pub use explain::{Side, cause, explain};
pub(crate) use identity::Identity;

use verify::Verifier;

/// Whom to believe.
#[derive(Debug, PartialEq, Eq)]
pub enum Roots {
    /// Whoever is vouched for by one of these, or shows one of these.
    Named(Vec<CertificateDer<'static>>),
    /// The same, or by one that browsers believe in; the list is built in.
    Public {
        /// Beside the public ones.
        extra: Vec<CertificateDer<'static>>,
    },
    /// Anyone.
    Anyone,
}

impl Roots {
    fn named(&self) -> &[CertificateDer<'static>] {
        match self {
            Self::Named(named) | Self::Public { extra: named } => named,
            Self::Anyone => &[],
        }
    }
}

/// The settings of a TLS session, for as many connections as there are. Clones share everything, sessions to resume too.
#[derive(Clone, Debug)]
pub struct Tls {
    roots: Arc<Roots>,
    identity: Option<Identity>,
    config: Arc<ClientConfig>,
}

impl Tls {
    /// Settings without a client certificate.
    #[must_use]
    pub fn new(roots: Roots) -> Self {
        Self::with_identity(roots, None)
    }

    pub(crate) fn with_identity(roots: Roots, identity: Option<Identity>) -> Self {
        let (roots, provider) = (Arc::new(roots), provider());
        let verifier = Verifier::new(roots.clone(), &provider);
        let builder = ClientConfig::builder_with_provider(provider)
            .with_protocol_versions(rustls::ALL_VERSIONS)
            .expect("ring knows both versions")
            .dangerous()
            .with_custom_certificate_verifier(Arc::new(verifier));
        let config = match &identity {
            None => builder.with_no_client_auth(),
            Some(identity) => builder.with_client_cert_resolver(identity.resolver()),
        };
        Self { roots, identity, config: Arc::new(config) }
    }

    /// Whether it was made of the same.
    pub(crate) fn is_of(&self, roots: &Roots, identity: Option<&Identity>) -> bool {
        *self.roots == *roots && self.identity.as_ref() == identity
    }

    /// Whether both are clones of one.
    pub(crate) fn is_same(&self, other: &Self) -> bool {
        Arc::ptr_eq(&self.config, &other.config)
    }
}

fn provider() -> Arc<CryptoProvider> {
    Arc::new(ring::default_provider())
}

/// The certificates of a PEM text; blocks that are none are skipped, as everybody does with bundles. Empty where there is none.
#[must_use]
pub fn certificates(pem: &[u8]) -> Vec<CertificateDer<'static>> {
    CertificateDer::pem_slice_iter(pem).filter_map(Result::ok).collect()
}

/// Until when a certificate in DER is valid; `None` where it is none.
#[must_use]
pub fn not_after(der: &[u8]) -> Option<SystemTime> {
    x509::Certificate::parse(der).map(|certificate| certificate.not_after)
}
