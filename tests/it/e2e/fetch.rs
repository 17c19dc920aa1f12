//! `plz-agent fetch` as the kubelet starts it, against the bucket.

use std::fs;

use sim::s3::{PREFIX, Whim, sample_archive};

use super::*;

/// What a download left behind.
struct Fetched {
    code: Option<i32>,
    archive: Option<Vec<u8>>,
    files: usize,
    last_words: String,
    log: String,
}

fn bucket(scheme: Scheme) -> (Loopback, String) {
    let sim = Loopback::start(Options::default(), scheme).unwrap();
    let url = sim.with(|world, now| world.s3.store(now, "101.tar", sample_archive()));
    (sim, url)
}

fn fetch(url: &str, args: &[&str]) -> Fetched {
    fetch_in(url, args, &[])
}

/// The same with variables in the environment, as a runner pod has them.
fn fetch_in(url: &str, args: &[&str], env: &[(&str, &str)]) -> Fetched {
    let scratch = Scratch::new().unwrap();
    let volume = scratch.file("test");
    fs::create_dir(&volume).unwrap();
    let (archive, words) = (volume.join("archive.tar"), scratch.file("termination-log"));
    let launch = Launch::new(Path::new(AGENT), &scratch.file("log"))
        .args(["fetch", "--to"])
        .args([&archive])
        .args(["--log", "debug", "--deadline", "3s"])
        .args(args)
        .env("PLZ_ARCHIVE_URL", url)
        .env("PLZ_TERMINATION_LOG", &words);
    let launch = env.iter().fold(launch, |launch, (name, value)| launch.env(name, value));
    let mut agent = launch.spawn().unwrap();
    let code = agent.wait(TIMEOUT).expect("a download ends by its deadline").code();
    Fetched {
        code,
        archive: fs::read(&archive).ok(),
        files: fs::read_dir(&volume).unwrap().count(),
        last_words: fs::read_to_string(&words).unwrap_or_default(),
        log: agent.log(),
    }
}

/// Fetches after `change`; a code of 0 stands for the archive in its place, any other for nothing there and one line of `words`.
#[track_caller]
fn check(code: i32, words: &str, change: impl FnOnce(&mut World) -> Option<String>) {
    let (sim, url) = bucket(Scheme::Http);
    let url = sim.with(|world, _| change(world)).map_or(url.clone(), |ending| format!("{url}{ending}"));
    let fetched = fetch(&url, &[]);
    assert_eq!(fetched.code, Some(code), "{}", fetched.log);
    let (_, query) = url.split_once('?').unwrap();
    for text in [&fetched.log, &fetched.last_words] {
        assert!(!text.contains(query) && !text.contains("X-Amz-Signature="), "{text}");
    }
    if code == 0 {
        assert_eq!(fetched.archive, Some(sample_archive()));
        assert_eq!((fetched.files, fetched.last_words.as_str()), (1, ""));
    } else {
        assert_eq!(fetched.files, 0, "nothing is left of a download that failed");
        assert!(fetched.last_words.starts_with(words), "{}", fetched.last_words);
        assert_eq!(fetched.last_words.trim_end().lines().count(), 1);
    }
}

fn whim(whim: Whim) -> impl FnOnce(&mut World) -> Option<String> {
    move |world| {
        world.s3.whims.push((PREFIX.to_owned(), whim));
        None
    }
}

#[test]
fn archives_arrive() {
    check(0, "", |_| None);
    check(0, "", whim(Whim::Redirect));
}

#[test]
fn an_expired_url_is_told_from_a_wrong_one() {
    check(10, "expired: ", |world| {
        world.s3.expire();
        None
    });
    check(11, "denied: ", |_| Some("0".to_owned()));
}

#[test]
fn a_page_is_no_archive() {
    check(14, "not-an-archive: ", whim(Whim::HtmlPage));
}

#[test]
fn half_an_archive_is_none() {
    check(13, "network: ", whim(Whim::Truncated));
}

#[test]
fn a_bucket_that_fails_is_the_network() {
    check(13, "network: ", whim(Whim::Failing(503)));
}

#[test]
fn a_private_ca_has_to_be_named() {
    let (sim, url) = bucket(Scheme::Https);
    let scratch = Scratch::new().unwrap();
    let ca = scratch.write("ca.pem", sim.ca_pem().unwrap()).unwrap();
    let fetched = fetch(&url, &["--ca-file", ca.to_str().unwrap()]);
    assert_eq!((fetched.code, fetched.archive), (Some(0), Some(sample_archive())), "{}", fetched.log);
    let fetched = fetch_in(&url, &[], &[("SSL_CERT_FILE", ca.to_str().unwrap())]);
    assert_eq!(fetched.archive, Some(sample_archive()), "as in a pod with --runner-ca: {}", fetched.log);
    let fetched = fetch(&url, &[]);
    assert_eq!((fetched.code, fetched.files), (Some(16), 0), "{}", fetched.log);
    assert!(fetched.last_words.starts_with("tls: "), "{}", fetched.last_words);
}

#[test]
fn a_proxy_of_the_pod_is_gone_through() {
    let (sim, url) = bucket(Scheme::Http);
    let [.., address] = sim.wan();
    let proxy = Proxy::start([("bucket.test".to_owned(), address)].into()).unwrap();
    let url = url.replace(&sim.bucket_url(), "http://bucket.test");
    let elsewhere = url.replace("bucket.test", "elsewhere.test");
    let check = |variable: &str, value: &str, refusal: &str| {
        let before = proxy.tunnels("bucket.test");
        let fetched = fetch_in(&url, &[], &[(variable, value)]);
        assert_eq!((fetched.code, fetched.archive), (Some(0), Some(sample_archive())), "{}", fetched.log);
        assert_eq!(proxy.tunnels("bucket.test"), before + 1);
        let fetched = fetch_in(&elsewhere, &[], &[(variable, value)]);
        assert_eq!(fetched.code, Some(13), "{}", fetched.log);
        assert!(fetched.last_words.contains(refusal), "{}", fetched.last_words);
        assert!(!format!("{}{}", fetched.log, fetched.last_words).contains("pa55"));
    };
    check("HTTP_PROXY", &proxy.url(), "NO_PROXY");
    check("HTTP_PROXY", &proxy.socks_url(), "allow this host and port there");
    check("ALL_PROXY", &proxy.socks_url().replace("socks5", "socks5h"), "allow this host and port there");
}
