//! Surveys that break off, lose their lease or tell nonsense leave nothing that counts.

use std::sync::Arc;

use futures_util::stream;
use tdferry_common::clock::Clock;
use tdferry_common::id::{SessionId, WorkerId};
use tdferry_common::options::OptionValue;
use tdferry_common::shutdown::stop_pair;
use tdferry_common::spec::{TaskKind, TaskName};
use tdferry_common::time::Precision;
use tdferry_common::timing::Timing;
use tdferry_embedded::{Embedded, MemoryStorage};

use super::*;
use crate::leases::{Claimant, Granted, Grants, claim};
use crate::phases;
use crate::record::WorkerRecord;
use crate::sessions;
use crate::store::Store;
use crate::tasks::{self, MemorySecrets};

const BOUND: Duration = Duration::from_secs(120);

struct Env {
    core: Arc<Core>,
    task: TaskName,
    worker: WorkerId,
    session: SessionId,
}

impl Env {
    /// A coordinator's inside with one task and one worker.
    async fn new() -> Self {
        Self::of("history").await
    }

    /// The same with a task of this mode.
    async fn of(mode: &str) -> Self {
        let store =
            Embedded::in_memory(MemoryStorage::new(), tdferry_embedded::Options::seeded(3)).await.unwrap();
        let store = Store::open(store.client().await.unwrap(), Timing::default(), 5).await.unwrap();
        let core = Arc::new(Core::new(store, Clock::simulated(0), "c".into(), 5));
        // its stopper is gone, so it runs until the test ends
        tokio::spawn(phases::run(Arc::clone(&core), stop_pair().1));
        let options = [("schema", "none"), ("mode", mode)];
        let options = options.map(|(name, value)| (name.to_owned(), OptionValue::text(value))).into();
        let spec = Spec::build("t", TaskKind::TDengine2, "taos+ws://a/d", "taos+ws://b/d", &options).unwrap();
        let task = tasks::create(&core, &spec.to_json().unwrap(), MemorySecrets::Refused).await.unwrap();
        let worker = WorkerId(1);
        let record = WorkerRecord {
            worker,
            session: SessionId(0),
            host: String::new(),
            version: String::new(),
            slots: 4,
            labels: std::collections::BTreeMap::new(),
            draining: false,
            waiting: Vec::new(),
            notices: Vec::new(),
        };
        let session = sessions::open(&core.store, record).await.unwrap();
        Self { core, task, worker, session }
    }

    async fn lease(&self) -> Granted {
        let claimant = Claimant { worker: self.worker, session: self.session, slots: 1, tail_slots: 0 };
        match claim(&self.core, claimant).await.unwrap() {
            Grants::Leases(mut leases) => leases.pop().unwrap(),
            Grants::SessionGone => panic!("the session is gone"),
        }
    }

    async fn intake(&self, parts: Vec<Result<Part, ApiError>>) -> Result<Surveyed, ApiError> {
        intake(&self.core, stream::iter(parts)).await
    }

    /// Plans that hold keys and do not count.
    async fn plans(&self) -> Vec<PlanId> {
        tokio::task::yield_now().await;
        self.core
            .view()
            .read(|mirror| mirror.task(&self.task).map(|task| task.dead_plans()).unwrap_or_default())
    }
}

fn start(lease: &Granted) -> Result<Part, ApiError> {
    let cutoff = Cutoff { units: 100, precision: Precision::Milli, from_source: true };
    Ok(Part::Start(Box::new(Start {
        key: lease.lease.key.clone(),
        fence: lease.lease.fence,
        cutoff,
        period: Period::ALL,
        stables: 1,
        subtables: 2_000,
        rows: 20,
        fingerprint: 0,
    })))
}

fn tables(stable: &str, from: u32, to: u32) -> Vec<Result<Part, ApiError>> {
    let table = |n| TableSeen { name: format!("t{n}"), ..TableSeen::default() };
    let seen = StableSeen { name: stable.into(), rows: 20, tables: 2_000, ..StableSeen::default() };
    vec![Ok(Part::Stable(seen)), Ok(Part::Tables((from..to).map(table).collect()))]
}

fn end(subtables: u64) -> Result<Part, ApiError> {
    Ok(Part::End(Counted { subtables, normal_tables: 0, names: None }))
}

fn whole(lease: &Granted) -> Vec<Result<Part, ApiError>> {
    joined([vec![start(lease)], tables("m", 0, 2_000), vec![end(2_000)]])
}

fn joined<const N: usize>(parts: [Vec<Result<Part, ApiError>>; N]) -> Vec<Result<Part, ApiError>> {
    parts.into_iter().flatten().collect()
}

#[tokio::test(start_paused = true)]
async fn a_survey_that_broke_off_starts_anew_and_what_it_wrote_is_swept() {
    let env = Env::new().await;
    let lease = env.lease().await;
    let cut = Err(ApiError::Unavailable("cut".into()));
    let broken = joined([vec![start(&lease)], tables("m", 0, 1_500), vec![cut]]);
    assert_eq!(env.intake(broken).await.unwrap_err(), ApiError::Unavailable("cut".into()));
    assert!(env.core.store.read_task(&env.task).await.unwrap().unwrap().state.value.planned().is_none());

    let Surveyed::Planned(found) = env.intake(whole(&lease)).await.unwrap() else { panic!("not planned") };
    assert_eq!(found.subtables, 2_000);
    let swept = async {
        while env.plans().await.is_empty() {
            tokio::time::sleep(Duration::from_millis(10)).await;
        }
        let dead = env.plans().await;
        while !env.plans().await.is_empty() {
            tokio::time::sleep(Duration::from_secs(1)).await;
        }
        dead
    };
    let dead = tokio::time::timeout(BOUND, swept).await.unwrap();
    assert_eq!(dead.len(), 1);
    assert!(env.core.store.all_shards(&env.task, dead[0]).await.unwrap().is_empty());
    let counts = env.core.store.read_task(&env.task).await.unwrap().unwrap().state.value.plan();
    let kept = env.core.store.all_shards(&env.task, counts).await.unwrap().len();
    assert_eq!(u64::try_from(kept).unwrap(), found.shards);
}

#[tokio::test(start_paused = true)]
async fn only_where_a_source_is_followed_it_may_list_more_at_its_end_and_never_less() {
    let cases = [("history", 2_001, false), ("both", 2_001, true), ("realtime", 2_001, true)];
    for (mode, listed, is_planned) in cases.into_iter().chain([("both", 1_999, false)]) {
        let env = Env::of(mode).await;
        let lease = env.lease().await;
        let parts = joined([vec![start(&lease)], tables("m", 0, 2_000), vec![end(listed)]]);
        let surveyed = env.intake(parts).await.unwrap();
        assert_eq!(matches!(surveyed, Surveyed::Planned(_)), is_planned, "{mode}: {listed}: {surveyed:?}");
    }
}

#[tokio::test(start_paused = true)]
async fn a_survey_that_lost_its_lease_midway_ends_there() {
    let env = Env::new().await;
    let lease = env.lease().await;
    let (core, key) = (Arc::clone(&env.core), lease.lease.key.clone());
    let parts = stream::iter(joined([vec![start(&lease)], tables("m", 0, 10)]));
    let lost = stream::once(Box::pin(async move {
        core.store.release(&key, None).await?;
        end(10)
    }));
    let surveyed = intake(&env.core, parts.chain(lost)).await.unwrap();
    assert!(matches!(surveyed, Surveyed::Fenced), "{surveyed:?}");
}

#[tokio::test(start_paused = true)]
async fn a_survey_that_falls_silent_is_given_up() {
    let env = Env::new().await;
    let lease = env.lease().await;
    let silent = intake(&env.core, stream::iter([start(&lease)]).chain(stream::pending())).await;
    assert!(matches!(silent, Err(ApiError::Unavailable(_))), "{silent:?}");
}

#[tokio::test(start_paused = true)]
async fn a_survey_may_list_for_longer_than_it_may_be_silent_later_and_empty_pages_are_heard() {
    let env = Env::new().await;
    let lease = env.lease().await;
    let timing = env.core.timing();
    let pause = async |time| {
        tokio::time::sleep(time).await;
        Ok(Part::Tables(Vec::new()))
    };
    let listing = async {
        tokio::time::sleep(timing.stall_floor * 2).await;
        start(&lease)
    };
    let pauses = stream::iter(0..3).then(|_| pause(timing.stall_floor * 2 / 3));
    let parts = stream::once(listing)
        .chain(stream::iter(tables("m", 0, 2_000)))
        .chain(pauses)
        .chain(stream::iter([end(2_000)]));
    let beats = async {
        loop {
            tokio::time::sleep(timing.heartbeat).await;
            env.core.store.keep_alive(env.session).await.unwrap();
        }
    };
    let surveyed = tokio::select! {
        surveyed = intake(&env.core, Box::pin(parts)) => surveyed.unwrap(),
        () = beats => panic!("it beats for ever"),
    };
    assert!(matches!(surveyed, Surveyed::Planned(_)), "{surveyed:?}");
}

#[tokio::test(start_paused = true)]
async fn a_survey_out_of_order_is_refused() {
    let env = Env::new().await;
    let lease = env.lease().await;
    for parts in [vec![], vec![end(0)], vec![start(&lease), start(&lease)], vec![start(&lease)]] {
        assert!(matches!(env.intake(parts).await, Err(ApiError::Invalid(_))));
    }
}
