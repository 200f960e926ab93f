//! What seeds showed, one line each, in a file that the next run goes on behind; and their sums.

use std::collections::BTreeMap;
use std::fmt;
use std::fs::{File, OpenOptions};
use std::hash::{DefaultHasher, Hash, Hasher};
use std::io::{BufRead, BufReader, Write};
use std::path::PathBuf;
use std::time::Duration;

use serde::{Deserialize, Serialize};

use crate::run::Ran;

/// Names the folder of the tallies.
const FOLDER_ENV: &str = "TDFERRY_SIM_TALLY";
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

/// A seed and what it showed; an error in words where it broke a promise.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub(crate) struct Line {
    pub(crate) seed: u64,
    pub(crate) ran: Result<Ran, String>,
}

/// The tally of one part of all seeds, on disk.
pub(crate) struct Kept {
    path: PathBuf,
}

impl Kept {
    /// The file of a part: those seeds that leave `part.0` when divided by `part.1`.
    pub(crate) fn of(part: (u64, u64)) -> Self {
        Self { path: folder().join(format!("{}-of-{}.jsonl", part.0, part.1)) }
    }

    /// Every part's lines.
    pub(crate) fn all() -> Vec<Line> {
        let files = std::fs::read_dir(folder()).unwrap();
        files.flat_map(|file| Self { path: file.unwrap().path() }.lines()).collect()
    }

    /// What is tallied already. A last line that a killed run left unfinished is none.
    pub(crate) fn lines(&self) -> Vec<Line> {
        let Ok(file) = File::open(&self.path) else { return Vec::new() };
        let lines = BufReader::new(file).lines().map_while(Result::ok);
        lines.filter_map(|line| serde_json::from_str(&line).ok()).collect()
    }

    pub(crate) fn add(&self, line: &Line) {
        let mut file = OpenOptions::new().create(true).append(true).open(&self.path).unwrap();
        writeln!(file, "{}", serde_json::to_string(line).unwrap()).unwrap();
    }
}

impl fmt::Display for Kept {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}", self.path.display())
    }
}

/// As told, or where builds go, not to be committed. There each build has a tally of its own: another program may
/// go another way.
fn folder() -> PathBuf {
    let folder = std::env::var_os(FOLDER_ENV).map_or_else(
        || {
            let test = std::env::current_exe().unwrap();
            let mut build = DefaultHasher::new();
            std::fs::read(&test).unwrap().hash(&mut build);
            // target/debug/deps/simulation
            let target = test.ancestors().nth(3).unwrap();
            target.join("sim").join(format!("{:016x}", build.finish()))
        },
        PathBuf::from,
    );
    std::fs::create_dir_all(&folder).unwrap();
    folder
}

/// All seeds together.
#[derive(Default)]
pub(crate) struct Tally {
    pub(crate) seeds: u64,
    pub(crate) faults: BTreeMap<String, u64>,
    pub(crate) requests: BTreeMap<String, u64>,
    pub(crate) acted: BTreeMap<String, u64>,
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
        let sums = [&mut self.faults, &mut self.requests, &mut self.acted];
        for (sums, of) in sums.into_iter().zip([&ran.faults, &ran.requests, &ran.acted]) {
            for (what, times) in of {
                *sums.entry(what.clone()).or_default() += times;
            }
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

    #[expect(clippy::cast_precision_loss, reason = "a mean is for people")]
    fn mean(&self, sum: u64) -> f64 {
        sum as f64 / self.seeds.max(1) as f64
    }
}

impl fmt::Display for Tally {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let simulated = self.simulated.as_secs();
        let faults = self.faults.values().sum::<u64>();
        writeln!(f, "seeds                 {}", self.seeds)?;
        writeln!(f, "simulated             {simulated} s, {:.1} s a seed", self.mean(simulated))?;
        writeln!(f, "leases, commits, cuts {}, {}, {}", self.leases, self.commits, self.cuts)?;
        writeln!(f, "commits fenced        {}", self.fenced())?;
        writeln!(f, "rows written, again   {}, {}", self.rows, self.rows_again)?;
        writeln!(f, "poisoned and retried  {}", self.retried)?;
        for (words, times) in &self.told {
            writeln!(f, "  {times:>6} {words}")?;
        }
        writeln!(f, "faults                {faults}, {:.1} a seed", self.mean(faults))?;
        for (fault, times) in &self.faults {
            writeln!(f, "  {times:>6} {fault}")?;
        }
        writeln!(f, "of requests           {}", self.requests.values().sum::<u64>())?;
        for (what, times) in &self.requests {
            writeln!(f, "  {times:>6} {what}")?;
        }
        writeln!(f, "of the operator       {}", self.acted.values().sum::<u64>())?;
        for (what, times) in &self.acted {
            writeln!(f, "  {times:>6} {what}")?;
        }
        write!(f, "trace of all          {:016x}", self.traces.finish())
    }
}
