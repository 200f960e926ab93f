//! Opening a task's rejects where its option says they are.

use std::sync::Arc;

use tdferry_common::options::{FailsTo, Options, REJECTS_DATABASE};
use tdferry_common::port::{Connector, PortResult};
use tdferry_common::spec::Spec;

use super::{FolderRejects, Rejects, TargetRejects};

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
