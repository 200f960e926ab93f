//! A lease from its claim to its end: the work, its commits, the orders about it, and what is told at the end.

mod asker;
mod attempt;
mod claimed;
mod commit;
mod ended;
mod ledger;
mod planned;

use std::pin::pin;
use std::sync::Arc;
use std::time::Duration;

use rand::rngs::SmallRng;
use tdferry_common::shard::{Outcome, Shard, ShardKind};
use tdferry_common::spec::Spec;
use tokio::time::sleep;

pub(crate) use asker::{Asker, LookedAt, Means, Outage, within};
pub(crate) use attempt::Attempt;
pub(crate) use claimed::Claimed;
use commit::Committer;
pub(crate) use ended::{Ended, Worked};
pub(crate) use ledger::{Growth, Ledger};

use crate::held::{Holding, Orders};
use crate::session::Session;
use crate::{copy, create, schema, survey, tail, verify};

/// In one part of so many of a drain's time the work may come to a good place; the rest is for telling where that is.
const WORK_OF_DRAIN: u32 = 2;

/// What is still to be told when the work is done.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Finish {
    /// That the shard is done.
    Commit,
    /// That the target differs, and in what.
    Differs(String),
    /// Nothing: the coordinator ended the lease with its answer.
    Told,
    /// Where it stopped, so that its shard can be cut there; then it goes on.
    Cut,
}

/// Works on a lease until its end, whatever that is.
pub(crate) async fn work(session: Arc<Session>, claimed: Claimed, holding: Holding, rng: SmallRng) {
    let (orders, drain_grace) = (holding.orders(), session.timing.drain_grace);
    let (kind, resumed) = (claimed.lease.shard.kind, claimed.lease.shard.checkpoint.offset);
    tracing::info!(%kind, at = %resumed, "lease taken");
    tokio::select! {
        biased;
        () = orders.abandoned() => tracing::info!("lease abandoned"),
        () = Box::pin(attempt(&session, claimed, orders.clone(), rng)) => {}
        // nobody may be there to answer, and the process wants to end
        () = overdue(&orders, drain_grace) => {
            tracing::warn!("drained and not told to the end; rows since the last commit are copied again");
        }
    }
    drop(holding);
}

async fn attempt(session: &Arc<Session>, claimed: Claimed, orders: Orders, rng: SmallRng) {
    let mut committer = Committer::new(session, &claimed);
    let key = claimed.lease.key.clone();
    let spec = match Spec::from_json(&claimed.spec) {
        Ok(spec) => spec,
        Err(error) => {
            let ledger = Ledger::from_checkpoint(&claimed.lease.shard.checkpoint);
            let reason = format!("the task cannot be read here: {error}");
            return end(session, &mut committer, &ledger, Err(Ended::Erred(reason))).await;
        }
    };
    let mut attempt = Arc::new(Attempt::new(Arc::clone(session), claimed, spec, orders.clone(), rng));
    let ledger = Arc::clone(&attempt.ledger);
    let mut late = pin!(overdue(&orders, session.timing.drain_grace / WORK_OF_DRAIN));
    let worked = loop {
        let worked = tokio::select! {
            biased;
            worked = Box::pin(perform(Arc::clone(&attempt))) => worked,
            ended = committer.keep(&ledger) => Err(ended),
            () = &mut late => Err(Ended::Drained),
        };
        if worked != Ok(Finish::Cut) {
            break worked;
        }
        let left = tokio::select! {
            biased;
            left = cut(&mut committer, &attempt, &orders) => left,
            () = &mut late => Err(Ended::Drained),
        };
        match left {
            Ok(left) => attempt = Arc::new(attempt.on(left)),
            Err(ended) => break Err(ended),
        }
    };
    let drained = worked == Err(Ended::Drained);
    end(session, &mut committer, &ledger, worked).await;
    if drained {
        release(session, key).await;
    }
}

async fn perform(attempt: Arc<Attempt>) -> Worked<Finish> {
    let kind = attempt.shard().kind;
    if !matches!(kind, ShardKind::Create | ShardKind::VerifyTags) {
        attempt.session.stable_tags.forget(&attempt.claimed.spec);
    }
    match kind {
        ShardKind::Survey => survey::run(&attempt).await,
        ShardKind::Schema => schema::run(&attempt).await,
        ShardKind::Create => create::run(&attempt).await,
        ShardKind::Copy(density) => copy::run(attempt, density).await,
        ShardKind::VerifyTags => verify::tags(&attempt).await,
        ShardKind::VerifyTables => verify::tables(&attempt).await,
        ShardKind::Verify(density) => verify::run(attempt, density).await,
        ShardKind::Repair(density, extra) => verify::repair(attempt, density, extra).await,
        ShardKind::Tail => tail::run(attempt).await,
    }
}

/// Commits where the work stopped and has the shard cut there; what is left to this lease.
async fn cut(committer: &mut Committer, attempt: &Attempt, orders: &Orders) -> Worked<Shard> {
    let before = attempt.shard();
    let Some(order) = orders.take_cut() else { return Ok(before.clone()) };
    let Some(left) = committer.cut(&attempt.ledger, order).await? else {
        tracing::debug!("the coordinator cannot cut; the shard stays whole");
        return Ok(before.clone());
    };
    let (tables, period) = (left.range, left.period);
    let inside = (tables.from, period.from) == (before.range.from, before.period.from)
        && tables.to <= before.range.to
        && period.to <= before.period.to;
    if !inside {
        return Err(Ended::Erred(format!(
            "a cut left {tables:?} × {period}, which is not inside of what was held"
        )));
    }
    tracing::info!(from = tables.from, to = tables.to, %period, "lease goes on with what a cut left");
    Ok(left)
}

/// Returns so long after a drain was ordered.
async fn overdue(orders: &Orders, grace: Duration) {
    orders.draining().await;
    sleep(grace).await;
}

/// Tells how it ended. What a drain leaves to be released is for the caller.
async fn end(session: &Session, committer: &mut Committer, ledger: &Ledger, worked: Worked<Finish>) {
    let totals = ledger.totals();
    let told = match worked {
        Ok(Finish::Told | Finish::Cut) => Ok(()),
        Ok(Finish::Commit) => committer.end(ledger, Outcome::Done).await,
        Ok(Finish::Differs(finding)) => committer.end(ledger, Outcome::Differs { finding }).await,
        Err(Ended::Drained) => committer.push(ledger).await,
        Err(ended) => Err(ended),
    };
    let worker = session.worker;
    let outcome = match told {
        Ok(()) => {
            return tracing::info!(%worker, read = totals.read, written = totals.written, "lease ended");
        }
        Err(Ended::Drained) => return,
        Err(Ended::Lost(why)) => return tracing::warn!(why, "lease lost"),
        Err(Ended::Erred(reason)) => {
            tracing::warn!(reason, "attempt ended early");
            Outcome::Erred { reason }
        }
        Err(Ended::Failed(reason)) => {
            tracing::error!(reason, "shard failed");
            Outcome::Failed { reason }
        }
    };
    if let Err(error) = committer.end(ledger, outcome).await {
        tracing::warn!(%error, "the end of the attempt could not be told");
    }
}

async fn release(session: &Session, key: tdferry_common::lease::LeaseKey) {
    if let Err(error) = session.client.release(key).await {
        tracing::debug!(%error, "lease not released; it ends with the session");
    }
}
