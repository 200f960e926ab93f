//! drain: which workers an operator wants to hold nothing. One record for all, so that every coordinator knows.

use super::error::StoreError;
use super::guarded::{Answer, Guarded, Revision};
use super::{Found, Store};
use crate::keys;
use crate::record::Drains;

/// Two operators at once are thinkable, sixteen are not.
const MAX_ROUNDS: u32 = 16;

impl Store {
    /// Changes the record, guarded by what was read; the same again is fine.
    pub(crate) async fn change_drains(&self, change: impl Fn(&mut Drains)) -> Result<(), StoreError> {
        let key = keys::DRAINS.to_owned();
        for _ in 0..MAX_ROUNDS {
            let found: Option<Found> = self.read(std::slice::from_ref(&key)).await?.pop().flatten();
            let before =
                found.as_ref().map(|found| found.decode(Drains::decode)).transpose()?.unwrap_or_default();
            let mut now = before.clone();
            change(&mut now);
            if now == before {
                return Ok(());
            }
            let txn = match &found {
                Some(found) => Guarded::new("drain").unchanged(&key, Revision(found.changed)),
                None => Guarded::new("drain").absent(&key),
            };
            if let Answer::Done(_) = self.run(txn.put(key.clone(), now.encode())).await? {
                return Ok(());
            }
        }
        Err(StoreError::Contended("drain"))
    }
}
