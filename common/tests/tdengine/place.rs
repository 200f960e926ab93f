//! A server that a test may use, and a database of its own on it that goes when the test ends.

use std::sync::atomic::{AtomicU32, Ordering};

use rand::rngs::StdRng;
use rand::{RngCore, SeedableRng};
use tdferry_common::dsn::Dsn;
use tdferry_common::secret::Secrets;
use tdferry_common::tdengine::Reader;
use tdferry_standin::{Config, Flavor, Server, User};

use super::errors::LIMITED;

/// One database of one server.
pub(crate) struct Place {
    server: String,
    pub(crate) database: String,
    /// Kept alive with the place; `None` for a real server.
    pub(crate) stand_in: Option<Server>,
}

/// Names of one run do not meet those of another, nor those of a run that was killed.
fn unused_name() -> String {
    static NEXT: AtomicU32 = AtomicU32::new(0);
    let random = StdRng::from_os_rng().next_u32();
    format!("tdferry_{random:08x}_{}", NEXT.fetch_add(1, Ordering::Relaxed))
}

impl Place {
    pub(crate) async fn stand_in(flavor: Flavor) -> Self {
        let (name, password) = LIMITED;
        let limited = User { name: name.into(), password: password.into(), read_only: true };
        let mut config = Config::new(flavor);
        config.users.push(limited);
        let server = Server::start(config).await.expect("a stand-in starts");
        Self { server: server.dsn(), database: unused_name(), stand_in: Some(server) }
    }

    pub(crate) fn real(server: &str) -> Self {
        Self { server: server.to_owned(), database: unused_name(), stand_in: None }
    }

    /// The server without a database.
    pub(crate) fn reader(&self) -> Reader {
        reader(&self.server)
    }

    /// The DSN with the place's database.
    pub(crate) fn dsn(&self) -> String {
        with_database(&self.server, &self.database)
    }

    /// The same server as somebody else.
    pub(crate) fn dsn_as(&self, login: &str) -> String {
        let (driver, rest) = self.server.split_once("://").expect("a DSN has a driver");
        let host = rest.split_once('@').map_or(rest, |(_, host)| host);
        with_database(&format!("{driver}://{login}@{host}"), &self.database)
    }

    /// The same path and parameters somewhere else.
    pub(crate) fn dsn_on(&self, host: &str) -> String {
        let (driver, rest) = self.server.split_once("://").expect("a DSN has a driver");
        let params = rest.find('?').map_or("", |at| &rest[at..]);
        with_database(&format!("{driver}://{host}{params}"), &self.database)
    }
}

fn with_database(server: &str, database: &str) -> String {
    let (address, params) = server.split_once('?').unwrap_or((server, ""));
    let mark = if params.is_empty() { "" } else { "?" };
    format!("{address}/{database}{mark}{params}")
}

fn reader(dsn: &str) -> Reader {
    let (dsn, _) = Dsn::parse(dsn).expect("the DSN of a test server");
    Reader::new(&dsn, &Secrets::from_process()).expect("the DSN of a test server")
}

impl Drop for Place {
    fn drop(&mut self) {
        if self.stand_in.is_some() {
            return;
        }
        let (server, database) = (self.server.clone(), self.database.clone());
        let dropping = std::thread::spawn(move || {
            let runtime = tokio::runtime::Runtime::new().expect("a runtime to clean up with");
            runtime.block_on(async {
                let dropped = reader(&server).exec(&format!("drop database if exists {database}")).await;
                if let Err(error) = dropped {
                    eprintln!("database {database} stays behind: {error}");
                }
            });
        });
        drop(dropping.join());
    }
}
