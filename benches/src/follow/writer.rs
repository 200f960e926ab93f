//! Production: a steady stream of multi-table inserts into the subtables of a source, each acknowledged before the next.
//!
//! All rows of a statement bear one timestamp that no other statement has, so that they can be told apart at the target.

use std::fmt::Write as _;
use std::time::Duration;

use anyhow::{Context, Result, ensure};
use taos::{AsyncQueryable, Taos};
use tdferry_common::clock::Clock;
use tokio::sync::mpsc::UnboundedSender;
use tokio::time::{Instant, MissedTickBehavior, interval};

use crate::plain::connect;

/// A statement so often: ten a second.
const STATEMENTS_A_SECOND: u64 = 10;
/// See [`STATEMENTS_A_SECOND`].
const EVERY: Duration = Duration::from_millis(100);

/// What is written and where.
#[derive(Debug, Clone)]
pub(crate) struct Writing {
    /// The source, without a database.
    pub(crate) dsn: String,
    /// The stable with its database.
    pub(crate) stable: String,
    /// Subtables are called by this and a number.
    pub(crate) subtable: String,
    pub(crate) subtables: u64,
    pub(crate) rows_per_second: u64,
}

/// One statement that the source has acknowledged.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Sent {
    pub(crate) ts: i64,
    pub(crate) rows: u64,
    pub(crate) acknowledged: Instant,
}

/// Writes through one connection.
pub(crate) struct Writer {
    writing: Writing,
    source: Taos,
    clock: Clock,
    /// The subtable whose turn it is.
    turn: u64,
    /// The last timestamp.
    last: i64,
}

impl Writer {
    pub(crate) async fn connect(writing: Writing) -> Result<Self> {
        let source = connect(&writing.dsn).await?;
        Ok(Self { writing, source, clock: Clock::system(), turn: 0, last: 0 })
    }

    /// Writes for so long, at its pace: a statement that was held up is made up for.
    pub(crate) async fn write(&mut self, length: Duration, sent: UnboundedSender<Sent>) -> Result<()> {
        let rows = (self.writing.rows_per_second / STATEMENTS_A_SECOND).max(1);
        let most = self.writing.subtables;
        ensure!(rows <= most, "a statement of {rows} rows of one moment needs as many subtables, not {most}");
        let (begun, mut ticks) = (Instant::now(), interval(EVERY));
        ticks.set_missed_tick_behavior(MissedTickBehavior::Burst);
        while begun.elapsed() < length {
            ticks.tick().await;
            // who stopped listening has failed and tells why
            if sent.send(self.insert(rows).await?).is_err() {
                break;
            }
        }
        Ok(())
    }

    /// Writes a row of now into each of the next subtables.
    pub(crate) async fn insert(&mut self, rows: u64) -> Result<Sent> {
        let ts = self.next_moment();
        let mut sql = String::from("insert into");
        for _ in 0..rows {
            let (n, name) = (self.turn, &self.writing.subtable);
            let _ = write!(sql, " {name}{n} values({ts},{}.5,{},0.25)", n % 30, 200 + n % 40);
            self.turn = (n + 1) % self.writing.subtables;
        }
        let inserted = self.source.exec(sql).await.context("the source refused an insert")?;
        ensure!(u64::try_from(inserted)? == rows, "{inserted} of {rows} rows were inserted");
        Ok(Sent { ts, rows, acknowledged: Instant::now() })
    }

    /// Creates one more subtable and writes its first row.
    pub(crate) async fn add_subtable(&mut self) -> Result<u64> {
        let Writing { stable, subtable, subtables: n, .. } = &self.writing;
        let group = n % 100;
        let create = format!("create table {subtable}{n} using {stable} tags ({group},'new')");
        self.source.exec(create).await.context("the source refused a new subtable")?;
        self.turn = *n;
        self.writing.subtables += 1;
        Ok(self.insert(1).await?.rows)
    }

    fn next_moment(&mut self) -> i64 {
        self.last = self.clock.wall_millis().max(self.last + 1);
        self.last
    }
}
