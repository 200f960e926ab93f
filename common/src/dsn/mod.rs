//! DSNs: `<driver>[+<protocol>]://[user[:password]@]host[:port][/database][?k=v&…]`, checked before anything is stored.
//!
//! A DSN here is a value: it opens nothing, and no formatting of it or of its errors shows a password or a token.
//! Options of the task written as its parameters are handed back apart, for [`crate::options`] to judge.

mod client;
mod error;
mod parse;
mod percent;
#[cfg(test)]
mod tests;

use std::collections::BTreeMap;
use std::fmt;
use std::str::FromStr;

pub use client::{ClientDsn, ClientDsnError};
pub use error::DsnError;

use crate::secret::SecretValue;

/// taosd's port, where a DSN names none.
pub const NATIVE_PORT: u16 = 6030;
/// taosAdapter's port, where a DSN names none. Behind TLS it is a proxy's 443 instead.
pub const ADAPTER_PORT: u16 = 6041;
/// The port of `wss` and `https`, where a DSN names none.
pub const TLS_PORT: u16 = 443;

/// The first part of a DSN, in the spelling it was given.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
#[expect(missing_docs, reason = "each is its own spelling, see `as_str`")]
pub enum Driver {
    Taos,
    TaosWs,
    TaosWss,
    TaosHttp,
    TaosHttps,
    Ws,
    Wss,
    Http,
    Https,
}

/// How a DSN's server is reached.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Transport {
    /// libtaos, loaded at run time, to taosd.
    Native,
    /// WebSocket to taosAdapter.
    WebSocket {
        /// Whether the connection is encrypted.
        tls: bool,
    },
}

impl Driver {
    /// All of them, in the order help shows them.
    pub const ALL: [Self; 9] = [
        Self::Taos,
        Self::TaosWs,
        Self::TaosWss,
        Self::TaosHttp,
        Self::TaosHttps,
        Self::Ws,
        Self::Wss,
        Self::Http,
        Self::Https,
    ];

    /// The spelling in a DSN.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Taos => "taos",
            Self::TaosWs => "taos+ws",
            Self::TaosWss => "taos+wss",
            Self::TaosHttp => "taos+http",
            Self::TaosHttps => "taos+https",
            Self::Ws => "ws",
            Self::Wss => "wss",
            Self::Http => "http",
            Self::Https => "https",
        }
    }

    /// How its server is reached.
    pub fn transport(self) -> Transport {
        match self {
            Self::Taos => Transport::Native,
            Self::TaosWs | Self::TaosHttp | Self::Ws | Self::Http => Transport::WebSocket { tls: false },
            Self::TaosWss | Self::TaosHttps | Self::Wss | Self::Https => Transport::WebSocket { tls: true },
        }
    }

    /// The port of a host that names none.
    pub fn default_port(self) -> u16 {
        match self.transport() {
            Transport::Native => NATIVE_PORT,
            Transport::WebSocket { tls: false } => ADAPTER_PORT,
            Transport::WebSocket { tls: true } => TLS_PORT,
        }
    }
}

/// One server of a DSN. An IPv6 address is kept without its brackets.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Host {
    /// Name or address.
    pub name: String,
    /// The port, if the DSN names one.
    pub port: Option<u16>,
}

impl Host {
    /// Whether the name is an IPv6 address, which is written in brackets.
    pub fn is_ipv6(&self) -> bool {
        self.name.contains(':')
    }
}

impl fmt::Display for Host {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.is_ipv6() {
            true => write!(f, "[{}]", self.name)?,
            false => f.write_str(&self.name)?,
        }
        self.port.map_or(Ok(()), |port| write!(f, ":{port}"))
    }
}

/// A parameter of the connection itself, not of the task.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
#[expect(missing_docs, reason = "each is its own spelling, see `as_str`")]
pub enum DriverParam {
    LibraryPath,
    ConfigDir,
    Compression,
    ConnMode,
    MaxRetries,
}

impl DriverParam {
    /// All but the token, which is a secret and kept apart.
    pub const ALL: [Self; 5] =
        [Self::LibraryPath, Self::ConfigDir, Self::Compression, Self::ConnMode, Self::MaxRetries];

    /// The spelling in a DSN, which is also the client's.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::LibraryPath => "libraryPath",
            Self::ConfigDir => "configDir",
            Self::Compression => "compression",
            Self::ConnMode => "conn_mode",
            Self::MaxRetries => "maxRetries",
        }
    }

    /// Whether it has a meaning over this transport.
    fn fits(self, transport: Transport) -> bool {
        match self {
            Self::LibraryPath | Self::ConfigDir | Self::MaxRetries => transport == Transport::Native,
            Self::ConnMode => transport != Transport::Native,
            Self::Compression => true,
        }
    }
}

/// Options of the task that were written as parameters of a DSN, by their spelling there.
pub type OptionParams = BTreeMap<String, String>;

/// A checked DSN. `Display` and `Debug` show it with its secrets masked, or as the references they are.
#[derive(Clone, PartialEq, Eq)]
pub struct Dsn {
    driver: Driver,
    user: Option<String>,
    password: Option<SecretValue>,
    token: Option<SecretValue>,
    hosts: Vec<Host>,
    database: Option<String>,
    params: BTreeMap<DriverParam, String>,
}

impl Dsn {
    /// Reads a DSN and the task's options among its parameters. References to secrets are kept, not looked up.
    pub fn parse(text: &str) -> Result<(Self, OptionParams), DsnError> {
        parse::parse(text)
    }

    /// The driver, as spelt.
    pub fn driver(&self) -> Driver {
        self.driver
    }

    /// How the server is reached.
    pub fn transport(&self) -> Transport {
        self.driver.transport()
    }

    /// The user, if named; databases take `root` otherwise.
    pub fn user(&self) -> Option<&str> {
        self.user.as_deref()
    }

    /// The servers, at least one.
    pub fn hosts(&self) -> &[Host] {
        &self.hosts
    }

    /// The database, if named.
    pub fn database(&self) -> Option<&str> {
        self.database.as_deref()
    }

    /// The same server, with this database.
    #[must_use]
    pub fn with_database(mut self, database: impl Into<String>) -> Self {
        self.database = Some(database.into());
        self
    }

    /// The same server, with no database.
    #[must_use]
    pub fn without_database(mut self) -> Self {
        self.database = None;
        self
    }

    /// A parameter of the connection.
    pub fn param(&self, param: DriverParam) -> Option<&str> {
        self.params.get(&param).map(String::as_str)
    }

    /// Sets a parameter the DSN does not name itself, if it has a meaning over this transport.
    pub(crate) fn set_default_param(&mut self, param: DriverParam, value: &str) {
        if param.fits(self.transport()) {
            self.params.entry(param).or_insert_with(|| value.to_owned());
        }
    }

    /// The servers with their ports, for messages: no user, no secret.
    pub fn address(&self) -> String {
        self.endpoints().map(|host| host.to_string()).collect::<Vec<_>>().join(",")
    }

    /// The servers, each with a port.
    pub fn endpoints(&self) -> impl Iterator<Item = Host> + '_ {
        let port = self.driver.default_port();
        self.hosts.iter().map(move |host| Host { name: host.name.clone(), port: host.port.or(Some(port)) })
    }

    /// Where secrets stand in it and what they are: the fields `password` and `token`.
    pub fn secrets(&self) -> impl Iterator<Item = (&'static str, &SecretValue)> {
        let password = self.password.as_ref().map(|value| ("password", value));
        password.into_iter().chain(self.token.as_ref().map(|value| ("token", value)))
    }

    /// As [`Self::secrets`], to put references in their places.
    pub(crate) fn secrets_mut(&mut self) -> impl Iterator<Item = (&'static str, &mut SecretValue)> {
        let password = self.password.as_mut().map(|value| ("password", value));
        password.into_iter().chain(self.token.as_mut().map(|value| ("token", value)))
    }
}

/// Reads a DSN without options of a task: those belong to the task, and are refused here.
impl FromStr for Dsn {
    type Err = DsnError;

    fn from_str(text: &str) -> Result<Self, DsnError> {
        let (dsn, options) = Self::parse(text)?;
        match options.keys().next() {
            None => Ok(dsn),
            Some(name) => Err(DsnError::new("parameters", format!("`{name}` is an option of a task"))
                .help("leave it out here")),
        }
    }
}

impl fmt::Display for Dsn {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}://", self.driver.as_str())?;
        f.write_str(&percent::encode(self.user.as_deref().unwrap_or_default()))?;
        if let Some(password) = &self.password {
            write!(f, ":{}", password.masked())?;
        }
        if self.user.is_some() || self.password.is_some() {
            f.write_str("@")?;
        }
        f.write_str(&self.hosts.iter().map(Host::to_string).collect::<Vec<_>>().join(","))?;
        if let Some(database) = &self.database {
            write!(f, "/{database}")?;
        }
        let token = self.token.as_ref().map(|token| format!("token={}", token.masked()));
        let params =
            self.params.iter().map(|(key, value)| format!("{}={}", key.as_str(), percent::encode(value)));
        for (index, param) in params.chain(token).enumerate() {
            write!(f, "{}{param}", if index == 0 { '?' } else { '&' })?;
        }
        Ok(())
    }
}

impl fmt::Debug for Dsn {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Dsn({self})")
    }
}
