//! Random interleavings of lost, late, duplicated and repeated requests, by three workers over two coordinators on two
//! shards: what is stored is what some honest order leaves, and every answer that was given is true.

use std::collections::{BTreeMap, BTreeSet};

use proptest::prelude::*;
use proptest::test_runner::{Config, RngAlgorithm, TestCaseError, TestError, TestRng, TestRunner};
use tdferry_common::id::{Epoch, ShardId};
use tdferry_common::lease::HeldLease;
use tdferry_common::shard::{Checkpoint, Outcome, Shard};
use tdferry_common::task::Control;
use tdferry_common::timing::Timing;

use super::env::{self, Env, PLAN, ROWS, Worker, after, finished};
use super::faults::{Fault, Mutant};
use super::log::log;
use crate::invariant::{self, History};
use crate::planner::{Recut, Wanted, recut};
use crate::store::{Claim, Claimed, Commit, Committed, Cut, Retried, Store, StoreError, StoredShard};

const WORKERS: usize = 3;
/// Two to begin with; more as they are cut.
const SHARDS: usize = 6;

/// One step of a history.
#[derive(Debug, Clone)]
enum Step {
    /// A worker asks for a lease on a shard, as it stands or as the worker saw it last.
    Claim {
        who: Who,
        fresh: bool,
    },
    /// A worker commits more rows, or repeats what it does not know to be stored.
    Commit {
        who: Who,
        rows: i64,
    },
    /// A worker commits more rows and has its shard cut there.
    Cut {
        who: Who,
        rows: i64,
        wanted: Wanted,
    },
    /// A worker ends its lease.
    End {
        who: Who,
        how: How,
    },
    /// A worker gives its lease back.
    Release {
        who: Who,
    },
    /// A worker's session ends; the worker does not know.
    SessionEnds {
        worker: usize,
    },
    /// A worker registers again and forgets everything.
    Restarts {
        worker: usize,
    },
    /// A request that was under way for long arrives.
    LateArrives {
        via: usize,
    },
    /// Somebody ends a lease that looks stalled.
    Stall {
        shard: usize,
        via: usize,
    },
    RaiseFence,
    Control {
        run: bool,
    },
    Retry {
        via: usize,
    },
}

#[derive(Debug, Clone, Copy)]
enum How {
    Done,
    Erred,
    Failed,
}

/// Who does it to which shard, over which coordinator, and what happens to the requests on their way.
#[derive(Debug, Clone)]
struct Who {
    worker: usize,
    shard: usize,
    via: usize,
    faults: Vec<Fault>,
    /// Nothing more arrives: the worker never learns the outcome.
    cut_off: bool,
}

fn who() -> impl Strategy<Value = Who> {
    let fault = prop_oneof![
        Just(Fault::Passes),
        Just(Fault::RequestLost),
        Just(Fault::AnswerLost),
        Just(Fault::Late),
        Just(Fault::Twice)
    ];
    let faults = prop_oneof![2 => Just(vec![]), 3 => prop::collection::vec(fault, 1..4)];
    (0..WORKERS, 0..SHARDS, 0..2_usize, faults, prop::bool::weighted(0.1))
        .prop_map(|(worker, shard, via, faults, cut_off)| Who { worker, shard, via, faults, cut_off })
}

fn step() -> impl Strategy<Value = Step> {
    let how = prop_oneof![3 => Just(How::Done), 1 => Just(How::Erred), 1 => Just(How::Failed)];
    prop_oneof![
        8 => (who(), any::<bool>()).prop_map(|(who, fresh)| Step::Claim { who, fresh }),
        10 => (who(), 0..ROWS).prop_map(|(who, rows)| Step::Commit { who, rows }),
        8 => (who(), 1..ROWS / 4, 1_u32..4, 1_u64..8).prop_map(|(who, rows, children, least_rows)| {
            Step::Cut { who, rows, wanted: Wanted { children, least_rows } }
        }),
        2 => (who(), how).prop_map(|(who, how)| Step::End { who, how }),
        2 => who().prop_map(|who| Step::Release { who }),
        3 => (0..WORKERS).prop_map(|worker| Step::SessionEnds { worker }),
        2 => (0..WORKERS).prop_map(|worker| Step::Restarts { worker }),
        3 => (0..2_usize).prop_map(|via| Step::LateArrives { via }),
        2 => (0..SHARDS, 0..2_usize).prop_map(|(shard, via)| Step::Stall { shard, via }),
        1 => Just(Step::RaiseFence),
        2 => prop::bool::weighted(0.8).prop_map(|run| Step::Control { run }),
        1 => (0..2_usize).prop_map(|via| Step::Retry { via }),
    ]
}

/// A commit as a worker knows it.
type Asked = (ShardId, Epoch, Checkpoint);

/// What a worker holds, as far as it knows.
#[derive(Debug, Clone)]
struct Holding {
    held: HeldLease,
    /// The shard as the worker knows it to be stored.
    known: Shard,
    /// Asked for, and not known to be stored or refused.
    pending: Option<Pending>,
}

/// A commit that may or may not be stored.
#[derive(Debug, Clone)]
struct Pending {
    checkpoint: Checkpoint,
    outcome: Option<Outcome>,
    recut: Option<Recut>,
}

/// The world of one history.
struct World {
    env: Env,
    stores: [Store; 2],
    workers: Vec<Worker>,
    /// Those that were cut off come behind.
    shards: Vec<ShardId>,
    holdings: BTreeMap<(usize, usize), Holding>,
    last_seen: BTreeMap<(usize, usize), StoredShard>,
    /// What was answered with a yes, and what with a no.
    stored: BTreeSet<(ShardId, Epoch, u64)>,
    refused: Vec<Asked>,
    /// Children take a little of what their parents keep.
    overlaps: bool,
}

impl World {
    async fn new(mutant: Mutant) -> Self {
        let client = env::embedded().await;
        let env = Env::new(client.clone(), "t").await;
        let shards = env.planned().await;
        let open = |seed| Store::open_mutant(client.clone(), Timing::default(), seed, mutant);
        let stores = [open(11).await.unwrap(), open(12).await.unwrap()];
        let mut workers = Vec::new();
        for n in 0..WORKERS {
            workers.push(env.worker(u64::try_from(n).unwrap()).await);
        }
        let (holdings, last_seen) = (BTreeMap::new(), BTreeMap::new());
        let (stored, refused) = (BTreeSet::new(), Vec::new());
        let overlaps = mutant == Mutant::CutOverlaps;
        Self { env, stores, workers, shards, holdings, last_seen, stored, refused, overlaps }
    }

    async fn step(&mut self, step: Step) -> Result<(), TestCaseError> {
        match step {
            Step::Claim { who, fresh } => self.claim(&who, fresh).await,
            Step::Commit { who, rows } => self.commit(&who, |known| ask(known, rows, None)).await?,
            Step::Cut { who, rows, wanted } => {
                let overlaps = self.overlaps;
                self.commit(&who, |known| ask_cut(known, rows, wanted, overlaps)).await?;
            }
            Step::End { who, how } => self.commit(&who, |known| ask(known, 5, Some(how))).await?,
            Step::Release { who } => self.release(&who).await,
            Step::SessionEnds { worker } => {
                self.stores[0].revoke(self.workers[worker].session).await.unwrap();
            }
            Step::Restarts { worker } => {
                self.holdings.retain(|(of, _), _| *of != worker);
                self.workers[worker] = self.env.worker(u64::try_from(worker).unwrap()).await;
            }
            Step::LateArrives { via } => {
                self.stores[via].wire().faults.deliver_late(self.env.client().kv_client()).await;
            }
            Step::Stall { shard, via } => self.stall(shard, via).await,
            Step::RaiseFence => {
                self.stores[1].raise_fence(&self.env.task).await.unwrap();
            }
            Step::Control { run } => {
                let control = if run { Control::Run } else { Control::Pause };
                self.stores[0].set_control(&self.env.task, control).await.unwrap();
            }
            Step::Retry { via } => {
                let retried = self.stores[via].retry_shards(&self.env.task, None).await.unwrap();
                prop_assert!(matches!(retried, Retried::Opened(_)));
            }
        }
        Ok(())
    }

    /// Plants the faults of one request.
    fn faulty(&self, who: &Who) -> &Store {
        let store = &self.stores[who.via];
        who.faults.iter().for_each(|fault| store.wire().faults.plant(*fault));
        store.wire().faults.cut_off(who.cut_off);
        store
    }

    fn heal(&self, who: &Who) {
        self.stores[who.via].wire().faults.heal();
    }

    /// A worker, and a shard of those there are by now.
    fn at(&self, who: &Who) -> (usize, usize) {
        (who.worker, who.shard % self.shards.len())
    }

    async fn claim(&mut self, who: &Who, fresh: bool) {
        let at = self.at(who);
        let shard = match self.last_seen.get(&at) {
            Some(seen) if !fresh => seen.clone(),
            _ => self.env.stored(PLAN, &self.shards[at.1]).await,
        };
        self.last_seen.insert(at, shard.clone());
        let (fence, worker) = (self.env.fence().await, self.workers[who.worker]);
        let claim = tdferry_common::id::ClaimId(self.stores[who.via].wire().random());
        let claim = Claim { shard: &shard, fence, claim, worker: worker.id, session: worker.session };
        let claimed = self.faulty(who).claim(claim).await;
        self.heal(who);
        match claimed {
            Ok(Claimed::Ours(held)) => {
                let known = held.shard.clone();
                self.holdings.insert(at, Holding { held, known, pending: None });
            }
            Ok(_) | Err(StoreError::Away { .. }) => {}
            Err(other) => panic!("{other}"),
        }
    }

    async fn commit(&mut self, who: &Who, ask: impl Fn(&Shard) -> Pending) -> Result<(), TestCaseError> {
        let at = self.at(who);
        let Some(mut holding) = self.holdings.remove(&at) else { return Ok(()) };
        let pending = holding.pending.take().unwrap_or_else(|| ask(&holding.known));
        let asked = Checkpoint { epoch: holding.held.key.epoch, ..pending.checkpoint };
        let HeldLease { key, fence, .. } = &holding.held;
        let (plan, fence, outcome) = (PLAN, *fence, pending.outcome.clone());
        let committed = match pending.recut.clone() {
            Some(recut) => self.faulty(who).cut(Cut { key, plan, fence, checkpoint: asked, recut }).await,
            None => self.faulty(who).commit(Commit { key, plan, fence, checkpoint: asked, outcome }).await,
        };
        self.heal(who);
        match committed {
            Ok(Committed::Done | Committed::Already) => {
                self.stored.insert((key.shard.clone(), key.epoch, asked.seq));
                holding.known.checkpoint = asked;
                if let Some(Recut { range, period, estimate, children }) = pending.recut {
                    holding.known = Shard { range, period, estimate, ..holding.known };
                    self.shards.extend(children.into_iter().map(|child| child.id));
                }
                if pending.outcome.is_none() {
                    self.holdings.insert(at, holding);
                }
            }
            Ok(Committed::Fenced | Committed::Refused(_)) => {
                self.refused.push((key.shard.clone(), key.epoch, asked));
            }
            Err(StoreError::Away { .. }) => {
                holding.pending = Some(pending);
                self.holdings.insert(at, holding);
            }
            Err(other) => return Err(TestCaseError::fail(other.to_string())),
        }
        Ok(())
    }

    async fn release(&mut self, who: &Who) {
        let Some(holding) = self.holdings.remove(&self.at(who)) else { return };
        let stored = self.env.stored(PLAN, &holding.held.key.shard).await;
        let released = self.faulty(who).release(&holding.held.key, Some(&stored)).await;
        self.heal(who);
        assert!(matches!(released, Ok(()) | Err(StoreError::Away { .. })), "{released:?}");
    }

    async fn stall(&mut self, shard: usize, via: usize) {
        let shard = self.env.stored(PLAN, &self.shards[shard % self.shards.len()]).await;
        let listed = crate::view::list_once(&self.stores[via]).await.unwrap();
        let lease = listed.task(&self.env.task).and_then(|task| task.lease(&shard.shard.id).cloned());
        if let Some(lease) = lease {
            match via {
                0 => self.stores[via].delete_lease(&lease, &shard).await.unwrap(),
                _ => self.stores[via].stall(&lease, &shard, "it stood still".into()).await.unwrap(),
            };
        }
    }

    /// Every answer that was given is true.
    fn answers_are_true(&self, history: &History) -> Result<(), TestCaseError> {
        let stored = |shard: &ShardId, epoch: Epoch, seq: u64| {
            let mut of = history.commits.iter().filter(|((key, at), _)| key.shard == *shard && *at == seq);
            of.find(|((key, _), _)| key.epoch == epoch).map(|(_, checkpoint)| *checkpoint)
        };
        for (shard, epoch, seq) in &self.stored {
            prop_assert!(
                stored(shard, *epoch, *seq).is_some(),
                "acknowledged, not stored: {shard} {epoch} {seq}"
            );
        }
        for (shard, epoch, asked) in &self.refused {
            prop_assert_ne!(stored(shard, *epoch, asked.seq), Some(*asked), "refused, but stored");
        }
        Ok(())
    }
}

/// What a worker that copied some rows asks for.
fn ask(known: &Shard, rows: i64, how: Option<How>) -> Pending {
    let reason = || "as planted".to_owned();
    let (checkpoint, outcome) = match how {
        None => (after(known, rows), None),
        Some(How::Done) => (finished(known), Some(Outcome::Done)),
        Some(How::Erred) => (after(known, rows), Some(Outcome::Erred { reason: reason() })),
        Some(How::Failed) => (after(known, rows), Some(Outcome::Failed { reason: reason() })),
    };
    Pending { checkpoint, outcome, recut: None }
}

/// The same and a cut, where there is something to cut.
fn ask_cut(known: &Shard, rows: i64, wanted: Wanted, overlaps: bool) -> Pending {
    let checkpoint = after(known, rows);
    let mut recut = recut(known, &checkpoint, wanted);
    for child in recut.iter_mut().flat_map(|recut| &mut recut.children).filter(|_| overlaps) {
        child.period.from -= 1;
        child.checkpoint.offset.next -= 1;
    }
    Pending { checkpoint, outcome: None, recut }
}

/// Runs a history and holds what it left against everything that was promised.
fn run(steps: Vec<Step>, mutant: Mutant) -> Result<History, TestCaseError> {
    let runtime =
        tokio::runtime::Builder::new_current_thread().enable_all().start_paused(true).build().unwrap();
    runtime.block_on(async {
        let mut world = Box::pin(World::new(mutant)).await;
        for step in steps {
            world.step(step).await?;
        }
        let history = invariant::check(&log(world.env.client()).await)
            .map_err(|broken| TestCaseError::fail(broken.to_string()))?;
        world.answers_are_true(&history)?;
        Ok(history)
    })
}

fn runner(cases: u32) -> TestRunner {
    // a planted fault is shrunk on every run
    let config = Config { cases, failure_persistence: None, max_shrink_iters: 200, ..Config::default() };
    TestRunner::new_with_rng(config, TestRng::deterministic_rng(RngAlgorithm::ChaCha))
}

fn histories() -> impl Strategy<Value = Vec<Step>> {
    prop::collection::vec(step(), 1..60)
}

#[test]
fn any_interleaving_leaves_what_some_honest_order_leaves() {
    let (mut commits, mut leases, mut cuts) = (0, 0, 0);
    let count = std::cell::RefCell::new((&mut commits, &mut leases, &mut cuts));
    runner(CASES)
        .run(&histories(), |steps| {
            let history = run(steps, Mutant::None)?;
            let mut count = count.borrow_mut();
            *count.0 += history.commits.len();
            *count.1 += history.leases;
            *count.2 += history.cuts;
            Ok(())
        })
        .unwrap();
    // a test whose histories hardly ever commit would show nothing
    assert!(commits > CASES as usize && leases > CASES as usize, "{commits} commits under {leases} leases");
    assert!(cuts > CASES as usize / 4, "{cuts} cuts");
}

/// Enough for each planted fault to be found many times over; a few seconds.
const CASES: u32 = 200;

fn is_found(mutant: Mutant) -> String {
    match runner(CASES).run(&histories(), |steps| run(steps, mutant).map(drop)) {
        Err(TestError::Fail(why, _)) => why.message().to_owned(),
        other => panic!("the planted fault was not found: {other:?}"),
    }
}

#[test]
fn a_store_that_forgets_the_epoch_is_found_out() {
    let why = is_found(Mutant::NoEpochGuard);
    assert!(why.contains("S1 is broken"), "{why}");
}

#[test]
fn a_cut_whose_children_overlap_it_is_found_out() {
    let why = is_found(Mutant::CutOverlaps);
    assert!(why.contains("S5 is broken"), "{why}");
}

#[test]
fn a_store_that_takes_a_lost_answer_for_a_failure_is_found_out() {
    let why = is_found(Mutant::LostAnswerIsFailure);
    assert!(why.contains("refused, but stored"), "{why}");
}
