//! A DSN for the database client: secrets looked up, ports filled in, encoded the way the client decodes.

use std::collections::BTreeMap;

use super::{Driver, Dsn, Host, percent};
use crate::secret::{Secret, SecretError, Secrets};

/// What the database client needs to connect. Its `Debug` shows no secret.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ClientDsn {
    /// `taos`, `ws`, `wss`, `http` or `https`.
    pub driver: &'static str,
    /// What follows the `+`, if anything.
    pub protocol: Option<&'static str>,
    /// The user.
    pub user: Option<String>,
    /// The password, looked up.
    pub password: Option<Secret>,
    /// The token, looked up; the client takes it as the parameter `token`.
    pub token: Option<Secret>,
    /// The servers, each with a port.
    pub hosts: Vec<Host>,
    /// The database, plain: the client does not decode it.
    pub database: Option<String>,
    /// The parameters the client knows.
    pub params: BTreeMap<&'static str, String>,
}

/// Why a DSN cannot be handed to the client.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum ClientDsnError {
    /// A reference gave no secret.
    #[error(transparent)]
    Secret(#[from] SecretError),
    /// The client's own parser takes such a host for none and connects to localhost.
    #[error("the client cannot read the IPv6 host {0} from a text; hand it over in parts")]
    Ipv6(Host),
}

impl Dsn {
    /// The parts for the client, with the secrets that `secrets` finds.
    pub fn to_client(&self, secrets: &Secrets) -> Result<ClientDsn, SecretError> {
        let (driver, protocol) = match self.driver.as_str().split_once('+') {
            Some((driver, protocol)) => (driver, Some(protocol)),
            None => (self.driver.as_str(), None),
        };
        Ok(ClientDsn {
            driver,
            protocol,
            user: self.user.clone(),
            password: self.password.as_ref().map(|value| secrets.resolve(value)).transpose()?,
            token: self.token.as_ref().map(|value| secrets.resolve(value)).transpose()?,
            hosts: self.endpoints().collect(),
            database: self.database.clone(),
            params: self.params.iter().map(|(key, value)| (key.as_str(), value.clone())).collect(),
        })
    }

    /// The text for the client: a secret as a whole, since the password stands in it.
    pub fn to_client_string(&self, secrets: &Secrets) -> Result<Secret, ClientDsnError> {
        self.to_client(secrets)?.to_text()
    }
}

impl ClientDsn {
    /// One text, in the form the client's parser reads.
    pub fn to_text(&self) -> Result<Secret, ClientDsnError> {
        if let Some(host) = self.hosts.iter().find(|host| host.is_ipv6()) {
            return Err(ClientDsnError::Ipv6(host.clone()));
        }
        let protocol = self.protocol.map(|protocol| format!("+{protocol}")).unwrap_or_default();
        let database = self.database.as_ref().map(|name| format!("/{name}")).unwrap_or_default();
        let hosts = self.hosts.iter().map(Host::to_string).collect::<Vec<_>>().join(",");
        Ok(Secret::new(format!(
            "{}{protocol}://{}{hosts}{database}{}",
            self.driver,
            self.login(),
            self.query()
        )))
    }

    fn login(&self) -> String {
        let user = percent::encode(self.user.as_deref().unwrap_or_default());
        match &self.password {
            Some(password) => format!("{user}:{}@", percent::encode(password.expose())),
            None if user.is_empty() => user,
            None => format!("{user}@"),
        }
    }

    fn query(&self) -> String {
        let token = self.token.as_ref().map(|token| ("token", token.expose()));
        let params = self.params.iter().map(|(key, value)| (*key, value.as_str()));
        let pairs: Vec<_> =
            params.chain(token).map(|(key, value)| format!("{key}={}", percent::encode(value))).collect();
        if pairs.is_empty() { String::new() } else { format!("?{}", pairs.join("&")) }
    }
}

impl Driver {
    /// The driver of this spelling.
    pub(super) fn from_spelling(text: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|driver| driver.as_str().eq_ignore_ascii_case(text))
    }
}
