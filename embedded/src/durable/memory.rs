//! A storage without a disk, for simulations: clones share it, so it survives a simulated crash.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use async_trait::async_trait;

use super::{Batch, Record, Storage, Table};
use crate::error::Error;

type Records = BTreeMap<(Table, Vec<u8>), Vec<u8>>;

/// Keep a clone, drop the server, open another server on the clone: what was acknowledged is there.
#[derive(Debug, Clone, Default)]
pub struct MemoryStorage {
    records: Arc<Mutex<Records>>,
    latency: Duration,
}

impl MemoryStorage {
    /// An empty storage that answers at once.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    /// The same contents behind a disk that takes `latency` of tokio's time for each batch, so that
    /// groups form and a crash can fall between a change and its acknowledgement.
    #[must_use]
    pub fn with_latency(self, latency: Duration) -> Self {
        Self { latency, ..self }
    }
}

#[async_trait]
impl Storage for MemoryStorage {
    async fn load(&mut self) -> Result<Vec<Record>, Error> {
        let records = self.records.lock().unwrap_or_else(PoisonError::into_inner);
        Ok(records.iter().map(|((table, key), value)| (*table, key.clone(), value.clone())).collect())
    }

    async fn commit(&mut self, batch: Batch) -> Result<(), Error> {
        if !self.latency.is_zero() {
            tokio::time::sleep(self.latency).await;
        }
        let mut records = self.records.lock().unwrap_or_else(PoisonError::into_inner);
        for (table, key, value) in batch.writes() {
            match value {
                Some(value) => records.insert((table, key.to_vec()), value.to_vec()),
                None => records.remove(&(table, key.to_vec())),
            };
        }
        Ok(())
    }

    fn size(&self) -> u64 {
        let records = self.records.lock().unwrap_or_else(PoisonError::into_inner);
        records.iter().map(|((_, key), value)| (key.len() + value.len()) as u64).sum()
    }
}
