//! The kinds of faults. Each does its harm for a bounded time and undoes it, and counts only if it saw its own effect.

pub(crate) mod clocks;
pub(crate) mod coordinators;
pub(crate) mod databases;
pub(crate) mod requests;
pub(crate) mod store;
pub(crate) mod wires;
pub(crate) mod workers;

use anyhow::Result;
use rand::rngs::SmallRng;

use crate::cast::Cast;

/// What two faults must not touch at once.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Ground {
    Workers,
    Coordinators,
    Store,
    Source,
    Sink,
}

/// One kind.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Kind {
    Workers(workers::Kind),
    Coordinators(coordinators::Kind),
    Store(store::Kind),
    Wire(wires::Between, wires::Kind),
    Database(databases::Side, databases::Kind),
    Requests(requests::Kind),
    Clock(clocks::Kind),
}

impl Kind {
    /// All of them.
    pub(crate) fn all() -> Vec<Self> {
        let mut all: Vec<_> = workers::Kind::ALL.map(Self::Workers).into();
        all.extend(coordinators::Kind::ALL.map(Self::Coordinators));
        all.extend(store::Kind::ALL.map(Self::Store));
        for between in wires::Between::ALL {
            all.extend(wires::Kind::ALL.map(|kind| Self::Wire(between, kind)));
        }
        for side in databases::Side::ALL {
            all.extend(databases::Kind::ALL.map(|kind| Self::Database(side, kind)));
        }
        all.extend(requests::Kind::ALL.map(Self::Requests));
        all.extend(clocks::Kind::ALL.map(Self::Clock));
        all
    }

    pub(crate) const fn ground(self) -> Ground {
        use databases::Side;
        use wires::Between;
        match self {
            Self::Clock(kind) if kind.of_worker() => Ground::Workers,
            Self::Clock(_) => Ground::Coordinators,
            Self::Workers(_) | Self::Requests(_) | Self::Wire(Between::WorkerAndCoordinator, _) => {
                Ground::Workers
            }
            Self::Coordinators(_) | Self::Wire(Between::CoordinatorAndStore, _) => Ground::Coordinators,
            Self::Store(_) => Ground::Store,
            Self::Database(Side::Source, _) | Self::Wire(Between::WorkersAndSource, _) => Ground::Source,
            Self::Database(Side::Sink, _) | Self::Wire(Between::WorkersAndSink, _) => Ground::Sink,
        }
    }

    /// Inflicts it; an error is why its effect was not seen.
    pub(crate) async fn inflict(self, cast: &Cast, rng: &mut SmallRng) -> Result<()> {
        match self {
            Self::Workers(kind) => kind.inflict(cast, rng).await,
            Self::Coordinators(kind) => kind.inflict(cast, rng).await,
            Self::Store(kind) => kind.inflict(cast, rng).await,
            Self::Wire(between, kind) => kind.inflict(between, cast, rng).await,
            Self::Database(side, kind) => kind.inflict(side, cast, rng).await,
            Self::Requests(kind) => kind.inflict(cast, rng).await,
            Self::Clock(kind) => kind.inflict(cast, rng).await,
        }
    }
}
