//! What an operator does to the cluster while the task runs: drains workers, by their ids or by a label, lets them work
//! again, has leases shared. Drawn from the seed; counted once its effect is seen.

use std::hash::{DefaultHasher, Hash, Hasher};
use std::ops::RangeInclusive;
use std::time::Duration;

use rand::rngs::SmallRng;
use rand::{Rng, SeedableRng};
use tdferry_proto::v1;
use tdferry_proto::v1::set_drain_request::Who;
use tokio::time::sleep;
use tonic::{Code, Status};

use crate::client::{Admin, LOOK_EVERY, Operator};
use crate::world::{TASK, World};

/// How many seeds have an operator who does any of it.
const SHARE: f64 = 0.6;
const ACTS: RangeInclusive<usize> = 1..=5;
/// From when there are leases until shortly before the last fault.
const AT_MILLIS: RangeInclusive<u64> = 1_500..=45_000;
/// Shorter and longer than it takes to give everything back.
const LASTS_MILLIS: RangeInclusive<u64> = 300..=6_000;
/// A task has something to share only towards its end: so long is that waited for.
const SHARES_MILLIS: RangeInclusive<u64> = 2_000..=20_000;
/// Workers carry one of these by turns.
const LABELS: [&str; 2] = ["a", "b"];
const LABEL: &str = "dc";

/// One thing that an operator does, and when.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Act {
    pub(crate) at: Duration,
    what: What,
}

#[derive(Debug, Clone, Copy)]
enum What {
    /// Of the workers that hold something, one, for so long.
    DrainWorker { pick: usize, lasts: Duration },
    /// All that carry a label, for so long.
    DrainLabel { pick: usize, lasts: Duration },
    /// Until some leases can be shared, for so long at most.
    Rebalance { lasts: Duration },
}

/// What a worker carries.
pub(crate) fn labels(worker: usize) -> (String, String) {
    (LABEL.to_owned(), LABELS[worker % LABELS.len()].to_owned())
}

/// A seed's acts, in their order. They have a generator of their own: seeds without any go the way they went before
/// there were acts.
pub(crate) fn draw(seed: u64) -> Vec<Act> {
    let mut hasher = DefaultHasher::new();
    (seed, "acts").hash(&mut hasher);
    let mut rng = SmallRng::seed_from_u64(hasher.finish());
    let acts = if rng.random_bool(SHARE) { rng.random_range(ACTS) } else { 0 };
    let mut acts: Vec<Act> = (0..acts).map(|_| one(&mut rng)).collect();
    acts.sort_by_key(|act| act.at);
    acts
}

fn one(rng: &mut SmallRng) -> Act {
    let at = Duration::from_millis(rng.random_range(AT_MILLIS));
    let (pick, lasts) = (rng.random_range(0..60), Duration::from_millis(rng.random_range(LASTS_MILLIS)));
    let what = match rng.random_range(0..4) {
        0 => What::DrainWorker { pick, lasts },
        1 => What::DrainLabel { pick, lasts },
        _ => What::Rebalance { lasts: Duration::from_millis(rng.random_range(SHARES_MILLIS)) },
    };
    Act { at, what }
}

/// Does it; whoever was drained works again when this returns.
pub(crate) async fn act(operator: &mut Operator, world: &World, act: Act) -> Result<(), Status> {
    world.log.note(format!("operator: {act:?}"));
    match act.what {
        What::Rebalance { lasts } => rebalance(operator, world, lasts).await,
        What::DrainWorker { pick, lasts } => {
            let holding = workers(operator).await?.into_iter().filter(|worker| !worker.leases.is_empty());
            let holding: Vec<u64> = holding.map(|worker| worker.id).collect();
            match holding.get(pick % holding.len().max(1)) {
                Some(worker) => drain(operator, world, Who::Worker(*worker), lasts).await,
                None => Ok(()),
            }
        }
        What::DrainLabel { pick, lasts } => {
            let label = format!("{LABEL}={}", LABELS[pick % LABELS.len()]);
            drain(operator, world, Who::Label(label), lasts).await
        }
    }
}

/// Drains, waits until those whom it concerns hold nothing or the time is over, and lets them work again.
async fn drain(operator: &mut Operator, world: &World, who: Who, lasts: Duration) -> Result<(), Status> {
    let until = turmoil::elapsed() + lasts;
    let mut concerned = set_drain(operator, &who, true).await?;
    while turmoil::elapsed() < until {
        sleep(LOOK_EVERY).await;
        let there = workers(operator).await?;
        let drained = |id: &u64| {
            there.iter().any(|worker| worker.id == *id && worker.drained && worker.leases.is_empty())
        };
        if !concerned.is_empty() && concerned.iter().all(drained) {
            world.log.note(format!("operator: {concerned:?} hold nothing"));
            concerned.clear();
            world.acted(match who {
                Who::Worker(_) => "worker drained",
                Who::Label(_) => "label drained",
            });
        }
    }
    set_drain(operator, &who, false).await?;
    world.acted("undrained");
    Ok(())
}

async fn set_drain(operator: &mut Operator, who: &Who, drain: bool) -> Result<Vec<u64>, Status> {
    let request = v1::SetDrainRequest { who: Some(who.clone()), drain };
    let set = |mut admin: Admin| {
        let request = request.clone();
        async move { admin.set_drain(request).await }
    };
    Ok(operator.ask(set).await?.workers)
}

async fn workers(operator: &mut Operator) -> Result<Vec<v1::WorkerView>, Status> {
    let list = |mut admin: Admin| async move { admin.list_workers(v1::ListWorkersRequest {}).await };
    Ok(operator.ask(list).await?.workers)
}

async fn rebalance(operator: &mut Operator, world: &World, lasts: Duration) -> Result<(), Status> {
    let until = turmoil::elapsed() + lasts;
    let ask = |mut admin: Admin| async move {
        admin.rebalance(v1::RebalanceRequest { task: TASK.to_owned() }).await
    };
    while turmoil::elapsed() < until {
        match operator.ask(ask).await {
            Ok(found) if found.leases > 0 => {
                world.log.note(format!("operator: {found:?}"));
                world.acted("rebalance of some leases");
                return Ok(());
            }
            Ok(_) => world.acted("rebalance of none"),
            // nothing is shared of a task that has ended
            Err(status) if status.code() == Code::FailedPrecondition => return Ok(()),
            Err(status) => return Err(status),
        }
        sleep(LOOK_EVERY).await;
    }
    Ok(())
}
