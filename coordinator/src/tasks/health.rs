//! How a task fares, in the seven words that the commercial tool's monitoring knows, so that alarms can be carried over.

/// One word for whoever watches many tasks.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Health {
    /// It could go on and nobody works at it: paused, stopped, or no worker is there.
    Ready,
    /// Nothing is left to do.
    Idle,
    /// It goes on.
    Busy,
    /// It goes on, and part of it is tried again: after an error, a stall, or for a database that one worker misses.
    Bounce,
    /// The source is waited for.
    SourceError,
    /// The sink is waited for.
    SinkError,
    /// It ended without being whole.
    Fatal,
}

impl Health {
    /// As shown.
    pub(crate) const fn name(self) -> &'static str {
        match self {
            Self::Ready => "ready",
            Self::Idle => "idle",
            Self::Busy => "busy",
            Self::Bounce => "bounce",
            Self::SourceError => "source error",
            Self::SinkError => "sink error",
            Self::Fatal => "fatal",
        }
    }
}
