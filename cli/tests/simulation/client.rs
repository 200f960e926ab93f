//! The operator: creates the task, perhaps pauses it for a while, does what else the seed wants, and waits for its end.

use std::collections::VecDeque;
use std::future::Future;
use std::sync::atomic::Ordering;
use std::sync::{Arc, PoisonError};
use std::time::Duration;

use tdferry_proto::v1;
use tdferry_proto::v1::admin_service_client::AdminServiceClient;
use tokio::time::{sleep, timeout};
use tonic::transport::{Channel, Endpoint};
use tonic::{Code, Response, Status};

use crate::faults::QUIET_FROM;
use crate::hosts::Failure;
use crate::world::{TASK, World};
use crate::{acts, check, cutover, net};

pub(crate) const LOOK_EVERY: Duration = Duration::from_millis(300);
/// A source that is followed is equal in so many looks: what is found last is in the plan by then.
const LOOKS_EQUAL: u32 = 20;
const PATIENCE: Duration = Duration::from_secs(2);
/// How the one failure reads that an operator may answer by opening the shard again.
const POISONED: &str = "without a commit";

pub(crate) type Admin = AdminServiceClient<Channel>;

pub(crate) struct Operator {
    coordinators: Vec<Admin>,
    current: usize,
}

impl Operator {
    /// Asks one coordinator after the other until one answers; what it refuses is returned.
    pub(crate) async fn ask<A, F>(&mut self, ask: impl Fn(Admin) -> F) -> Result<A, Status>
    where
        F: Future<Output = Result<Response<A>, Status>>,
    {
        loop {
            let admin = self.coordinators[self.current].clone();
            match timeout(PATIENCE, ask(admin)).await {
                Ok(Ok(answer)) => return Ok(answer.into_inner()),
                Ok(Err(refused)) if is_final(&refused) => return Err(refused),
                _ => self.current = (self.current + 1) % self.coordinators.len(),
            }
            sleep(LOOK_EVERY).await;
        }
    }

    /// Whether a shard failed since it was claimed too often.
    async fn sees_poison(&mut self) -> Result<bool, Status> {
        let list = |mut admin: Admin| async move {
            let state = v1::ShardState::Failed.into();
            admin.list_shards(v1::ListShardsRequest { task: TASK.into(), state, ..Default::default() }).await
        };
        let failed = self.ask(list).await?.shards;
        Ok(failed.iter().filter_map(|one| one.shard.as_ref()).any(|shard| shard.failure.contains(POISONED)))
    }

    async fn control(&mut self, control: v1::Control) -> Result<(), Status> {
        let request = v1::SetControlRequest { name: TASK.into(), control: control.into() };
        let set = |mut admin: Admin| {
            let request = request.clone();
            async move { admin.set_control(request).await }
        };
        self.ask(set).await.map(drop)
    }
}

fn is_final(status: &Status) -> bool {
    matches!(
        status.code(),
        Code::InvalidArgument
            | Code::NotFound
            | Code::AlreadyExists
            | Code::FailedPrecondition
            | Code::Internal
    )
}

pub(crate) async fn operate(world: Arc<World>) -> Result<(), Failure> {
    let connect =
        |name| Ok(Admin::new(net::channel(Endpoint::from_shared(format!("http://{name}:{}", net::PORT))?)));
    let coordinators = crate::kinds::coordinators().map(connect);
    let coordinators = coordinators.collect::<Result<_, tonic::transport::Error>>()?;
    let mut operator = Operator { coordinators, current: 0 };
    create(&mut operator, &world).await?;
    let mut quiet = 0;
    let (mut pauses, mut acts) = (world.pauses, VecDeque::from(world.acts.clone()));
    loop {
        sleep(LOOK_EVERY).await;
        if let Some((_, lasts)) = pauses.take_if(|(at, _)| turmoil::elapsed() >= *at) {
            pause(&mut operator, &world, lasts).await?;
        }
        if let Some(act) = acts.pop_front_if(|act| turmoil::elapsed() >= act.at) {
            acts::act(&mut operator, &world, act).await?;
        }
        let get =
            |mut admin: Admin| async move { admin.get_task(v1::GetTaskRequest { name: TASK.into() }).await };
        let task = operator.ask(get).await?.task.unwrap_or_default();
        let terminal = task.terminal;
        let failed = task.progress.as_ref().is_some_and(|progress| progress.shards_failed > 0);
        let poisoned = match terminal {
            true => task.state == "failed" && task.reason.contains(POISONED),
            // a tail that fails does not end its task
            false => failed && world.live.is_some() && operator.sees_poison().await?,
        };
        *world.seen.lock().unwrap_or_else(PoisonError::into_inner) = Some(task);
        if turmoil::elapsed() >= QUIET_FROM
            && let Some(cutover) = &world.cutover
        {
            cutover::ask(&mut operator, &world, cutover).await?;
        } else if world.live.is_some() && turmoil::elapsed() >= QUIET_FROM {
            quiet = if world.is_live() && check::equal(&world).is_ok() { quiet + 1 } else { 0 };
            if quiet == LOOKS_EQUAL {
                return Ok(());
            }
        }
        if poisoned {
            retry(&mut operator, &world).await?;
        } else if terminal {
            return Ok(());
        }
    }
}

async fn create(operator: &mut Operator, world: &World) -> Result<(), Failure> {
    let request = v1::CreateTaskRequest { spec: world.spec.clone(), allow_memory_secrets: false };
    let create = |mut admin: Admin| {
        let request = request.clone();
        async move { admin.create_task(request).await }
    };
    match operator.ask(create).await {
        Ok(_) => Ok(()),
        // an earlier try had been done
        Err(status) if status.code() == Code::AlreadyExists => Ok(()),
        Err(status) => Err(status.into()),
    }
}

async fn pause(operator: &mut Operator, world: &World, lasts: Duration) -> Result<(), Failure> {
    world.log.note("operator pauses the task");
    for (control, wait) in [(v1::Control::Pause, lasts), (v1::Control::Run, Duration::ZERO)] {
        match operator.control(control).await {
            // a task that has ended is not paused any more
            Err(status) if status.code() == Code::FailedPrecondition => return Ok(()),
            answer => answer?,
        }
        sleep(wait).await;
    }
    world.log.note("operator has resumed the task");
    Ok(())
}

async fn retry(operator: &mut Operator, world: &World) -> Result<(), Failure> {
    world.log.note("operator opens poisoned shards again");
    world.retried.fetch_add(1, Ordering::Relaxed);
    let request = v1::RetryShardRequest { task: TASK.into(), shard: String::new() };
    let again = |mut admin: Admin| {
        let request = request.clone();
        async move { admin.retry_shard(request).await }
    };
    operator.ask(again).await?;
    Ok(())
}
