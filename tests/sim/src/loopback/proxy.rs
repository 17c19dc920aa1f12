//! A forward proxy as sites have them: it opens tunnels (`CONNECT`) and nothing else.
//!
//! Owns where names lead: a name that it was not told of is refused with 403, as by a proxy with a list of allowed hosts. Bytes
//! in a tunnel are left alone. Invariant: it keeps count of the tunnels to each name.

use std::collections::BTreeMap;
use std::io::{self, BufRead, BufReader, Write};
use std::net::{Ipv4Addr, Shutdown, SocketAddr, TcpListener, TcpStream};
use std::sync::{Arc, Mutex, PoisonError};
use std::thread;

/// A proxy on loopback; it serves until the process ends.
#[derive(Debug)]
pub struct Proxy {
    addr: SocketAddr,
    tunnels: Arc<Mutex<BTreeMap<String, u64>>>,
}

impl Proxy {
    /// Starts a proxy that knows these names.
    pub fn start(hosts: BTreeMap<String, SocketAddr>) -> io::Result<Self> {
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0))?;
        let addr = listener.local_addr()?;
        let tunnels = Arc::<Mutex<BTreeMap<String, u64>>>::default();
        let counted = Arc::clone(&tunnels);
        thread::Builder::new().name("proxy".to_owned()).spawn(move || {
            for stream in listener.incoming().map_while(Result::ok) {
                let (hosts, counted) = (hosts.clone(), Arc::clone(&counted));
                thread::spawn(move || drop(tunnel(&stream, &hosts, &counted)));
            }
        })?;
        Ok(Self { addr, tunnels })
    }

    /// What to put into `HTTPS_PROXY` or `HTTP_PROXY`.
    pub fn url(&self) -> String {
        format!("http://{}", self.addr)
    }

    /// How many tunnels to a name have been asked for.
    pub fn tunnels(&self, host: &str) -> u64 {
        self.tunnels.lock().unwrap_or_else(PoisonError::into_inner).get(host).copied().unwrap_or_default()
    }
}

fn tunnel(
    client: &TcpStream,
    hosts: &BTreeMap<String, SocketAddr>,
    tunnels: &Mutex<BTreeMap<String, u64>>,
) -> io::Result<()> {
    let mut reader = BufReader::new(client.try_clone()?);
    let mut head = String::new();
    while !head.ends_with("\r\n\r\n") {
        if reader.read_line(&mut head)? == 0 {
            return Ok(());
        }
    }
    let target =
        head.strip_prefix("CONNECT ").and_then(|rest| rest.split_once(' ')).map(|(target, _)| target);
    let host = target.and_then(|target| target.rsplit_once(':')).map_or("", |(host, _)| host);
    *tunnels.lock().unwrap_or_else(PoisonError::into_inner).entry(host.to_owned()).or_default() += 1;
    let mut to_client = client;
    let Some(addr) = hosts.get(host) else {
        return to_client.write_all(b"HTTP/1.1 403 Forbidden\r\nContent-Length: 0\r\n\r\n");
    };
    let server = TcpStream::connect(addr)?;
    to_client.write_all(b"HTTP/1.1 200 Connected\r\n\r\n")?;
    let (mut from_server, mut back) = (server.try_clone()?, client.try_clone()?);
    let answers = thread::spawn(move || {
        drop(io::copy(&mut from_server, &mut back));
        drop(back.shutdown(Shutdown::Both));
    });
    drop(io::copy(&mut reader, &mut &server));
    drop(server.shutdown(Shutdown::Both));
    drop(answers.join());
    Ok(())
}
