//! Just enough of X.509 to say what a certificate is, until when, and what for.
//!
//! Owns the reading of DER (ITU-T X.690) as certificates have it (RFC 5280). Leaves signatures, names and chains to rustls;
//! what is read here decides nothing but a pinned certificate's dates and purpose. Invariant: what is of another shape, or cut,
//! reads as `None`, never as a wrong value; no length from outside sizes anything.

use std::time::SystemTime;

use crate::meta::parse_time;
use crate::text::printable;

const BOOLEAN: u8 = 0x01;
const INTEGER: u8 = 0x02;
const BIT_STRING: u8 = 0x03;
const OCTET_STRING: u8 = 0x04;
const OID: u8 = 0x06;
const SEQUENCE: u8 = 0x30;
const SET: u8 = 0x31;
const UTC_TIME: u8 = 0x17;
const GENERALIZED_TIME: u8 = 0x18;
const VERSION: u8 = 0xa0;
const EXTENSIONS: u8 = 0xa3;

const COMMON_NAME: &[u8] = &[0x55, 4, 3];
const BASIC_CONSTRAINTS: &[u8] = &[0x55, 0x1d, 19];
const EXTENDED_KEY_USAGE: &[u8] = &[0x55, 0x1d, 37];
const ANY_PURPOSE: &[u8] = &[0x55, 0x1d, 37, 0];
const SERVER_PURPOSE: &[u8] = &[0x2b, 6, 1, 5, 5, 7, 3, 1];
const RSA: &[u8] = &[0x2a, 0x86, 0x48, 0x86, 0xf7, 0x0d, 1, 1, 1];

/// The most that is shown of a name, in characters.
const NAME_CHARS_MAX: usize = 80;

/// A certificate's parts, as far as somebody here asks for them.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Certificate<'a> {
    /// The content of the Name.
    pub(crate) issuer: &'a [u8],
    /// The content of the Name.
    pub(crate) subject: &'a [u8],
    pub(crate) not_before: SystemTime,
    pub(crate) not_after: SystemTime,
    /// With what it is signed.
    pub(crate) signature: &'static str,
    /// The content of the SubjectPublicKeyInfo.
    pub(crate) key: &'a [u8],
    /// Whether it is an authority's.
    pub(crate) is_authority: bool,
    /// Whether it may be a server's: it says nothing about purposes, or names this one.
    pub(crate) is_for_servers: bool,
}

impl<'a> Certificate<'a> {
    /// Reads a certificate in DER.
    pub(crate) fn parse(der: &'a [u8]) -> Option<Self> {
        let (certificate, _) = take(der, SEQUENCE)?;
        let (mut tbs, _) = take(certificate, SEQUENCE)?;
        if let Some((_, rest)) = take(tbs, VERSION) {
            tbs = rest;
        }
        let (_serial, rest) = take(tbs, INTEGER)?;
        let (algorithm, rest) = take(rest, SEQUENCE)?;
        let (issuer, rest) = take(rest, SEQUENCE)?;
        let (validity, rest) = take(rest, SEQUENCE)?;
        let (subject, rest) = take(rest, SEQUENCE)?;
        let (key, rest) = take(rest, SEQUENCE)?;
        let (not_before, after) = time(validity)?;
        let (not_after, _) = time(after)?;
        let signature = name_of(SIGNATURES, take(algorithm, OID)?.0);
        let mut read = Self {
            issuer,
            subject,
            not_before,
            not_after,
            signature,
            key,
            is_authority: false,
            is_for_servers: true,
        };
        read.extensions(rest)?;
        Some(read)
    }

    fn extensions(&mut self, mut rest: &'a [u8]) -> Option<()> {
        // The two identifiers that may stand before them are of no use to anybody.
        while let Some((tag, content, after)) = element(rest) {
            rest = after;
            if tag != EXTENSIONS {
                continue;
            }
            let (mut list, _) = take(content, SEQUENCE)?;
            while !list.is_empty() {
                let (extension, after) = take(list, SEQUENCE)?;
                list = after;
                let (id, value) = take(extension, OID)?;
                let value = take(value, BOOLEAN).map_or(value, |(_critical, value)| value);
                let (value, _) = take(value, OCTET_STRING)?;
                match id {
                    BASIC_CONSTRAINTS => {
                        let (constraints, _) = take(value, SEQUENCE)?;
                        self.is_authority = take(constraints, BOOLEAN).is_some_and(|(flag, _)| flag != [0]);
                    }
                    EXTENDED_KEY_USAGE => {
                        let (mut purposes, _) = take(value, SEQUENCE)?;
                        self.is_for_servers = false;
                        while !purposes.is_empty() {
                            let (purpose, after) = take(purposes, OID)?;
                            purposes = after;
                            self.is_for_servers |= purpose == SERVER_PURPOSE || purpose == ANY_PURPOSE;
                        }
                    }
                    _ => {}
                }
            }
        }
        Some(())
    }
}

/// `CN=name`, as a message shows it.
pub(crate) fn name(name: &[u8]) -> String {
    let mut rest = name;
    while let Some((set, after)) = take(rest, SET) {
        rest = after;
        let attribute = take(set, SEQUENCE).and_then(|(attribute, _)| take(attribute, OID));
        if let Some((COMMON_NAME, value)) = attribute
            && let Some((_, text, _)) = element(value)
        {
            return format!("CN={}", printable(&String::from_utf8_lossy(text), NAME_CHARS_MAX));
        }
    }
    "no common name".to_owned()
}

/// What a public key is: `an RSA key of 1024 bits`. Of a SubjectPublicKeyInfo, the content.
pub(crate) fn key(spki: &[u8]) -> String {
    match rsa_bits(spki) {
        Some(bits) => format!("an RSA key of {bits} bits"),
        None => {
            let curve = take(spki, SEQUENCE)
                .and_then(|(algorithm, _)| take(algorithm, OID))
                .map(|(id, rest)| take(rest, OID).map_or(id, |(curve, _)| curve));
            name_of(KEYS, curve.unwrap_or_default()).to_owned()
        }
    }
}

/// The length of the modulus, where it is an RSA key.
pub(crate) fn rsa_bits(spki: &[u8]) -> Option<usize> {
    let (algorithm, rest) = take(spki, SEQUENCE)?;
    let (id, _) = take(algorithm, OID)?;
    let (bits, _) = take(rest, BIT_STRING)?;
    let (key, _) = take(bits.get(1..)?, SEQUENCE)?;
    let (modulus, _) = take(key, INTEGER)?;
    let zeros = modulus.iter().take_while(|byte| **byte == 0).count();
    let first = modulus.get(zeros)?;
    (id == RSA).then(|| (modulus.len() - zeros) * 8 - first.leading_zeros() as usize)
}

#[rustfmt::skip]
const SIGNATURES: &[(&[u8], &str)] = &[
    // object identifier                                  its name in RFC 5280 and its kin
    (&[0x2a, 0x86, 0x48, 0x86, 0xf7, 0x0d, 1, 1, 4],      "md5WithRSAEncryption"),
    (&[0x2a, 0x86, 0x48, 0x86, 0xf7, 0x0d, 1, 1, 5],      "sha1WithRSAEncryption"),
    (&[0x2a, 0x86, 0x48, 0x86, 0xf7, 0x0d, 1, 1, 10],     "RSASSA-PSS"),
    (&[0x2a, 0x86, 0x48, 0x86, 0xf7, 0x0d, 1, 1, 11],     "sha256WithRSAEncryption"),
    (&[0x2a, 0x86, 0x48, 0x86, 0xf7, 0x0d, 1, 1, 12],     "sha384WithRSAEncryption"),
    (&[0x2a, 0x86, 0x48, 0x86, 0xf7, 0x0d, 1, 1, 13],     "sha512WithRSAEncryption"),
    (&[0x2a, 0x86, 0x48, 0xce, 0x3d, 4, 1],               "ecdsa-with-SHA1"),
    (&[0x2a, 0x86, 0x48, 0xce, 0x3d, 4, 3, 2],            "ecdsa-with-SHA256"),
    (&[0x2a, 0x86, 0x48, 0xce, 0x3d, 4, 3, 3],            "ecdsa-with-SHA384"),
    (&[0x2a, 0x86, 0x48, 0xce, 0x3d, 4, 3, 4],            "ecdsa-with-SHA512"),
    (&[0x2b, 0x65, 0x70],                                 "Ed25519"),
    (&[0x2b, 0x65, 0x71],                                 "Ed448"),
];

#[rustfmt::skip]
const KEYS: &[(&[u8], &str)] = &[
    (&[0x2a, 0x86, 0x48, 0xce, 0x3d, 3, 1, 7],            "an ECDSA key on P-256"),
    (&[0x2b, 0x81, 4, 0, 0x22],                           "an ECDSA key on P-384"),
    (&[0x2b, 0x81, 4, 0, 0x23],                           "an ECDSA key on P-521"),
    (&[0x2b, 0x65, 0x70],                                 "an Ed25519 key"),
    (&[0x2b, 0x65, 0x71],                                 "an Ed448 key"),
];

fn name_of(table: &[(&[u8], &'static str)], id: &[u8]) -> &'static str {
    table.iter().find(|(known, _)| *known == id).map_or("an uncommon algorithm", |(_, name)| name)
}

/// The content of the element at the beginning, and what follows it; `None` for another tag or a cut element.
fn take(der: &[u8], tag: u8) -> Option<(&[u8], &[u8])> {
    element(der).filter(|(found, ..)| *found == tag).map(|(_, content, rest)| (content, rest))
}

/// Tag, content, and what follows.
fn element(der: &[u8]) -> Option<(u8, &[u8], &[u8])> {
    let (&tag, rest) = der.split_first()?;
    let (&first, mut rest) = rest.split_first()?;
    let mut length = usize::from(first);
    if first > 0x7f {
        let count = usize::from(first & 0x7f);
        let bytes = rest.get(..count).filter(|_| (1..=3).contains(&count))?;
        length = bytes.iter().fold(0, |length, byte| length << 8 | usize::from(*byte));
        rest = &rest[count..];
    }
    (length <= rest.len()).then(|| (tag, &rest[..length], &rest[length..]))
}

/// `YYMMDDhhmmssZ` or `YYYYMMDDhhmmssZ` (RFC 5280 §4.1.2.5).
fn time(der: &[u8]) -> Option<(SystemTime, &[u8])> {
    let (text, rest, is_long) = match take(der, UTC_TIME) {
        Some((text, rest)) => (text, rest, false),
        None => take(der, GENERALIZED_TIME).map(|(text, rest)| (text, rest, true))?,
    };
    let text = std::str::from_utf8(text).ok()?.strip_suffix('Z').filter(|text| text.is_ascii())?;
    let text = match (is_long, text.len()) {
        (true, 14) => text.to_owned(),
        // Two digits stand for 1950 to 2049.
        (false, 12) => format!("{}{text}", if text < "5" { "20" } else { "19" }),
        _ => return None,
    };
    let mut stamp = String::with_capacity(20);
    for (at, digit) in text.char_indices() {
        match at {
            4 | 6 => stamp.push('-'),
            8 => stamp.push('T'),
            10 | 12 => stamp.push(':'),
            _ => {}
        }
        stamp.push(digit);
    }
    stamp.push('Z');
    parse_time(&stamp).map(|time| (time, rest))
}

#[cfg(test)]
#[path = "x509_tests.rs"]
mod tests;
