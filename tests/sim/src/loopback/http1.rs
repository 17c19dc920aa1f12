//! HTTP/1.1 on a byte stream, the server's side.
//!
//! Owns framing: heads, Content-Length and chunked bodies both ways, keep-alive. Leaves sockets, TLS and meaning to others.
//! Invariant: nothing of a request is passed on before all of it is there, and sizes are bounded.

use std::io::{self, Read, Write};

use crate::http::{Method, Request, Response};

/// Longest head of a request.
const HEAD_BYTES_MAX: usize = 64 * 1024;
/// Longest body of a request.
const BODY_BYTES_MAX: usize = 64 * 1024 * 1024;
const HEADERS_LEN_MAX: usize = 100;
const READ_BYTES: usize = 16 * 1024;

/// A request as it came, and whether the connection goes on after it.
#[derive(Debug)]
pub struct Incoming {
    /// The request; none when its method is not served.
    pub request: Option<Request>,
    /// What the client wants of the connection.
    pub after: After,
}

/// What becomes of a connection after an answer.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum After {
    /// It is used again.
    KeepAlive,
    /// It is closed.
    Close,
}

/// Bytes that were read and not yet used.
#[derive(Debug, Default)]
pub struct Buffer(Vec<u8>);

impl Buffer {
    /// Reads the next request; `None` when the client has closed the connection between two.
    pub fn read_request(&mut self, stream: &mut (impl Read + Write)) -> io::Result<Option<Incoming>> {
        let head = loop {
            if let Some(head) = self.parse_head()? {
                break head;
            }
            if self.0.len() > HEAD_BYTES_MAX {
                return Err(malformed("the head of the request is too long"));
            }
            if self.fill(stream)? == 0 {
                return if self.0.is_empty() { Ok(None) } else { Err(io::ErrorKind::UnexpectedEof.into()) };
            }
        };
        let Head { bytes, method, mut request, after } = head;
        self.0.drain(..bytes);
        if request.header("expect").is_some_and(|expect| expect.eq_ignore_ascii_case("100-continue")) {
            stream.write_all(b"HTTP/1.1 100 Continue\r\n\r\n")?;
            stream.flush()?;
        }
        let is_chunked = request.header("transfer-encoding").is_some_and(|coding| coding.contains("chunked"));
        request.body = if is_chunked {
            self.read_chunks(stream)?
        } else {
            let length = request.header("content-length").unwrap_or("0").trim().parse();
            self.take(stream, length.map_err(|_| malformed("Content-Length is not a number"))?)?
        };
        let request = method.map(|method| Request { method, ..request });
        Ok(Some(Incoming { request, after }))
    }

    fn parse_head(&self) -> io::Result<Option<Head>> {
        let mut headers = [httparse::EMPTY_HEADER; HEADERS_LEN_MAX];
        let mut parsed = httparse::Request::new(&mut headers);
        let status = parsed.parse(&self.0).map_err(|error| malformed(&error.to_string()))?;
        let httparse::Status::Complete(bytes) = status else { return Ok(None) };
        let method = Method::parse(parsed.method.unwrap_or_default());
        let mut request = Request::new(Method::Get, parsed.path.unwrap_or("/"));
        for header in parsed.headers.iter() {
            let value = String::from_utf8_lossy(header.value).into_owned();
            request.headers.insert(header.name.to_ascii_lowercase(), value);
        }
        let connection = request.header("connection").unwrap_or_default().to_ascii_lowercase();
        let is_old = parsed.version == Some(0);
        let closes = connection.contains("close") || (is_old && !connection.contains("keep-alive"));
        let after = if closes { After::Close } else { After::KeepAlive };
        Ok(Some(Head { bytes, method, request, after }))
    }

    fn read_chunks(&mut self, stream: &mut impl Read) -> io::Result<Vec<u8>> {
        let mut body = Vec::new();
        loop {
            let line = self.line(stream)?;
            let size = line.split(';').next().unwrap_or_default().trim();
            let size = usize::from_str_radix(size, 16).map_err(|_| malformed("a chunk has no size"))?;
            if body.len() + size > BODY_BYTES_MAX {
                return Err(malformed("the body of the request is too long"));
            }
            if size == 0 {
                while !self.line(stream)?.is_empty() {}
                return Ok(body);
            }
            body.extend(self.take(stream, size)?);
            self.line(stream)?;
        }
    }

    fn line(&mut self, stream: &mut impl Read) -> io::Result<String> {
        loop {
            if let Some(end) = self.0.windows(2).position(|pair| pair == b"\r\n") {
                let line = String::from_utf8_lossy(&self.0[..end]).into_owned();
                self.0.drain(..end + 2);
                return Ok(line);
            }
            if self.0.len() > HEAD_BYTES_MAX || self.fill(stream)? == 0 {
                return Err(io::ErrorKind::UnexpectedEof.into());
            }
        }
    }

    fn take(&mut self, stream: &mut impl Read, length: usize) -> io::Result<Vec<u8>> {
        if length > BODY_BYTES_MAX {
            return Err(malformed("the body of the request is too long"));
        }
        while self.0.len() < length {
            if self.fill(stream)? == 0 {
                return Err(io::ErrorKind::UnexpectedEof.into());
            }
        }
        Ok(self.0.drain(..length).collect())
    }

    fn fill(&mut self, stream: &mut impl Read) -> io::Result<usize> {
        let start = self.0.len();
        self.0.resize(start + READ_BYTES, 0);
        let read = stream.read(&mut self.0[start..]);
        self.0.truncate(start + read.as_ref().map_or(0, |read| *read));
        read
    }
}

struct Head {
    bytes: usize,
    method: Option<Method>,
    request: Request,
    after: After,
}

fn malformed(message: &str) -> io::Error {
    io::Error::new(io::ErrorKind::InvalidData, message.to_owned())
}

/// The bytes of a response whose body has a known length; `sent` of the body's bytes are included.
pub fn response_bytes(response: &Response, sent: usize, after: After) -> Vec<u8> {
    let mut bytes = head(response, after);
    if response.status != 204 && response.status != 304 {
        bytes.extend(format!("Content-Length: {}\r\n", response.body.len()).bytes());
    }
    bytes.extend(b"\r\n");
    bytes.extend(&response.body[..sent.min(response.body.len())]);
    bytes
}

/// The head of a 200 whose JSON lines follow in chunks.
pub fn stream_head() -> Vec<u8> {
    let mut bytes = head(&Response::new(200, "application/json", ""), After::KeepAlive);
    bytes.extend(b"Transfer-Encoding: chunked\r\n\r\n");
    bytes
}

/// A chunk; the empty one ends the body.
pub fn chunk(data: &[u8]) -> Vec<u8> {
    let mut bytes = format!("{:x}\r\n", data.len()).into_bytes();
    bytes.extend(data);
    bytes.extend(b"\r\n");
    bytes
}

fn head(response: &Response, after: After) -> Vec<u8> {
    let mut text = format!("HTTP/1.1 {} {}\r\n", response.status, phrase(response.status));
    for (name, value) in &response.headers {
        text.push_str(&format!("{name}: {value}\r\n"));
    }
    if after == After::Close {
        text.push_str("Connection: close\r\n");
    }
    text.into_bytes()
}

fn phrase(status: u16) -> &'static str {
    match status {
        200 => "OK",
        201 => "Created",
        204 => "No Content",
        307 => "Temporary Redirect",
        400 => "Bad Request",
        401 => "Unauthorized",
        403 => "Forbidden",
        404 => "Not Found",
        409 => "Conflict",
        410 => "Gone",
        422 => "Unprocessable Entity",
        429 => "Too Many Requests",
        500 => "Internal Server Error",
        503 => "Service Unavailable",
        _ => "Status",
    }
}

#[cfg(test)]
mod tests {
    use std::io::Cursor;

    use super::*;

    fn check(bytes: &str, bodies: &[&str]) {
        let mut stream = Cursor::new(bytes.as_bytes().to_vec());
        let mut buffer = Buffer::default();
        for body in bodies {
            let incoming = buffer.read_request(&mut stream).unwrap().unwrap();
            assert_eq!(String::from_utf8(incoming.request.unwrap().body).unwrap(), *body);
        }
        assert!(buffer.read_request(&mut stream).unwrap().is_none());
    }

    #[test]
    fn bodies_come_by_length_and_in_chunks() {
        let by_length = "POST /a HTTP/1.1\r\nContent-Length: 3\r\n\r\nabc";
        let chunked =
            "POST /a HTTP/1.1\r\nTransfer-Encoding: chunked\r\n\r\n2;x=y\r\nab\r\n1\r\nc\r\n0\r\n\r\n";
        check(by_length, &["abc"]);
        check(chunked, &["abc"]);
        check(&format!("{chunked}{by_length}GET / HTTP/1.1\r\n\r\n"), &["abc", "abc", ""]);
    }

    #[test]
    fn a_cut_request_is_an_error() {
        for cut in ["GET / HT", "POST / HTTP/1.1\r\nContent-Length: 3\r\n\r\nab"] {
            let mut stream = Cursor::new(cut.as_bytes().to_vec());
            assert!(Buffer::default().read_request(&mut stream).is_err(), "{cut}");
        }
    }
}
