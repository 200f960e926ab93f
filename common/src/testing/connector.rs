//! The in-memory connector: whatever a spec names, it opens its one source and its one sink, or the
//! database of rejects beside that.

use std::sync::Arc;

use async_trait::async_trait;

use super::server::MemServer;
use super::sink::MemSink;
use super::source::MemSource;
use crate::options::REJECTS_DATABASE;
use crate::port::{Connector, PortResult, Sink, Source};
use crate::spec::Spec;

/// Opens two servers in memory.
#[derive(Debug, Clone)]
pub struct MemConnector {
    /// What is read.
    pub source: Arc<MemServer>,
    /// What is written to.
    pub sink: Arc<MemServer>,
}

impl MemConnector {
    /// Opens these.
    pub fn new(source: Arc<MemServer>, sink: Arc<MemServer>) -> Self {
        Self { source, sink }
    }
}

#[async_trait]
impl Connector for MemConnector {
    async fn source(&self, spec: &Spec) -> PortResult<Arc<dyn Source>> {
        let source = MemSource::new(Arc::clone(&self.source));
        Ok(Arc::new(MemSource { filter: spec.options.row_filter.clone(), ..source }))
    }

    async fn sink(&self, spec: &Spec) -> PortResult<Arc<dyn Sink>> {
        Ok(Arc::new(MemSink::new(sink_of(&self.sink, spec))))
    }
}

/// The server that a spec's target is on: what is rejected goes to a database of its own.
pub fn sink_of(server: &Arc<MemServer>, spec: &Spec) -> Arc<MemServer> {
    match spec.target_database() {
        REJECTS_DATABASE => server.beside(REJECTS_DATABASE),
        _ => Arc::clone(server),
    }
}
