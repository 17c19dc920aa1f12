//! Certificates, whole and cut.

use rustls::pki_types::CertificateDer;
use rustls::pki_types::pem::PemObject;

use super::*;
use crate::meta::format_time;

fn der() -> CertificateDer<'static> {
    CertificateDer::from_pem_slice(include_bytes!("../../../src/config/testdata/ca.pem")).unwrap()
}

#[test]
fn a_certificate_tells_what_it_is() {
    let der = der();
    let certificate = Certificate::parse(&der).expect("it is a certificate");
    assert_eq!(format_time(certificate.not_after), "2126-10-29T13:18:56Z");
    assert_eq!(name(certificate.subject), "CN=plz-agent test CA");
    assert_eq!(key(certificate.key), "an ECDSA key on P-256");
    assert_eq!(certificate.signature, "ecdsa-with-SHA256");
    assert!(certificate.is_authority && certificate.is_for_servers);
}

#[test]
fn keys_and_signatures_have_names() {
    let check = |pem: &[u8], kind: &str, signed: &str| {
        let der = CertificateDer::from_pem_slice(pem).unwrap();
        let certificate = Certificate::parse(&der).unwrap();
        assert_eq!((key(certificate.key).as_str(), certificate.signature), (kind, signed));
    };
    let short = include_bytes!("../../tests/loopback/data/short.pem");
    check(short, "an RSA key of 1024 bits", "sha256WithRSAEncryption");
    let p521 = include_bytes!("../../tests/loopback/data/p521-ca.pem");
    check(p521, "an ECDSA key on P-521", "ecdsa-with-SHA512");
    assert_eq!(name(b"no DER"), "no common name");
    assert_eq!(key(b"no DER"), "an uncommon algorithm");
}

#[test]
fn what_is_cut_or_no_certificate_tells_nothing() {
    let der = der();
    for end in 0..der.len() {
        assert_eq!(Certificate::parse(&der[..end]), None, "{end}");
    }
    assert_eq!(Certificate::parse(&[SEQUENCE, 0x84, 1, 1, 1, 1]), None);
    assert_eq!(Certificate::parse(b"-----BEGIN"), None);
    // Any single byte may be another: no matter what, it is read or not.
    for at in 0..der.len() {
        let mut bent = der.to_vec();
        bent[at] ^= 0xff;
        if let Some(certificate) = Certificate::parse(&bent) {
            let _ = (name(certificate.subject), key(certificate.key));
        }
    }
}

#[test]
fn both_forms_of_time() {
    let check = |tag: u8, text: &str, wanted: Option<&str>| {
        let mut der = vec![tag, u8::try_from(text.len()).unwrap()];
        der.extend(text.bytes());
        assert_eq!(time(&der).map(|(time, _)| format_time(time)).as_deref(), wanted, "{text}");
    };
    check(UTC_TIME, "270102030405Z", Some("2027-01-02T03:04:05Z"));
    check(UTC_TIME, "991231235959Z", Some("1999-12-31T23:59:59Z"));
    check(GENERALIZED_TIME, "20510102030405Z", Some("2051-01-02T03:04:05Z"));
    check(UTC_TIME, "2701020304Z", None);
    check(UTC_TIME, "ä70102030405", None);
    check(GENERALIZED_TIME, "20511302030405Z", None);
}
