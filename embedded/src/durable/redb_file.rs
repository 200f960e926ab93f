//! The storage in one redb file. Its blocking calls run on tokio's blocking threads, nowhere else.

use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use async_trait::async_trait;
use redb::{Database, DatabaseError, ReadableDatabase, ReadableTable, StorageBackend, TableDefinition};

use super::{Batch, Record, Storage, Table};
use crate::error::Error;

type Definition = TableDefinition<'static, &'static [u8], &'static [u8]>;

const EVENTS: Definition = TableDefinition::new("event");
const LEASES: Definition = TableDefinition::new("lease");
const META: Definition = TableDefinition::new("meta");

/// redb's page cache. The state is in memory anyway, so the cache only serves commits.
const CACHE_BYTES: usize = 16 * 1024 * 1024;

/// Ends the name of a file that is still being made; one that is left over is thrown away.
const DRAFT: &str = ".new";

/// One file, locked for one process, every batch synced before it counts.
#[derive(Debug)]
pub struct RedbStorage {
    database: Option<Arc<Database>>,
    path: Option<PathBuf>,
    size: Arc<AtomicU64>,
}

impl RedbStorage {
    /// Opens or creates the file. A new one is made beside its place and moved there when it is whole,
    /// so that a crash leaves either no file or a good one.
    pub async fn open(path: impl AsRef<Path>) -> Result<Self, Error> {
        let path = path.as_ref().to_path_buf();
        let wanted = path.clone();
        let database = blocking("open its file", move || {
            if !wanted.exists() {
                create(&wanted)?;
            }
            builder().open(&wanted).map_err(|error| open_error(error, &wanted))
        })
        .await?;
        Ok(Self::new(database, Some(path)))
    }

    /// The same on any backend of redb's; crash tests bring one that loses what was not synced.
    pub async fn on(backend: impl StorageBackend) -> Result<Self, Error> {
        let database = blocking("open its backend", move || {
            builder().create_with_backend(backend).map_err(|error| Error::storage("open its backend", error))
        })
        .await?;
        Ok(Self::new(database, None))
    }

    fn new(database: Database, path: Option<PathBuf>) -> Self {
        Self { database: Some(Arc::new(database)), path, size: Arc::default() }
    }

    fn database(&self) -> Result<Arc<Database>, Error> {
        self.database.clone().ok_or_else(|| Error::storage("use its file", "it was closed"))
    }
}

#[async_trait]
impl Storage for RedbStorage {
    async fn load(&mut self) -> Result<Vec<Record>, Error> {
        let database = self.database()?;
        blocking("read its file", move || {
            read_all(&database).map_err(|error| Error::storage("read its file", error))
        })
        .await
    }

    async fn commit(&mut self, batch: Batch) -> Result<(), Error> {
        let (database, path, size) = (self.database()?, self.path.clone(), Arc::clone(&self.size));
        blocking("write its file", move || {
            write(&database, &batch).map_err(|error| Error::storage("write its file", error))?;
            if let Some(Ok(file)) = path.map(std::fs::metadata) {
                size.store(file.len(), Ordering::Relaxed);
            }
            Ok(())
        })
        .await
    }

    fn size(&self) -> u64 {
        self.size.load(Ordering::Relaxed)
    }

    /// Dropping the database syncs it once more, which blocks, so it is done where blocking is fine.
    async fn close(&mut self) {
        let database = self.database.take();
        let closed = blocking("close its file", move || {
            drop(database);
            Ok(())
        });
        if let Err(error) = closed.await {
            tracing::warn!(%error, "embedded store did not close cleanly");
        }
    }
}

fn builder() -> redb::Builder {
    let mut builder = redb::Builder::new();
    builder.set_cache_size(CACHE_BYTES);
    builder
}

fn create(path: &Path) -> Result<(), Error> {
    let failed = |error: std::io::Error| Error::storage(format!("create the file {}", path.display()), error);
    let mut draft = path.as_os_str().to_owned();
    draft.push(DRAFT);
    match std::fs::remove_file(&draft) {
        Err(error) if error.kind() != std::io::ErrorKind::NotFound => return Err(failed(error)),
        _ => {}
    }
    let database = builder().create(&draft).map_err(|error| open_error(error, path))?;
    // Dropping it syncs it and marks it as closed.
    drop(database);
    std::fs::rename(&draft, path).map_err(failed)?;
    let folder =
        path.parent().filter(|folder| !folder.as_os_str().is_empty()).unwrap_or_else(|| Path::new("."));
    std::fs::File::open(folder).and_then(|folder| folder.sync_all()).map_err(failed)
}

fn definition(table: Table) -> Definition {
    match table {
        Table::Event => EVENTS,
        Table::Lease => LEASES,
        Table::Meta => META,
    }
}

fn write(database: &Database, batch: &Batch) -> Result<(), redb::Error> {
    let transaction = database.begin_write()?;
    for kind in [Table::Event, Table::Lease, Table::Meta] {
        let mut table = transaction.open_table(definition(kind))?;
        for (_, key, value) in batch.writes().filter(|(of, _, _)| *of == kind) {
            match value {
                Some(value) => table.insert(key, value)?,
                None => table.remove(key)?,
            };
        }
    }
    transaction.commit()?;
    Ok(())
}

fn read_all(database: &Database) -> Result<Vec<Record>, redb::Error> {
    let transaction = database.begin_read()?;
    let mut all = Vec::new();
    for kind in [Table::Event, Table::Lease, Table::Meta] {
        let table = match transaction.open_table(definition(kind)) {
            Ok(table) => table,
            Err(redb::TableError::TableDoesNotExist(_)) => continue,
            Err(error) => return Err(error.into()),
        };
        for record in table.iter()? {
            let (key, value) = record?;
            all.push((kind, key.value().to_vec(), value.value().to_vec()));
        }
    }
    Ok(all)
}

fn open_error(error: DatabaseError, path: &Path) -> Error {
    match error {
        DatabaseError::DatabaseAlreadyOpen => Error::Locked { path: path.to_path_buf() },
        other => Error::storage(format!("open the file {}", path.display()), other),
    }
}

async fn blocking<T: Send + 'static>(
    doing: &'static str,
    work: impl FnOnce() -> Result<T, Error> + Send + 'static,
) -> Result<T, Error> {
    match tokio::task::spawn_blocking(work).await {
        Ok(result) => result,
        Err(error) => Err(Error::storage(doing, error)),
    }
}
