//! The watchers of one stream: created, cancelled and numbered as etcd does. Pure.

use std::collections::BTreeMap;

use etcd_client::proto::{PbWatchRequestUnion, PbWatchResponse};

use super::watcher::{Portion, Watcher};
use crate::header::at_revision;
use crate::kv::{History, KeyRange};

const NO_PUT: i32 = 0;
const NO_DELETE: i32 = 1;
/// In a request: "give me any id"; it is also the first id given.
const ANY_ID: i64 = 0;
/// In an answer: "about no watcher in particular".
const NO_WATCHER: i64 = -1;

#[derive(Debug, Default)]
pub(super) struct Watchers {
    by_id: BTreeMap<i64, Watcher>,
    next_id: i64,
    /// Watchers that were told something since progress was last reported.
    told: std::collections::BTreeSet<i64>,
}

impl Watchers {
    /// Serves a request; a cancel of an unknown watcher gets no answer, as in etcd.
    pub(super) fn handle(&mut self, request: PbWatchRequestUnion, now: i64) -> Option<PbWatchResponse> {
        match request {
            PbWatchRequestUnion::CreateRequest(wanted) => {
                // etcd watches from the smallest key where none is named.
                let key = if wanted.key.is_empty() { vec![0] } else { wanted.key };
                let watcher = Watcher {
                    id: wanted.watch_id,
                    keys: KeyRange::new(&key, &wanted.range_end),
                    next: if wanted.start_revision == 0 { now + 1 } else { wanted.start_revision },
                    puts: !wanted.filters.contains(&NO_PUT),
                    deletes: !wanted.filters.contains(&NO_DELETE),
                    prev_kv: wanted.prev_kv,
                    progress: wanted.progress_notify,
                    synced: false,
                };
                Some(self.create(watcher, now))
            }
            PbWatchRequestUnion::CancelRequest(cancel) => {
                self.by_id.remove(&cancel.watch_id)?;
                self.told.remove(&cancel.watch_id);
                Some(PbWatchResponse { canceled: true, ..about(cancel.watch_id, now) })
            }
            PbWatchRequestUnion::ProgressRequest(_) => Some(about(NO_WATCHER, now)),
        }
    }

    /// What the watchers have to be told about the transactions up to `now`; a part of it, so that
    /// nobody holds the history for long. Empty when all are up to date.
    pub(super) fn pull(&mut self, history: &History, now: i64) -> Vec<PbWatchResponse> {
        let behind: Vec<i64> =
            self.by_id.values().filter(|watcher| watcher.is_behind(now)).map(|watcher| watcher.id).collect();
        let mut answers = Vec::new();
        for id in behind {
            let Some(watcher) = self.by_id.get_mut(&id) else { continue };
            match watcher.pull(history, now) {
                Portion::Nothing => {}
                Portion::Events(answer) => {
                    self.told.insert(id);
                    answers.push(answer);
                }
                Portion::TooLate(answer) => {
                    self.by_id.remove(&id);
                    self.told.remove(&id);
                    answers.push(answer);
                }
            }
        }
        answers
    }

    /// True while somebody has not seen everything up to `now`.
    pub(super) fn are_behind(&self, now: i64) -> bool {
        self.by_id.values().any(|watcher| watcher.is_behind(now))
    }

    pub(super) fn want_progress(&self) -> bool {
        self.by_id.values().any(|watcher| watcher.progress)
    }

    /// One empty answer for each watcher that asked for progress and has heard nothing since the last call.
    pub(super) fn progress(&mut self, now: i64) -> Vec<PbWatchResponse> {
        let told = std::mem::take(&mut self.told);
        let silent = self.by_id.values().filter(|watcher| watcher.progress && !told.contains(&watcher.id));
        silent.map(|watcher| about(watcher.id, now)).collect()
    }

    fn create(&mut self, mut watcher: Watcher, now: i64) -> PbWatchResponse {
        let refusal = if watcher.keys.is_inverted() {
            Some("mvcc: watcher range is empty")
        } else if watcher.id != ANY_ID && self.by_id.contains_key(&watcher.id) {
            Some("mvcc: duplicate watch ID provided on the WatchStream")
        } else {
            None
        };
        if let Some(reason) = refusal {
            let cancel_reason = reason.to_owned();
            return PbWatchResponse {
                created: true,
                canceled: true,
                cancel_reason,
                ..about(NO_WATCHER, now)
            };
        }
        if watcher.id == ANY_ID {
            watcher.id = self.free_id();
        }
        watcher.synced = watcher.next > now;
        let id = watcher.id;
        self.by_id.insert(id, watcher);
        PbWatchResponse { created: true, ..about(id, now) }
    }

    fn free_id(&mut self) -> i64 {
        while self.by_id.contains_key(&self.next_id) {
            self.next_id += 1;
        }
        self.next_id += 1;
        self.next_id - 1
    }
}

fn about(watch_id: i64, now: i64) -> PbWatchResponse {
    PbWatchResponse { header: Some(at_revision(now)), watch_id, ..PbWatchResponse::default() }
}
