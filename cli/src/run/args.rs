//! The words of `tdferry run`.

use std::path::PathBuf;

use clap::Args;
use tdferry_common::spec::Spec;

use crate::asked::Asked;
use crate::exit::Failure;

/// Migrates one database in this process. Run it again after a crash, with the same --state: it goes on.
///
/// Example:
///   tdferry run --from 'taos+ws://root:secret@old:6041/power' --to 'taos+ws://root:secret@new:6041'
/// Any option of a task may be given with -o, or as a parameter of a DSN:
///   tdferry run --from … --to … -o unit=6h -o assert=off
#[derive(Debug, Args)]
#[command(verbatim_doc_comment)]
pub struct RunArgs {
    /// The 2.x source: DRIVER://USER:PASSWORD@HOST:PORT/DATABASE
    #[arg(long, value_name = "DSN")]
    from: String,
    /// The 3.x target; its database is called as the source's unless named
    #[arg(long, value_name = "DSN")]
    to: String,
    #[command(flatten)]
    asked: Asked,
    /// Where progress is kept
    #[arg(long, value_name = "DIR", default_value = "tdferry-state")]
    pub(super) state: PathBuf,
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

impl RunArgs {
    /// The task, checked whole: nothing has been opened or stored.
    pub(super) fn spec(&self) -> Result<Spec, Failure> {
        self.asked.spec(&self.from, &self.to)
    }
}
