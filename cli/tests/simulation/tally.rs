//! The sum over all seeds, and how it reads.

use std::collections::BTreeMap;
use std::fmt;
use std::hash::{DefaultHasher, Hash, Hasher};
use std::time::Duration;

use crate::run::Ran;

/// What the shipped parts log when a commit comes too late.
const FENCED: &str = "commit fenced";
/// What else is worth knowing, by the words it is logged with.
const WORTH_KNOWING: [&str; 9] = [
    FENCED,
    "lease lost",
    "lease abandoned",
    "orphan lease ended",
    "stalled lease ended",
    "counts differ",
    "commit refused",
    "session lost; registering anew",
    "shard failed: claimed too often without a commit",
];

/// All seeds together.
#[derive(Default)]
pub(crate) struct Tally {
    pub(crate) seeds: u64,
    pub(crate) faults: BTreeMap<String, u64>,
    told: BTreeMap<&'static str, u64>,
    simulated: Duration,
    commits: u64,
    leases: u64,
    pub(crate) cuts: u64,
    rows: u64,
    rows_again: u64,
    retried: u64,
    traces: DefaultHasher,
}

impl Tally {
    /// To be called in the order of the seeds: the trace is of all of them.
    pub(crate) fn add(&mut self, seed: u64, ran: &Ran) {
        self.seeds += 1;
        self.simulated += ran.simulated;
        self.commits += ran.shown.commits;
        self.leases += ran.shown.leases;
        self.cuts += ran.shown.cuts;
        self.rows += ran.shown.rows;
        self.rows_again += ran.shown.rows_again;
        self.retried += ran.retried;
        for (fault, times) in &ran.faults {
            *self.faults.entry(fault.clone()).or_default() += times;
        }
        for words in WORTH_KNOWING {
            *self.told.entry(words).or_default() += ran.told.get(words).copied().unwrap_or_default();
        }
        (seed, ran.trace).hash(&mut self.traces);
    }

    /// Commits that came too late and did not count.
    pub(crate) fn fenced(&self) -> u64 {
        self.told.get(FENCED).copied().unwrap_or_default()
    }
}

impl fmt::Display for Tally {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        writeln!(f, "seeds                 {}", self.seeds)?;
        writeln!(f, "simulated             {:.0} s", self.simulated.as_secs_f64())?;
        writeln!(f, "leases, commits       {}, {}", self.leases, self.commits)?;
        writeln!(f, "shards cut            {}", self.cuts)?;
        writeln!(f, "rows written, again   {}, {}", self.rows, self.rows_again)?;
        writeln!(f, "poisoned and retried  {}", self.retried)?;
        for (words, times) in &self.told {
            writeln!(f, "  {times:>6} {words}")?;
        }
        writeln!(f, "faults                {}", self.faults.values().sum::<u64>())?;
        for (fault, times) in &self.faults {
            writeln!(f, "  {times:>6} {fault}")?;
        }
        write!(f, "trace of all          {:016x}", self.traces.finish())
    }
}
