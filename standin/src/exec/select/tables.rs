//! The tables a query goes through, one by one, without ever holding them all.

use std::collections::VecDeque;
use std::sync::Arc;

use super::Query;
use crate::exec::Engine;
use crate::exec::names::Resolved;
use crate::exec::predicate::Filter;
use crate::store::{TableRef, TableSet};

/// Tables looked up under one lock.
const PAGE: usize = 1_000;

pub(super) struct Tables {
    resolved: Resolved,
    filter: Filter,
    page: VecDeque<TableRef>,
    /// Where the next page starts: a position, or an index into the names.
    next: Option<u64>,
}

impl Tables {
    pub(super) fn new(query: &Query) -> Self {
        let (resolved, filter) = (query.resolved.clone(), query.filter.clone());
        Self { resolved, filter, page: VecDeque::new(), next: Some(0) }
    }

    /// None at all where no table of the stable has a row in the time that is asked for.
    pub(super) fn with_rows(query: &Query) -> Self {
        let mut tables = Self::new(query);
        if let TableSet::Stable(shape) = &query.resolved.set
            && shape.ends_before(query.filter.from)
        {
            tables.next = None;
        }
        tables
    }

    pub(super) fn next(&mut self, engine: &Arc<Engine>) -> Option<TableRef> {
        loop {
            while let Some(table) = self.page.pop_front() {
                if self.filter.takes_table(&table) {
                    return Some(table);
                }
            }
            self.turn(engine, self.next?);
            engine.counters.tables_visited(self.page.len());
        }
    }

    fn turn(&mut self, engine: &Engine, from: u64) {
        let Some(names) = &self.filter.names else {
            let (page, next) = self.resolved.page(engine, from, PAGE);
            self.page = page.into();
            self.next = next;
            return;
        };
        let start = usize::try_from(from).unwrap_or(usize::MAX).min(names.len());
        let end = (start + PAGE).min(names.len());
        self.page = names[start..end].iter().filter_map(|name| self.resolved.member(engine, name)).collect();
        self.next = (end < names.len()).then_some(end as u64);
    }
}
