//! rebalance: an operator's wish, known to every coordinator, that vanishes by itself with a session of its own.

use tdferry_common::spec::TaskName;

use super::Store;
use super::error::StoreError;
use super::guarded::Guarded;
use crate::keys;
use crate::record::Rebalance;

impl Store {
    /// Asks that leases of a task be cut for idle workers; holds for as long as a session that is not heard of.
    pub(crate) async fn ask_rebalance(&self, task: &TaskName, asked: Rebalance) -> Result<(), StoreError> {
        let session = self.grant().await?;
        let put = Guarded::new("rebalance").exists(&keys::state(task));
        self.run(put.put_for(session, keys::rebalance(task), asked.encode())).await.map(drop)
    }
}
