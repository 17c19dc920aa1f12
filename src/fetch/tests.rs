//! Downloads from a loopback server that answers by script: the n-th connection gets the n-th answer.

use std::fs;
use std::io::{BufRead, BufReader, Read};
use std::net::TcpListener;
use std::path::PathBuf;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Mutex, OnceLock, PoisonError};
use std::time::Duration;

use log::{LevelFilter, Log, Metadata, Record};

use super::archive::BLOCK_BYTES;
use super::tar::tests::tar as tar_of;
use super::*;
use crate::config::FetchConfig;
use crate::logging::LogConfig;
use crate::net::ProxySettings;
use plz_core::redact::Secret;

const QUERY: &str = "X-Amz-Expires=300&X-Amz-Signature=s3cret";

/// Every record of this test binary, at every level that a release has.
struct Recorder(Mutex<String>);

impl Log for Recorder {
    fn enabled(&self, _: &Metadata<'_>) -> bool {
        true
    }
    fn log(&self, record: &Record<'_>) {
        let mut text = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        text.push_str(&format!("{} {}\n", record.target(), record.args()));
    }
    fn flush(&self) {}
}

fn recorder() -> &'static Recorder {
    static RECORDER: OnceLock<&'static Recorder> = OnceLock::new();
    RECORDER.get_or_init(|| {
        let recorder: &'static Recorder = Box::leak(Box::new(Recorder(Mutex::default())));
        log::set_logger(recorder).unwrap();
        log::set_max_level(LevelFilter::Debug);
        recorder
    })
}

/// A directory of its own for each test.
struct Dir(PathBuf);

impl Dir {
    fn new() -> Dir {
        static NEXT: AtomicUsize = AtomicUsize::new(0);
        let name = format!("plz-agent-fetch-{}-{}", std::process::id(), NEXT.fetch_add(1, Ordering::SeqCst));
        let path = std::env::temp_dir().join(name);
        fs::create_dir_all(&path).unwrap();
        Dir(path)
    }
}

impl Drop for Dir {
    fn drop(&mut self) {
        let _ = fs::remove_dir_all(&self.0);
    }
}

/// Answers each connection with the next of `answers`, the last one for ever; the URL to ask, and how many asked.
fn serve(answers: Vec<Vec<u8>>) -> (String, Arc<AtomicUsize>) {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let url = format!("http://{}/bucket/archive.tar?{QUERY}", listener.local_addr().unwrap());
    let asked = Arc::new(AtomicUsize::new(0));
    let count = asked.clone();
    std::thread::spawn(move || {
        for stream in listener.incoming().map_while(Result::ok) {
            let number = count.fetch_add(1, Ordering::SeqCst);
            let mut lines = BufReader::new(&stream).lines().map_while(Result::ok);
            assert!(lines.any(|line| line.is_empty()), "a request has an end");
            let answer = &answers[number.min(answers.len() - 1)];
            let _ = (&stream).write_all(answer);
            if answer.ends_with(b"hang") {
                let _ = (&stream).read(&mut [0; 1]);
            }
        }
    });
    (url, asked)
}

fn answer(status: u16, headers: &str, body: &[u8]) -> Vec<u8> {
    let head = format!(
        "HTTP/1.1 {status} X\r\nConnection: close\r\n{headers}Content-Length: {}\r\n\r\n",
        body.len()
    );
    [head.as_bytes(), body].concat()
}

fn tar() -> Vec<u8> {
    tar_of(&[("metadata.json", b'0', b"{\"type\":\"js\"}"), ("data", b'0', &[b'x'; 200 * BLOCK_BYTES])])
}

fn config(dir: &Dir, url: &str) -> FetchConfig {
    FetchConfig {
        to: dir.0.join("archive.tar"),
        url: Secret::new(url),
        deadline: Duration::from_secs(20),
        bytes_max: 1 << 20,
        extra_ca: None,
        proxies: ProxySettings::default(),
        termination_log: dir.0.join("termination-log"),
        log: LogConfig::default(),
    }
}

/// Runs `fetch` against the answers; the file is the tar if and only if the code is `Ok`, nothing else is left, and
/// no log line or last word holds the secret.
#[track_caller]
fn check(answers: Vec<Vec<u8>>, code: ExitCode, words: &str, tries: usize) {
    let dir = Dir::new();
    let (url, asked) = serve(answers);
    check_config(&dir, &config(&dir, &url), code, words);
    assert_eq!(asked.load(Ordering::SeqCst), tries, "tries");
}

#[track_caller]
fn check_config(dir: &Dir, config: &FetchConfig, code: ExitCode, words: &str) {
    let recorder = recorder();
    assert_eq!(run(config), code);
    let log = recorder.0.lock().unwrap().clone();
    assert!(log.contains("downloading http") && !log.contains("s3cret"), "{log}");
    let last_words = fs::read_to_string(&config.termination_log).unwrap_or_default();
    assert!(!last_words.contains("s3cret") && last_words.lines().count() <= 1, "{last_words}");
    let left: Vec<_> = fs::read_dir(&dir.0).unwrap().map(|entry| entry.unwrap().file_name()).collect();
    if code == ExitCode::Ok {
        assert_eq!(left, ["archive.tar"]);
        assert_eq!(fs::read(&config.to).unwrap(), tar());
    } else {
        assert_eq!(left, ["termination-log"]);
        assert!(
            last_words.starts_with(&format!("{}: ", code.word())) && last_words.contains(words),
            "{last_words}"
        );
    }
}

#[test]
fn an_archive_arrives_over_what_a_killed_process_left() {
    let dir = Dir::new();
    let (url, _) = serve(vec![answer(200, "", &tar())]);
    let config = config(&dir, &url);
    fs::write(save::part_path(&config.to), "rest of a killed process, longer than nothing").unwrap();
    check_config(&dir, &config, ExitCode::Ok, "");
}

#[test]
fn an_expired_url_is_not_tried_again() {
    let body = b"<?xml?><Error><Code>AccessDenied</Code><Message>Request has expired</Message></Error>";
    check(vec![answer(403, "", body)], ExitCode::Expired, "start the test again", 1);
}

#[test]
fn refusals_are_told_apart() {
    let body = b"<Error><Code>SignatureDoesNotMatch</Code><Message>odd</Message></Error>";
    check(vec![answer(403, "", body)], ExitCode::Denied, "HTTP 403, SignatureDoesNotMatch: odd", 1);
    check(vec![answer(404, "", b"")], ExitCode::NotFound, "HTTP 404", 1);
}

#[test]
fn an_error_page_is_no_archive() {
    check(
        vec![answer(200, "", b"<!doctype html><title>Login</title>")],
        ExitCode::NotArchive,
        "HTML page",
        1,
    );
    check(vec![answer(200, "", &[b'x'; 2000])], ExitCode::NotArchive, "something else", 1);
    check(vec![answer(200, "", b"")], ExitCode::NotArchive, "empty answer", 1);
}

#[test]
fn what_k6_could_not_read_is_told() {
    let other = tar_of(&[("readme.txt", b'0', b"no test")]);
    check(vec![answer(200, "", &other)], ExitCode::NotOfK6, "no metadata.json", 1);
    let html = tar_of(&[("metadata.json", b'0', b"<html>")]);
    check(vec![answer(200, "", &html)], ExitCode::NotOfK6, "not a JSON object", 1);
    let half = &tar()[..50 * BLOCK_BYTES];
    check(vec![answer(200, "", half)], ExitCode::Broken, "ends too early", 1);
    let mut damaged = tar();
    damaged[2 * BLOCK_BYTES] ^= 1;
    check(vec![answer(200, "", &damaged)], ExitCode::Broken, "is damaged", 1);
    let gzip = [&[0x1f, 0x8b, 8][..], &tar()].concat();
    check(vec![answer(200, "", &gzip)], ExitCode::NotArchive, "gzip", 1);
    // Without a length the connection may have ended it.
    let head = b"HTTP/1.1 200 OK\r\nConnection: close\r\n\r\n".to_vec();
    check(vec![[&head, half].concat(), answer(200, "", &tar())], ExitCode::Ok, "", 2);
}

#[test]
fn a_truncated_body_is_fetched_anew() {
    let whole = answer(200, "", &tar());
    check(vec![whole[..whole.len() - 1].to_vec(), whole.clone()], ExitCode::Ok, "", 2);
    let head = b"HTTP/1.1 200 OK\r\nConnection: close\r\n\r\n".to_vec();
    let cut = [&head, &tar()[..BLOCK_BYTES + 100]].concat();
    check(vec![cut, [head, tar()].concat()], ExitCode::Ok, "", 2);
}

#[test]
fn a_server_in_trouble_is_asked_again() {
    let busy = answer(503, "Retry-After: 0\r\n", b"busy");
    check(vec![busy, answer(429, "", b""), answer(200, "", &tar())], ExitCode::Ok, "", 3);
}

#[test]
fn redirects_are_followed_but_not_for_ever() {
    let to = |location: &str| answer(302, &format!("Location: {location}\r\n"), b"");
    check(vec![to("/elsewhere?s3cret"), answer(200, "", &tar())], ExitCode::Ok, "", 2);
    check(vec![to("/again?s3cret")], ExitCode::Network, "too many times", retry::REDIRECTS_MAX + 1);
    check(vec![to("ftp://h/?s3cret")], ExitCode::Network, "other than http or https", 1);
}

#[test]
fn no_connection_within_the_deadline_is_network() {
    let dir = Dir::new();
    let closed = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap();
    let url = format!("http://{closed}/archive.tar?{QUERY}");
    let config = FetchConfig { deadline: Duration::from_millis(600), ..config(&dir, &url) };
    check_config(&dir, &config, ExitCode::Network, "cannot connect to http://127.0.0.1");
}

#[test]
fn a_body_that_hangs_ends_at_the_deadline() {
    let dir = Dir::new();
    let whole = answer(200, "", &tar());
    let (url, _) = serve(vec![[&whole[..5000], b"hang"].concat()]);
    let config = FetchConfig { deadline: Duration::from_millis(400), ..config(&dir, &url) };
    check_config(&dir, &config, ExitCode::Network, "took too long");
}

#[test]
fn the_deadline_holds_for_head_and_body_together() {
    let clock: Clock = {
        // Every look at the clock is a second later, so that the deadline is over in the middle of the body.
        static LOOKS: AtomicUsize = AtomicUsize::new(0);
        static START: OnceLock<Instant> = OnceLock::new();
        || {
            let looks = LOOKS.fetch_add(1, Ordering::SeqCst) as u64;
            *START.get_or_init(Instant::now) + Duration::from_secs(looks)
        }
    };
    let dir = Dir::new();
    let (url, _) = serve(vec![answer(200, "", &tar())]);
    let config = config(&dir, &url);
    let client = HttpClient::cloud(&config.proxies, None);
    let failure = transfer::attempt(&client, &config, clock, clock() + Duration::from_secs(5)).unwrap_err();
    assert!(failure.error.to_string().contains("within the deadline"), "{failure:?}");
    assert_eq!(fs::read_dir(&dir.0).unwrap().count(), 0);
}

#[test]
fn a_server_without_tls_is_tls() {
    let dir = Dir::new();
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = listener.local_addr().unwrap();
    std::thread::spawn(move || {
        let (mut stream, _) = listener.accept().unwrap();
        let _ = stream.write_all(b"HTTP/1.1 400 Bad Request\r\n\r\n");
        let _ = stream.read(&mut [0; 512]);
    });
    let config = config(&dir, &format!("https://{address}/archive.tar?{QUERY}"));
    check_config(&dir, &config, ExitCode::Tls, "does not speak TLS");
}

#[test]
fn a_larger_archive_than_allowed_is_refused_with_and_without_a_length() {
    for answer in
        [answer(200, "", &tar()), [&b"HTTP/1.1 200 OK\r\nConnection: close\r\n\r\n"[..], &tar()].concat()]
    {
        let dir = Dir::new();
        let (url, _) = serve(vec![answer]);
        let config = FetchConfig { bytes_max: 4096, ..config(&dir, &url) };
        check_config(&dir, &config, ExitCode::TooLarge, "larger than 4096 bytes");
    }
}

#[test]
fn a_place_that_cannot_be_written_is_named() {
    let dir = Dir::new();
    let (url, asked) = serve(vec![answer(200, "", &tar())]);
    let config = FetchConfig { to: dir.0.join("absent/archive.tar"), ..config(&dir, &url) };
    check_config(&dir, &config, ExitCode::CannotWrite, "does not exist; mount a volume");
    assert_eq!(asked.load(Ordering::SeqCst), 1);
}
