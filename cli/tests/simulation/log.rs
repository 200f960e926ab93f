//! What happened in one simulation, in one order: what became durable in the store, what the sink and its callers saw,
//! which faults came. Everything is checked on this log, nothing by looking now and then.

use std::hash::{DefaultHasher, Hash, Hasher};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use tdferry_common::testing::Event;
use tdferry_common::time::Period;
use tdferry_coordinator::invariant::Written;

/// Something that happened.
#[derive(Debug, Clone)]
pub(crate) enum Entry {
    /// A batch became durable; `began` entries stood before it when the store began to make it so.
    Stored { began: usize, written: Vec<Written> },
    /// The sink applied rows of a table.
    Applied { table: String, rows: usize, period: Period },
    /// A writer was told that rows of a table are written.
    Acknowledged { worker: usize, table: String, period: Period },
    /// A read of these tables failed, so that its rows may be read and written once more.
    ReadFailed { tables: Vec<String>, period: Period },
    /// A read of these tables ended early without an error.
    Short { tables: Vec<String> },
    /// Production wrote a row, perhaps later than the task waits for rows out of order.
    Produced { table: String, ts: i64, late: bool },
    /// A worker was told that this commit does not count.
    Refused { shard: String, epoch: i64, seq: u64 },
    /// A fault began or ended, or an operator did something.
    Note { what: String },
}

/// The log of one simulation; clones are the same one.
#[derive(Clone, Default)]
pub(crate) struct Log(Arc<Mutex<Kept>>);

#[derive(Default)]
struct Kept {
    entries: Vec<Entry>,
    now: Duration,
    trace: DefaultHasher,
    aloud: bool,
}

impl Log {
    /// A log that is also printed as it grows, if `aloud`.
    pub(crate) fn new(aloud: bool) -> Self {
        let log = Self::default();
        log.lock().aloud = aloud;
        log
    }

    /// Simulated time, as the driver last told it.
    pub(crate) fn now(&self) -> Duration {
        self.lock().now
    }

    pub(crate) fn set_now(&self, now: Duration) {
        self.lock().now = now;
    }

    pub(crate) fn len(&self) -> usize {
        self.lock().entries.len()
    }

    pub(crate) fn push(&self, entry: Entry) {
        let mut kept = self.lock();
        let (now, line) = (kept.now, format!("{entry:?}"));
        (now, &line).hash(&mut kept.trace);
        if kept.aloud {
            eprintln!("{:>8.3} {}", now.as_secs_f64(), brief(&entry, &line));
        }
        kept.entries.push(entry);
    }

    pub(crate) fn note(&self, what: impl Into<String>) {
        self.push(Entry::Note { what: what.into() });
    }

    /// What the sink did.
    pub(crate) fn sink_event(&self, event: &Event) {
        if let Event::Wrote { table, rows, period } = event {
            self.push(Entry::Applied { table: table.clone(), rows: *rows, period: *period });
        }
    }

    /// All of it.
    pub(crate) fn entries(&self) -> Vec<Entry> {
        self.lock().entries.clone()
    }

    /// One number for all that happened and when.
    pub(crate) fn trace(&self) -> u64 {
        self.lock().trace.finish()
    }

    fn lock(&self) -> MutexGuard<'_, Kept> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Records are binary: only their keys are for people.
fn brief(entry: &Entry, line: &str) -> String {
    let written = match entry {
        Entry::Stored { written, .. } => written,
        Entry::Note { what } => return format!("      {what}"),
        _ => return line.to_owned(),
    };
    let one = |written: &Written| {
        let key = String::from_utf8_lossy(&written.key).into_owned();
        format!("{}{}@{}", if written.value.is_some() { "" } else { "deleted " }, key, written.revision)
    };
    format!("stored {}", written.iter().map(one).collect::<Vec<_>>().join(", "))
}
