//! A source and a target: stand-ins that always run, and real servers where the environment names them.

use std::time::Duration;

use tdferry_cli::compare::{Comparison, Place, compare};
use tdferry_common::dsn::Dsn;
use tdferry_common::port::Side;
use tdferry_common::secret::Secrets;
use tdferry_common::tdengine::Reader;
use tdferry_standin::{Action, Config, Fault, Flavor, Server, When};

/// Names the 2.x server of the tests against real ones.
const SOURCE: &str = "TDFERRY_TEST_SOURCE";
/// Names the 3.x server of the tests against real ones.
const SINK: &str = "TDFERRY_TEST_SINK";

/// Two servers; stand-ins live as long as this does.
pub(crate) struct Servers {
    /// DSN of the source, without a database.
    pub(crate) source: String,
    /// DSN of the target, without a database.
    pub(crate) target: String,
    /// The stand-ins behind them, if they are stand-ins.
    pub(crate) standins: Option<(Server, Server)>,
}

impl Servers {
    /// Two stand-ins on free ports.
    pub(crate) async fn standins() -> Self {
        let source = Server::start(Config::new(Flavor::V26)).await.expect("the source starts");
        let target = Server::start(Config::new(Flavor::V3)).await.expect("the target starts");
        Self { source: dsn(source.addr()), target: dsn(target.addr()), standins: Some((source, target)) }
    }

    /// The real servers that the environment names; says loudly where it names none.
    pub(crate) fn real() -> Option<Self> {
        match (std::env::var(SOURCE), std::env::var(SINK)) {
            (Ok(source), Ok(target)) => Some(Self { source, target, standins: None }),
            _ => {
                eprintln!("!! SKIPPED: {SOURCE} and {SINK} name no real servers");
                None
            }
        }
    }

    /// Makes each write to the target take this long.
    pub(crate) fn slow_target(&self, delay: Duration) {
        let slow = Fault::new(When::Any, Action::Delay(delay));
        self.target_standin().faults().add(slow);
    }

    /// Lifts what [`Self::slow_target`] did.
    pub(crate) fn quick_target(&self) {
        self.target_standin().faults().clear();
    }

    /// Rows that reached the target, those written again counted again.
    pub(crate) fn rows_written_to_target(&self) -> u64 {
        let stats = self.target_standin().stats();
        stats.rows_by_block + stats.rows_by_insert
    }

    /// The source's stand-in.
    pub(crate) fn source_standin(&self) -> &Server {
        &self.standins.as_ref().expect("stand-ins").0
    }

    /// The target's stand-in.
    pub(crate) fn target_standin(&self) -> &Server {
        &self.standins.as_ref().expect("stand-ins").1
    }

    /// The DSN of a database on the source.
    pub(crate) fn from(&self, database: &str) -> String {
        with_database(&self.source, database)
    }

    /// The DSN of a database on the target.
    pub(crate) fn to(&self, database: &str) -> String {
        with_database(&self.target, database)
    }

    /// Asks the source, or tells it something.
    pub(crate) fn ask_source(&self) -> Reader {
        reader(&self.source)
    }

    /// Asks the target, or tells it something.
    pub(crate) fn ask_target(&self) -> Reader {
        reader(&self.target)
    }

    /// Compares a database of the source with one of the target, cell by cell.
    pub(crate) async fn compare(&self, source: &str, target: &str) -> Comparison {
        let place = |side: Side, text: &str, database: &str| {
            Place::new(side, text.parse().expect("a DSN"), database, &Secrets::from_process())
                .expect("a place")
        };
        compare(&place(Side::Source, &self.source, source), &place(Side::Sink, &self.target, target))
            .await
            .expect("both sides answer")
    }
}

/// A task file whose passwords stand in a variable, as a stored task's must.
pub(crate) fn task_file(name: &str, servers: &Servers, database: &str) -> String {
    let by_reference = |dsn: String| dsn.replace(":taosdata@", ":${env:TDFERRY_TEST_PASSWORD}@");
    let (from, to) = (by_reference(servers.from(database)), by_reference(servers.to(database)));
    format!("name = \"{name}\"\ntype = \"TDengine2\"\nfrom = '{from}'\nto = '{to}'\n")
}

fn dsn(address: std::net::SocketAddr) -> String {
    format!("taos+ws://root:taosdata@{address}")
}

fn with_database(dsn: &str, database: &str) -> String {
    match dsn.split_once('?') {
        Some((server, params)) => format!("{server}/{database}?{params}"),
        None => format!("{dsn}/{database}"),
    }
}

fn reader(dsn: &str) -> Reader {
    let dsn: Dsn = dsn.parse().expect("a DSN");
    Reader::new(&dsn, &Secrets::from_process()).expect("a reader")
}
