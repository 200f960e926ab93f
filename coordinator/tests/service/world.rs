//! A store, coordinators on it, and a worker made of plain calls.

use std::collections::BTreeMap;
use std::future::Future;
use std::time::Duration;

use tdferry_common::clock::Clock;
use tdferry_common::options::OptionValue;
use tdferry_common::spec::{Spec, TaskKind};
use tdferry_common::timing::Timing;
use tdferry_coordinator::{Coordinator, Deps};
use tdferry_embedded::{Embedded, MemoryStorage, Options};
use tdferry_proto::v1::admin_service_client::AdminServiceClient;
use tdferry_proto::v1::survey_request::Part;
use tdferry_proto::v1::worker_service_client::WorkerServiceClient;
use tdferry_proto::v1::{self, ClaimedLease, ShardKind, TaskView};
use tonic::transport::Channel;

pub(crate) type Admin = AdminServiceClient<Channel>;

/// Where history ends in these tests.
pub(crate) const T0: i64 = 1_000_000;
/// No wait is longer, by the clock of the test.
pub(crate) const BOUND: Duration = Duration::from_secs(300);

/// A store that coordinators are started on.
pub(crate) struct World {
    store: Embedded,
}

impl World {
    pub(crate) async fn new() -> Self {
        Self { store: Embedded::in_memory(MemoryStorage::new(), Options::seeded(7)).await.unwrap() }
    }

    pub(crate) fn timing() -> Timing {
        Timing::default()
    }

    pub(crate) async fn coordinator(&self, seed: u64) -> Coordinator {
        let deps = Deps {
            client: self.store.client().await.unwrap(),
            clock: Clock::simulated(1_700_000_000_000),
            timing: Self::timing(),
            seed,
            id: format!("c{seed}"),
        };
        Coordinator::start(deps).await.unwrap()
    }

    /// One coordinator with its operator.
    pub(crate) async fn alone() -> (Self, Coordinator, Admin) {
        let world = Self::new().await;
        let coordinator = world.coordinator(1).await;
        let admin = AdminServiceClient::new(coordinator.channel().await);
        (world, coordinator, admin)
    }
}

pub(crate) fn spec(name: &str, options: &[(&str, &str)]) -> String {
    let options: BTreeMap<_, _> =
        options.iter().map(|(name, value)| ((*name).to_owned(), OptionValue::text(*value))).collect();
    let (from, to) = ("taos+ws://root:${env:P}@old:6041/power", "taos+ws://root:${env:P}@new:6041/power");
    Spec::build(name, TaskKind::TDengine2, from, to, &options).unwrap().to_json().unwrap()
}

pub(crate) async fn create(admin: &mut Admin, name: &str, options: &[(&str, &str)]) -> TaskView {
    let request = v1::CreateTaskRequest { spec: spec(name, options), allow_memory_secrets: false };
    admin.create_task(request).await.unwrap().into_inner().task.unwrap()
}

pub(crate) async fn get(admin: &mut Admin, name: &str) -> TaskView {
    admin.get_task(v1::GetTaskRequest { name: name.into() }).await.unwrap().into_inner().task.unwrap()
}

pub(crate) async fn control(admin: &mut Admin, name: &str, control: v1::Control) -> TaskView {
    let request = v1::SetControlRequest { name: name.into(), control: control.into() };
    admin.set_control(request).await.unwrap().into_inner().task.unwrap()
}

/// Asks again and again until the answer is the wanted one.
pub(crate) async fn until<T, F: Future<Output = Option<T>>>(what: &str, mut ask: impl FnMut() -> F) -> T {
    let asked = async {
        loop {
            if let Some(answer) = ask().await {
                return answer;
            }
            tokio::time::sleep(Duration::from_millis(50)).await;
        }
    };
    tokio::time::timeout(BOUND, asked).await.unwrap_or_else(|_| panic!("never: {what}"))
}

pub(crate) async fn until_state(admin: &Admin, name: &str, state: &str) -> TaskView {
    until(state, || {
        let mut admin = admin.clone();
        async move { Some(get(&mut admin, name).await).filter(|task| task.state == state) }
    })
    .await
}

/// A worker made of plain calls.
#[derive(Debug, Clone)]
pub(crate) struct Fake {
    pub(crate) client: WorkerServiceClient<Channel>,
    pub(crate) id: u64,
    pub(crate) session: i64,
}

impl Fake {
    pub(crate) async fn register(coordinator: &Coordinator, id: u64) -> Self {
        Self::register_with(coordinator, id, env!("CARGO_PKG_VERSION"), &[]).await.unwrap()
    }

    /// Of some version, carrying labels.
    pub(crate) async fn register_with(
        coordinator: &Coordinator,
        id: u64,
        version: &str,
        labels: &[(&str, &str)],
    ) -> Result<Self, tonic::Status> {
        let mut client = WorkerServiceClient::new(coordinator.channel().await);
        let labels = labels.iter().map(|(key, value)| ((*key).to_owned(), (*value).to_owned()));
        let request = v1::RegisterRequest {
            worker: id,
            host: "h".into(),
            version: version.into(),
            slots: 4,
            labels: labels.collect(),
        };
        let answer = client.register(request).await?.into_inner();
        assert_eq!(answer.heartbeat_millis, 5_000);
        Ok(Self { client, id, session: answer.session })
    }

    /// The same worker, calling another coordinator.
    pub(crate) async fn at(&self, coordinator: &Coordinator) -> Self {
        Self { client: WorkerServiceClient::new(coordinator.channel().await), ..self.clone() }
    }

    pub(crate) async fn claim(&mut self, slots: u32) -> v1::ClaimResponse {
        let request = v1::ClaimRequest { session: self.session, worker: self.id, slots, tail_slots: 0 };
        self.client.claim(request).await.unwrap().into_inner()
    }

    /// The same, with slots for tails.
    pub(crate) async fn claim_into(&mut self, slots: u32, tail_slots: u32) -> Vec<ClaimedLease> {
        let request = v1::ClaimRequest { session: self.session, worker: self.id, slots, tail_slots };
        self.client.claim(request).await.unwrap().into_inner().leases
    }

    /// Claims until there is something.
    pub(crate) async fn claim_one(&self) -> ClaimedLease {
        until("a lease", || {
            let mut fake = self.clone();
            async move { fake.claim(1).await.leases.pop() }
        })
        .await
    }

    pub(crate) async fn beat(&mut self, held: &[&ClaimedLease]) -> v1::HeartbeatResponse {
        self.beat_with(held, Vec::new()).await
    }

    pub(crate) async fn beat_with(
        &mut self,
        held: &[&ClaimedLease],
        waiting: Vec<v1::Waiting>,
    ) -> v1::HeartbeatResponse {
        let held = held.iter().map(|lease| lease.key.clone().unwrap()).collect();
        let request = v1::HeartbeatRequest {
            session: self.session,
            worker: self.id,
            held,
            waiting,
            ..Default::default()
        };
        self.client.heartbeat(request).await.unwrap().into_inner()
    }

    /// A heartbeat that tells a person what to see to, of one lease.
    pub(crate) async fn beat_telling(&mut self, lease: &ClaimedLease, messages: &[&str]) {
        let key = lease.key.clone().unwrap();
        let notice = |message: &&str| v1::Notice {
            task: key.task.clone(),
            shard: key.shard.clone(),
            message: (*message).to_owned(),
        };
        let request = v1::HeartbeatRequest {
            session: self.session,
            worker: self.id,
            notices: messages.iter().map(notice).collect(),
            held: vec![key.clone()],
            ..Default::default()
        };
        self.client.heartbeat(request).await.unwrap();
    }

    /// What the heartbeat says about one lease.
    pub(crate) async fn directive(&mut self, lease: &ClaimedLease) -> v1::Directive {
        self.beat(&[lease]).await.directives[0].directive()
    }

    pub(crate) async fn commit(&mut self, request: v1::CommitRequest) -> v1::Verdict {
        self.client.commit(request).await.unwrap().into_inner().verdict()
    }

    pub(crate) async fn release(&mut self, lease: &ClaimedLease) {
        self.client.release(v1::ReleaseRequest { key: lease.key.clone() }).await.unwrap();
    }

    /// Does all there is to do of a lease, whatever its kind.
    pub(crate) async fn finish(&mut self, lease: &ClaimedLease) {
        let shard = lease.shard.as_ref().unwrap();
        let verdict = match shard.kind() {
            ShardKind::Survey => self.survey(lease, &Catalog::small()).await.verdict(),
            _ => self.commit(done(lease)).await,
        };
        assert_eq!(verdict, v1::Verdict::Committed, "{shard:?}");
    }

    /// Works until nothing is left of any task; the shards' ids in the order they were done.
    pub(crate) async fn work_until(&mut self, admin: &Admin, name: &str, state: &str) -> Vec<String> {
        let mut order = Vec::new();
        loop {
            let task = get(&mut admin.clone(), name).await;
            if task.state == state {
                return order;
            }
            assert!(!task.terminal, "{task:?}");
            let leases = self.claim(4).await.leases;
            for lease in &leases {
                self.finish(lease).await;
                order.push(lease.shard.as_ref().unwrap().id.clone());
            }
            if leases.is_empty() {
                tokio::time::sleep(Duration::from_millis(200)).await;
            }
        }
    }

    pub(crate) async fn survey(&mut self, lease: &ClaimedLease, catalog: &Catalog) -> v1::SurveyResponse {
        self.client.survey(tokio_stream::iter(catalog.requests(lease))).await.unwrap().into_inner()
    }
}

/// A commit that ends a shard well, with counts that agree.
pub(crate) fn done(lease: &ClaimedLease) -> v1::CommitRequest {
    let shard = lease.shard.as_ref().unwrap();
    let range = shard.range.unwrap();
    let rows = shard.estimated_rows;
    let totals = v1::Totals {
        read: rows,
        written: rows,
        bytes: rows * 16,
        tables: u64::from(range.to - range.from),
        before: Some(0),
        source_counted: rows,
        target_counted: rows,
        ..Default::default()
    };
    let offset = v1::Offset { index: range.to, next: shard.period.unwrap().from };
    commit(lease, Some(offset), totals, v1::Ending::Done)
}

/// A commit that ends an attempt.
pub(crate) fn ended(lease: &ClaimedLease, ending: v1::Ending, reason: &str) -> v1::CommitRequest {
    let request = commit(lease, None, v1::Totals::default(), ending);
    v1::CommitRequest { reason: reason.into(), ..request }
}

/// The next commit after the one the lease came with.
pub(crate) fn commit(
    lease: &ClaimedLease,
    offset: Option<v1::Offset>,
    totals: v1::Totals,
    ending: v1::Ending,
) -> v1::CommitRequest {
    let stored = lease.shard.as_ref().unwrap().checkpoint.clone().unwrap();
    let checkpoint = v1::Checkpoint {
        epoch: lease.key.as_ref().unwrap().epoch,
        seq: stored.seq + 1,
        offset: offset.or(stored.offset),
        totals: Some(totals),
        sum: vec![0; 16],
    };
    v1::CommitRequest {
        key: lease.key.clone(),
        fence: lease.fence,
        checkpoint: Some(checkpoint),
        ending: ending.into(),
        reason: String::new(),
    }
}

/// What a source would hold.
pub(crate) struct Catalog {
    /// Name, subtables, rows of each.
    pub(crate) stables: Vec<(&'static str, u64, u64)>,
    pub(crate) normal_tables: u64,
    /// What is listed at the end, if not the same.
    pub(crate) listed_again: Option<u64>,
    /// The sum of names that the worker tells at the end; `None`: as an earlier one.
    pub(crate) names_again: Option<u64>,
}

impl Catalog {
    pub(crate) fn small() -> Self {
        Self {
            stables: vec![("meters", 10, 50_000), ("sensors", 500, 4)],
            normal_tables: 2,
            listed_again: None,
            names_again: None,
        }
    }

    fn requests(&self, lease: &ClaimedLease) -> Vec<v1::SurveyRequest> {
        let subtables: u64 = self.stables.iter().map(|(_, tables, _)| tables).sum();
        let start = v1::SurveyStart {
            key: lease.key.clone(),
            fence: lease.fence,
            version: "2.6".into(),
            cutoff: Some(v1::Cutoff { units: T0, precision: v1::Precision::Milli.into(), from_source: true }),
            period: Some(v1::Period { from: i64::MIN, to: i64::MAX }),
            stables: self.stables.len() as u64,
            normal_tables: self.normal_tables,
            subtables,
            rows: self.stables.iter().map(|(_, tables, each)| tables * each).sum(),
            fingerprint: 42,
        };
        let mut parts = vec![Part::Start(start)];
        for &(name, tables, each) in &self.stables {
            parts.extend(Self::stable(name, tables, each));
        }
        parts.extend(Self::stable("", self.normal_tables, 100));
        let subtables = self.listed_again.unwrap_or(subtables);
        let (normal_tables, names) = (self.normal_tables, self.names_again);
        parts.push(Part::End(v1::SurveyEnd { subtables, normal_tables, names }));
        parts.into_iter().map(|part| v1::SurveyRequest { part: Some(part) }).collect()
    }

    fn stable(name: &str, tables: u64, each: u64) -> impl Iterator<Item = Part> {
        let period = Some(v1::Period { from: 0, to: T0 });
        let stable =
            v1::SurveyStable { name: name.into(), rows: tables * each, tables, period, row_bytes: 16 };
        let names: Vec<_> = (0..tables).map(|n| format!("{name}_{n}")).collect();
        let pages: Vec<_> = names.chunks(100).map(<[String]>::to_vec).collect();
        let page = |names: Vec<String>| {
            let table = |name| v1::SurveySubtable { name, ..Default::default() };
            Part::Page(v1::SurveyPage { subtables: names.into_iter().map(table).collect() })
        };
        std::iter::once(Part::Stable(stable)).chain(pages.into_iter().map(page))
    }
}
