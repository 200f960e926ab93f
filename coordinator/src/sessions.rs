//! A worker's coming and going, as the store sees it: a session, and a record that hangs on it.

use tdferry_common::id::{SessionId, WorkerId};

use crate::record::WorkerRecord;
use crate::store::{Beat, Store, StoreError};

/// Opens a session for a worker and shows it. The record's session is filled in here.
pub(crate) async fn open(store: &Store, worker: WorkerRecord) -> Result<SessionId, StoreError> {
    let session = store.grant().await?;
    let shown = store.put_worker(&WorkerRecord { session, ..worker }).await?;
    // so slow a store that the session ended meanwhile: the worker asks again
    if shown == Beat::Gone { Err(StoreError::SessionGone) } else { Ok(session) }
}

/// Keeps a session, and shows what changed of its worker.
pub(crate) async fn beat(store: &Store, now: &WorkerRecord) -> Result<Beat, StoreError> {
    if store.keep_alive(now.session).await? == Beat::Gone {
        return Ok(Beat::Gone);
    }
    let shown = store.view().read(|mirror| mirror.worker(now.worker).is_some_and(|shown| shown == now));
    if shown { Ok(Beat::Alive) } else { store.put_worker(now).await }
}

/// Ends a session: its leases are free at once.
pub(crate) async fn close(store: &Store, worker: WorkerId, session: SessionId) -> Result<(), StoreError> {
    store.revoke(session).await?;
    tracing::info!(%worker, %session, "worker left");
    Ok(())
}
