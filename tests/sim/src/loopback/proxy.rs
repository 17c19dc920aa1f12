//! A forward proxy as sites have them: it opens tunnels, asked by HTTP (`CONNECT`) or by SOCKS 5, and does nothing else.
//!
//! Owns where names lead: a name that it was not told of is refused, by 403 or as not allowed, as by a proxy with a list of
//! allowed hosts. SOCKS is for whoever has a user and a password, HTTP for anyone. Bytes in a tunnel are left alone. Invariant:
//! it keeps count of the tunnels to each name.

use std::collections::BTreeMap;
use std::io::{self, BufRead, BufReader, Read, Write};
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

    /// The same for whoever speaks SOCKS.
    pub fn socks_url(&self) -> String {
        format!("socks5://user:pa55@{}", self.addr)
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
    let is_socks = reader.fill_buf()?.first() == Some(&5);
    let host = if is_socks { socks(&mut reader, client)? } else { connect(&mut reader)? };
    *tunnels.lock().unwrap_or_else(PoisonError::into_inner).entry(host.clone()).or_default() += 1;
    let mut to_client = client;
    let addr = hosts.get(&host);
    to_client.write_all(match (is_socks, addr) {
        (false, Some(_)) => b"HTTP/1.1 200 Connected\r\n\r\n",
        (false, None) => b"HTTP/1.1 403 Forbidden\r\nContent-Length: 0\r\n\r\n",
        (true, Some(_)) => b"\x05\0\0\x01\x7f\0\0\x01\0\0",
        (true, None) => b"\x05\x02\0\x01\0\0\0\0\0\0",
    })?;
    let Some(addr) = addr else { return Ok(()) };
    let server = TcpStream::connect(addr)?;
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

/// The host that a `CONNECT` names.
fn connect(reader: &mut impl BufRead) -> io::Result<String> {
    let mut head = String::new();
    while !head.ends_with("\r\n\r\n") {
        if reader.read_line(&mut head)? == 0 {
            return Err(io::ErrorKind::UnexpectedEof.into());
        }
    }
    let target =
        head.strip_prefix("CONNECT ").and_then(|rest| rest.split_once(' ')).map(|(target, _)| target);
    let host = target.and_then(|target| target.rsplit_once(':')).map_or("", |(host, _)| host);
    Ok(host.to_owned())
}

/// The host that a SOCKS client asks for once it has said who it is; an address as it is written.
fn socks(reader: &mut impl Read, mut client: &TcpStream) -> io::Result<String> {
    let [_, count] = bytes(reader)?;
    if !text(reader, count)?.contains('\x02') {
        client.write_all(b"\x05\xff")?;
        return Err(io::ErrorKind::PermissionDenied.into());
    }
    client.write_all(b"\x05\x02")?;
    let [_, length] = bytes(reader)?;
    text(reader, length)?;
    let [length] = bytes(reader)?;
    text(reader, length)?;
    client.write_all(b"\x01\0")?;
    let host = match bytes(reader)? {
        [5, 1, 0, 1] => Ipv4Addr::from(bytes::<4>(reader)?).to_string(),
        [5, 1, 0, 3] => {
            let [length] = bytes(reader)?;
            text(reader, length)?
        }
        _ => return Err(io::ErrorKind::InvalidData.into()),
    };
    bytes::<2>(reader)?;
    Ok(host)
}

fn bytes<const COUNT: usize>(reader: &mut impl Read) -> io::Result<[u8; COUNT]> {
    let mut bytes = [0; COUNT];
    reader.read_exact(&mut bytes)?;
    Ok(bytes)
}

fn text(reader: &mut impl Read, length: u8) -> io::Result<String> {
    let mut text = vec![0; length.into()];
    reader.read_exact(&mut text)?;
    String::from_utf8(text).map_err(io::Error::other)
}
