//! Opens the databases that a task names, once each, however many slots use them.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, PoisonError};

use async_trait::async_trait;

use super::pool::Pool;
use super::rows::pool;
use super::sink::TdSink;
use super::source::TdSource;
use crate::options::RowFilter;
use crate::port::{Connector, PortResult, Side, Sink, Source};
use crate::secret::Secrets;
use crate::spec::Spec;
use crate::timing::Timing;

/// The connector to real servers. Secrets are looked up here, on the worker, when a database is first opened.
pub struct TdConnector {
    secrets: Secrets,
    timing: Timing,
    sources: Mutex<BTreeMap<String, Sources>>,
    sinks: Mutex<BTreeMap<String, Arc<TdSink>>>,
}

impl TdConnector {
    /// A connector that resolves references to secrets with `secrets`.
    pub fn new(secrets: Secrets, timing: Timing) -> Self {
        Self { secrets, timing, sources: Mutex::default(), sinks: Mutex::default() }
    }
}

/// A source as each of its stables is read: with other conditions on rows, over the same connections.
struct Sources {
    pool: Arc<Pool>,
    by_filter: Vec<(RowFilter, Arc<TdSource>)>,
}

impl Sources {
    fn with(&mut self, database: &str, filter: &RowFilter) -> Arc<TdSource> {
        if let Some((_, source)) = self.by_filter.iter().find(|(known, _)| known == filter) {
            return Arc::clone(source);
        }
        let source = Arc::new(TdSource::new(Arc::clone(&self.pool), database, filter.clone()));
        self.by_filter.push((filter.clone(), Arc::clone(&source)));
        source
    }
}

/// One entry a task and database: two tasks may name the same server with different passwords.
fn key(spec: &Spec, dsn: &crate::dsn::Dsn, database: &str) -> String {
    format!("{} {dsn} {database}", spec.name)
}

#[async_trait]
impl Connector for TdConnector {
    async fn source(&self, spec: &Spec) -> PortResult<Arc<dyn Source>> {
        let database = spec.source_database();
        let key = key(spec, &spec.from, database);
        let mut sources = self.sources.lock().unwrap_or_else(PoisonError::into_inner);
        let filter = &spec.options.row_filter;
        if let Some(known) = sources.get_mut(&key) {
            return Ok(known.with(database, filter));
        }
        // statements name their database, so that one that is missing is named by its error
        let pool = pool(Side::Source, &spec.from.clone().without_database(), &self.secrets)?;
        let mut new = Sources { pool, by_filter: Vec::new() };
        let source = new.with(database, filter);
        sources.insert(key, new);
        Ok(source)
    }

    async fn sink(&self, spec: &Spec) -> PortResult<Arc<dyn Sink>> {
        let database = spec.target_database();
        let key = key(spec, &spec.to, database);
        let mut sinks = self.sinks.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(sink) = sinks.get(&key) {
            return Ok(Arc::clone(sink) as Arc<dyn Sink>);
        }
        // it may be missing still; blocks need it selected
        let admin = pool(Side::Sink, &spec.to.clone().without_database(), &self.secrets)?;
        let data = pool(Side::Sink, &spec.to.clone().with_database(database), &self.secrets)?;
        let max_sql = usize::try_from(spec.options.max_sql_length).unwrap_or(usize::MAX);
        let sink = Arc::new(TdSink::new(admin, data, database, max_sql, self.timing.sink_write));
        sinks.insert(key, Arc::clone(&sink));
        Ok(sink)
    }
}
