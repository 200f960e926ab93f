//! What the suite needs of the adapter: two servers, and a task that names a database on each.

use std::collections::BTreeMap;
use std::sync::Arc;

use async_trait::async_trait;
use tdferry_common::options::OptionValue;
use tdferry_common::port::{Connector, PortResult, Sink, Source};
use tdferry_common::secret::Secrets;
use tdferry_common::spec::{Spec, TaskKind};
use tdferry_common::tdengine::TdConnector;
use tdferry_common::testing::MemDatabase;
use tdferry_common::testing::conformance::Rig;
use tdferry_common::timing::Timing;
use tdferry_standin::Flavor;

use super::fill::fill;
use super::place::Place;
use super::read_back::read_back;

pub(crate) struct TdRig {
    pub(crate) source: Place,
    pub(crate) sink: Place,
}

impl TdRig {
    pub(crate) async fn over_stand_ins() -> Self {
        Self { source: Place::stand_in(Flavor::V26).await, sink: Place::stand_in(Flavor::V3).await }
    }

    /// `None`, said loudly, where no servers are named.
    pub(crate) fn over_real_servers() -> Option<Self> {
        let named = |variable: &str| std::env::var(variable).ok().filter(|dsn| !dsn.is_empty());
        match (named("TDFERRY_TEST_SOURCE"), named("TDFERRY_TEST_SINK")) {
            (Some(source), Some(sink)) => {
                Some(Self { source: Place::real(&source), sink: Place::real(&sink) })
            }
            _ => {
                eprintln!(
                    "SKIPPED on real servers: TDFERRY_TEST_SOURCE and TDFERRY_TEST_SINK are not both set"
                );
                None
            }
        }
    }

    pub(crate) async fn open_source(&self) -> PortResult<Arc<dyn Source>> {
        connector().source(&spec(&self.source.dsn(), &self.sink.dsn())).await
    }

    pub(crate) async fn open_sink(&self) -> PortResult<Arc<dyn Sink>> {
        self.open_sink_at(&self.sink.dsn()).await
    }

    /// The source without the rows for which a condition does not hold.
    pub(crate) async fn open_source_where(&self, condition: &str) -> PortResult<Arc<dyn Source>> {
        let options = BTreeMap::from([("where".to_owned(), OptionValue::text(condition))]);
        let (from, to) = (self.source.dsn(), self.sink.dsn());
        let spec = Spec::build("adapter-test", TaskKind::TDengine2, &from, &to, &options).expect("a task");
        connector().source(&spec).await
    }

    pub(crate) async fn open_source_at(&self, dsn: &str) -> PortResult<Arc<dyn Source>> {
        connector().source(&spec(dsn, &self.sink.dsn())).await
    }

    pub(crate) async fn open_sink_at(&self, dsn: &str) -> PortResult<Arc<dyn Sink>> {
        connector().sink(&spec(&self.source.dsn(), dsn)).await
    }
}

fn connector() -> TdConnector {
    TdConnector::new(Secrets::from_process(), Timing::default())
}

fn spec(from: &str, to: &str) -> Spec {
    Spec::build("adapter-test", TaskKind::TDengine2, from, to, &BTreeMap::new()).expect("a task")
}

#[async_trait]
impl Rig for TdRig {
    async fn source(&self, held: &MemDatabase) -> Arc<dyn Source> {
        fill(&self.source, held).await;
        self.open_source().await.expect("the source opens")
    }

    async fn sink(&self) -> Arc<dyn Sink> {
        self.open_sink().await.expect("the sink opens")
    }

    async fn sunk(&self) -> MemDatabase {
        read_back(&self.sink).await
    }
}
