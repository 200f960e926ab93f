//! Where the cases run: two coordinators on one store, a task with a plan of two shards, and workers.

use etcd_client::Client;
use tdferry_common::id::{ClaimId, GroupId, PlanId, SessionId, ShardId, WorkerId};
use tdferry_common::lease::HeldLease;
use tdferry_common::offset::Offset;
use tdferry_common::shard::{Checkpoint, Density, Outcome, Range, Shard, ShardKind, Totals};
use tdferry_common::spec::TaskName;
use tdferry_common::task::{Cutoff, Found as Surveyed, Planned};
use tdferry_common::time::{Period, Precision};
use tdferry_common::timing::Timing;
use tdferry_embedded::{Embedded, MemoryStorage, Options};

use super::faults::Fault;
use crate::record::Group;
use crate::store::{Claim, Claimed, Commit, Committed, Created, Flip, PlanPaged, Store, StoredShard};

pub(crate) const PLAN: PlanId = PlanId(0x51);
pub(crate) const GROUP: GroupId = GroupId(0);
/// Of the tail, where there is one.
pub(crate) const TAIL_GROUP: GroupId = GroupId(1);
/// Rows of each shard: one subtable, one row a millisecond.
pub(crate) const ROWS: i64 = 100;

/// Two coordinators on one store, and a name that no other case uses.
pub(crate) struct Env {
    pub(crate) a: Store,
    pub(crate) b: Store,
    pub(crate) task: TaskName,
    /// Of coordinator `a`.
    pub(crate) seed: u64,
    client: Client,
}

/// A worker process.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Worker {
    pub(crate) id: WorkerId,
    pub(crate) session: SessionId,
}

pub(crate) async fn embedded() -> Client {
    let store = Embedded::in_memory(MemoryStorage::new(), Options::seeded(7)).await.unwrap();
    store.client().await.unwrap()
}

impl Env {
    pub(crate) async fn new(client: Client, task: &str) -> Self {
        // no two cases on one store draw the same session ids
        let seed = u64::from(crc32fast::hash(task.as_bytes())) << 8;
        let open = |seed| Store::open(client.clone(), Timing::default(), seed);
        let (a, b) = (Box::pin(open(seed)).await.unwrap(), Box::pin(open(seed + 1)).await.unwrap());
        Self { a, b, task: task.parse().unwrap(), seed, client }
    }

    pub(crate) fn client(&self) -> Client {
        self.client.clone()
    }

    /// The next transaction of coordinator `a` suffers this.
    pub(crate) fn plant(&self, fault: Fault) {
        self.a.wire().faults.plant(fault);
    }

    /// Lets what coordinator `a` sent long ago arrive.
    pub(crate) async fn deliver_late(&self) {
        self.a.wire().faults.deliver_late(self.client.kv_client()).await;
    }

    pub(crate) async fn worker(&self, n: u64) -> Worker {
        // long enough that no wait of a test ends it
        let granted = self.client().lease_grant(3_600, None).await.unwrap();
        Worker { id: WorkerId(n), session: SessionId(granted.id()) }
    }

    /// Creates the task and claims its survey.
    pub(crate) async fn surveying(&self) -> HeldLease {
        assert_eq!(self.a.create_task(&self.task, "{}").await.unwrap(), Created::Created);
        let worker = self.worker(900).await;
        let survey = self.stored(PlanId::SURVEY, &ShardId::survey()).await;
        self.claim(&self.a, &survey, worker).await
    }

    /// A task whose plan of two copy shards counts.
    pub(crate) async fn planned(&self) -> Vec<ShardId> {
        self.planned_with(Vec::new(), Vec::new()).await
    }

    /// A planned task whose stable is followed, and a lease on its tail.
    pub(crate) async fn following(&self) -> HeldLease {
        let stable = Group { stable: "s".into(), names: Vec::new() };
        let (id, period) = (ShardId::tail(TAIL_GROUP), Period { from: ROWS, to: i64::MAX });
        let tail = Shard::planned(id.clone(), ShardKind::Tail, Some(TAIL_GROUP), Range::NONE, period);
        self.planned_with(vec![(TAIL_GROUP, stable.encode().unwrap())], vec![tail]).await;
        let stored = self.stored(PLAN, &id).await;
        let worker = self.worker(1).await;
        self.claim(&self.a, &stored, worker).await
    }

    async fn planned_with(&self, more: Vec<(GroupId, Vec<u8>)>, tails: Vec<Shard>) -> Vec<ShardId> {
        let survey = self.surveying().await;
        let group = Group { stable: "s".into(), names: vec!["t0".into(), "t1".into()] };
        let shards = [shards(), tails].concat();
        let groups = [vec![(GROUP, group.encode().unwrap())], more].concat();
        let paged = self.a.plan_page(&survey.key, survey.fence, PLAN, &groups, &shards).await.unwrap();
        assert_eq!(paged, PlanPaged::Written);
        let flipped = self.a.plan_flip(&survey.key, survey.fence, plan(), surveyed(&survey)).await.unwrap();
        assert_eq!(flipped, Flip::Was(Committed::Done));
        shards.into_iter().map(|shard| shard.id).collect()
    }

    /// A shard as the store holds it now.
    pub(crate) async fn stored(&self, plan: PlanId, shard: &ShardId) -> StoredShard {
        let all = self.b.all_shards(&self.task, plan).await.unwrap();
        all.into_iter().find(|one| one.shard.id == *shard).unwrap()
    }

    pub(crate) async fn fence(&self) -> u64 {
        self.b.read_task(&self.task).await.unwrap().map_or(0, |task| task.fence)
    }

    pub(crate) async fn try_claim(&self, via: &Store, shard: &StoredShard, worker: Worker) -> Claimed {
        let fence = self.fence().await;
        let claim = ClaimId(via.wire().random());
        let claim = Claim { shard, fence, claim, worker: worker.id, session: worker.session };
        via.claim(claim).await.unwrap()
    }

    pub(crate) async fn claim(&self, via: &Store, shard: &StoredShard, worker: Worker) -> HeldLease {
        match self.try_claim(via, shard, worker).await {
            Claimed::Ours(held) => held,
            other => panic!("{other:?}"),
        }
    }

    /// A planned task and a lease on its first shard.
    pub(crate) async fn held(&self) -> HeldLease {
        let shards = self.planned().await;
        let stored = self.stored(PLAN, &shards[0]).await;
        let worker = self.worker(1).await;
        self.claim(&self.a, &stored, worker).await
    }

    pub(crate) async fn commit(&self, via: &Store, held: &HeldLease, checkpoint: Checkpoint) -> Committed {
        self.end(via, held, checkpoint, None).await
    }

    pub(crate) async fn end(
        &self,
        via: &Store,
        held: &HeldLease,
        checkpoint: Checkpoint,
        outcome: Option<Outcome>,
    ) -> Committed {
        let plan = if held.key.shard == ShardId::survey() { PlanId::SURVEY } else { PLAN };
        via.commit(Commit { key: &held.key, plan, fence: held.fence, checkpoint, outcome }).await.unwrap()
    }
}

/// Two subtables, one shard each, a hundred rows each.
pub(crate) fn shards() -> Vec<Shard> {
    let shard = |n: u32| {
        let (range, period) = (Range { from: n, to: n + 1 }, Period { from: 0, to: ROWS });
        Shard::planned(ShardId::copy(GROUP, n), ShardKind::Copy(Density::Dense), Some(GROUP), range, period)
    };
    vec![shard(0), shard(1)]
}

/// What the survey found.
pub(crate) fn plan() -> Planned {
    let cutoff = Cutoff { units: ROWS, precision: Precision::Milli, from_source: true };
    let found = Surveyed { stables: 1, subtables: 2, rows: 200, shards: 2, ..Surveyed::default() };
    Planned { plan: PLAN, cutoff, fingerprint: 5, found, excused: 0, mark: None }
}

/// The checkpoint of a survey that is through.
pub(crate) fn surveyed(survey: &HeldLease) -> Checkpoint {
    Checkpoint { seq: survey.shard.checkpoint.seq + 1, offset: survey.shard.end(), ..survey.shard.checkpoint }
}

/// The checkpoint after some more rows.
pub(crate) fn after(shard: &Shard, rows: i64) -> Checkpoint {
    let stored = shard.checkpoint;
    let next = (stored.offset.next + rows).min(shard.period.to);
    let read = u64::try_from(next).unwrap();
    let totals = Totals { read, written: read, ..stored.totals };
    let offset = Offset { index: stored.offset.index, next };
    Checkpoint { seq: stored.seq + 1, offset, totals, sum: Some(u128::from(read) * 3), ..stored }
}

/// The checkpoint of a shard that is through, all counts agreeing.
pub(crate) fn finished(shard: &Shard) -> Checkpoint {
    let mut last = after(shard, ROWS);
    last.offset = shard.end();
    last.totals.source_counted = last.totals.read;
    last.totals.target_counted = last.totals.read;
    last
}
