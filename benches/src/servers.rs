//! The servers of a run: two stand-ins as processes, or real ones that the environment names.

use anyhow::Result;

use crate::case::Case;
use crate::cpu;
use crate::process::Server;
use crate::tdferry::Tdferry;

/// Names a real 2.x server.
const SOURCE: &str = "TDFERRY_TEST_SOURCE";
/// Names a real 3.x server.
const SINK: &str = "TDFERRY_TEST_SINK";

/// A source and a target.
pub(crate) struct Servers {
    /// DSN without a database.
    pub(crate) source: String,
    /// DSN without a database.
    pub(crate) target: String,
    /// Starts the names of all databases of this run.
    pub(crate) prefix: String,
    standins: Option<[Server; 2]>,
}

impl Servers {
    /// Two stand-ins; the source holds the case's rows, computed when they are read.
    pub(crate) async fn standins(tdferry: &Tdferry, case: &Case) -> Result<Self> {
        // rows are added up instead of kept: hundreds of millions of them would take gigabytes
        Self::start(tdferry, case, "digest").await
    }

    /// The same, with a target whose rows can be read back.
    pub(crate) async fn that_keep(tdferry: &Tdferry, case: &Case) -> Result<Self> {
        Self::start(tdferry, case, "keep").await
    }

    async fn start(tdferry: &Tdferry, case: &Case, sink: &str) -> Result<Self> {
        let prefix = prefix();
        let seed = format!("meters:{}x{}@{}", case.subtables, case.rows, database(&prefix, case));
        let (source, mut target) = (tdferry.standin("2.6", Some(&seed)), tdferry.standin("3", None));
        target.args(["--sink", sink]);
        let standins = [start(source).await?, start(target).await?];
        let [source, target] = [&standins[0], &standins[1]].map(dsn);
        Ok(Self { source, target, prefix, standins: Some(standins) })
    }

    /// The real servers that the environment names, if it does.
    pub(crate) fn real() -> Option<Self> {
        let (source, target) = (std::env::var(SOURCE).ok()?, std::env::var(SINK).ok()?);
        Some(Self { source, target, prefix: prefix(), standins: None })
    }

    /// Whether these are real.
    pub(crate) fn are_real(&self) -> bool {
        self.standins.is_none()
    }

    /// The source's database of a case.
    pub(crate) fn database(&self, case: &Case) -> String {
        database(&self.prefix, case)
    }

    /// CPU seconds the servers took so far, where they are ours to look at.
    pub(crate) fn cpu(&self) -> Result<Option<f64>> {
        self.pids().map(|pids| cpu::seconds(&pids)).transpose()
    }

    /// The processes of source and target, where they are ours to look at.
    pub(crate) fn pids(&self) -> Option<[u32; 2]> {
        self.standins.as_ref().map(|servers| [servers[0].pid, servers[1].pid])
    }
}

/// A database in the DSN of a server.
pub(crate) fn with_database(dsn: &str, database: &str) -> String {
    match dsn.split_once('?') {
        Some((server, params)) => format!("{server}/{database}?{params}"),
        None => format!("{dsn}/{database}"),
    }
}

/// The DSN of a stand-in.
pub(crate) fn dsn(server: &Server) -> String {
    format!("taos+ws://root:taosdata@{}", server.address)
}

async fn start(mut command: tokio::process::Command) -> Result<Server> {
    Server::start(&mut command, "listening on ws://").await
}

/// Other runs on the same servers have other process ids.
fn prefix() -> String {
    format!("tdferry_bench_{}", std::process::id())
}

fn database(prefix: &str, case: &Case) -> String {
    format!("{prefix}_{}", case.name)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_database_stands_before_the_parameters_of_a_dsn() {
        assert_eq!(with_database("ws://h:1", "d"), "ws://h:1/d");
        assert_eq!(with_database("taos://h:1?a=b&c=d", "d"), "taos://h:1/d?a=b&c=d");
    }
}
