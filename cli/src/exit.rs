//! The exit codes, each with one meaning that scripts can rely on.

use std::process::ExitCode;

/// How a command ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Exit {
    /// All done.
    Complete,
    /// The task failed, or a check found a difference.
    Failed,
    /// The command line, a DSN, an option or a file is wrong; nothing was stored.
    Usage,
    /// All done, but the sink refused rows.
    Rejects,
    /// Source or sink cannot be used: unreachable, refusing the login, without the database or the right.
    Database,
    /// Stopped by a signal; run again to go on.
    Interrupted,
    /// No coordinator, or no store, can be reached.
    Cluster,
    /// A check found what would lose data or block.
    Hazard,
    /// All compared, and the target differs from the source.
    Differs,
}

impl Exit {
    /// The number.
    pub const fn code(self) -> u8 {
        match self {
            Self::Complete => 0,
            Self::Failed => 1,
            Self::Usage => 2,
            Self::Rejects => 3,
            Self::Database => 4,
            Self::Interrupted => 5,
            Self::Cluster => 6,
            Self::Hazard => 7,
            Self::Differs => 8,
        }
    }
}

impl From<Exit> for ExitCode {
    fn from(exit: Exit) -> Self {
        Self::from(exit.code())
    }
}

/// Shown under every command's help.
pub const HELP: &str = "Exit codes: 0 complete · 1 failed · 2 bad usage, nothing stored · 3 complete with rejected rows · \
4 source or sink cannot be used · 5 interrupted, run again to go on · 6 no coordinator or store reachable · \
7 a check found what would lose data or block · 8 compared, and the target differs";

/// An error with the way the process ends by it.
#[derive(Debug, thiserror::Error)]
#[error("{message}")]
pub struct Failure {
    /// How the process ends.
    pub exit: Exit,
    /// What happened and what to do.
    pub message: String,
}

impl Failure {
    /// An error in these words.
    pub fn new(exit: Exit, message: impl std::fmt::Display) -> Self {
        Self { exit, message: message.to_string() }
    }
}

/// What a command answers.
pub type Outcome = Result<Exit, Failure>;

impl From<tdferry_common::port::PortError> for Failure {
    fn from(error: tdferry_common::port::PortError) -> Self {
        Self::new(Exit::Database, error)
    }
}

impl From<tdferry_proto::status::ApiError> for Failure {
    fn from(error: tdferry_proto::status::ApiError) -> Self {
        use tdferry_proto::status::ApiError;
        let exit = match &error {
            ApiError::Invalid(_) | ApiError::NotFound(_) | ApiError::Exists(_) | ApiError::Conflict(_) => {
                Exit::Usage
            }
            ApiError::Unavailable(_) => Exit::Cluster,
            ApiError::Internal(_) => Exit::Failed,
        };
        Self::new(exit, error)
    }
}
