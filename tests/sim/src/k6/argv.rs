//! The command line of a k6 runner, read as strictly as k6 reads it.
//!
//! Owns which flags exist and what they mean to the state machine. Whatever k6 would refuse ends the process with
//! [`INVALID_CONFIG`]. Options that only shape load or metrics are accepted and left alone.

use super::INVALID_CONFIG;
use super::rest::Exit;

/// The port that k6 serves its REST API on when it is not told otherwise.
const PORT_DEFAULT: u16 = 6565;

/// Flags without a value. An explicit one may follow after `=`.
const SWITCHES: &[&str] = &[
    "--paused",
    "-p",
    "-l",
    "-w",
    "--new-machine-readable-summary",
    "--no-setup",
    "--no-teardown",
    "--linger",
    "--quiet",
    "-q",
    "--verbose",
    "-v",
    "--no-thresholds",
    "--no-summary",
    "--no-color",
    "--no-usage-report",
    "--include-system-env-vars",
    "--discard-response-bodies",
    "--throw",
    "--no-connection-reuse",
    "--insecure-skip-tls-verify",
    "--no-vu-connection-reuse",
    "--profiling-enabled",
];
/// Flags with a value.
const OPTIONS: &[&str] = &[
    "--address",
    "--http-debug",
    "--local-ips",
    "--features",
    "-a",
    "--execution-segment",
    "--execution-segment-sequence",
    "--out",
    "-o",
    "--tag",
    "-e",
    "--env",
    "--log-output",
    "--log-format",
    "--summary-mode",
    "--vus",
    "-u",
    "--duration",
    "-d",
    "--iterations",
    "-i",
    "--stage",
    "-s",
    "--user-agent",
    "--blacklist-ip",
    "--block-hostnames",
    "--secret-source",
    "--summary-export",
    "--config",
    "-c",
    "--compatibility-mode",
    "--type",
    "-t",
    "--dns",
    "--rps",
    "--max-redirects",
    "--batch",
    "--batch-per-host",
    "--traces-output",
    "--console-output",
    "--system-tags",
    "--summary-trend-stats",
    "--summary-time-unit",
    "--min-iteration-duration",
];

/// Whether a step of the test is done by k6 itself or left to the REST API.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum DoneBy {
    /// k6 does it on its own.
    Itself,
    /// Somebody asks for it over REST.
    Rest,
}

/// What the command line asks of the process.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Argv {
    /// Who starts the test: `--paused`.
    pub start: DoneBy,
    /// Who runs setup: `--no-setup`.
    pub setup: DoneBy,
    /// Who runs teardown: `--no-teardown`.
    pub teardown: DoneBy,
    /// Whether the process stays after its test: `--linger`.
    pub end: End,
    /// `--execution-segment`; none when the process is alone.
    pub segment: Option<String>,
    /// `--execution-segment-sequence`.
    pub sequence: Option<String>,
    /// The port of `--address`.
    pub port: u16,
    /// `--out` values.
    pub outputs: Vec<String>,
    /// `-e` values in their order.
    pub env: Vec<(String, String)>,
    /// `--tag` values in their order.
    pub tags: Vec<(String, String)>,
    /// The script or archive.
    pub script: String,
}

/// What the process does when its test has ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum End {
    /// It exits.
    Exits,
    /// It waits for a signal.
    Lingers,
}

impl Argv {
    /// Reads `k6 run …`; `None` when the command is something else.
    pub fn read(words: &[String]) -> Option<Result<Self, Exit>> {
        let words = shell_words(words);
        let program = words.first()?.rsplit('/').next()?.to_owned();
        match (program.as_str(), words.get(1).map(String::as_str)) {
            ("k6", Some("run")) => Some(Self::read_flags(&words[2..])),
            ("run", _) => Some(Self::read_flags(&words[1..])),
            _ => None,
        }
    }

    fn read_flags(words: &[String]) -> Result<Self, Exit> {
        let mut argv = Self {
            start: DoneBy::Itself,
            setup: DoneBy::Itself,
            teardown: DoneBy::Itself,
            end: End::Exits,
            segment: None,
            sequence: None,
            port: PORT_DEFAULT,
            outputs: Vec::new(),
            env: Vec::new(),
            tags: Vec::new(),
            script: String::new(),
        };
        let mut words = words.iter();
        while let Some(word) = words.next() {
            if !word.starts_with('-') || word == "-" {
                if !argv.script.is_empty() {
                    return Err(invalid(&format!("accepts 1 arg(s), received more: {word:?}")));
                }
                argv.script.clone_from(word);
                continue;
            }
            let (flag, inline) = match word.split_once('=') {
                Some((flag, value)) if word.starts_with("--") => (flag, Some(value.to_owned())),
                _ => (word.as_str(), None),
            };
            if SWITCHES.contains(&flag) {
                argv.switch(flag, inline.as_deref())?;
            } else if OPTIONS.contains(&flag) {
                let value = inline.or_else(|| words.next().cloned());
                let value = value.ok_or_else(|| invalid(&format!("flag needs an argument: {flag}")))?;
                argv.option(flag, value)?;
            } else {
                return Err(invalid(&format!("unknown flag: {flag}")));
            }
        }
        if argv.script.is_empty() {
            return Err(invalid("accepts 1 arg(s), received 0"));
        }
        argv.check_segments()?;
        Ok(argv)
    }

    fn switch(&mut self, flag: &str, value: Option<&str>) -> Result<(), Exit> {
        match value {
            None | Some("true") => {}
            Some("false") => return Ok(()),
            Some(other) => return Err(invalid(&format!("invalid argument {other:?} for {flag:?} flag"))),
        }
        match flag {
            "--paused" | "-p" => self.start = DoneBy::Rest,
            "--no-setup" => self.setup = DoneBy::Rest,
            "--no-teardown" => self.teardown = DoneBy::Rest,
            "--linger" | "-l" => self.end = End::Lingers,
            _ => {}
        }
        Ok(())
    }

    fn option(&mut self, flag: &str, value: String) -> Result<(), Exit> {
        match flag {
            "--address" | "-a" => {
                let port = value.rsplit_once(':').and_then(|(_, port)| port.parse().ok());
                self.port = port.ok_or_else(|| invalid(&format!("invalid address {value:?}")))?;
            }
            "--execution-segment" => self.segment = Some(value),
            "--execution-segment-sequence" => self.sequence = Some(value),
            "--out" | "-o" => self.outputs.push(value),
            "-e" | "--env" => {
                let (name, value) = value.split_once('=').unwrap_or((&value, ""));
                if !is_env_name(name) {
                    return Err(invalid(&format!("invalid environment variable name {name:?}")));
                }
                self.env.push((name.to_owned(), value.to_owned()));
            }
            "--tag" => match value.split_once('=') {
                Some((name, value)) if !name.is_empty() && !value.is_empty() => {
                    self.tags.push((name.to_owned(), value.to_owned()));
                }
                _ => return Err(invalid(&format!("invalid tag: {value:?} (format: name=value)"))),
            },
            "--log-output"
                if value.starts_with("loki=") || matches!(value.as_str(), "stderr" | "stdout" | "none") => {}
            "--log-output" if value.starts_with("file=") => {}
            "--log-output" => return Err(invalid(&format!("unsupported log output {value:?}"))),
            _ => {}
        }
        Ok(())
    }

    fn check_segments(&self) -> Result<(), Exit> {
        match (&self.segment, &self.sequence) {
            (None, None) => Ok(()),
            (Some(segment), Some(sequence)) => {
                let (from, to) =
                    segment.split_once(':').ok_or_else(|| invalid("invalid execution segment"))?;
                let (from, to) = (fraction(from)?, fraction(to)?);
                let marks = sequence.split(',').map(fraction).collect::<Result<Vec<_>, _>>()?;
                let is_whole = marks.first() == Some(&Fraction(0, 1))
                    && marks.last().is_some_and(Fraction::is_one)
                    && marks.windows(2).all(|pair| pair[0].is_below(pair[1]));
                if !is_whole || !marks.windows(2).any(|pair| pair[0].equals(from) && pair[1].equals(to)) {
                    let message =
                        format!("the segment {segment} is not part of the segment sequence {sequence}");
                    return Err(invalid(&message));
                }
                Ok(())
            }
            _ => Err(invalid("an execution segment goes with a segment sequence")),
        }
    }

    /// The value of an environment variable that `-e` sets; the last one wins.
    pub fn env(&self, name: &str) -> Option<&str> {
        self.env.iter().rev().find(|(key, _)| key == name).map(|(_, value)| value.as_str())
    }
}

/// Whether k6 takes the name of an `-e`: `^[a-zA-Z_][a-zA-Z0-9_]*$`.
fn is_env_name(name: &str) -> bool {
    let word = |b: u8| b.is_ascii_alphanumeric() || b == b'_';
    name.bytes().next().is_some_and(|b| word(b) && !b.is_ascii_digit()) && name.bytes().all(word)
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Fraction(u64, u64);

impl Fraction {
    fn is_one(&self) -> bool {
        self.0 == self.1
    }

    fn equals(self, other: Self) -> bool {
        self.0 * other.1 == other.0 * self.1
    }

    fn is_below(self, other: Self) -> bool {
        self.0 * other.1 < other.0 * self.1
    }
}

fn fraction(text: &str) -> Result<Fraction, Exit> {
    let (above, below) = text.split_once('/').unwrap_or((text, "1"));
    match (above.parse(), below.parse()) {
        (Ok(above), Ok(below)) if below > 0 && above <= below => Ok(Fraction(above, below)),
        _ => Err(invalid(&format!("invalid execution segment part {text:?}"))),
    }
}

fn invalid(message: &str) -> Exit {
    Exit::new(INVALID_CONFIG, message)
}

/// The command, taken out of `sh -c '…'` if it is in one; quotes are honoured, nothing else of a shell is.
fn shell_words(words: &[String]) -> Vec<String> {
    let is_shell = words.first().is_some_and(|word| matches!(word.rsplit('/').next(), Some("sh" | "bash")));
    let (true, Some("-c"), Some(line)) = (is_shell, words.get(1).map(String::as_str), words.get(2)) else {
        return words.to_vec();
    };
    let (mut out, mut word, mut quote) = (Vec::new(), None::<String>, None);
    for letter in line.chars() {
        match (letter, quote) {
            (_, Some(open)) if letter == open => quote = None,
            ('\'' | '"', None) => {
                quote = Some(letter);
                word.get_or_insert_default();
            }
            (_, None) if letter.is_whitespace() => out.extend(word.take()),
            _ => word.get_or_insert_default().push(letter),
        }
    }
    out.extend(word);
    if out.first().is_some_and(|word| word == "exec") {
        out.remove(0);
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(line: &str) -> Result<Argv, Exit> {
        let words: Vec<String> = line.split(' ').map(str::to_owned).collect();
        Argv::read(&words).expect("a k6 run")
    }

    #[test]
    fn a_runner_of_three_is_understood() {
        let argv = read(
            "k6 run --quiet --execution-segment=1/3:2/3 --execution-segment-sequence=0,1/3,2/3,1 --out cloud \
             --tag load_zone=z /test/archive.tar --address=0.0.0.0:6565 --paused --tag instance_id=2 --no-setup \
             --no-teardown --linger -e K6_CLOUDRUN_INSTANCE_ID=2",
        )
        .unwrap();
        assert_eq!(
            (argv.start, argv.setup, argv.teardown, argv.end),
            (DoneBy::Rest, DoneBy::Rest, DoneBy::Rest, End::Lingers)
        );
        assert_eq!((argv.port, argv.script.as_str()), (6565, "/test/archive.tar"));
        assert_eq!(argv.env("K6_CLOUDRUN_INSTANCE_ID"), Some("2"));
        assert_eq!(argv.tags.len(), 2);
    }

    #[test]
    fn what_k6_refuses_is_refused() {
        for line in [
            "k6 run",
            "k6 run a.js b.js",
            "k6 run --nope a.js",
            "k6 run a.js --address",
            "k6 run a.js --address=6565",
            "k6 run a.js --tag x",
            "k6 run a.js --tag x=",
            "k6 run a.js --execution-segment=0:1/2",
            "k6 run a.js --execution-segment=0:1/2 --execution-segment-sequence=0,1/3,1",
            "k6 run a.js --execution-segment=0:1/2 --execution-segment-sequence=0,1/2",
            "k6 run a.js --paused=maybe",
            "k6 run a.js -e a-b=c",
            "k6 run a.js -e =c",
        ] {
            assert_eq!(read(line).unwrap_err().code, INVALID_CONFIG, "{line}");
        }
    }

    #[test]
    fn shells_are_looked_into() {
        let words = ["sh", "-c", "exec k6 run --tag 'a=b c' \"x y.js\""].map(str::to_owned);
        let argv = Argv::read(&words).unwrap().unwrap();
        assert_eq!((argv.script.as_str(), argv.tags[0].1.as_str()), ("x y.js", "b c"));
        assert!(Argv::read(&["sh", "-c", "k6 archive x.js"].map(str::to_owned)).is_none());
    }
}
