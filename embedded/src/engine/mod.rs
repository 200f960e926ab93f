//! The one place where things happen in an order: operations wait in a queue, are applied in groups,
//! made durable in one batch, and only then answered and shown to watchers.

mod call;
mod keeper;
mod run;

use std::sync::{Arc, Mutex, OnceLock, PoisonError};

use tokio::sync::{mpsc, oneshot, watch};
use tokio::time::Instant;
use tonic::Status;

use crate::durable::{Image, Meta, Storage};
use crate::error::Error;
use crate::header::Identity;
use crate::kv::History;
use crate::lease::Leases;
use crate::options::Options;
use crate::refusal::Refusal;
use crate::state::State;
use call::{Call, Queued};

/// Operations that may wait before callers have to: a few groups' worth, so that a flush never
/// ends with nothing to do while memory stays bounded by 1.5 MiB each.
const QUEUE: usize = 1024;

/// Something a client asks for that must take its turn.
pub(crate) trait Operation: Send + 'static {
    type Answer: Send + 'static;

    /// Decides and changes the state; an error means that nothing was changed.
    fn apply(self, state: &mut State, now: Instant) -> Result<Self::Answer, Refusal>;
}

/// The engine as the services see it.
#[derive(Clone)]
pub(crate) struct Engine {
    queue: mpsc::Sender<Queued>,
    shared: Arc<Shared>,
    durable: watch::Receiver<i64>,
}

/// What services read without taking a turn.
struct Shared {
    state: Mutex<State>,
    failure: OnceLock<String>,
    size: std::sync::atomic::AtomicU64,
    identity: Identity,
}

impl Engine {
    /// Loads what is stored, gives every lease its full time, and starts.
    pub(crate) async fn start(mut storage: Box<dyn Storage>, options: Options) -> Result<Self, Error> {
        let image = Image::decode(storage.load().await?)?;
        let (state, seed) = restore(image, &options, storage.as_mut()).await?;
        let (durable_tx, durable) = watch::channel(state.history.revision());
        let shared = Arc::new(Shared {
            state: Mutex::new(state),
            failure: OnceLock::new(),
            size: storage.size().into(),
            identity: Identity::from_seed(seed),
        });
        let (queue, waiting) = mpsc::channel(QUEUE);
        let runner = run::Runner::new(waiting, Arc::clone(&shared), storage, durable_tx, options.history);
        tokio::spawn(runner.run());
        Ok(Self { queue, shared, durable })
    }

    /// Waits for the operation's turn and for its group to be durable.
    pub(crate) async fn call<O: Operation>(&self, operation: O) -> Result<O::Answer, Status> {
        let (reply, answer) = oneshot::channel();
        let call = Queued::Call(Box::new(Call::new(operation, reply)));
        self.queue.send(call).await.map_err(|_| self.stopped())?;
        answer.await.unwrap_or_else(|_| Err(self.stopped()))
    }

    /// Looks at the state; `now` is the newest durable transaction, beyond which nothing may be shown.
    pub(crate) fn read<T>(&self, look: impl FnOnce(&State, i64) -> T) -> Result<T, Status> {
        if self.queue.is_closed() {
            return Err(self.stopped());
        }
        let now = *self.durable.borrow();
        Ok(look(&lock(&self.shared.state), now))
    }

    /// Changes when a newer transaction becomes durable; closed when the engine has stopped.
    pub(crate) fn durable(&self) -> watch::Receiver<i64> {
        self.durable.clone()
    }

    pub(crate) fn identity(&self) -> Identity {
        self.shared.identity
    }

    pub(crate) fn size(&self) -> u64 {
        self.shared.size.load(std::sync::atomic::Ordering::Relaxed)
    }

    /// Ends the engine after what was queued before; returns when the storage is released.
    pub(crate) async fn close(&self) {
        let (done, closed) = oneshot::channel();
        if self.queue.send(Queued::Close(done)).await.is_ok() {
            let _ = closed.await;
        }
    }

    /// Returns when the engine had to stop, with the cause; never if it is closed in order.
    pub(crate) async fn failed(&self) -> String {
        self.queue.closed().await;
        match self.shared.failure.get() {
            Some(cause) => cause.clone(),
            None => std::future::pending().await,
        }
    }

    /// What callers are told once there is no engine any more.
    pub(crate) fn stopped(&self) -> Status {
        stopped(&self.shared)
    }
}

impl std::fmt::Debug for Engine {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Engine").finish_non_exhaustive()
    }
}

fn stopped(shared: &Shared) -> Status {
    match shared.failure.get() {
        Some(cause) => Status::unavailable(format!(
            "the embedded store has stopped because {cause}; start it again once that is put right"
        )),
        None => Status::unavailable("the embedded store was closed"),
    }
}

/// A panic elsewhere cannot leave the state half changed in a way the storage would see: the engine
/// that was changing it is gone, and only reads at a durable revision follow.
fn lock(state: &Mutex<State>) -> std::sync::MutexGuard<'_, State> {
    state.lock().unwrap_or_else(PoisonError::into_inner)
}

async fn restore(image: Image, options: &Options, storage: &mut dyn Storage) -> Result<(State, u64), Error> {
    let fresh = image.meta.is_none();
    let empty = History::new();
    let meta = image.meta.unwrap_or_else(|| Meta {
        seed: options.seed,
        revision: empty.revision(),
        compacted: empty.compacted(),
        granted: 0,
    });
    let now = Instant::now();
    let history = History::restore(meta.revision, meta.compacted, image.events);
    let mut leases = Leases::new(meta.seed, meta.granted);
    for (id, ttl) in image.leases {
        leases.insert(id, ttl, now);
    }
    for kv in history.range(&crate::kv::KeyRange::everything(), meta.revision) {
        leases.attach(kv.value.lease, kv.key.clone());
    }
    let mut state = State::new(history, leases);
    if fresh {
        state.batch.set_origin(crate::durable::codec::FORMAT_VERSION, meta.seed);
        state.batch.set_revision(meta.revision);
        state.batch.set_compacted(meta.compacted);
        state.batch.set_granted(meta.granted);
        storage.commit(state.take_batch()).await?;
    }
    Ok((state, meta.seed))
}
