//! A worker's coming and going, as the store sees it: a session, and a record that hangs on it.

use tdferry_common::id::{SessionId, WorkerId};

use crate::record::WorkerRecord;
use crate::store::{Beat, Store, StoreError};

/// Opens a session for a worker and shows it. The record's session is filled in here.
pub(crate) async fn open(store: &Store, worker: WorkerRecord) -> Result<SessionId, StoreError> {
    let session = store.grant().await?;
    show(store, &WorkerRecord { session, ..worker }).await?;
    Ok(session)
}

/// So slow a store that the session ended meanwhile is one to be asked again: a refusal would end the worker.
async fn show(store: &Store, worker: &WorkerRecord) -> Result<(), StoreError> {
    match store.put_worker(worker).await? {
        Beat::Alive => Ok(()),
        Beat::Gone => Err(StoreError::Away {
            what: "register",
            message: "the new session ended before it could be shown".into(),
        }),
    }
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

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use tdferry_common::timing::Timing;
    use tdferry_proto::status::ApiError;

    use super::*;
    use crate::store::tests::env::embedded;

    #[tokio::test(start_paused = true)]
    async fn a_worker_whose_session_ends_before_it_is_shown_may_ask_again() {
        let store = Box::pin(Store::open(embedded().await, Timing::default(), 1)).await.unwrap();
        let session = store.grant().await.unwrap();
        let worker = WorkerRecord {
            worker: WorkerId(7),
            session,
            host: "here".into(),
            version: "0.1.0".into(),
            slots: 1,
            labels: BTreeMap::new(),
            draining: false,
            waiting: Vec::new(),
            notices: Vec::new(),
        };
        show(&store, &worker).await.unwrap();
        store.revoke(session).await.unwrap();
        let refused = ApiError::from(show(&store, &worker).await.unwrap_err());
        assert!(matches!(refused, ApiError::Unavailable(_)), "{refused:?}");
    }
}
