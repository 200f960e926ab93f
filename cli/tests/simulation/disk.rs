//! The store's disk: it survives the crash of its host, and logs what becomes durable.

use std::sync::Arc;

use async_trait::async_trait;
use tdferry_coordinator::invariant::Written;
use tdferry_embedded::{Batch, Error, MemoryStorage, Storage, Table};

use crate::kinds::STORE;
use crate::log::Entry;
use crate::steps::{Step, When};
use crate::world::World;

/// A storage that survives the crash of its host, and logs what becomes durable in it.
pub(crate) struct LoggedStorage {
    pub(crate) inner: MemoryStorage,
    pub(crate) world: Arc<World>,
}

#[async_trait]
impl Storage for LoggedStorage {
    async fn load(&mut self) -> Result<Vec<(Table, Vec<u8>, Vec<u8>)>, Error> {
        self.inner.load().await
    }

    async fn commit(&mut self, batch: Batch) -> Result<(), Error> {
        let World { log, steps, .. } = &*self.world;
        let began = log.len();
        let written = batch.changes().map(|(revision, key, value)| Written {
            revision,
            key: key.to_vec(),
            value: value.map(|value| value.to_vec()),
        });
        let written: Vec<Written> = written.collect();
        steps.pass(STORE, Step::Write, When::Before).await;
        self.inner.commit(batch).await?;
        if !written.is_empty() {
            log.push(Entry::Stored { began, written });
        }
        steps.pass(STORE, Step::Write, When::After).await;
        Ok(())
    }

    fn size(&self) -> u64 {
        self.inner.size()
    }
}
