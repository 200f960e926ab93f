//! A storage without a disk, for simulations: clones share it, so it survives a simulated crash.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use async_trait::async_trait;

use super::{Batch, Record, Storage, Table};
use crate::error::Error;

/// The records and what they take, counted as they change: it is asked for after every batch.
#[derive(Debug, Default)]
struct Contents {
    records: BTreeMap<(Table, Vec<u8>), Vec<u8>>,
    size: u64,
}

/// Keep a clone, drop the server, open another server on the clone: what was acknowledged is there.
#[derive(Debug, Clone, Default)]
pub struct MemoryStorage {
    contents: Arc<Mutex<Contents>>,
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

impl MemoryStorage {
    fn contents(&self) -> MutexGuard<'_, Contents> {
        self.contents.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Contents {
    fn set(&mut self, table: Table, key: &[u8], value: Option<&[u8]>) {
        let place = (table, key.to_vec());
        let old = match value {
            Some(value) => {
                self.size += record_size(key, value);
                self.records.insert(place, value.to_vec())
            }
            None => self.records.remove(&place),
        };
        self.size -= old.map_or(0, |old| record_size(key, &old));
    }
}

fn record_size(key: &[u8], value: &[u8]) -> u64 {
    (key.len() + value.len()) as u64
}

#[async_trait]
impl Storage for MemoryStorage {
    async fn load(&mut self) -> Result<Vec<Record>, Error> {
        let contents = self.contents();
        Ok(contents
            .records
            .iter()
            .map(|((table, key), value)| (*table, key.clone(), value.clone()))
            .collect())
    }

    async fn commit(&mut self, batch: Batch) -> Result<(), Error> {
        if !self.latency.is_zero() {
            tokio::time::sleep(self.latency).await;
        }
        let mut contents = self.contents();
        for (table, key, value) in batch.writes() {
            contents.set(table, key, value);
        }
        Ok(())
    }

    fn size(&self) -> u64 {
        self.contents().size
    }
}
