//! The databases of a task as its work sees them: the source in the target's unit of time and without what is left out,
//! the sink under the source's names.

use std::sync::Arc;

use tdferry_common::options::{Names, RowFilter};
use tdferry_common::port::{Connector, PortError, PortResult, Side, Sink, Source};
use tdferry_common::spec::Spec;

use super::Mapping;
use super::refusing::RefusingSink;
use super::sink::MappedSink;
use super::source::ShapedSource;

/// The source. Whoever asks for all subtables of a stable is told of those that the task takes. Rows are those of one stable's subtables; of normal tables where it is empty.
pub(crate) async fn source(
    connector: &dyn Connector,
    spec: &Spec,
    stable: &str,
) -> PortResult<Arc<dyn Source>> {
    let source = if stable.is_empty() || spec.options.row_filter.is_empty() {
        connector.source(spec).await?
    } else {
        let mut narrowed = spec.clone();
        narrowed.options.row_filter = spec.options.row_filter.of_subtables(stable);
        connector.source(&narrowed).await?
    };
    let (columns, tables) = (&spec.options.columns, &spec.options.tables);
    let all = matches!(columns, Names::All) && matches!(tables, Names::All);
    let whole = all && spec.options.precision.is_none();
    if whole { Ok(source) } else { Ok(Arc::new(ShapedSource::new(source, &spec.options))) }
}

/// The sink. Tables that are asked for by themselves are subtables of one stable; normal tables where it is empty.
pub(crate) async fn sink(connector: &dyn Connector, spec: &Spec, stable: &str) -> PortResult<Arc<dyn Sink>> {
    Ok(under(connector.sink(spec).await?, spec, stable))
}

/// The sink of which only those rows are read and counted for which these conditions hold, in the target's names.
pub(crate) async fn narrowed(
    connector: &dyn Connector,
    spec: &Spec,
    stable: &str,
    conditions: &RowFilter,
) -> PortResult<Arc<dyn Sink>> {
    let cannot = || PortError::Invalid { side: Side::Sink, message: "it takes no conditions on rows".into() };
    let narrowed = connector.sink(spec).await?.narrowed(conditions).ok_or_else(cannot)?;
    Ok(under(narrowed, spec, stable))
}

/// A sink under the source's names, without tables whose names it cannot have.
fn under(mut sink: Arc<dyn Sink>, spec: &Spec, stable: &str) -> Arc<dyn Sink> {
    let mapping = Mapping::of(spec);
    if !mapping.is_plain() {
        sink = Arc::new(MappedSink::new(sink, mapping.clone(), stable));
    }
    if mapping.rejects_bad_names() {
        sink = Arc::new(RefusingSink::new(sink, mapping, stable));
    }
    sink
}
