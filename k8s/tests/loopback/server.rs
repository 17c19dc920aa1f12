//! A small HTTP/1.1 server whose answers are a closure's.

use std::collections::BTreeMap;
use std::io::{self, Read, Write};
use std::net::{TcpListener, TcpStream};
use std::sync::{Arc, Mutex};
use std::thread;

use rustls::{ServerConfig, ServerConnection, StreamOwned};

/// A request as it came over the wire.
#[derive(Clone, Debug)]
pub(crate) struct Seen {
    pub(crate) method: String,
    pub(crate) target: String,
    /// Names in lower case.
    pub(crate) headers: BTreeMap<String, String>,
    pub(crate) body: Vec<u8>,
}

impl Seen {
    pub(crate) fn header(&self, name: &str) -> &str {
        self.headers.get(name).map_or("", String::as_str)
    }
}

/// The server's end of a connection.
pub(crate) struct Connection {
    stream: Box<dyn Duplex>,
}

pub(crate) trait Duplex: Read + Write + Send {}
impl<T: Read + Write + Send> Duplex for T {}

impl Connection {
    /// A whole answer.
    pub(crate) fn answer(&mut self, code: u16, headers: &str, body: &str) -> io::Result<()> {
        let text = format!("HTTP/1.1 {code} X\r\ncontent-length: {}\r\n{headers}\r\n{body}", body.len());
        self.stream.write_all(text.as_bytes())?;
        self.stream.flush()
    }

    /// The head of an answer that comes in pieces.
    pub(crate) fn begin(&mut self) -> io::Result<()> {
        self.stream.write_all(b"HTTP/1.1 200 X\r\ntransfer-encoding: chunked\r\n\r\n")?;
        self.stream.flush()
    }

    /// A piece; an empty one ends the answer.
    pub(crate) fn piece(&mut self, text: &str) -> io::Result<()> {
        write!(self.stream, "{:x}\r\n{text}\r\n", text.len())?;
        self.stream.flush()
    }

    /// Says nothing until the client hangs up.
    pub(crate) fn until_closed(&mut self) {
        let mut byte = [0];
        while matches!(self.stream.read(&mut byte), Ok(1)) {}
    }
}

/// What becomes of a connection after an answer.
pub(crate) enum After {
    Keep,
    Close,
}

type Handler = dyn Fn(&Seen, &mut Connection) -> io::Result<After> + Send + Sync;

/// Listens until the process ends.
pub(crate) struct Server {
    /// `host:port`.
    pub(crate) authority: String,
    scheme: &'static str,
    tls: Option<Arc<Mutex<Arc<ServerConfig>>>>,
    seen: Arc<Mutex<Vec<Seen>>>,
}

impl Server {
    pub(crate) fn plain(
        handler: impl Fn(&Seen, &mut Connection) -> io::Result<After> + Send + Sync + 'static,
    ) -> Self {
        Self::start("127.0.0.1:0", None, Arc::new(handler)).unwrap()
    }

    pub(crate) fn tls(
        config: Arc<ServerConfig>,
        handler: impl Fn(&Seen, &mut Connection) -> io::Result<After> + Send + Sync + 'static,
    ) -> Self {
        Self::start("127.0.0.1:0", Some(config), Arc::new(handler)).unwrap()
    }

    pub(crate) fn start(
        address: &str,
        tls: Option<Arc<ServerConfig>>,
        handler: Arc<Handler>,
    ) -> io::Result<Self> {
        let listener = TcpListener::bind(address)?;
        let authority = listener.local_addr()?.to_string();
        let scheme = if tls.is_some() { "https" } else { "http" };
        let tls = tls.map(|config| Arc::new(Mutex::new(config)));
        let seen = Arc::new(Mutex::new(Vec::new()));
        let (shared_tls, shared_seen) = (tls.clone(), seen.clone());
        thread::spawn(move || {
            for stream in listener.incoming() {
                let Ok(stream) = stream else { return };
                let tls = shared_tls.as_ref().map(|tls| tls.lock().unwrap().clone());
                let (handler, seen) = (handler.clone(), shared_seen.clone());
                // A client that hangs up in the middle is what some tests are about.
                thread::spawn(move || drop(serve(stream, tls, &*handler, &seen)));
            }
        });
        Ok(Self { authority, scheme, tls, seen })
    }

    pub(crate) fn url(&self) -> String {
        format!("{}://{}", self.scheme, self.authority)
    }

    pub(crate) fn seen(&self) -> Vec<Seen> {
        self.seen.lock().unwrap().clone()
    }

    /// From now on, show another certificate.
    pub(crate) fn rotate(&self, config: Arc<ServerConfig>) {
        *self.tls.as_ref().unwrap().lock().unwrap() = config;
    }
}

fn serve(
    stream: TcpStream,
    tls: Option<Arc<ServerConfig>>,
    handler: &Handler,
    seen: &Mutex<Vec<Seen>>,
) -> io::Result<()> {
    stream.set_nodelay(true)?;
    let stream: Box<dyn Duplex> = match tls {
        None => Box::new(stream),
        Some(config) => {
            let connection = ServerConnection::new(config).map_err(io::Error::other)?;
            Box::new(StreamOwned::new(connection, stream))
        }
    };
    let mut connection = Connection { stream };
    while let Some(request) = receive(&mut *connection.stream)? {
        seen.lock().unwrap().push(request.clone());
        if let After::Close = handler(&request, &mut connection)? {
            break;
        }
    }
    Ok(())
}

/// Reads one request; none where the client has hung up.
pub(crate) fn receive(stream: &mut dyn Duplex) -> io::Result<Option<Seen>> {
    let mut head = Vec::new();
    let mut byte = [0];
    while !head.ends_with(b"\r\n\r\n") {
        if stream.read(&mut byte)? == 0 {
            return Ok(None);
        }
        head.push(byte[0]);
    }
    let mut headers = [httparse::EMPTY_HEADER; 32];
    let mut parsed = httparse::Request::new(&mut headers);
    parsed.parse(&head).map_err(io::Error::other)?;
    let headers: BTreeMap<String, String> = parsed
        .headers
        .iter()
        .map(|header| (header.name.to_ascii_lowercase(), String::from_utf8_lossy(header.value).into_owned()))
        .collect();
    let length = headers.get("content-length").map_or(0, |length| length.parse().unwrap());
    let mut body = vec![0; length];
    stream.read_exact(&mut body)?;
    let (method, target) = (parsed.method.unwrap().to_owned(), parsed.path.unwrap().to_owned());
    Ok(Some(Seen { method, target, headers, body }))
}
