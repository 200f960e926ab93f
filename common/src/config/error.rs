//! A configuration that cannot be used: where it says so, and what to do. Values of secrets are never in it.

/// What is wrong, and in which layer.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{place}: {what}")]
pub struct ConfigError {
    /// A file with its line, a variable, a flag, or a key where layers together are wrong.
    pub place: String,
    what: String,
}

impl ConfigError {
    pub(super) fn new(place: impl Into<String>, what: impl ToString) -> Self {
        Self { place: place.into(), what: what.to_string() }
    }
}
