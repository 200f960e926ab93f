//! The kinds of faults that the driver begins and ends, what each keeps busy, and how each is called.

use std::fmt;

use crate::steps::At;

pub(crate) const STORE: &str = "store";
pub(crate) const COORDINATORS: usize = 2;

/// What goes wrong.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Kind {
    /// A host is killed, and started again at the end.
    Crash(String),
    /// A host is killed when it next comes to a step, and started again at the end.
    CrashAt(At),
    /// A worker is asked to stop, and started again at the end.
    Drain(usize),
    /// A process is stopped and goes on at the end: see [`crate::world::World::pause`].
    Pause(String),
    /// Some of a host's requests are lost, done unheard, done twice or late.
    Meddled(String),
    /// Two hosts do not reach each other.
    Severed(String, String),
    /// The first does not reach the second.
    SeveredOneWay(String, String),
    /// What two hosts send arrives at the end.
    Held(String, String),
    /// Some messages between two hosts are lost.
    Lossy(String, String),
    /// Messages between two hosts take long.
    Slow(String, String),
    /// The source is away.
    SourceAway,
    /// The sink is away.
    SinkAway,
    /// Some reads end early without an error.
    ShortReads,
}

impl Kind {
    /// One word for it, for counting.
    pub(crate) fn word(&self) -> String {
        let kind = |host: &str| host.split('-').next().unwrap_or_default().to_owned();
        match self {
            Self::Crash(host) => format!("crash {}", kind(host)),
            Self::Pause(host) => format!("pause {}", kind(host)),
            Self::Meddled(host) => format!("meddled {}", kind(host)),
            Self::CrashAt(at) => at.to_string(),
            other => {
                let text = format!("{other:?}");
                text.split('(').next().unwrap_or_default().to_lowercase()
            }
        }
    }

    /// What it keeps busy: two faults at the same place would undo each other.
    pub(crate) fn places(&self) -> Vec<String> {
        match self {
            Self::Crash(host) | Self::CrashAt(At { host, .. }) => vec![host.clone()],
            Self::Drain(worker) => vec![worker_host(*worker)],
            Self::Pause(host) => {
                let links = peers(host).into_iter().map(|peer| link(host, &peer));
                links.chain([host.clone()]).collect()
            }
            Self::Meddled(host) => vec![format!("requests of {host}")],
            Self::Severed(a, b)
            | Self::SeveredOneWay(a, b)
            | Self::Held(a, b)
            | Self::Lossy(a, b)
            | Self::Slow(a, b) => vec![link(a, b)],
            Self::SourceAway | Self::SinkAway | Self::ShortReads => vec![format!("{self:?}")],
        }
    }
}

impl fmt::Display for Kind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{self:?}")
    }
}

fn link(a: &str, b: &str) -> String {
    format!("{}|{}", a.min(b), a.max(b))
}

/// The most workers that a world has.
pub(crate) const WORKERS: usize = 4;

/// Whom a host speaks with.
pub(crate) fn peers(host: &str) -> Vec<String> {
    if host.starts_with("coordinator") {
        (0..WORKERS).map(worker_host).chain([STORE.to_owned()]).collect()
    } else {
        coordinators().collect()
    }
}

pub(crate) fn worker_host(worker: usize) -> String {
    format!("worker-{worker}")
}

pub(crate) fn coordinators() -> impl Iterator<Item = String> {
    (0..COORDINATORS).map(|n| format!("coordinator-{n}"))
}
