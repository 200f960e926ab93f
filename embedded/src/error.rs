//! What can go wrong outside a request: opening, storing, serving. Refused requests are etcd's statuses.

use std::path::PathBuf;

/// A failure of the server itself; variants by what the owner can do about it.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// Another process has the file: end it, or take another folder.
    #[error(
        "the store file {} is open in another process, and only one may use it: nothing was changed; \
         end that process or choose another file",
        path.display()
    )]
    Locked {
        /// The file asked for.
        path: PathBuf,
    },
    /// The storage refused or failed: free space, check rights and disk, then start again.
    #[error("the embedded store could not {doing}: {cause}; what was acknowledged before is kept")]
    Storage {
        /// What was being tried.
        doing: String,
        /// Why it failed, in the storage's own words.
        cause: String,
    },
    /// What is stored cannot be read as what was written: restore a copy of the file.
    #[error("the embedded store is damaged: {what}; nothing was changed, restore a copy of the file")]
    Damaged {
        /// Which record, and what is wrong with it.
        what: String,
    },
    /// A newer version wrote the file: use that version.
    #[error(
        "the embedded store has format {found}, this version reads format {known}: nothing was changed; \
         use the version that wrote it"
    )]
    Format {
        /// The format found.
        found: u64,
        /// The newest format this version reads.
        known: u64,
    },
    /// Connections could not be served, or a client not be made.
    #[error("the embedded store could not {doing}: {cause}")]
    Serve {
        /// What was being tried.
        doing: &'static str,
        /// Why it failed.
        cause: String,
    },
}

impl Error {
    pub(crate) fn storage(doing: impl Into<String>, cause: impl std::fmt::Display) -> Self {
        Self::Storage { doing: doing.into(), cause: cause.to_string() }
    }

    pub(crate) fn damaged(what: impl Into<String>) -> Self {
        Self::Damaged { what: what.into() }
    }
}
