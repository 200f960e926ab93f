//! What can go wrong at the store, sorted by what the caller does next, in words an operator can act on.
//!
//! Losing a race is not here: it is a value that each transaction returns.

use tonic::{Code, Status};

use crate::record::Damage;

/// Why the store did not do it.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub(crate) enum StoreError {
    /// It did not answer, though asked again and again; the outcome is unknown. Ask again later: everything may be
    /// repeated.
    #[error("the store does not answer ({what}): {message}; nothing is lost, work goes on when it is back")]
    Away {
        /// What was asked.
        what: &'static str,
        /// The last thing seen.
        message: String,
    },
    /// The session is over: its leases are gone. Register again and claim everything anew.
    #[error("the session is over; its leases are free")]
    SessionGone,
    /// The revision asked for was compacted away: list anew.
    #[error("the store has compacted the revision that was asked for")]
    Compacted,
    /// The answer is larger than a message may be: ask for less.
    #[error("the store's answer is too large: {0}")]
    AnswerTooLarge(String),
    /// The store takes no writes until a person makes room.
    #[error(
        "the store is full ({0}): compact and defragment etcd (`etcdctl compact`, `etcdctl defrag`), raise its quota \
         if need be, then `etcdctl alarm disarm`; everything stored is kept and work goes on by itself"
    )]
    Full(String),
    /// Name, password or permission: a person must act.
    #[error(
        "the store refuses access ({0}): check user and password, and that the user's role may read and write \
         `/tdferry/`"
    )]
    Denied(String),
    /// A stored record cannot be read. It is kept as it is, never read as a start from zero.
    #[error("the record at {key} is damaged: {damage}; it is left as it is, restore it or delete its task")]
    Damaged {
        /// Where.
        key: String,
        /// How.
        damage: Damage,
    },
    /// This is not the store this coordinator was opened on, or not one this version may write to.
    #[error("{0}")]
    Foreign(String),
    /// Others were quicker many times in a row. Try again later.
    #[error("{0}: others changed it first, many times in a row; try again")]
    Contended(&'static str),
    /// A request that the store will never take: a bug, or a limit that was lowered.
    #[error("the store refuses the request: {0}")]
    Invalid(String),
}

/// What a failed request to etcd means.
pub(super) enum Failure {
    /// It may or may not have been done; ask again.
    Unknown(String),
    /// Asking again will not help.
    Final(StoreError),
}

/// Sorts the client's errors. Texts are etcd's own, the same since 3.4.
pub(super) fn sort(err: etcd_client::Error) -> Failure {
    use etcd_client::Error;
    match err {
        Error::GRpcStatus(status) => sort_status(&status),
        Error::LeaseKeepAliveError(message) if message == "lease not found" => {
            Failure::Final(StoreError::SessionGone)
        }
        Error::LeaseKeepAliveError(message) => Failure::Unknown(message),
        Error::TransportError(err) => Failure::Unknown(err.to_string()),
        Error::IoError(err) => Failure::Unknown(err.to_string()),
        Error::WatchError(message) | Error::EndpointError(message) => Failure::Unknown(message),
        other => Failure::Final(StoreError::Invalid(other.to_string())),
    }
}

fn sort_status(status: &Status) -> Failure {
    let message = status.message().to_owned();
    let has = |text: &str| message.contains(text);
    match status.code() {
        Code::NotFound if has("requested lease not found") => Failure::Final(StoreError::SessionGone),
        Code::ResourceExhausted if has("database space exceeded") => {
            Failure::Final(StoreError::Full(message))
        }
        Code::OutOfRange if has("has been compacted") => Failure::Final(StoreError::Compacted),
        Code::OutOfRange if has("message length too large") => {
            Failure::Final(StoreError::AnswerTooLarge(message))
        }
        Code::PermissionDenied | Code::Unauthenticated => Failure::Final(StoreError::Denied(message)),
        Code::InvalidArgument if has("authentication failed") || has("user name is empty") => {
            Failure::Final(StoreError::Denied(message))
        }
        Code::FailedPrecondition if has("authentication is not enabled") => {
            Failure::Final(StoreError::Denied(message))
        }
        Code::InvalidArgument
        | Code::OutOfRange
        | Code::NotFound
        | Code::Unimplemented
        | Code::AlreadyExists
        | Code::FailedPrecondition => Failure::Final(StoreError::Invalid(message)),
        // Unavailable: no leader, leader changed, timed out. Cancelled, Unknown, Internal: how a cut connection looks
        _ => Failure::Unknown(format!("{}: {message}", status.code())),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_answer_of_etcd_leads_to_what_helps() {
        let sorted = |code, text: &str| match sort(etcd_client::Error::GRpcStatus(Status::new(code, text))) {
            Failure::Unknown(_) => "again".to_owned(),
            Failure::Final(err) => format!("{err:?}").split(['(', ' ']).next().unwrap_or_default().to_owned(),
        };
        for (code, text, wanted) in [
            (Code::Unavailable, "etcdserver: leader changed", "again"),
            (Code::Unavailable, "etcdserver: request timed out", "again"),
            (Code::Cancelled, "Timeout expired", "again"),
            (Code::Unknown, "transport error", "again"),
            (Code::DeadlineExceeded, "", "again"),
            (Code::ResourceExhausted, "etcdserver: too many requests", "again"),
            (Code::ResourceExhausted, "etcdserver: mvcc: database space exceeded", "Full"),
            (Code::NotFound, "etcdserver: requested lease not found", "SessionGone"),
            (Code::PermissionDenied, "etcdserver: permission denied", "Denied"),
            (
                Code::InvalidArgument,
                "etcdserver: authentication failed, invalid user ID or password",
                "Denied",
            ),
            (Code::Unauthenticated, "etcdserver: invalid auth token", "Denied"),
            (Code::OutOfRange, "etcdserver: mvcc: required revision has been compacted", "Compacted"),
            (Code::OutOfRange, "Error, decoded message length too large: found 5 bytes", "AnswerTooLarge"),
            (Code::InvalidArgument, "etcdserver: duplicate key given in txn request", "Invalid"),
            (Code::InvalidArgument, "etcdserver: request is too large", "Invalid"),
            (Code::FailedPrecondition, "etcdserver: lease already exists", "Invalid"),
            (Code::FailedPrecondition, "etcdserver: authentication is not enabled", "Denied"),
        ] {
            assert_eq!(sorted(code, text), wanted, "{text}");
        }
    }
}
