//! Sessions that a process left behind when it was killed, ended by the one that has the store to itself now.

use std::collections::BTreeSet;

use tdferry_common::id::SessionId;

use crate::shared::Core;
use crate::store::StoreError;
use crate::view::Mirror;

/// Ends every session that a worker or a lease is seen to hang on: nobody waits for the TTL of the dead.
pub(crate) async fn end_former_sessions(core: &Core) -> Result<(), StoreError> {
    for session in core.view().read(sessions) {
        core.store.revoke(session).await?;
        tracing::info!(%session, "former session ended");
    }
    Ok(())
}

fn sessions(mirror: &Mirror) -> BTreeSet<SessionId> {
    let leases = mirror.tasks().flat_map(|(_, task)| task.leases()).map(|lease| lease.session);
    mirror.workers().map(|worker| worker.session).chain(leases).collect()
}
