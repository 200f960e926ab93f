//! How etcd is reached: endpoints, user, TLS, and the timeouts without which its client waits for ever.

use std::fmt;
use std::path::PathBuf;
use std::time::Duration;

use etcd_client::{Client, ConnectOptions};
use tdferry_common::secret::Secret;
use tdferry_common::timing::Timing;

use super::StoreError;
use super::error::{Failure, sort};

/// The system takes whole seconds, and refuses none.
const LEAST_TCP_KEEPALIVE: Duration = Duration::from_secs(1);

/// A client of the store, of etcd or of the embedded one.
pub type StoreClient = Client;

/// Where etcd is and how to get in.
#[derive(Debug, Clone, Default)]
pub struct Endpoints {
    /// `http://host:port` or `https://host:port`; one or all members.
    pub urls: Vec<String>,
    /// Name and password, where etcd has authentication switched on.
    pub user: Option<(String, Secret)>,
    /// For `https`.
    pub tls: Option<Tls>,
}

/// Certificates for a connection to etcd.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Tls {
    /// Who signed the server's certificate. Needed: the system's authorities are not asked.
    pub ca: Option<PathBuf>,
    /// The client's own certificate and key.
    pub identity: Option<(PathBuf, PathBuf)>,
}

/// Why there is no connection, and what to do.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ConnectError {
    urls: String,
    message: String,
}

impl fmt::Display for ConnectError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "the store at {} cannot be used: {}", self.urls, self.message)
    }
}

impl std::error::Error for ConnectError {}

/// Connects. No server need be there yet: requests are tried until one answers.
pub async fn connect(endpoints: &Endpoints, timing: &Timing) -> Result<Client, ConnectError> {
    let fail = |message: String| ConnectError { urls: endpoints.urls.join(","), message };
    if endpoints.urls.is_empty() {
        return Err(fail("no endpoint is given; write `etcd://host:2379`".to_owned()));
    }
    let options = options(endpoints, timing).map_err(fail)?;
    Client::connect(&endpoints.urls, Some(options)).await.map_err(|err| match sort(err) {
        Failure::Final(err) => fail(err.to_string()),
        Failure::Unknown(message) => fail(StoreError::Away { what: "connect", message }.to_string()),
    })
}

fn options(endpoints: &Endpoints, timing: &Timing) -> Result<ConnectOptions, String> {
    let request = timing.store_request;
    let mut options = ConnectOptions::new()
        // a member without a leader refuses at once instead of waiting, and another is asked
        .with_require_leader(true)
        .with_connect_timeout(request)
        // a dead connection is found out within two requests' time; streams have no timeout of their own
        .with_keep_alive(request, request)
        .with_keep_alive_while_idle(true)
        .with_tcp_keepalive(request.max(LEAST_TCP_KEEPALIVE))
        .with_auto_token_refresh(true);
    if let Some((name, password)) = &endpoints.user {
        options = options.with_user(name.as_str(), password.expose());
    }
    with_tls(options, endpoints)
}

#[cfg(not(feature = "tls"))]
fn with_tls(options: ConnectOptions, endpoints: &Endpoints) -> Result<ConnectOptions, String> {
    match endpoints.tls.is_some() || endpoints.urls.iter().any(|url| url.starts_with("https://")) {
        true => Err("this tdferry was built without TLS; build it with the feature `tls`".to_owned()),
        false => Ok(options),
    }
}

#[cfg(feature = "tls")]
const NO_CA: &str = "TLS needs the file with the certificate of the authority that signed etcd's; name it";

#[cfg(feature = "tls")]
fn with_tls(options: ConnectOptions, endpoints: &Endpoints) -> Result<ConnectOptions, String> {
    use etcd_client::{Certificate, Identity, TlsOptions};
    let read = |path: &PathBuf| std::fs::read(path).map_err(|err| format!("{}: {err}", path.display()));
    if endpoints.tls.is_none() && !endpoints.urls.iter().any(|url| url.starts_with("https://")) {
        return Ok(options);
    }
    let Some(tls) = &endpoints.tls else { return Err(NO_CA.to_owned()) };
    let ca = tls.ca.as_ref().ok_or(NO_CA)?;
    let mut config = TlsOptions::new().ca_certificate(Certificate::from_pem(read(ca)?));
    if let Some((cert, key)) = &tls.identity {
        config = config.identity(Identity::from_pem(read(cert)?, read(key)?));
    }
    Ok(options.with_tls(config))
}

#[cfg(test)]
mod tests {
    use super::*;

    async fn refused(endpoints: Endpoints) -> String {
        match connect(&endpoints, &Timing::default()).await {
            Ok(_) => panic!("{endpoints:?} is taken"),
            Err(err) => err.to_string(),
        }
    }

    fn at(url: &str) -> Endpoints {
        Endpoints { urls: vec![url.to_owned()], ..Endpoints::default() }
    }

    #[tokio::test]
    async fn endpoints_that_cannot_be_used_say_what_to_do() {
        assert!(refused(Endpoints::default()).await.contains("etcd://host:2379"));
        assert!(refused(at("http://not a host")).await.contains("http://not a host"));
        let tls = Endpoints { tls: Some(Tls::default()), ..at("localhost:1") };
        for secured in [at("https://localhost:1"), tls] {
            let message = refused(secured).await;
            assert!(message.contains("TLS"), "{message}");
        }
    }

    #[tokio::test]
    async fn no_server_need_be_there_yet() {
        assert!(connect(&at("127.0.0.1:1"), &Timing::default()).await.is_ok());
    }

    #[test]
    fn a_password_is_not_shown() {
        let user = Some(("root".to_owned(), Secret::new("hunter2")));
        let shown = format!("{:?}", Endpoints { user, ..at("localhost:1") });
        assert!(shown.contains("root") && !shown.contains("hunter2"), "{shown}");
    }
}
