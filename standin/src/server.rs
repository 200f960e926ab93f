//! A running stand-in: start it, reach it, look inside it, take it away for a while, stop it.

use std::net::SocketAddr;
use std::sync::{Arc, Mutex};

use crate::config::{Config, Flavor};
use crate::error::SqlError;
use crate::exec::{Answer, Context, Engine, Outcome};
use crate::fault::Faults;
use crate::seed::{self, MetersSeed, SeedError, TortureSeed};
use crate::stats::Stats;
use crate::sync::{lock, read};
use crate::wire::Listener;

/// An in-memory TDengine server. Dropping it closes its port.
pub struct Server {
    engine: Arc<Engine>,
    faults: Faults,
    addr: SocketAddr,
    listener: tokio::sync::Mutex<Option<Listener>>,
    /// The connection that in-process statements go through.
    context: Mutex<Context>,
}

/// Why a server could not start or come back.
#[derive(Debug, thiserror::Error)]
pub enum ServerError {
    /// The port could not be had.
    #[error("cannot listen on {addr}: {source}")]
    Listen {
        /// The address asked for.
        addr: SocketAddr,
        /// What the system said.
        source: std::io::Error,
    },
}

impl Server {
    /// Starts to listen.
    ///
    /// # Errors
    /// If the address cannot be listened on.
    pub async fn start(config: Config) -> Result<Self, ServerError> {
        let (engine, faults) = (Engine::new(config), Faults::default());
        let listener = listen(engine.config.listen, &engine, &faults).await?;
        let context = Context { user: "root".into(), read_only: false, database: None };
        Ok(Self {
            addr: listener.addr,
            listener: tokio::sync::Mutex::new(Some(listener)),
            engine,
            faults,
            context: Mutex::new(context),
        })
    }

    /// Where it listens.
    #[must_use]
    pub fn addr(&self) -> SocketAddr {
        self.addr
    }

    /// What a client connects to, as its first configured user; a database may be added behind it.
    #[must_use]
    pub fn dsn(&self) -> String {
        let user = self.engine.config.users.first();
        let login = user.map_or(String::new(), |user| format!("{}:{}@", user.name, user.password));
        format!("ws://{login}{}", self.addr)
    }

    /// Which generation it answers as.
    #[must_use]
    pub fn flavor(&self) -> Flavor {
        self.engine.flavor()
    }

    /// What is to go wrong.
    #[must_use]
    pub fn faults(&self) -> Faults {
        self.faults.clone()
    }

    /// Closes the port and cuts all connections; what is stored stays.
    pub async fn suspend(&self) {
        if let Some(listener) = self.listener.lock().await.take() {
            listener.stop().await;
        }
    }

    /// Listens again on the same port after `suspend`.
    ///
    /// # Errors
    /// If somebody else has taken the port meanwhile.
    pub async fn resume(&self) -> Result<(), ServerError> {
        let mut listener = self.listener.lock().await;
        if listener.is_none() {
            *listener = Some(listen(self.addr, &self.engine, &self.faults).await?);
        }
        Ok(())
    }

    /// Stops for good and waits until every connection is gone.
    pub async fn stop(self) {
        self.suspend().await;
    }

    /// Runs a statement in this process, past faults, on a connection of its own that remembers `use`.
    ///
    /// # Errors
    /// Whatever a client would be answered.
    pub fn execute(&self, sql: &str) -> Result<Outcome, SqlError> {
        let answer = self.engine.execute(&mut lock(&self.context), sql)?;
        match answer {
            Answer::Affected(rows) => Ok(Outcome::Affected(rows)),
            Answer::Rows(rows) => rows.collect(&self.engine).map(Outcome::Rows),
        }
    }

    /// Forgets the database that `use` chose for `execute`.
    pub fn reset_connection(&self) {
        lock(&self.context).database = None;
    }

    /// The rows of one table, or of all subtables of a stable; `None` if there is no such table.
    #[must_use]
    pub fn row_count(&self, database: &str, table: &str) -> Option<u64> {
        let catalog = read(&self.engine.catalog);
        let found = catalog.database(database)?;
        if !found.stables.contains_key(table) {
            return found.table(table).map(|table| table.count(i64::MIN, i64::MAX));
        }
        let (mut rows, mut from) = (0, Some(0));
        while let Some(position) = from {
            let (page, next) = found.subtables(table, position, 1_000);
            rows += page.iter().map(|table| table.count(i64::MIN, i64::MAX)).sum::<u64>();
            from = next;
        }
        Some(rows)
    }

    /// The order-free sum over a table's rows, where the server keeps digests only.
    #[must_use]
    pub fn digest(&self, database: &str, table: &str) -> Option<u64> {
        read(&self.engine.catalog).database(database)?.stored_table(table)?.digest()
    }

    /// Bytes held for stored rows.
    #[must_use]
    pub fn stored_bytes(&self) -> usize {
        let catalog = read(&self.engine.catalog);
        catalog.databases().flat_map(|database| database.stored_tables()).map(|table| table.bytes()).sum()
    }

    /// What was asked of it so far.
    #[must_use]
    pub fn stats(&self) -> Stats {
        self.engine.counters.snapshot()
    }

    /// Adds a database of smart meters whose rows are computed, not stored.
    ///
    /// # Errors
    /// If the database exists already.
    pub fn seed_meters(&self, seed: &MetersSeed) -> Result<(), SeedError> {
        seed::meters(&self.engine, seed)
    }

    /// Adds the database the demo migrates: dense meters, sparse sensors, normal tables.
    ///
    /// # Errors
    /// If the database exists already.
    pub fn seed_demo(&self, database: &str) -> Result<(), SeedError> {
        seed::demo(&self.engine, database)
    }

    /// Adds a database of everything that is awkward: all types, NULLs, odd names, extremes, more than 300 tables.
    ///
    /// # Errors
    /// If the database exists already.
    pub fn seed_torture(&self, seed: &TortureSeed) -> Result<(), SeedError> {
        seed::torture(&self.engine, seed)
    }
}

async fn listen(addr: SocketAddr, engine: &Arc<Engine>, faults: &Faults) -> Result<Listener, ServerError> {
    let opened = Listener::open(addr, engine.clone(), faults.clone()).await;
    opened.map_err(|source| ServerError::Listen { addr, source })
}
