//! Where the rejects of a task are: as its coordinator says, as its file says, or as the command line does.

use std::path::PathBuf;
use std::sync::Arc;

use clap::Args;
use tdferry_common::dsn::Dsn;
use tdferry_common::options::{FailsTo, Options};
use tdferry_common::secret::Secrets;
use tdferry_common::spec::{Spec, TaskKind};
use tdferry_common::tdengine::TdConnector;
use tdferry_common::timing::Timing;
use tdferry_proto::v1;
use tdferry_worker::reject::{self, Rejects};

use crate::asked;
use crate::exit::{Exit, Failure};
use crate::remote::{RemoteArgs, connect};
use crate::task::answer;

/// Which task, and where to learn of it.
#[derive(Debug, Args)]
pub(super) struct PlaceArgs {
    /// The task's name
    task: String,
    /// The target, asked for without a coordinator, as after `tdferry run`
    #[arg(long, value_name = "DSN")]
    to: Option<String>,
    /// The folder of rejects (`fails-to`), asked for without a coordinator
    #[arg(long, value_name = "PATH")]
    folder: Option<PathBuf>,
    /// The task file (TOML), asked for without a coordinator; needed with --to for a task that renames
    #[arg(short, long)]
    file: Option<PathBuf>,
    #[command(flatten)]
    remote: RemoteArgs,
}

/// The rejects of a task, with all that is needed to try them again.
pub(super) struct Opened {
    pub(super) spec: Spec,
    pub(super) connector: TdConnector,
    pub(super) rejects: Arc<dyn Rejects>,
}

impl Opened {
    /// Where they are.
    pub(super) fn place(&self) -> String {
        self.spec.rejects_place()
    }
}

impl PlaceArgs {
    pub(super) async fn open(&self) -> Result<Opened, Failure> {
        let mut spec = self.spec().await?;
        if let FailsTo::Folder(folder) = &spec.options.fails_to
            && !folder.is_dir()
        {
            let message = format!("the folder of rejects {} is not there on this machine", folder.display());
            return Err(usage(message));
        }
        let memory = spec.keep_secrets_in_memory();
        let connector = TdConnector::new(Secrets::from_process().with_memory(memory), Timing::default());
        let writer = format!("redrive-{}", std::process::id());
        let rejects = reject::open(&connector, &spec, &writer).await?;
        Ok(Opened { spec, connector, rejects })
    }

    /// The same, where the target is to be written to.
    pub(super) async fn open_for_writing(&self) -> Result<Opened, Failure> {
        match (&self.to, &self.folder, &self.file) {
            (None, Some(_), None) => Err(usage("name the target as well, with --to, or a task file with -f")),
            _ => self.open().await,
        }
    }

    async fn spec(&self) -> Result<Spec, Failure> {
        let mut spec = match &self.file {
            Some(file) => Spec { name: self.task.parse().map_err(usage)?, ..asked::read(file)? },
            None if self.to.is_some() || self.folder.is_some() => self.bare()?,
            None => self.stored().await?,
        };
        if let Some(to) = &self.to {
            spec.to = dsn(to)?;
        }
        if let Some(folder) = &self.folder {
            spec.options.fails_to = FailsTo::Folder(folder.clone());
        }
        Ok(spec)
    }

    /// A task of which nothing is known but its name. Its source is never opened.
    fn bare(&self) -> Result<Spec, Failure> {
        let to = dsn(self.to.as_deref().unwrap_or("taos+ws://unknown:6041"))?;
        let name = self.task.parse().map_err(usage)?;
        let (kind, from) = (TaskKind::TDengine2, to.clone().without_database());
        Ok(Spec { name, kind, from, to, options: Options::default() })
    }

    async fn stored(&self) -> Result<Spec, Failure> {
        let request = v1::ExportTaskRequest { name: self.task.clone() };
        let spec = answer(connect(&self.remote).await?.export_task(request).await)?.spec;
        Spec::from_json(&spec)
            .map_err(|error| Failure::new(Exit::Failed, format!("the stored task cannot be read: {error}")))
    }
}

fn dsn(text: &str) -> Result<Dsn, Failure> {
    let (dsn, _) = Dsn::parse(text).map_err(|error| usage(format!("--to: {error}")))?;
    Ok(dsn)
}

fn usage(problem: impl std::fmt::Display) -> Failure {
    Failure::new(Exit::Usage, problem)
}
