//! Where a task's rejects are, and opening them there.

use std::fmt;
use std::path::PathBuf;
use std::sync::Arc;

use tdferry_common::options::{FailsTo, Options, REJECTS_DATABASE};
use tdferry_common::port::{Connector, PortResult};
use tdferry_common::spec::Spec;

use super::{FolderRejects, Rejects, TargetRejects};

/// Where a task's rejects are, for people.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Place {
    /// In the database of rejects on the target at this address.
    Target(String),
    /// In this folder.
    Folder(PathBuf),
}

impl Place {
    /// Where the rejects of this task are.
    pub fn of(spec: &Spec) -> Self {
        match &spec.options.fails_to {
            FailsTo::Target => Self::Target(spec.to.address()),
            FailsTo::Folder(folder) => Self::Folder(folder.join(spec.name.as_str())),
        }
    }
}

impl fmt::Display for Place {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Target(address) => write!(f, "database `{REJECTS_DATABASE}` at {address}"),
            Self::Folder(folder) => write!(f, "folder {}", folder.display()),
        }
    }
}

/// Opens a task's rejects where its option says; `writer` names whoever writes, in names of files.
pub async fn open(connector: &dyn Connector, spec: &Spec, writer: &str) -> PortResult<Arc<dyn Rejects>> {
    match &spec.options.fails_to {
        FailsTo::Folder(folder) => Ok(Arc::new(FolderRejects::new(spec.name.clone(), folder, writer))),
        FailsTo::Target => {
            let (sink, beside) = (connector.sink(&beside(spec)).await?, connector.sink(spec).await?);
            Ok(Arc::new(TargetRejects::new(spec.name.clone(), sink, beside)))
        }
    }
}

/// The same target with the database of rejects: nothing that the task asks of its rows is asked of that.
fn beside(spec: &Spec) -> Spec {
    let options = Options { max_sql_length: spec.options.max_sql_length, ..Options::default() };
    Spec { to: spec.to.clone().with_database(REJECTS_DATABASE), options, ..spec.clone() }
}
