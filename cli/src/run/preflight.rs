//! Whether both databases can be used, asked before anything is stored.

use tdferry_common::options::SchemaMode;
use tdferry_common::port::{Connector, PortError, Side};
use tdferry_common::spec::Spec;

use crate::exit::{Exit, Failure};

/// Reaches both sides, and refuses what the task could only fail at.
pub(super) async fn check(connector: &dyn Connector, spec: &Spec) -> Result<(), Failure> {
    let source = connector.source(spec).await.map_err(|error| refused("from", error))?;
    let version = source.version().await.map_err(|error| refused("from", error))?;
    if version.starts_with('3') {
        return Err(wrong("from", format!("the source is TDengine {version}; tdferry reads 2.x")));
    }
    source.database().await.map_err(|error| refused("from", error))?;
    let sink = connector.sink(spec).await.map_err(|error| refused("to", error))?;
    let version = sink.version().await.map_err(|error| refused("to", error))?;
    if version.starts_with('2') {
        return Err(wrong("to", format!("the target is TDengine {version}; tdferry writes to 3.x")));
    }
    let exists = sink.database().await.map_err(|error| refused("to", error))?.is_some();
    let creates = spec.options.assert && spec.options.schema != SchemaMode::None;
    if !exists && !creates {
        let name = spec.target_database();
        return Err(wrong(
            "to",
            format!("the target has no database `{name}`; create it, or leave `assert` on"),
        ));
    }
    sink.may_write().await.map_err(|error| refused("to", error))
}

fn refused(field: &str, error: PortError) -> Failure {
    let advice = match (&error, error.side()) {
        (PortError::Away { .. }, _) => "check host, port and network",
        (PortError::Denied { .. }, Side::Source) => "check user and password",
        (PortError::Denied { .. }, Side::Sink) => {
            "check user, password, and the user's rights on the database"
        }
        (PortError::Missing { .. }, _) => "check the database's name",
        _ => "check the DSN",
    };
    Failure::new(Exit::Database, format!("field `{field}`: {error}; {advice}. Nothing was stored"))
}

fn wrong(field: &str, message: String) -> Failure {
    Failure::new(Exit::Database, format!("field `{field}`: {message}. Nothing was stored"))
}
