//! What etcd itself needs: history forgotten in time (an uncompacted one fills in hours), alarms seen, size known.

use etcd_client::{AlarmAction, AlarmType};

use super::Store;
use super::error::StoreError;
use super::wire::Ask;
use crate::keys;

/// Something that etcd cries for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Alarm {
    /// Its quota is used up; it takes no writes.
    NoSpace,
    /// A member's data does not agree with the others'.
    Corrupt,
}

/// How the store is.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Upkeep {
    /// What it cries for.
    pub(crate) alarms: Vec<Alarm>,
    /// The size of the answering member's database.
    pub(crate) db_bytes: i64,
    /// The answering member's version.
    pub(crate) version: String,
}

impl Store {
    /// The store's revision now; remembered, it is what [`Store::compact`] takes some minutes later.
    pub(crate) async fn revision(&self) -> Result<i64, StoreError> {
        let format = keys::FORMAT.as_bytes();
        Ok(self.wire().page(format, &keys::after(format), Ask::KEYS).await?.revision)
    }

    /// Forgets history before a revision. That another did so already is fine.
    pub(crate) async fn compact(&self, revision: i64) -> Result<(), StoreError> {
        self.wire().compact(revision).await
    }

    /// Alarms, size and version.
    pub(crate) async fn upkeep(&self) -> Result<Upkeep, StoreError> {
        let wire = self.wire();
        let alarms = wire
            .until_answered("alarms", || {
                let mut maintenance = wire.maintenance.clone();
                async move { maintenance.alarm(AlarmAction::Get, AlarmType::None, None).await }
            })
            .await?;
        let status = wire
            .until_answered("status", || {
                let mut maintenance = wire.maintenance.clone();
                async move { maintenance.status().await }
            })
            .await?;
        let alarm = |kind| match kind {
            AlarmType::Nospace => Some(Alarm::NoSpace),
            AlarmType::Corrupt => Some(Alarm::Corrupt),
            AlarmType::None => None,
        };
        let alarms = alarms.alarms().iter().filter_map(|one| alarm(one.alarm())).collect();
        Ok(Upkeep { alarms, db_bytes: status.db_size(), version: status.version().to_owned() })
    }
}
