//! What a person must see to, since the task may not: what the target lacks. Heartbeats tell it for as long as it lasts,
//! so that a task can say so and no cutover passes over it.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use tdferry_common::lease::LeaseKey;
use tdferry_proto::v1;

/// Told with one heartbeat: more would not be read, and a worker's record is to stay small.
const MOST: usize = 16;

/// All notices that leases of this session give now.
#[derive(Clone, Default)]
pub(crate) struct Notices(Arc<Mutex<BTreeMap<(LeaseKey, About), String>>>);

/// What a notice is about: of each there is one at most.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum About {
    /// Columns and tags of what is followed.
    Columns,
    /// Subtables of the stable that is followed.
    Subtables,
    /// Stables and normal tables.
    Tables,
}

/// Where one lease gives notice; what it gave is withdrawn when this is dropped.
pub(crate) struct Board {
    notices: Notices,
    lease: LeaseKey,
}

impl Notices {
    /// For one lease.
    pub(crate) fn board(&self, lease: &LeaseKey) -> Board {
        Board { notices: self.clone(), lease: lease.clone() }
    }

    /// As heartbeats tell it.
    pub(crate) fn list(&self) -> Vec<v1::Notice> {
        let told = |((lease, _), message): (&(LeaseKey, About), &String)| v1::Notice {
            task: lease.task.to_string(),
            shard: lease.shard.to_string(),
            message: message.clone(),
        };
        self.lock().iter().take(MOST).map(told).collect()
    }

    fn lock(&self) -> MutexGuard<'_, BTreeMap<(LeaseKey, About), String>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Board {
    /// Gives notice, or withdraws it; logs it where it is another than before.
    pub(crate) fn tell(&self, about: About, message: Option<String>) {
        let place = (self.lease.clone(), about);
        let mut notices = self.notices.lock();
        if notices.get(&place) == message.as_ref() {
            return;
        }
        let LeaseKey { task, shard, .. } = &self.lease;
        if let Some(message) = message {
            tracing::warn!(%task, %shard, message, "a person is needed");
            notices.insert(place, message);
        } else {
            tracing::info!(%task, %shard, ?about, "the target lacks nothing of that any more");
            notices.remove(&place);
        }
    }
}

impl Drop for Board {
    fn drop(&mut self) {
        self.notices.lock().retain(|(lease, _), _| *lease != self.lease);
    }
}

#[cfg(test)]
mod tests {
    use tdferry_common::id::{Epoch, GroupId, ShardId};

    use super::*;

    fn lease(epoch: i64) -> LeaseKey {
        LeaseKey { task: "t".parse().unwrap(), shard: ShardId::tail(GroupId(1)), epoch: Epoch(epoch) }
    }

    fn told(notices: &Notices) -> Vec<String> {
        notices.list().into_iter().map(|notice| notice.message).collect()
    }

    #[test]
    fn a_notice_lasts_until_it_is_withdrawn_or_its_lease_ends() {
        let notices = Notices::default();
        let (former, board) = (notices.board(&lease(1)), notices.board(&lease(2)));
        former.tell(About::Columns, Some("a column".into()));
        board.tell(About::Columns, Some("a column".into()));
        board.tell(About::Subtables, Some("a subtable".into()));
        assert_eq!(told(&notices), ["a column", "a column", "a subtable"]);
        drop(former);
        assert_eq!(told(&notices), ["a column", "a subtable"], "whoever came after goes on telling");
        board.tell(About::Columns, Some("two columns".into()));
        board.tell(About::Subtables, None);
        assert_eq!(told(&notices), ["two columns"]);
        drop(board);
        assert!(told(&notices).is_empty());
    }
}
