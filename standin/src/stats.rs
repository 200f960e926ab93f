//! What a server was asked, in numbers that tests and benches read.

use std::collections::BTreeMap;
use std::sync::Mutex;
use std::sync::atomic::{AtomicU64, Ordering};

use crate::sync::lock;

/// A snapshot of the counters.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Stats {
    /// Statements by their first word.
    pub statements: BTreeMap<&'static str, u64>,
    /// Statements that were refused.
    pub refused: u64,
    /// Raw blocks stored.
    pub raw_blocks: u64,
    /// Rows stored through raw blocks.
    pub rows_by_block: u64,
    /// Rows stored through INSERT.
    pub rows_by_insert: u64,
    /// Rows sent in answers to queries.
    pub rows_read: u64,
    /// Tables that queries went through to find those rows.
    pub tables_visited: u64,
    /// Tables created.
    pub tables_created: u64,
    /// Connections accepted.
    pub connections: u64,
}

#[derive(Debug, Default)]
pub(crate) struct Counters {
    statements: Mutex<BTreeMap<&'static str, u64>>,
    refused: AtomicU64,
    raw_blocks: AtomicU64,
    rows_by_block: AtomicU64,
    rows_by_insert: AtomicU64,
    rows_read: AtomicU64,
    tables_visited: AtomicU64,
    tables_created: AtomicU64,
    connections: AtomicU64,
}

impl Counters {
    pub(crate) fn statement(&self, kind: &'static str) {
        *lock(&self.statements).entry(kind).or_default() += 1;
    }

    pub(crate) fn refused(&self) {
        self.refused.fetch_add(1, Ordering::Relaxed);
    }

    pub(crate) fn rows_by_block(&self, rows: u64) {
        self.raw_blocks.fetch_add(1, Ordering::Relaxed);
        self.rows_by_block.fetch_add(rows, Ordering::Relaxed);
    }

    pub(crate) fn rows_by_insert(&self, rows: u64) {
        self.rows_by_insert.fetch_add(rows, Ordering::Relaxed);
    }

    pub(crate) fn rows_read(&self, rows: usize) {
        self.rows_read.fetch_add(rows as u64, Ordering::Relaxed);
    }

    pub(crate) fn tables_visited(&self, tables: usize) {
        self.tables_visited.fetch_add(tables as u64, Ordering::Relaxed);
    }

    pub(crate) fn tables_created(&self, tables: u64) {
        self.tables_created.fetch_add(tables, Ordering::Relaxed);
    }

    pub(crate) fn connection(&self) {
        self.connections.fetch_add(1, Ordering::Relaxed);
    }

    pub(crate) fn snapshot(&self) -> Stats {
        let of = |counter: &AtomicU64| counter.load(Ordering::Relaxed);
        Stats {
            statements: lock(&self.statements).clone(),
            refused: of(&self.refused),
            raw_blocks: of(&self.raw_blocks),
            rows_by_block: of(&self.rows_by_block),
            rows_by_insert: of(&self.rows_by_insert),
            rows_read: of(&self.rows_read),
            tables_visited: of(&self.tables_visited),
            tables_created: of(&self.tables_created),
            connections: of(&self.connections),
        }
    }
}
