//! A lease given back by its holder, in good order.

use tdferry_common::lease::LeaseKey;

use super::shard_of;
use crate::shared::Core;
use crate::store::StoreError;

/// Gives a lease back; its claim does not count towards poison.
pub(crate) async fn release(core: &Core, key: &LeaseKey) -> Result<(), StoreError> {
    let seen = core.view().read(|mirror| shard_of(mirror, key));
    core.store.release(key, seen.as_ref()).await
}
