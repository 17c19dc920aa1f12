//! What a credential looks like, and what announces one.
//!
//! Pure, one word at a time. Invariant: an ordinary word, such as the `token` in "a bearer token", is never taken for a
//! credential.

/// The words before a credential in an `Authorization` header.
const SCHEMES: [&str; 4] = ["token", "bearer", "basic", "apikey"];

/// Ends of names, in lower case and without `-` and `_`, whose value is a credential whatever it looks like.
#[rustfmt::skip]
const CREDENTIAL_NAMES: [&str; 8] = [
    "xamzsignature", "xamzcredential", "xamzsecuritytoken", "awsaccesskeyid",
    "xgoogsignature", "xgoogcredential", "googleaccessid", "keypairid",
];

/// The same for names that prose uses as well: after `=`, or as a JSON string, their value is a credential.
#[rustfmt::skip]
const ORDINARY_NAMES: [&str; 9] = [
    "signature", "credential", "token", "password", "passwd", "apikey", "accesskey", "secretkey", "clientsecret",
];

/// Azure's signature is too short a name to be an end of one.
const AZURE_SIGNATURE: &str = "sig";

/// How tokens begin that give themselves away: Grafana Cloud's, and JSON Web Tokens.
const TOKEN_BEGINNINGS: [&str; 3] = ["glc_", "glsa_", "eyJ"];

/// Shortest text that such a beginning makes a credential, in bytes.
const TOKEN_BYTES_MIN: usize = 12;

/// Longest run of letters that is taken for a word, in bytes.
const LETTERS_BYTES_MAX: usize = 20;

/// The same for capitals alone, which base64 is more likely to come as.
const CAPITALS_BYTES_MAX: usize = 15;

/// Longest chain of words and separators that is taken for prose, in bytes.
const PROSE_BYTES_MAX: usize = 64;

/// Shortest mixture of letters and digits that is taken for a credential, in bytes; shorter is `k6` or `v2`.
const MIXTURE_BYTES_MIN: usize = 4;

/// Shortest number that is taken for a credential, in bytes.
const NUMBER_BYTES_MIN: usize = 8;

/// What a word announces.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Word {
    /// `Bearer` and its like: the next word may be a credential.
    Scheme,
    /// `Authorization`: a scheme and a credential follow.
    Header,
    /// A name whose value is a credential.
    CredentialName,
    /// A name whose value is one where it is written as a value.
    OrdinaryName,
    /// It is itself a credential.
    Credential,
    /// Nothing.
    Other,
}

/// What `word`, letters, digits, `_` and `-`, announces.
pub(super) fn word(word: &str) -> Word {
    let is_one_of = |names: &[&str]| names.iter().any(|name| ends_with_name(word, name));
    // `--token` on a command line is the word, too.
    if SCHEMES.iter().any(|scheme| word.trim_start_matches('-').eq_ignore_ascii_case(scheme)) {
        Word::Scheme
    } else if ends_with_name(word, "authorization") {
        Word::Header
    } else if is_one_of(&CREDENTIAL_NAMES) {
        Word::CredentialName
    } else if is_one_of(&ORDINARY_NAMES) || word.eq_ignore_ascii_case(AZURE_SIGNATURE) {
        Word::OrdinaryName
    } else if word.len() >= TOKEN_BYTES_MIN && TOKEN_BEGINNINGS.iter().any(|start| word.starts_with(start)) {
        Word::Credential
    } else {
        Word::Other
    }
}

/// Whether `word` is a name before `=` or within quotes, where a scheme's word is one, too: `token=…`.
pub(super) fn is_name(word: &str) -> bool {
    ORDINARY_NAMES.iter().any(|name| ends_with_name(word, name))
}

/// Whether `word` ends with `name`, in any case and with any `-` and `_` in it.
fn ends_with_name(word: &str, name: &str) -> bool {
    let mut bytes = word.bytes().rev().filter(|byte| !matches!(byte, b'-' | b'_'));
    name.bytes().rev().all(|wanted| bytes.next().is_some_and(|byte| byte.eq_ignore_ascii_case(&wanted)))
}

/// Whether `run`, which follows an announcement, is more than an ordinary word.
pub(super) fn is_credential(run: &str) -> bool {
    let bare = run.trim_end_matches(|c: char| c == '=' || ".:!?*".contains(c));
    if bare.len() > PROSE_BYTES_MAX {
        return true;
    }
    let is_padded = run.ends_with('=') && bare.bytes().any(|byte| byte.is_ascii_uppercase());
    let has = |is: fn(char) -> bool| bare.chars().any(is);
    if has(|c| c.is_ascii_digit()) {
        let shortest = if has(char::is_alphabetic) { MIXTURE_BYTES_MIN } else { NUMBER_BYTES_MIN };
        return bare.len() >= shortest;
    }
    is_padded || bare.split(['-', '.', '/', ':', '\'', '’']).any(|part| !part.is_empty() && !is_prose(part))
}

/// A word in small letters, in capitals, or with one capital at its beginning. What is short and has other characters is
/// taken for prose, too: `$`, `%s`.
fn is_prose(part: &str) -> bool {
    if !part.chars().all(char::is_alphabetic) {
        return part.len() < MIXTURE_BYTES_MIN;
    }
    let bytes_max = if part.chars().all(char::is_uppercase) { CAPITALS_BYTES_MAX } else { LETTERS_BYTES_MAX };
    let mut rest = part.chars().skip(1);
    let is_cased = part.chars().all(char::is_uppercase) || rest.all(|c| !c.is_uppercase());
    // Other alphabets take more bytes for a letter, and no token is written in them.
    is_cased && (part.len() <= bytes_max || !part.is_ascii())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn words() {
        let check = |text: &str, wanted: Word| assert_eq!(word(text), wanted, "{text}");
        check("bearer", Word::Scheme);
        check("Token", Word::Scheme);
        check("proxy-authorization", Word::Header);
        check("X-Amz-Security-Token", Word::CredentialName);
        check("AWSAccessKeyId", Word::CredentialName);
        check("x_goog_signature", Word::CredentialName);
        check("Signature", Word::OrdinaryName);
        check("test_run_token", Word::OrdinaryName);
        check("SIG", Word::OrdinaryName);
        check("config", Word::Other);
        check("tokens", Word::Other);
        check("glc_eyJvIjoiMTIz", Word::Credential);
        check("eyJhbGciOiJSUzI1NiJ9", Word::Credential);
        check("glc_", Word::Other);
    }

    #[test]
    fn credentials_and_ordinary_words() {
        for ordinary in [
            "token",
            "Token",
            "IS",
            "rejected",
            "authentication:",
            "internationalization",
            "k6",
            "v2",
            "401",
            "realm=",
            "and/or",
            "client-side",
            "It's",
            "отклонён",
            "/var/run/secrets/kubernetes.io/serviceaccount/token",
            "",
            "%s",
            "REJECTED",
        ] {
            assert!(!is_credential(ordinary), "{ordinary}");
        }
        for credential in [
            "0f9a8b7c6d",
            "dXNlcjpw",
            "QUJDREVGR0g=",
            "hunter2",
            "correcthorsebatterystaple",
            "a_b-c_d_e",
            "12345678",
            "s3cret",
            "ABCDEFGHIJKLMNOPQRST",
            "user:pa55",
            "abc~def~ghi",
        ] {
            assert!(is_credential(credential), "{credential}");
        }
    }
}
