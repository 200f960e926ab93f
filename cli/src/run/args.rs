//! The words of `tdferry run`.

use std::path::{Path, PathBuf};

use clap::Args;
use tdferry_common::options::Mode;
use tdferry_common::spec::Spec;

use crate::asked::Asked;
use crate::exit::{Exit, Failure};
use crate::task::Gate;

/// Migrates one database in this process. Run it again after a crash, with the same --state: it goes on.
///
/// Example:
///   tdferry run --from 'taos+ws://root:secret@old:6041/power' --to 'taos+ws://root:secret@new:6041'
/// Any option of a task may be given with -o, or as a parameter of a DSN:
///   tdferry run --from … --to … -o unit=6h -o assert=off
/// Several databases, one after the other, each as a task of its own:
///   tdferry run --from 'taos+ws://root:secret@old:6041' --to … --database power --database meter=meter3
#[derive(Debug, Args)]
#[command(verbatim_doc_comment)]
pub struct RunArgs {
    #[command(flatten)]
    task: Task,
    /// Where progress is kept
    #[arg(long, value_name = "DIR", default_value = "tdferry-state")]
    state: PathBuf,
    #[command(flatten)]
    doing: Doing,
    /// With --mode both or realtime: the source's writers are stopped; once the last rows are over, compare and end
    #[arg(long)]
    cutover: bool,
    #[command(flatten)]
    gate: Gate,
}

/// Compares two databases as they are and copies nothing: every tag and every cell, on both sides.
///
/// What is written to the source while it is compared is left out: only rows up to the beginning count, and --end
/// sets an earlier mark. Ends with exit code 8 where the target differs. Killed, it goes on where it stopped; once it
/// came to its end, the next one begins anew.
///
/// Example:
///   tdferry verify --from 'taos+ws://root:secret@old:6041/power' --to 'taos+ws://root:secret@new:6041'
#[derive(Debug, Args)]
#[command(verbatim_doc_comment)]
pub struct VerifyArgs {
    #[command(flatten)]
    task: Task,
    /// Where progress is kept
    #[arg(long, value_name = "DIR", default_value = "tdferry-verify")]
    state: PathBuf,
    #[command(flatten)]
    doing: Doing,
}

/// What is asked for: from where, to where, and how.
#[derive(Debug, Args)]
struct Task {
    /// The 2.x source: DRIVER://USER:PASSWORD@HOST:PORT/DATABASE
    #[arg(long, value_name = "DSN")]
    from: String,
    /// The 3.x target; its database is called as the source's unless named
    #[arg(long, value_name = "DSN")]
    to: String,
    #[command(flatten)]
    asked: Asked,
}

/// How it is gone about, and what is left of it at the end.
#[derive(Debug, Clone, Args)]
struct Doing {
    #[command(flatten)]
    repairs: Repairs,
    #[command(flatten)]
    proof: Proof,
    #[command(flatten)]
    local: Local,
}

/// What is written at the end.
#[derive(Debug, Clone, Args)]
pub(super) struct Proof {
    /// Where the certificate goes, with a page beside it [default: TASK.certificate.json in the state folder]
    #[arg(long, value_name = "FILE")]
    pub(super) certificate: Option<PathBuf>,
    /// Read every subtable again on both sides for the certificate, and tell rows and sum of each
    #[arg(long)]
    pub(super) certificate_subtables: bool,
}

/// What is done where the target differs.
#[derive(Debug, Clone, Copy, Args)]
pub(super) struct Repairs {
    /// Where the target differs, write what it lacks or has otherwise and compare again, at most three times
    #[arg(long)]
    pub(super) repair: bool,
    /// With --repair: delete the rows that only the target has
    #[arg(long, requires = "repair")]
    pub(super) delete_extra: bool,
}

/// How this process goes about it.
#[derive(Debug, Clone, Copy, Args)]
pub(super) struct Local {
    /// Leases a worker copies at once [default: the CPU cores]
    #[arg(long)]
    pub(super) slots: Option<u32>,
    /// Workers in this process
    #[arg(long, value_name = "N", default_value_t = 1, value_parser = clap::value_parser!(u32).range(1..=64))]
    pub(super) worker_count: u32,
    /// One JSON object on stdout at the end, no progress bars
    #[arg(long)]
    pub(super) json: bool,
    /// Heartbeat of the workers, from which all other times follow
    #[arg(long, hide = true, value_name = "MILLISECONDS", default_value_t = 1_000)]
    pub(super) heartbeat: u64,
}

/// One task in one process.
#[derive(Debug)]
pub(super) struct Asking {
    pub(super) spec: Spec,
    pub(super) state: PathBuf,
    pub(super) repairs: Repairs,
    pub(super) proof: Proof,
    pub(super) local: Local,
    /// Whether the task is forgotten when it came to its end.
    pub(super) once: bool,
    /// What must hold before following ends; `None`: it does not.
    pub(super) cutover: Option<Gate>,
}

impl RunArgs {
    /// The task, checked whole: nothing has been opened or stored.
    pub(super) fn asking(self) -> Result<Vec<Asking>, Failure> {
        let specs = self.task.asked.specs(&self.task.from, &self.task.to)?;
        if let (Some(file), false) = (&self.doing.proof.certificate, specs.len() == 1) {
            return Err(one_file(file));
        }
        let cutover = self.cutover.then_some(&self.gate);
        let asking =
            |spec| Asking { cutover: cutover.cloned(), ..self.doing.asking(spec, &self.state, false) };
        Ok(specs.into_iter().map(asking).collect())
    }
}

impl VerifyArgs {
    /// The same for a task that only compares.
    pub(super) fn asking(self) -> Result<Vec<Asking>, Failure> {
        let mut spec = self.task.asked.spec(&self.task.from, &self.task.to)?;
        spec.options.mode = Mode::Verify;
        Ok(vec![self.doing.asking(spec, &self.state, true)])
    }
}

impl Doing {
    fn asking(&self, spec: Spec, state: &Path, once: bool) -> Asking {
        let Self { repairs, proof, local } = self.clone();
        Asking { spec, state: state.to_owned(), repairs, proof, local, once, cutover: None }
    }
}

fn one_file(file: &Path) -> Failure {
    let what = format!("field `certificate`: {} is one file, and each database has its own", file.display());
    Failure::new(Exit::Usage, what)
}
