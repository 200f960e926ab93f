//! Where the state outlives the process: three small tables, written in one atomic batch per group.
//! A storage knows bytes only; what they mean stands in `codec`.

mod batch;
pub(crate) mod codec;
mod image;
mod memory;
mod redb_file;

use async_trait::async_trait;

pub use batch::{Batch, Record, Table};
pub(crate) use image::{Image, Meta};
pub use memory::MemoryStorage;
pub use redb_file::RedbStorage;

use crate::error::Error;

/// The store's home. The engine owns it and calls one method at a time.
#[async_trait]
pub trait Storage: Send + 'static {
    /// Everything stored, ascending by table and key.
    async fn load(&mut self) -> Result<Vec<Record>, Error>;

    /// Stores a batch whole or not at all; when it returns, the batch survives a crash.
    async fn commit(&mut self, batch: Batch) -> Result<(), Error>;

    /// Bytes taken where it is stored.
    fn size(&self) -> u64;

    /// Lets go of files and locks; nothing is called after it.
    async fn close(&mut self) {}
}

#[cfg(test)]
mod tests;
