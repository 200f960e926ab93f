//! What befalls the wires between two parts.

use std::sync::atomic::Ordering;
use std::time::Duration;

use anyhow::Result;
use rand::Rng;
use rand::rngs::SmallRng;
use tokio::time::sleep;

use crate::cast::{COORDINATORS, Cast, HEARTBEAT_MILLIS, WORKERS};
use crate::link::{Link, Way, Weather};
use crate::wait::until;

/// How long a wire is foul, in milliseconds: from less than a session's life to more.
const FOUL: std::ops::Range<u64> = 1_500..5_000;
const LATE_MILLIS: std::ops::Range<u64> = 50..400;
/// Bytes in a second on a slow wire.
const RATES: std::ops::Range<u64> = 20_000..80_000;
/// Longer than from one heartbeat to the next.
const LISTEN: Duration = Duration::from_millis(HEARTBEAT_MILLIS * 3 / 2);
/// Within which something is on its way, if anything is.
const TRAFFIC: Duration = Duration::from_secs(20);
/// After how many bytes a wire is cut: a few of the sink's answers, less than a block of rows.
const CUT_WITHIN: std::ops::Range<usize> = 1..1_500;

/// Between whom.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Between {
    /// One worker and one coordinator, or one worker and all coordinators.
    WorkerAndCoordinator,
    /// One coordinator and all members of etcd, or one.
    CoordinatorAndStore,
    /// All workers and the source.
    WorkersAndSource,
    /// All workers and the sink.
    WorkersAndSink,
}

/// What.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Kind {
    /// Nothing gets through either way.
    Severed,
    /// Requests get through and answers do not, or the other way round.
    SeveredOneWay,
    /// Everything is late.
    Late,
    /// Every connection is reset, requests on their way included.
    Reset,
    /// A connection is cut in the middle of what is sent.
    CutRequest,
    /// A connection is cut in the middle of what is answered.
    CutAnswer,
    /// Few bytes a second.
    Slow,
    /// Packets get lost and are sent again.
    Lossy,
    /// Each connection is attempted twice, and both are heard.
    Doubled,
}

impl Between {
    pub(crate) const ALL: [Self; 4] =
        [Self::WorkerAndCoordinator, Self::CoordinatorAndStore, Self::WorkersAndSource, Self::WorkersAndSink];

    /// All wires of one such pair, or the busiest of them.
    async fn draw<'a>(self, all: bool, cast: &'a Cast, rng: &mut SmallRng) -> Vec<&'a Link> {
        match self {
            Self::WorkerAndCoordinator => {
                some(&cast.workers[rng.random_range(0..WORKERS)].to_coordinators, all).await
            }
            Self::CoordinatorAndStore => {
                some(&cast.coordinators[rng.random_range(0..COORDINATORS)].to_store, all).await
            }
            Self::WorkersAndSource => vec![&cast.to_source],
            Self::WorkersAndSink => vec![&cast.to_sink],
        }
    }
}

/// All, or the one that most goes through: on the others nothing may go for a long time.
async fn some(links: &[Link], all: bool) -> Vec<&Link> {
    if all {
        return links.iter().collect();
    }
    let bytes = |link: &Link| link.seen().bytes.load(Ordering::SeqCst);
    let before: Vec<_> = links.iter().map(bytes).collect();
    sleep(LISTEN).await;
    let since = links.iter().zip(before).max_by_key(|(link, before)| bytes(link).saturating_sub(*before));
    since.map(|(link, _)| link).into_iter().collect()
}

impl Kind {
    pub(crate) const ALL: [Self; 9] = [
        Self::Severed,
        Self::SeveredOneWay,
        Self::Late,
        Self::Reset,
        Self::CutRequest,
        Self::CutAnswer,
        Self::Slow,
        Self::Lossy,
        Self::Doubled,
    ];

    pub(crate) async fn inflict(self, between: Between, cast: &Cast, rng: &mut SmallRng) -> Result<()> {
        // who finds one connection reset goes elsewhere, and may stay there
        let all = self == Self::Doubled || rng.random_bool(0.7);
        let links = between.draw(all, cast, rng).await;
        let both = [Way::Out, Way::Back];
        let one = [both[rng.random_range(0..2)]];
        let late = Duration::from_millis(rng.random_range(LATE_MILLIS));
        let fair = Weather::default();
        match self {
            Self::Severed => foul(&links, &both, Weather { held: true, ..fair }, rng).await,
            Self::SeveredOneWay => foul(&links, &one, Weather { held: true, ..fair }, rng).await,
            Self::Late => foul(&links, &both, Weather { late, ..fair }, rng).await,
            Self::Slow => {
                let rate = Some(rng.random_range(RATES));
                foul(&links, &both, Weather { rate, ..fair }, rng).await
            }
            Self::Lossy => foul(&links, &both, Weather { lossy: true, ..fair }, rng).await,
            Self::Reset => reset(&links).await,
            Self::CutRequest => cut(&links, Way::Out, rng).await,
            Self::CutAnswer => cut(&links, Way::Back, rng).await,
            Self::Doubled => doubled(&links).await,
        }
    }
}

fn sum(links: &[&Link], read: impl Fn(&Link) -> u64) -> u64 {
    links.iter().map(|link| read(link)).sum()
}

/// Seen: bytes that were held back or late.
async fn foul(links: &[&Link], ways: &[Way], weather: Weather, rng: &mut SmallRng) -> Result<()> {
    let hurt = |link: &Link| match weather.lossy {
        true => link.seen().lost.load(Ordering::SeqCst),
        false => link.seen().delayed.load(Ordering::SeqCst),
    };
    let before = sum(links, hurt);
    for link in links {
        ways.iter().for_each(|way| link.weather(*way, weather));
    }
    sleep(Duration::from_millis(rng.random_range(FOUL))).await;
    let seen = || async { (sum(links, hurt) > before).then_some(()) };
    let seen = until(TRAFFIC, "something on its way", seen).await;
    links.iter().for_each(|link| link.heal());
    seen
}

fn resets(link: &Link) -> u64 {
    link.seen().resets.load(Ordering::SeqCst)
}

/// Seen: connections that ended by it.
async fn reset(links: &[&Link]) -> Result<()> {
    let before = sum(links, resets);
    links.iter().for_each(|link| link.reset());
    let seen = || async { (sum(links, resets) > before).then_some(()) };
    until(TRAFFIC, "a connection that was reset", seen).await
}

/// Seen: a connection that was cut at that byte.
async fn cut(links: &[&Link], way: Way, rng: &mut SmallRng) -> Result<()> {
    let before = sum(links, resets);
    for link in links {
        link.cut_after(way, rng.random_range(CUT_WITHIN));
    }
    let seen = || async { (sum(links, resets) > before).then_some(()) };
    let seen = until(TRAFFIC, "a connection that was cut", seen).await;
    links.iter().for_each(|link| link.heal());
    seen
}

/// Seen: first words that were sent twice.
async fn doubled(links: &[&Link]) -> Result<()> {
    let doubled = |link: &Link| link.seen().doubled.load(Ordering::SeqCst);
    let before = sum(links, doubled);
    links.iter().for_each(|link| link.double(true));
    // so that new connections are attempted
    links.iter().for_each(|link| link.reset());
    let seen = || async { (sum(links, doubled) > before).then_some(()) };
    let seen = until(TRAFFIC, "a connection that was attempted twice", seen).await;
    links.iter().for_each(|link| link.heal());
    seen
}
