//! What is masked, what survives, and the properties that hold whatever the text.

use super::*;

#[track_caller]
fn check(text: &str, expected: &str) {
    let scrubbed = scrub(text, &["s3cret"]);
    assert_eq!(scrubbed, expected);
    assert_eq!(scrub(&scrubbed, &["s3cret"]), expected, "scrubbing twice");
}

#[test]
fn masks_credentials_and_keeps_the_rest() {
    check("token was s3cret, twice s3cret", "token was <redacted>, twice <redacted>");
    check(
        "GET https://b.s3.amazonaws.com/a.tar?X-Amz-Signature=1&b='2' failed",
        "GET https://b.s3.amazonaws.com/a.tar?<redacted> failed",
    );
    check(r#"{"url":"http://h/p?a=1\u0026b=2","x":1}"#, r#"{"url":"http://h/p?<redacted>","x":1}"#);
    check("proxy http://user:pass@proxy:3128 is down", "proxy http://<redacted>@proxy:3128 is down");
    check("http://u:p@h/p?q https://k/?z", "http://<redacted>@h/p?<redacted> https://k/?<redacted>");
    check("cut: a.tar?X-Amz-Expires=300&X-Amz-Signature=ab&c=d", {
        "cut: a.tar?X-Amz-Expires=300&X-Amz-Signature=<redacted>&c=d"
    });
    check("Authorization: Token abc", "Authorization: Token <redacted>");
    check("header \"Authorization\": \"bearer abc.def\"", "header \"Authorization\": \"bearer <redacted>\"");
    check("sent Token 0f9a8b7c6d and Basic dXNlcjpw", "sent Token <redacted> and Basic <redacted>");
    check("see https://grafana.com/docs/k6 for more", "see https://grafana.com/docs/k6 for more");
}

#[test]
fn leaves_prose_and_placeholders() {
    check("Token rejected by GCk6: token is empty", "Token rejected by GCk6: token is empty");
    check("header.Authorization=Token $(K6_CLOUD_TOKEN)", "header.Authorization=Token $(K6_CLOUD_TOKEN)");
    check("a Token", "a Token");
}

#[test]
fn a_secret_within_a_secret_leaves_no_remainder() {
    assert_eq!(scrub("abcdef", &["", "abc", "abcdef"]), "<redacted>");
}

#[test]
fn secret_prints_nothing() {
    let secret = Secret::new("s3cret");
    assert_eq!(format!("{secret} {secret:?} {:?}", Some(&secret)), "<redacted> <redacted> Some(<redacted>)");
    assert_eq!(secret.expose(), "s3cret");
}

#[test]
fn a_line_is_folded_and_cut_on_a_boundary() {
    assert_eq!(scrubbed_line(" a\n\tb\u{0} c ", 99), "a b c");
    assert_eq!(scrubbed_line("ééé", 5), "é…");
    assert_eq!(scrubbed_line("abc", 3), "abc");
    assert_eq!(scrubbed_line("abcd", 2), "");
}

#[test]
fn without_query_shows_host_and_path() {
    assert_eq!(without_query("https://u:p@h:1/a/b?x=/y@z#f"), "https://h:1/a/b");
    assert_eq!(without_query("/p?x"), "/p");
}

#[test]
fn a_url_within_a_url_and_beside_one() {
    check("GET http://proxy/https://bob:s3creT@host/", "GET http://proxy/https://<redacted>@host/");
    check("http://h,http://bob:s3creT@h2/", "http://h,http://<redacted>@h2/");
    check("http://bob:pa/ss@h and http://bob:p@ss/w@h/p", "http://<redacted>@h and http://<redacted>@h/p");
    check(r#"{"proxy":"http://bob:pa\"ss@h:1"}"#, r#"{"proxy":"http://<redacted>@h:1"}"#);
    check("u=http%3A%2F%2Fbob%3Apa%2Fss%40h%2Fp%3Fa%3D1", "u=http%3A%2F%2F<redacted>%40h%2Fp%3F<redacted>");
    check(r"http:\/\/bob:pass@h\/p", r"http:\/\/<redacted>@h\/p");
    check("HTTPS_PROXY: bob:pass@proxy:3128 is", "HTTPS_PROXY: <redacted>@proxy:3128 is");
    check("parse \"http://bob:pa55\": bad port", "parse \"http://<redacted>\": bad port");
    check("https://h/#access_token=abc&x", "https://h/#<redacted>");
}

#[test]
fn addresses_survive() {
    for text in [
        "cannot connect to http://10.0.0.1:6565: connection refused",
        "http://[fd00::1]:6565/v1/status, http://h:80,http://g:81; (https://h:443)",
        "give http://host:port or https://…/{key}",
        "Failed to pull image \"registry:5000/k6:1.0@sha256:0123456789abcdef\": not found",
        "see https://medium.com/@user and bob@example.com, https://grafana.com/docs/k6#tags",
    ] {
        check(text, text);
    }
}

#[test]
fn parameters_and_headers_wherever_they_stand() {
    check("AWSAccessKeyId=AKIA1&Signature=a%2Fb&Expires=1", {
        "AWSAccessKeyId=<redacted>&Signature=<redacted>&Expires=1"
    });
    check(
        "X-Goog-Credential=a&X-Goog-Signature=b, x",
        "X-Goog-Credential=<redacted>&X-Goog-Signature=<redacted>, x",
    );
    check("sv=2024&sig=a%2B&se=1", "sv=2024&sig=<redacted>&se=1");
    check("X-Amz-Security-Token: Fwo", "X-Amz-Security-Token: <redacted>");
    check(
        r#"{"run_token":"a\"b c","password": "x"}"#,
        r#"{"run_token":"<redacted>","password": "<redacted>"}"#,
    );
    check("map[Authorization:[Bearer abc] Accept:[x]]", "map[Authorization:[Bearer <redacted>] Accept:[x]]");
    check("Authorization%3A%20Bearer%20abc", "Authorization%3A%20Bearer%20<redacted>");
    check("Authorization: Digest 0f9a8b7c", "Authorization: Digest <redacted>");
    check("proxy-authorization: dXNlcjpwYXNz", "proxy-authorization: <redacted>");
    check("used glc_eyJvIjoiMTIzNDUi for it", "used <redacted> for it");
    check("--token 0f9a8b7c6d", "--token <redacted>");
}

/// What the agent itself says of tokens reaches the reader whole.
#[test]
fn messages_about_tokens_survive() {
    for text in [
        "the kubeconfig's token: has characters that a token cannot have; put a bearer token there",
        "GCk6 rejects the token in Secret load/k6-token: the token is unknown; put a valid token into it",
        "Secret load/k6-token does not exist; create it with the GCk6 token under the key token",
        "invalid token: rejected; Token: expired. Basic authentication is off, bearer authentication is on",
        "Bearer realm=, token k6, TOKEN REJECTED, authorization: forbidden, Authorization, bearer of news",
        "printed neither a token nor a client certificate",
        "cannot read the token /var/run/secrets/kubernetes.io/serviceaccount/token",
    ] {
        check(text, text);
    }
}

#[test]
fn a_cut_leaves_no_half_of_a_credential() {
    let long =
        |text: &str| format!("{}{text}{}", "x ".repeat((TEXT_BYTES_MAX - 20) / 2), "0f9a8b7c6d".repeat(9));
    for start in ["http://bob:", "http://", "Bearer ", "bob:", "sig=", "http%3A%2F%2F"] {
        let scrubbed = scrub(&long(start), &[]);
        assert!(
            !scrubbed.contains("0f9a") && scrubbed.ends_with('…'),
            "{}",
            &scrubbed[scrubbed.len() - 40..]
        );
    }
    assert_eq!(scrubbed_line("at http://hostname/p", 17), "at http://…");
    assert_eq!(scrubbed_line("Authorization: Token abcdef", 28), "Authorization: Token …");
    assert!(scrub(&"é".repeat(TEXT_BYTES_MAX), &[]).len() <= TEXT_BYTES_MAX);
    assert_eq!(scrub("<redacted>", &["red", "e"]), "<redacted>");
}

/// Numbers from a seed, the same on every machine.
struct Seed(u64);

impl Seed {
    fn below(&mut self, bound: usize) -> usize {
        self.0 = self.0.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        usize::try_from(self.0 >> 33).unwrap() % bound
    }

    fn one_of<'a>(&mut self, from: &[&'a str]) -> &'a str {
        from[self.below(from.len())]
    }

    fn some_of(&mut self, from: &[&str], count_max: usize) -> String {
        (0..self.below(count_max + 1)).map(|_| self.one_of(from)).collect()
    }
}

const SEEDS: u64 = 3000;

/// What credentials stand in and beside, whole and in pieces.
#[rustfmt::skip]
const PIECES: &[&str] = &[
    " ", " ", "\n", "\t", "\u{a0}", "\"", "'", "`", "<", ">", "(", ")", "[", "]", "{", "}", ",", ";", ":", "=", "&", "|", "/", "\\",
    "\\\"", "\\n", "\\u0026", "\\/", "%20", "%22", "%3A", "%2F", "%40", "%25", "%", "@", "?", "#", "…", "é", "$(TOKEN)", "<redacted>", "<reda",
    "http://", "https://h:8080/p", "://", "%3A%2F%2F", ":\\/\\/", "host", "bob:", "Token", "Bearer ", "basic", "Authorization: ", "authorization",
    "X-Amz-Signature=", "sig=", "token", "password: ", "eyJ", "word", "a1", "7c6d5e4f3a2b", "-",
];

#[test]
fn scrubbing_twice_changes_nothing() {
    for seed in 0..SEEDS {
        let mut random = Seed(seed);
        let text = random.some_of(PIECES, 24);
        let once = scrub(&text, &["word"]);
        assert_eq!(scrub(&once, &["word"]), once, "seed {seed}: {text:?}");
        let bytes_max = random.below(120);
        let line = scrubbed_line(&text, bytes_max);
        assert!(line.len() <= bytes_max, "seed {seed}: {line:?}");
        assert_eq!(scrubbed_line(&line, bytes_max), line, "seed {seed}: {text:?} in {bytes_max}");
    }
}

/// Each announcement with what closes it, around a credential that is looked for.
#[rustfmt::skip]
const PLACES: &[(&str, &str)] = &[
    ("http://bob:", "@host/p"), ("https://", "@host"), ("http://h/p?a=", "&b=1"), ("http://h/p?X-Amz-Signature=", ""),
    ("http%3A%2F%2Fbob%3A", "%40host%2F"), ("http:\\/\\/bob:", "@host\\/p"), ("http%253A%252F%252Fbob%253A", "%2540h"),
    ("socks5h://u:", "@[::1]:1"), ("bob:", "@proxy:3128"), ("http://bob:x/", "@host"), ("http://bob:x?", "@host"),
    ("Authorization: Token ", ""), ("Authorization: ", ""), ("\"Authorization\":\"Bearer ", "\""), ("authorization=basic ", ""),
    ("Token ", ""), ("bearer ", ""), ("BEARER%20", ""), ("X-Amz-Signature=", "&x"), ("X-Amz-Credential%3D", "%26x"),
    ("\\u0026X-Amz-Security-Token=", "\\u0026x"), ("&Signature=", ""), ("?sig=", ""), ("\"token\":\"", "\""),
    ("\\\"password\\\": \\\"", "\\\""), ("token=", ""),
];

/// What may touch a place on either side.
#[rustfmt::skip]
const GLUE: &[&str] = &[
    "", " ", "\n", "\"", "'", "(", ")", "[", "]", "{", "}", ",", ";", "<", ">", "`", "|", "\\\"", "\\n", "%22", "…", "http://h,", "http://h/p/",
    "http://proxy:3128/", " Token x ", "<redacted> ", "é ", "= ", "GET ", "x\u{2028}",
];

#[test]
fn no_credential_survives_in_any_place_or_glue() {
    for seed in 0..SEEDS {
        let mut random = Seed(seed);
        let secret = random.one_of(&[
            "0f9a8b7c6d",
            "S3creT-w0rd",
            "glc_eyJvIjoiMTIzNDUi",
            "aGVsbG8gd29ybGQ",
            "x9~y8.z7",
        ]);
        let mut text = random.some_of(PIECES, 6);
        for _ in 0..=random.below(3) {
            let (open, close) = PLACES[random.below(PLACES.len())];
            let before = random.some_of(GLUE, 2);
            // A letter before `bearer` makes it another word.
            let is_word =
                format!("{text}{before}").ends_with(|c: char| c.is_alphanumeric() || "_-".contains(c));
            let space = if is_word { " " } else { "" };
            text.push_str(&format!("{before}{space}{open}{secret}{close}{}", random.some_of(GLUE, 2)));
        }
        let scrubbed = scrub(&text, &[]);
        assert!(!scrubbed.contains(secret), "seed {seed}: {text:?} gives {scrubbed:?}");
        let line = scrubbed_line(&text, 1000);
        assert!(!line.contains(secret), "seed {seed}: {text:?} gives {line:?}");
    }
}

fn steps(text: &str) -> u64 {
    let before = unit::STEPS.get();
    scan::mask(text, false);
    unit::STEPS.get() - before
}

/// Twice the text is twice the work, whatever is repeated.
#[test]
fn the_time_is_linear() {
    let known = [
        "Token x ",
        "Token:",
        "http://",
        "://",
        "a:b@",
        "token=\"",
        "token='",
        "http://h/#",
        "%25",
        "\\",
        "eyJ",
    ];
    let mut repeated: Vec<String> = known.map(str::to_owned).into();
    repeated.extend((0..100).map(|seed| Seed(seed).some_of(PIECES, 6)).filter(|piece| !piece.is_empty()));
    for piece in repeated {
        let text = |bytes: usize| piece.repeat(bytes / piece.len());
        let (one, two) = (steps(&text(1024)), steps(&text(2048)));
        assert!(two <= one * 5 / 2 + 1024, "{piece:?}: {one} steps for 1 KiB, {two} for 2");
        assert!(one <= 1024 * 100, "{piece:?}: {one} steps for 1 KiB");
    }
}
