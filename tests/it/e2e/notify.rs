//! What a service manager hears of the agent's life.

use std::os::unix::net::UnixDatagram;

use sim::api::Fault;

use super::*;

/// Larger than any message.
const MESSAGE_BYTES_MAX: usize = 4096;

/// The manager's end of the socket.
struct Manager {
    socket: UnixDatagram,
    heard: Vec<String>,
}

impl Manager {
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

/// Half of what the agent is told as the watchdog's time.
const BEAT_INTERVAL: Duration = Duration::from_millis(100);

#[test]
fn a_service_manager_hears_of_the_whole_life() {
    let mut place = Place::new(Scheme::Http, &["--runner-access", "direct"]);
    let path = place.scratch.file("notify");
    let socket = UnixDatagram::bind(&path).unwrap();
    socket.set_read_timeout(Some(TIMEOUT)).unwrap();
    let mut manager = Manager { socket, heard: Vec::new() };
    place.launch = place.launch.clone().env("NOTIFY_SOCKET", &path).env("WATCHDOG_USEC", "200000");

    place.sim.with(|world, _| world.api.faults = Some(Box::new(|_, _, _| Fault::DropBefore)));
    place.start();
    manager.until("STATUS=waiting for the API server");
    let waiting_since = place.sim.now();
    (0..3).for_each(|_| manager.until("WATCHDOG=1"));
    // Signs of life come at their pace and no faster.
    assert!(place.sim.now() - waiting_since >= 2 * BEAT_INTERVAL);
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
