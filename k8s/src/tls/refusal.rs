//! Why a certificate is not accepted: which one of the chain, and what is wrong with it.
//!
//! Owns the search for the one to blame. Leaves what to do about it to `explain`, which knows whose side it is for. Invariant:
//! what a certificate says of itself is shown on one line and cut.

use std::error::Error;
use std::fmt;
use std::time::{Duration, SystemTime};

use rustls::pki_types::{CertificateDer, UnixTime};
use rustls::{CertificateError, RootCertStore};

use super::x509::{self, Certificate};
use crate::meta::format_time;
use crate::text::printable;

/// Bits that an RSA key has at least; ring has no more than a part of RSA for shorter ones.
const RSA_BITS_MIN: usize = 2048;
/// Signatures that ring verifies, by the names that [`x509`] gives them.
const VERIFIABLE: [&str; 7] = [
    "RSASSA-PSS",
    "sha256WithRSAEncryption",
    "sha384WithRSAEncryption",
    "sha512WithRSAEncryption",
    "ecdsa-with-SHA256",
    "ecdsa-with-SHA384",
    "Ed25519",
];
/// Names of a certificate that are shown.
const NAMES_SHOWN_MAX: usize = 6;
/// The most that is shown of one of them, or of a library's words, in characters.
const WORDS_CHARS_MAX: usize = 100;

/// A certificate that is not accepted.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Refusal {
    pub(super) fault: Fault,
    /// Which one, and what about it: `its certificate (CN=api) has expired on …`.
    text: String,
}

/// What can be wrong, as far as one does something else about it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Fault {
    /// Nobody here knows the authority.
    Unknown,
    /// The authority's name is known, and its key is another.
    Renewed,
    /// Too late.
    Expired,
    /// Too early.
    Early,
    /// It is for other names.
    Name,
    /// It is not for servers.
    Purpose,
    /// It is an authority's own.
    Authority,
    /// It, or who signed it, uses what cannot be verified here.
    Algorithm,
    /// Anything else.
    Other,
}

impl fmt::Display for Refusal {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.text)
    }
}

impl Error for Refusal {}

impl Refusal {
    pub(super) fn new(
        why: CertificateError,
        leaf: &[u8],
        others: &[CertificateDer<'_>],
        store: &RootCertStore,
        now: UnixTime,
    ) -> Self {
        let chain = Chain::new(leaf, others);
        let (fault, text) =
            chain.blame(why, store, SystemTime::UNIX_EPOCH + Duration::from_secs(now.as_secs()));
        Self { fault, text }
    }
}

/// Of a server's certificate whose key is too short: the refusal that its signature would bring, in words.
pub(super) fn short_key(leaf: &[u8]) -> Option<Refusal> {
    let certificate = Certificate::parse(leaf)?;
    let bits = x509::rsa_bits(certificate.key).filter(|bits| *bits < RSA_BITS_MIN)?;
    let name = x509::name(certificate.subject);
    let text =
        format!("its certificate ({name}) has an RSA key of {bits} bits, which cannot be verified here");
    Some(Refusal { fault: Fault::Algorithm, text })
}

/// From the server's certificate on, each signed by the next.
struct Chain<'a>(Vec<Certificate<'a>>);

impl<'a> Chain<'a> {
    fn new(leaf: &'a [u8], others: &'a [CertificateDer<'_>]) -> Self {
        let others: Vec<_> = others.iter().filter_map(|der| Certificate::parse(der)).collect();
        let mut chain: Vec<_> = Certificate::parse(leaf).into_iter().collect();
        // As long as there are others; a circle ends where all of them have had their turn.
        let mut rest = others;
        while let Some(at) =
            chain.last().and_then(|last| rest.iter().position(|one| one.subject == last.issuer))
        {
            chain.push(rest.swap_remove(at));
        }
        Self(chain)
    }

    fn blame(&self, why: CertificateError, store: &RootCertStore, now: SystemTime) -> (Fault, String) {
        use CertificateError as E;
        let leaf = || self.whose(0);
        let weak = matches!(
            why,
            E::BadSignature
                | E::UnsupportedSignatureAlgorithmContext { .. }
                | E::UnsupportedSignatureAlgorithmForPublicKeyContext { .. }
        );
        if let Some(text) = self.unverifiable(store).filter(|_| weak) {
            return (Fault::Algorithm, text);
        }
        match why {
            E::UnknownIssuer | E::BadSignature => self.untrusted(store),
            E::Expired | E::ExpiredContext { .. } => {
                let at = self.0.iter().position(|one| one.not_after < now);
                let on =
                    at.map(|at| format!(" on {}", format_time(self.0[at].not_after))).unwrap_or_default();
                let whose = self.whose(at.unwrap_or(0));
                (Fault::Expired, format!("{whose} has expired{on}, or the clock of this machine is wrong"))
            }
            E::NotValidYet | E::NotValidYetContext { .. } => {
                let at = self.0.iter().position(|one| now < one.not_before);
                let until = at
                    .map(|at| format!(" before {}", format_time(self.0[at].not_before)))
                    .unwrap_or_default();
                let whose = self.whose(at.unwrap_or(0));
                (Fault::Early, format!("{whose} is not valid{until}, or the clock of this machine is wrong"))
            }
            E::NotValidForNameContext { expected, presented } => {
                let names = listed(presented);
                (Fault::Name, format!("{} is for {names} and not for {}", leaf(), expected.to_str()))
            }
            E::NotValidForName => (Fault::Name, format!("{} is for other names than this one", leaf())),
            E::InvalidPurpose | E::InvalidPurposeContext { .. } => {
                (Fault::Purpose, format!("{} is not for servers (extended key usage)", leaf()))
            }
            E::UnsupportedSignatureAlgorithmContext { .. }
            | E::UnsupportedSignatureAlgorithmForPublicKeyContext { .. } => {
                let signature = self.0.first().map_or("an uncommon algorithm", |leaf| leaf.signature);
                (
                    Fault::Algorithm,
                    format!("{} is signed with {signature}, which cannot be verified here", leaf()),
                )
            }
            E::UnhandledCriticalExtension => {
                (Fault::Other, format!("{} has a critical extension that is not known here", leaf()))
            }
            E::BadEncoding => (Fault::Other, format!("{} cannot be read", leaf())),
            _ if self.0.first().is_some_and(|leaf| leaf.is_authority) => {
                (Fault::Authority, format!("{} is that of an authority (CA:TRUE)", leaf()))
            }
            why => (Fault::Other, format!("{} cannot be used ({})", leaf(), words(&why.to_string()))),
        }
    }

    fn untrusted(&self, store: &RootCertStore) -> (Fault, String) {
        let Some(last) = self.0.last() else {
            return (Fault::Unknown, "its certificate is not trusted".to_owned());
        };
        let leaf = self.whose(0);
        let issuer = x509::name(last.issuer);
        if store.roots.iter().any(|root| root.subject.as_ref() == last.issuer) {
            let text = format!(
                "{leaf} is signed by a different {issuer} than the trusted one: same name, other key"
            );
            return (Fault::Renewed, text);
        }
        if self.0[0].subject == self.0[0].issuer {
            return (Fault::Unknown, format!("{leaf} is self-signed and not among the trusted ones"));
        }
        (Fault::Unknown, format!("{leaf} is signed by an authority that is not trusted ({issuer})"))
    }

    /// The first signature or key on the way to a root that ring cannot do.
    fn unverifiable(&self, store: &RootCertStore) -> Option<String> {
        for (at, one) in self.0.iter().enumerate() {
            let root = store.roots.iter().find(|root| root.subject.as_ref() == one.issuer);
            let key = match (self.0.get(at + 1), root) {
                (Some(issuer), _) => Some(issuer.key),
                (None, Some(root)) => Some(root.subject_public_key_info.as_ref()),
                (None, None) => None,
            };
            let is_short = key.and_then(x509::rsa_bits).is_some_and(|bits| bits < RSA_BITS_MIN);
            let key = key.map(|key| format!(" by {} of {}", x509::key(key), x509::name(one.issuer)));
            let is_odd = key.as_ref().is_some_and(|key| key.contains("P-521") || key.contains("uncommon"));
            if is_short || is_odd || !VERIFIABLE.contains(&one.signature) {
                let (whose, by) = (self.whose(at), key.unwrap_or_default());
                return Some(format!(
                    "{whose} is signed with {}{by}, which cannot be verified here",
                    one.signature
                ));
            }
        }
        None
    }

    fn whose(&self, at: usize) -> String {
        match (at, self.0.get(at)) {
            (_, None) => "its certificate".to_owned(),
            (0, Some(leaf)) => format!("its certificate ({})", x509::name(leaf.subject)),
            (_, Some(one)) => format!("the certificate of its authority {}", x509::name(one.subject)),
        }
    }
}

fn listed(mut names: Vec<String>) -> String {
    if names.is_empty() {
        return "no name at all (subjectAltName)".to_owned();
    }
    let more = names.len().saturating_sub(NAMES_SHOWN_MAX);
    names.truncate(NAMES_SHOWN_MAX);
    // As webpki writes them: DnsName("api"), IpAddress(10.0.0.1).
    let bare = names.iter().map(|name| {
        let inner = name.split_once('(').and_then(|(_, rest)| rest.strip_suffix(')')).unwrap_or(name);
        printable(inner.trim_matches('"'), WORDS_CHARS_MAX)
    });
    let mut list = bare.collect::<Vec<_>>().join(", ");
    if more > 0 {
        list.push_str(&format!(" and {more} more"));
    }
    list
}

/// A library's name for what happened, `HandshakeFailure`, in words: `handshake failure`.
pub(super) fn words(name: &str) -> String {
    let mut text = String::new();
    for c in name.chars() {
        if c.is_ascii_uppercase() && text.chars().next_back().is_some_and(|last| last.is_ascii_lowercase()) {
            text.push(' ');
        }
        text.push(c.to_ascii_lowercase());
    }
    printable(&text, WORDS_CHARS_MAX)
}
