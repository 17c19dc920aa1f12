//! Certificates of the stand-ins: a CA and a server certificate for `127.0.0.1` and `localhost`, made anew each time.

use std::io;
use std::sync::Arc;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use rcgen::{BasicConstraints, CertificateParams, DnType, IsCa, Issuer, KeyPair};
use rustls::pki_types::{PrivateKeyDer, PrivatePkcs8KeyDer};

/// Length of a line of base64 in PEM.
const PEM_LINE_LEN: usize = 64;

/// What a TLS server needs, and what its clients are to trust.
pub struct Identity {
    /// The server's side.
    pub config: Arc<rustls::ServerConfig>,
    /// The CA's certificate as PEM.
    pub ca_pem: String,
}

impl Identity {
    /// Makes a CA and a server certificate.
    pub fn new() -> io::Result<Self> {
        let make = || -> Result<_, rcgen::Error> {
            let mut params = CertificateParams::new(Vec::new())?;
            params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
            params.distinguished_name.push(DnType::CommonName, "sim CA");
            let ca_key = KeyPair::generate()?;
            let ca = params.self_signed(&ca_key)?;
            let issuer = Issuer::new(params, ca_key);
            let key = KeyPair::generate()?;
            let params =
                CertificateParams::new(["127.0.0.1", "::1", "localhost"].map(str::to_owned).to_vec())?;
            let leaf = params.signed_by(&key, &issuer)?;
            Ok((ca, leaf, key))
        };
        let (ca, leaf, key) = make().map_err(io::Error::other)?;
        let key = PrivateKeyDer::Pkcs8(PrivatePkcs8KeyDer::from(key.serialize_der()));
        let provider = Arc::new(rustls::crypto::ring::default_provider());
        let config = rustls::ServerConfig::builder_with_provider(provider)
            .with_safe_default_protocol_versions()
            .and_then(|builder| builder.with_no_client_auth().with_single_cert(vec![leaf.der().clone()], key))
            .map_err(io::Error::other)?;
        Ok(Self { config: Arc::new(config), ca_pem: pem("CERTIFICATE", ca.der()) })
    }
}

/// DER as PEM.
pub fn pem(label: &str, der: &[u8]) -> String {
    let mut pem = format!("-----BEGIN {label}-----\n");
    let text = STANDARD.encode(der);
    for line in text.as_bytes().chunks(PEM_LINE_LEN) {
        pem.push_str(std::str::from_utf8(line).expect("base64 is ASCII"));
        pem.push('\n');
    }
    pem.push_str(&format!("-----END {label}-----\n"));
    pem
}
