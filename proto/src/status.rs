//! The one place where an error becomes a gRPC status, and a status becomes words again.

use tonic::{Code, Status};

/// What a coordinator refuses, by what the caller does next.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum ApiError {
    /// The request is wrong: change it.
    #[error("{0}")]
    Invalid(String),
    /// There is none of that name.
    #[error("{0}")]
    NotFound(String),
    /// It exists already.
    #[error("{0}")]
    Exists(String),
    /// Not in this state.
    #[error("{0}")]
    Conflict(String),
    /// The store is away: try again.
    #[error("{0}")]
    Unavailable(String),
    /// The store holds what this version cannot read, or the like: a person must look.
    #[error("{0}")]
    Internal(String),
}

impl From<ApiError> for Status {
    fn from(error: ApiError) -> Self {
        let code = match &error {
            ApiError::Invalid(_) => Code::InvalidArgument,
            ApiError::NotFound(_) => Code::NotFound,
            ApiError::Exists(_) => Code::AlreadyExists,
            ApiError::Conflict(_) => Code::FailedPrecondition,
            ApiError::Unavailable(_) => Code::Unavailable,
            ApiError::Internal(_) => Code::Internal,
        };
        Self::new(code, error.to_string())
    }
}

impl From<Status> for ApiError {
    fn from(status: Status) -> Self {
        let message = status.message().to_owned();
        match status.code() {
            Code::InvalidArgument => Self::Invalid(message),
            Code::NotFound => Self::NotFound(message),
            Code::AlreadyExists => Self::Exists(message),
            Code::FailedPrecondition => Self::Conflict(message),
            Code::Internal | Code::DataLoss | Code::Unimplemented => Self::Internal(message),
            // whatever a broken connection or a dying peer answers is worth another try
            _ => Self::Unavailable(message),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_error_survives_the_wire() {
        for error in [
            ApiError::Invalid("a".into()),
            ApiError::NotFound("b".into()),
            ApiError::Exists("c".into()),
            ApiError::Conflict("d".into()),
            ApiError::Unavailable("e".into()),
            ApiError::Internal("f".into()),
        ] {
            assert_eq!(ApiError::from(Status::from(error.clone())), error);
        }
    }

    #[test]
    fn a_broken_connection_is_worth_another_try() {
        for code in [Code::Cancelled, Code::Unknown, Code::DeadlineExceeded, Code::Aborted] {
            assert!(matches!(ApiError::from(Status::new(code, "x")), ApiError::Unavailable(_)), "{code:?}");
        }
    }
}
