//! The link in the HTTP library's chain of connectors that makes a connection secure.
//!
//! Owns the handshake and what travels in records after it. Leaves sockets, proxies and time limits to the links before it.
//! The library has such a link too; this one takes whole [`Tls`] settings, with a verifier of our own, and tells an end
//! without a farewell in words for users.

use std::fmt;
use std::io::{self, Read, Write};

use rustls::pki_types::ServerName;
use rustls::{ClientConnection, StreamOwned};
use ureq::Error;
use ureq::unversioned::transport::{
    Buffers, ConnectProxyConnector, ConnectionDetails, Connector as Link, Either, LazyBuffers, NextTimeout,
    Transport, TransportAdapter,
};

use super::Tls;
use super::interim::InterimBound;
use crate::proxy::socks;

/// How connections are made: through a proxy where the agent has one, over TCP, with TLS where the URL says so.
/// `server` is a host, and the name that its certificate is to bear in place of it.
#[must_use]
pub fn connector(tls: Tls, server: Option<(String, String)>) -> impl Link {
    ().chain(ConnectProxyConnector::default())
        .chain(socks::Connector::default())
        .chain(Connector { tls, server })
        .chain(InterimBound)
}

/// Makes connections secure.
pub struct Connector {
    tls: Tls,
    server: Option<(String, String)>,
}

impl fmt::Debug for Connector {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Connector")
    }
}

impl Connector {
    /// Whom the certificate is to be for.
    fn name(&self, host: &str) -> Result<ServerName<'static>, Error> {
        let host = host.trim_start_matches('[').trim_end_matches(']');
        let name = match &self.server {
            Some((server, name)) if server == host => name,
            _ => host,
        };
        ServerName::try_from(name.to_owned()).map_err(|_| Error::Tls("its name cannot be in a certificate"))
    }
}

impl<In: Transport> Link<In> for Connector {
    type Out = Either<In, Secure>;

    fn connect(&self, details: &ConnectionDetails, before: Option<In>) -> Result<Option<Self::Out>, Error> {
        let Some(transport) = before else { return Ok(None) };
        if !details.needs_tls() || transport.is_tls() {
            return Ok(Some(Either::A(transport)));
        }
        let name = self.name(details.uri.host().unwrap_or_default())?;
        let mut session = ClientConnection::new(self.tls.config.clone(), name)?;
        let mut below = TransportAdapter::new(transport.boxed(), details.current_time.clone());
        below.set_timeout(details.timeout);
        session.complete_io(&mut below)?;
        let buffers =
            LazyBuffers::new(details.config.input_buffer_size(), details.config.output_buffer_size());
        Ok(Some(Either::B(Secure { buffers, stream: StreamOwned::new(session, below) })))
    }
}

/// A connection with TLS in it.
pub struct Secure {
    buffers: LazyBuffers,
    stream: StreamOwned<ClientConnection, TransportAdapter>,
}

impl fmt::Debug for Secure {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Secure")
    }
}

impl Transport for Secure {
    fn buffers(&mut self) -> &mut dyn Buffers {
        &mut self.buffers
    }

    fn transmit_output(&mut self, amount: usize, timeout: NextTimeout) -> Result<(), Error> {
        self.stream.sock.set_timeout(timeout);
        Ok(self.stream.write_all(&self.buffers.output()[..amount])?)
    }

    fn await_input(&mut self, timeout: NextTimeout) -> Result<bool, Error> {
        self.stream.sock.set_timeout(timeout);
        let count = match self.stream.read(self.buffers.input_append_buf()) {
            // rustls says so with an address of its documentation.
            Err(error) if error.kind() == io::ErrorKind::UnexpectedEof => {
                return Err(io::Error::new(error.kind(), "the connection was cut").into());
            }
            read => read?,
        };
        self.buffers.input_appended(count);
        Ok(count > 0)
    }

    fn is_open(&mut self) -> bool {
        self.stream.sock.get_mut().is_open()
    }

    fn is_tls(&self) -> bool {
        true
    }
}
