//! Credentials over time: reads tokens, certificates and plugins, and reads them again when they change.
//!
//! ```text
//!   Config ──► current() ──► Session { Authorization, Tls, generation }
//!                 ▲ each `Limits::reread`, or at once after refused(session)
//! ```
//! Owns when to look again. Leaves alone sending. Invariants: the generation grows exactly when something changed, hence a
//! caller whose session was refused knows whether another try makes sense; while new credentials cannot be read, those
//! that still work are kept.
#![expect(clippy::disallowed_methods, reason = "files are read again and tokens expire by the clock")]

use std::path::Path;
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant, SystemTime};

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;

use crate::config::{Config, Credentials, Pem, Trust};
use crate::exec::{self, ExecCredential};
use crate::secret::Secret;
use crate::status::Error;
use crate::tls::{self, Identity, Roots, Tls};

/// How long before its expiry a plugin's token counts as expired.
const EXPIRY_MARGIN: Duration = Duration::from_secs(10);
/// A plugin is not run again within this time, however often its token is refused.
const PLUGIN_PAUSE: Duration = Duration::from_secs(5);

/// What to show the server now.
#[derive(Clone, Debug)]
pub(crate) struct Session {
    /// The value of the `Authorization` header.
    pub(crate) authorization: Option<Secret>,
    /// The same as long as nothing in it has changed.
    pub(crate) tls: Tls,
    pub(crate) generation: u64,
}

/// The credentials of one client, shared by its threads.
#[derive(Debug)]
pub(crate) struct Auth {
    config: Config,
    state: Mutex<State>,
}

#[derive(Debug, Default)]
struct State {
    session: Option<Session>,
    looked: Option<Instant>,
    refused: bool,
    plugin: Option<Made>,
}

/// What a plugin made, and when.
#[derive(Debug)]
struct Made {
    credential: ExecCredential,
    at: Instant,
}

impl Auth {
    pub(crate) fn new(config: Config) -> Self {
        Self { config, state: Mutex::default() }
    }

    /// The credentials to use for the next request.
    pub(crate) fn current(&self) -> Result<Session, Error> {
        let mut state = self.lock();
        if let Some(session) = state.session.as_ref().filter(|_| !self.is_due(&state)) {
            return Ok(session.clone());
        }
        match self.look(&mut state) {
            Ok(session) => Ok(session),
            Err(error) => match &state.session {
                // A file that is being replaced may be gone for a moment; what was read before may still do.
                Some(session) if !state.refused && !is_expired(&state) => {
                    log::warn!("keeping the old credentials: {error}");
                    let session = session.clone();
                    state.looked = Some(Instant::now());
                    Ok(session)
                }
                _ => Err(error),
            },
        }
    }

    /// Takes in that the server did not accept a session, or the session's TLS not the server: look again at once.
    pub(crate) fn refused(&self, session: &Session) {
        let mut state = self.lock();
        if state.session.as_ref().is_some_and(|current| current.generation == session.generation) {
            state.refused = true;
        }
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn is_due(&self, state: &State) -> bool {
        let late = state.looked.is_none_or(|looked| looked.elapsed() >= self.config.limits.reread);
        late || state.refused || is_expired(state)
    }

    fn look(&self, state: &mut State) -> Result<Session, Error> {
        self.run_plugin(state)?;
        let made = state.plugin.as_ref().map(|made| &made.credential);
        let authorization = self.authorization(made)?;
        let (roots, identity) = (self.roots()?, self.identity(made)?);
        let tls = match state.session.as_ref().map(|known| &known.tls) {
            Some(known) if known.is_of(&roots, identity.as_ref()) => known.clone(),
            _ => Tls::with_identity(roots, identity),
        };

        let session = match state.session.take() {
            Some(known) if known.tls.is_same(&tls) && known.authorization == authorization => known,
            Some(known) => {
                log::debug!("the credentials have changed");
                Session { authorization, tls, generation: known.generation + 1 }
            }
            None => Session { authorization, tls, generation: 0 },
        };
        state.session = Some(session.clone());
        state.looked = Some(Instant::now());
        state.refused = false;
        Ok(session)
    }

    fn run_plugin(&self, state: &mut State) -> Result<(), Error> {
        let Credentials::Exec(plugin) = &self.config.credentials else { return Ok(()) };
        let fresh = state.plugin.as_ref().is_some_and(|made| made.at.elapsed() < PLUGIN_PAUSE);
        let needed = state.plugin.is_none() || is_expired(state) || (state.refused && !fresh);
        if needed {
            let credential = exec::run(plugin, self.config.limits.plugin)?;
            state.plugin = Some(Made { credential, at: Instant::now() });
        }
        Ok(())
    }

    fn authorization(&self, made: Option<&ExecCredential>) -> Result<Option<Secret>, Error> {
        let header = match &self.config.credentials {
            Credentials::None => return Ok(None),
            Credentials::Token(token) => bearer(token.expose(), "the kubeconfig's token")?,
            Credentials::TokenFile(file) => {
                let bytes = read(file)?;
                bearer(&String::from_utf8_lossy(&bytes), &file.display().to_string())?
            }
            Credentials::Basic { username, password } => {
                format!("Basic {}", STANDARD.encode(format!("{username}:{}", password.expose())))
            }
            Credentials::Exec(_) => match made.and_then(|made| made.token.as_ref()) {
                Some(token) => bearer(token.expose(), "the credential plugin's token")?,
                None => return Ok(None),
            },
        };
        Ok(Some(Secret::new(header)))
    }

    fn roots(&self) -> Result<Roots, Error> {
        match &self.config.trust {
            Trust::Anyone => Ok(Roots::Anyone),
            Trust::Public => Ok(Roots::Public { extra: Vec::new() }),
            // Nobody has to prove anything without TLS, and the file may well not be there.
            Trust::Authorities(_) if !self.config.server.tls => Ok(Roots::Public { extra: Vec::new() }),
            Trust::Authorities(pem) => {
                let (bytes, place) = contents(pem, "certificate-authority-data")?;
                let found = tls::certificates(&bytes);
                if found.is_empty() {
                    let message =
                        format!("{place}: holds no certificate; put PEM with BEGIN CERTIFICATE there");
                    return Err(Error::Auth { message });
                }
                Ok(Roots::Named(found))
            }
        }
    }

    fn identity(&self, made: Option<&ExecCredential>) -> Result<Option<Identity>, Error> {
        if let Some((certificate, key)) = made.and_then(|made| made.identity.as_ref()) {
            return Identity::read(certificate, key.expose().as_bytes(), "the credential plugin").map(Some);
        }
        let Some((certificate, key)) = &self.config.identity else { return Ok(None) };
        let (certificate, place) = contents(certificate, "client-certificate-data")?;
        let (key, _) = contents(key, "client-key-data")?;
        Identity::read(&certificate, &key, &place).map(Some)
    }
}

fn is_expired(state: &State) -> bool {
    let expires = state.plugin.as_ref().and_then(|made| made.credential.expires);
    expires.is_some_and(|expires| SystemTime::now() + EXPIRY_MARGIN >= expires)
}

fn contents(pem: &Pem, field: &str) -> Result<(Vec<u8>, String), Error> {
    match pem {
        Pem::Inline(bytes) => Ok((bytes.clone(), field.to_owned())),
        Pem::File(file) => Ok((read(file)?, file.display().to_string())),
    }
}

fn read(file: &Path) -> Result<Vec<u8>, Error> {
    std::fs::read(file).map_err(|error| Error::Auth {
        message: format!(
            "{}: cannot be read: {error}; check that it exists and that this user may read it",
            file.display()
        ),
    })
}

fn bearer(token: &str, place: &str) -> Result<String, Error> {
    let token = token.trim();
    if token.is_empty() || !token.bytes().all(|byte| byte.is_ascii_graphic()) {
        let what = if token.is_empty() { "is empty" } else { "has characters that a token cannot have" };
        return Err(Error::Auth { message: format!("{place}: {what}; put a bearer token there") });
    }
    Ok(format!("Bearer {token}"))
}
