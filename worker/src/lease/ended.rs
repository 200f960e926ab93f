//! Why an attempt at a shard ended before its time, by what its lease's task does about it.

use tdferry_common::port::PortError;
use tdferry_proto::status::ApiError;

/// An attempt that did not come to its end.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub(crate) enum Ended {
    /// A drain was ordered: commit, release.
    #[error("drained")]
    Drained,
    /// The lease is not ours any more: drop everything.
    #[error("lost: {0}")]
    Lost(String),
    /// Another attempt may do better.
    #[error("{0}")]
    Erred(String),
    /// No attempt does better until a person changes something.
    #[error("{0}")]
    Failed(String),
}

/// What a step of an attempt answers.
pub(crate) type Worked<T> = Result<T, Ended>;

impl Ended {
    /// An error of a database that waiting does not cure, met while doing something.
    pub(crate) fn at_database(error: &PortError, doing: &str) -> Self {
        match error {
            PortError::Denied { .. } => Self::Failed(format!(
                "{doing}: {error}; correct the name, the password or the rights, then retry the shard"
            )),
            PortError::Missing { .. } => Self::Failed(format!(
                "{doing}: {error}; check the names in the task, or bring it back, then retry the shard"
            )),
            PortError::Refused { .. } | PortError::Unfit { .. } => Self::Failed(format!("{doing}: {error}")),
            // a single row that is too large may only have met a server short of memory
            PortError::Away { .. } | PortError::TooLarge { .. } | PortError::Invalid { .. } => {
                Self::Erred(format!("{doing}: {error}"))
            }
        }
    }

    /// A coordinator that will not take what it was told about a lease.
    pub(crate) fn at_coordinator(error: &ApiError) -> Self {
        match error {
            ApiError::Unavailable(_) => Self::Erred(error.to_string()),
            _ => Self::Lost(format!("the coordinator refuses to hear of it: {error}")),
        }
    }
}
