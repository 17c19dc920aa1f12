//! What a service manager hears of the agent's life.

use std::net::TcpListener;
use std::os::unix::net::UnixDatagram;

use sim::api::Fault;

use super::outages::launch_for;
use super::*;

/// Larger than any message.
const MESSAGE_BYTES_MAX: usize = 4096;

/// Half of what the agent is told as the watchdog's time.
const BEAT_INTERVAL: Duration = Duration::from_millis(100);
/// Longer than any pause between two signs of life on a busy machine, shorter than a request to a silent server takes.
const SILENCE_MAX: Duration = Duration::from_secs(5);

/// The manager's end of the socket.
struct Manager {
    socket: UnixDatagram,
    heard: Vec<String>,
}

impl Manager {
    /// A manager who gives up after `patience`, and an agent's launch that knows of it.
    fn new(scratch: &Scratch, launch: Launch, patience: Duration) -> (Self, Launch) {
        let path = scratch.file("notify");
        let socket = UnixDatagram::bind(&path).unwrap();
        socket.set_read_timeout(Some(patience)).unwrap();
        let watchdog = (2 * BEAT_INTERVAL).as_micros().to_string();
        let launch = launch.env("NOTIFY_SOCKET", &path).env("WATCHDOG_USEC", watchdog);
        (Self { socket, heard: Vec::new() }, launch)
    }

    /// Hears one message, and hands out its lines.
    #[track_caller]
    fn hear(&mut self) -> Vec<String> {
        let mut buffer = [0; MESSAGE_BYTES_MAX];
        let length = self.socket.recv(&mut buffer).unwrap_or_else(|error| {
            panic!("nothing is heard any more: {error}; so far: {:#?}", self.heard);
        });
        let lines = std::str::from_utf8(&buffer[..length]).unwrap().lines().map(str::to_owned);
        let lines: Vec<String> = lines.collect();
        self.heard.extend_from_slice(&lines);
        lines
    }

    /// Hears messages until one has this line. Signs of life keep coming, so the number of messages is the limit.
    #[track_caller]
    fn until(&mut self, line: &str) {
        let messages_max = TIMEOUT.as_millis() / BEAT_INTERVAL.as_millis();
        let found = (0..messages_max).any(|_| self.hear().iter().any(|heard| heard == line));
        assert!(found, "{line} is not heard; so far: {:#?}", self.heard);
    }

    fn count(&self, line: &str) -> usize {
        self.heard.iter().filter(|heard| *heard == line).count()
    }
}

#[test]
fn a_service_manager_hears_of_the_whole_life() {
    let mut place = Place::new(Scheme::Http, &["--runner-access", "direct"]);
    let (mut manager, launch) = Manager::new(&place.scratch, place.launch.clone(), TIMEOUT);
    place.launch = launch;

    place.sim.with(|world, _| world.api.faults = Some(Box::new(|_, _, _| Fault::DropBefore)));
    place.start();
    manager.until("STATUS=waiting for the API server");
    manager.until("WATCHDOG=1");
    assert_eq!(manager.count("READY=1"), 0, "{:#?}", manager.heard);

    place.sim.with(|world, _| world.api.faults = None);
    manager.until("READY=1");
    assert_eq!(manager.heard.iter().filter(|line| line.starts_with("STATUS=1 zone, 0 test runs")).count(), 1);
    let id = place.queue(1);
    manager.until("STATUS=1 zone, 1 test run under way");
    place.over(id, 3);
    manager.until("STATUS=1 zone, 0 test runs under way");

    place.stop(Signal::Term);
    manager.until("STOPPING=1");
    assert_eq!((manager.count("READY=1"), manager.count("STOPPING=1")), (1, 1));
    let statuses = manager.heard.iter().filter(|line| line.starts_with("STATUS="));
    let statuses: Vec<&String> = statuses.collect();
    assert!(statuses.windows(2).all(|pair| pair[0] != pair[1]), "{statuses:#?}");
}

#[test]
fn a_loop_that_nothing_else_wakes_shows_that_it_lives() {
    // The system takes connections on behalf of a listener that never accepts them.
    let silent = TcpListener::bind("127.0.0.1:0").unwrap();
    let scratch = Scratch::new().unwrap();
    let launch = launch_for(&format!("https://{}", silent.local_addr().unwrap()), &scratch);
    let (mut manager, launch) = Manager::new(&scratch, launch, SILENCE_MAX);
    let mut agent = launch.spawn().unwrap();
    assert_eq!(manager.hear(), ["STATUS=waiting for the API server", "WATCHDOG=1"]);
    for _ in 0..10 {
        assert_eq!(manager.hear(), ["WATCHDOG=1"]);
    }
    agent.signal(Signal::Term).unwrap();
    manager.until("STOPPING=1");
    assert!(agent.wait(STOP_TIMEOUT).is_some_and(|status| status.success()), "{}", agent.log());
}
