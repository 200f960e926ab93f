//! What befalls source and sink: the stand-ins keep their rows in memory, so a restart is an address that refuses and
//! connections that are all cut.

use std::sync::atomic::Ordering;
use std::time::Duration;

use anyhow::{Context, Result, bail};
use rand::Rng;
use rand::rngs::SmallRng;
use rand::seq::IndexedRandom;
use tdferry_common::tdengine::{Action as Asked, action};
use tdferry_standin::{Action, Armed, Fault, Moment, Server, SqlError, When};
use tokio::time::{sleep, timeout};

use crate::cast::Cast;
use crate::link::{Link, Way, Weather};
use crate::wait::until;

/// How long a server is away, in milliseconds.
const AWAY: std::ops::Range<u64> = 500..4_000;
/// Above a worker's limit for one write, a second, so that it must give up.
const SLOW: Duration = Duration::from_millis(1_500);
/// Within which a database is asked something, if anybody works.
const TRAFFIC: Duration = Duration::from_secs(20);
/// How often a fault strikes.
const TIMES: u64 = 4;
/// The low sixteen bits are the code.
const CODES: std::ops::RangeInclusive<u32> = 0..=0xffff;
/// How many codes are answered each time, so that they all are within a few: each makes a lease wait.
const CODES_AT_ONCE: usize = 12;
/// Until all of them were answered.
const CODES_WITHIN: Duration = Duration::from_secs(20);

/// Which server.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Side {
    Source,
    Sink,
}

/// What.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Kind {
    /// Gone for a while, every connection with it.
    Restarted,
    /// Stands still with all connections open.
    Hung,
    /// So slow that callers give up.
    Slow,
    /// Answers with codes that tell to try again.
    RetryableCodes,
    /// Never answers some requests, and does nothing about them.
    StalledBefore,
    /// Does what it is asked, and never answers.
    StalledAfter,
    /// Cuts connections instead of doing what it is asked.
    CutBefore,
    /// Does what it is asked, and cuts the connection instead of answering.
    CutAfter,
}

impl Side {
    pub(crate) const ALL: [Self; 2] = [Self::Source, Self::Sink];

    fn server(self, cast: &Cast) -> &Server {
        match self {
            Self::Source => cast.servers.source_standin(),
            Self::Sink => cast.servers.target_standin(),
        }
    }

    fn link(self, cast: &Cast) -> &Link {
        match self {
            Self::Source => &cast.to_source,
            Self::Sink => &cast.to_sink,
        }
    }
}

impl Kind {
    pub(crate) const ALL: [Self; 8] = [
        Self::Restarted,
        Self::Hung,
        Self::Slow,
        Self::RetryableCodes,
        Self::StalledBefore,
        Self::StalledAfter,
        Self::CutBefore,
        Self::CutAfter,
    ];

    pub(crate) async fn inflict(self, side: Side, cast: &Cast, rng: &mut SmallRng) -> Result<()> {
        let away = Duration::from_millis(rng.random_range(AWAY));
        let strike = |action| struck(side, cast, vec![Fault::new(When::Any, action).times(TIMES)], TRAFFIC);
        match self {
            Self::Restarted => restarted(side, cast, away).await,
            Self::Hung => hung(side, cast, away).await,
            Self::Slow => strike(Action::Delay(SLOW)).await,
            Self::RetryableCodes => {
                let codes: Vec<u32> = CODES.filter(|code| passes(*code)).collect();
                let faults = codes.choose_multiple(rng, CODES_AT_ONCE).map(|code| {
                    let refused = Action::Refuse(SqlError::new(*code, "it will pass"));
                    Fault::new(When::Any, refused).times(1)
                });
                struck(side, cast, faults.collect(), CODES_WITHIN).await
            }
            Self::StalledBefore => strike(Action::Stall(Moment::Before)).await,
            Self::StalledAfter => strike(Action::Stall(Moment::After)).await,
            Self::CutBefore => strike(Action::Cut(Moment::Before)).await,
            Self::CutAfter => strike(Action::Cut(Moment::After)).await,
        }
    }
}

fn passes(code: u32) -> bool {
    matches!(action(code, "it will pass"), Asked::Retry | Asked::Reconnect)
}

/// Seen: a worker that says what it waits for, or a connection that is refused to one that said so before.
async fn restarted(side: Side, cast: &Cast, away: Duration) -> Result<()> {
    let (marks, before) = (marks(cast).await, harmed(side.link(cast)));
    side.server(cast).suspend().await;
    sleep(away).await;
    let seen = missed(side.link(cast), cast, &marks, before).await;
    side.server(cast).resume().await?;
    seen
}

/// Connections that were refused and bytes that waited.
fn harmed(link: &Link) -> u64 {
    link.seen().refused.load(Ordering::SeqCst) + link.seen().delayed.load(Ordering::SeqCst)
}

async fn missed(link: &Link, cast: &Cast, marks: &[u64], before: u64) -> Result<()> {
    let harmed = || async { (harmed(link) > before).then_some(()) };
    tokio::select! {
        said = timeout(TRAFFIC, waited(cast, marks)) => said.context("no worker waited for it"),
        seen = until(TRAFFIC, "somebody who was refused or waited", harmed) => seen,
    }
}

async fn marks(cast: &Cast) -> Vec<u64> {
    let mut marks = Vec::new();
    for worker in &cast.workers {
        marks.push(worker.process.lock().await.as_ref().map_or(0, |worker| worker.mark()));
    }
    marks
}

async fn waited(cast: &Cast, marks: &[u64]) {
    loop {
        for (worker, mark) in cast.workers.iter().zip(marks) {
            let Ok(place) = worker.process.try_lock() else { continue };
            let said = place.as_ref().map(|worker| worker.said_since(*mark)).unwrap_or_default();
            if said.contains("waiting for a database") {
                return;
            }
        }
        sleep(Duration::from_millis(50)).await;
    }
}

/// All its connections stay open and nothing comes. Seen: a worker that says so, or bytes that waited.
async fn hung(side: Side, cast: &Cast, away: Duration) -> Result<()> {
    let link = side.link(cast);
    let (marks, before) = (marks(cast).await, harmed(link));
    link.weather(Way::Back, Weather { held: true, ..Weather::default() });
    sleep(away).await;
    let seen = missed(link, cast, &marks, before).await;
    link.heal();
    seen
}

/// Seen: every fault struck as often as it should.
async fn struck(side: Side, cast: &Cast, faults: Vec<Fault>, within: Duration) -> Result<()> {
    let standing = side.server(cast).faults();
    let armed: Vec<(u64, Armed)> =
        faults.into_iter().map(|fault| (fault.times.unwrap_or(1), standing.add_first(fault))).collect();
    let all = armed.len();
    let left = || armed.iter().filter(|(times, armed)| armed.fired() < *times).count();
    let seen = until(within, "every fault struck", || async { (left() == 0).then_some(()) }).await;
    armed.iter().for_each(|(_, armed)| standing.remove(armed));
    match seen {
        Ok(()) => Ok(()),
        Err(_) => bail!("{} of {all} faults did not strike", left()),
    }
}
