//! One request to etcd, asked again until it is answered: timeouts, backoff with jitter, and the check that the store
//! has not gone back. It knows nothing of tasks and shards.

use std::future::Future;
use std::sync::atomic::{AtomicI64, Ordering};
use std::sync::{Mutex, PoisonError};

use etcd_client::{
    GetOptions, KvClient, LeaseClient, MaintenanceClient, ResponseHeader, Txn, TxnResponse, WatchClient,
};
use rand::rngs::SmallRng;
use rand::{Rng, SeedableRng};
use tdferry_common::retry::Backoff;
use tdferry_common::timing::Timing;
use tokio::time::{Instant, sleep, timeout};

use super::error::{Failure, StoreError, sort};

/// How many keys one page of a listing asks for; shards of 1.2 KB stay far below the 4 MiB of one answer.
const PAGE_KEYS: i64 = 1_000;
/// The first wait is short, for a connection that was cut; the cap leaves several tries within a change of leader (4 s).
const RETRY_BASE_PER_REQUEST: u32 = 60;
const RETRY_CAP_PER_REQUEST: u32 = 3;
/// A watch that catches up may bring a thousand revisions in one message; a larger one breaks it, and it lists anew.
const MAX_WATCH_BYTES: usize = 64 * 1024 * 1024;

/// A value as it was found.
#[derive(Debug, Clone)]
pub(crate) struct Found {
    pub(crate) key: Vec<u8>,
    pub(crate) value: Vec<u8>,
    /// The revision that created the key.
    pub(crate) created: i64,
    /// The revision that changed it last.
    pub(crate) changed: i64,
}

/// A page of a listing.
pub(crate) struct Page {
    pub(crate) found: Vec<Found>,
    /// At which revision it was read.
    pub(crate) revision: i64,
    pub(crate) more: bool,
}

/// What is asked of a range of keys.
#[derive(Clone, Copy)]
pub(crate) struct Ask {
    /// Zero reads the newest revision.
    pub(crate) revision: i64,
    pub(crate) limit: i64,
    pub(crate) keys_only: bool,
}

impl Ask {
    pub(crate) const PAGE: Self = Self { revision: 0, limit: PAGE_KEYS, keys_only: false };
    pub(crate) const KEYS: Self = Self { keys_only: true, ..Self::PAGE };
}

/// A connection to etcd that does not give up at once.
pub(super) struct Wire {
    kv: KvClient,
    pub(super) lease: LeaseClient,
    pub(super) maintenance: MaintenanceClient,
    pub(super) watch: WatchClient,
    pub(super) timing: Timing,
    rng: Mutex<SmallRng>,
    /// The newest revision seen: no later answer may be older.
    newest: AtomicI64,
    #[cfg(test)]
    pub(super) faults: super::tests::faults::Faults,
}

impl Wire {
    pub(super) fn new(client: &etcd_client::Client, timing: Timing, seed: u64) -> Self {
        Self {
            kv: client.kv_client(),
            lease: client.lease_client(),
            maintenance: client.maintenance_client(),
            watch: client.watch_client().max_decoding_message_size(MAX_WATCH_BYTES),
            timing,
            rng: Mutex::new(SmallRng::seed_from_u64(seed)),
            newest: AtomicI64::new(0),
            #[cfg(test)]
            faults: super::tests::faults::Faults::default(),
        }
    }

    /// A random number from the injected seed.
    pub(super) fn random(&self) -> u64 {
        self.rng.lock().unwrap_or_else(PoisonError::into_inner).random()
    }

    /// Sends a transaction until it is answered. The second value tells whether an earlier try may have been done.
    pub(super) async fn txn(&self, what: &'static str, txn: &Txn) -> Result<(TxnResponse, bool), StoreError> {
        let floor = self.newest.load(Ordering::Acquire);
        let mut tries = 0_u32;
        let answer = self
            .until_answered(what, || {
                tries += 1;
                self.send(txn.clone())
            })
            .await?;
        self.check_revision(floor, answer.header())?;
        Ok((answer, tries > 1))
    }

    /// In tests an answer may get lost.
    fn is_lost(&self) -> bool {
        #[cfg(test)]
        return self.faults.loses_answer();
        #[cfg(not(test))]
        false
    }

    #[cfg(not(test))]
    async fn send(&self, txn: Txn) -> Result<TxnResponse, etcd_client::Error> {
        self.kv.clone().txn(txn).await
    }

    #[cfg(test)]
    async fn send(&self, txn: Txn) -> Result<TxnResponse, etcd_client::Error> {
        self.faults.send(self.kv.clone(), txn).await
    }

    /// One page of the keys in `[from, end)`. A page that would be larger than a message is asked for in halves.
    pub(super) async fn page(&self, from: &[u8], end: &[u8], ask: Ask) -> Result<Page, StoreError> {
        let mut ask = ask;
        loop {
            match self.page_once(from, end, ask).await {
                Err(StoreError::AnswerTooLarge(_)) if ask.limit > 1 => ask.limit /= 2,
                done => return done,
            }
        }
    }

    async fn page_once(&self, from: &[u8], end: &[u8], ask: Ask) -> Result<Page, StoreError> {
        let mut options = GetOptions::new().with_range(end).with_limit(ask.limit).with_revision(ask.revision);
        if ask.keys_only {
            options = options.with_keys_only();
        }
        let floor = self.newest.load(Ordering::Acquire);
        let mut answer = self
            .until_answered("list", || {
                let (mut kv, from, options) = (self.kv.clone(), from.to_vec(), options.clone());
                async move { kv.get(from, Some(options)).await }
            })
            .await?;
        let revision = self.check_revision(floor, answer.header())?;
        let more = answer.more();
        Ok(Page { found: answer.take_kvs().into_iter().map(Found::from).collect(), revision, more })
    }

    /// Forgets history before a revision; that it is forgotten already is fine.
    pub(super) async fn compact(&self, revision: i64) -> Result<(), StoreError> {
        let compacted = self
            .until_answered("compact", || {
                let mut kv = self.kv.clone();
                async move { kv.compact(revision, None).await }
            })
            .await;
        match compacted {
            Ok(_) | Err(StoreError::Compacted) => Ok(()),
            Err(err) => Err(err),
        }
    }

    /// Calls until there is an answer or a final refusal, or until nobody can be waiting for it any more.
    pub(super) async fn until_answered<T, F>(
        &self,
        what: &'static str,
        mut call: impl FnMut() -> F,
    ) -> Result<T, StoreError>
    where
        F: Future<Output = Result<T, etcd_client::Error>>,
    {
        let request = self.timing.store_request;
        let policy = Backoff::endless(request / RETRY_BASE_PER_REQUEST, request / RETRY_CAP_PER_REQUEST);
        // whoever waits longer than a session lives has lost what it wanted to change
        let deadline = Instant::now() + self.timing.session_ttl;
        let mut failed = 0_u32;
        loop {
            // boxed: the client's futures are large, and every caller's would hold one
            let message = match timeout(request, Box::pin(call())).await {
                Ok(Ok(_)) if self.is_lost() => "planted fault".to_owned(),
                Ok(Ok(answer)) => return Ok(answer),
                Ok(Err(err)) => match sort(err) {
                    Failure::Final(err) => return Err(err),
                    Failure::Unknown(message) => message,
                },
                Err(_) => format!("no answer within {request:?}"),
            };
            failed = failed.saturating_add(1);
            let delay = self.delay(policy, failed);
            if Instant::now() + delay > deadline {
                return Err(StoreError::Away { what, message });
            }
            tracing::debug!(what, failed, error = %message, "store request is tried again");
            sleep(delay).await;
        }
    }

    fn delay(&self, policy: Backoff, failed: u32) -> std::time::Duration {
        let mut rng = self.rng.lock().unwrap_or_else(PoisonError::into_inner);
        policy.delay(failed, &mut *rng).unwrap_or(policy.cap)
    }

    /// A store that shows an older revision than before was restored: the epochs it hands out repeat.
    pub(super) fn check_revision(
        &self,
        floor: i64,
        header: Option<&ResponseHeader>,
    ) -> Result<i64, StoreError> {
        let revision = header.map_or(0, ResponseHeader::revision);
        if revision < floor {
            return Err(StoreError::Foreign(format!(
                "the store went back from revision {floor} to {revision}: it was restored from a backup; stop all \
                 coordinators and workers, then start them again"
            )));
        }
        self.newest.fetch_max(revision, Ordering::AcqRel);
        Ok(revision)
    }
}

impl From<etcd_client::KeyValue> for Found {
    fn from(kv: etcd_client::KeyValue) -> Self {
        let (created, changed) = (kv.create_revision(), kv.mod_revision());
        let (key, value) = kv.into_key_value();
        Self { key, value, created, changed }
    }
}
