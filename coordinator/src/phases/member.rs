//! This coordinator shown among the others, for as long as it lives. For people: no decision looks at it.

use tdferry_common::id::SessionId;

use crate::record::CoordinatorRecord;
use crate::shared::Core;
use crate::store::{Beat, StoreError};

pub(super) async fn run(core: &Core) {
    loop {
        if let Err(err) = stay(core).await {
            tracing::debug!(error = %err, "not shown among the coordinators, tried again");
        }
        tokio::time::sleep(core.timing().heartbeat).await;
    }
}

/// Opens a session and keeps it until it is lost.
async fn stay(core: &Core) -> Result<(), StoreError> {
    let session = core.store.grant().await?;
    let version = env!("CARGO_PKG_VERSION").to_owned();
    let record = CoordinatorRecord { address: core.id.clone(), version };
    core.store.put_coordinator(&core.id, session, &record).await?;
    while beat(core, session).await? == Beat::Alive {}
    Ok(())
}

async fn beat(core: &Core, session: SessionId) -> Result<Beat, StoreError> {
    tokio::time::sleep(core.timing().heartbeat).await;
    core.store.keep_alive(session).await
}
