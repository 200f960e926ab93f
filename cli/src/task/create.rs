//! `tdferry task create` and `import`: task files, checked here and again by the coordinator.

use std::path::PathBuf;

use clap::Args;
use tdferry_common::spec::Spec;
use tdferry_proto::v1;

use super::{Client, answer, describe, held, view_json};
use crate::exit::{Exit, Failure, Outcome};
use crate::output;
use crate::remote::{RemoteArgs, connect};

/// The task file.
#[derive(Debug, Args)]
pub(crate) struct CreateArgs {
    /// The task file (TOML), or - for standard input
    #[arg(short, long)]
    file: PathBuf,
    /// One JSON object on stdout, for each task of the file
    #[arg(long)]
    json: bool,
    #[command(flatten)]
    remote: RemoteArgs,
}

/// Exported task files.
#[derive(Debug, Args)]
pub(crate) struct ImportArgs {
    /// Task files (TOML)
    #[arg(required = true)]
    files: Vec<PathBuf>,
    #[command(flatten)]
    remote: RemoteArgs,
}

/// All tasks of the file are checked before the first is created.
pub(crate) async fn create(args: CreateArgs) -> Outcome {
    let specs = read(&args.file)?;
    let mut client = connect(&args.remote).await?;
    for spec in &specs {
        let task = send(&mut client, spec).await?;
        if args.json { output::json(&view_json(&task)) } else { output::data(&describe(&task)) }
    }
    Ok(Exit::Complete)
}

/// All files are read before the first task is created, so that a bad one leaves nothing half done.
pub(crate) async fn import(args: ImportArgs) -> Outcome {
    let specs = args.files.iter().map(read).collect::<Result<Vec<_>, _>>()?;
    let mut client = connect(&args.remote).await?;
    for spec in specs.iter().flatten() {
        let task = send(&mut client, spec).await?;
        output::say(&format!("created `{}`", task.name));
    }
    Ok(Exit::Complete)
}

/// The task of a file, or those of its databases.
fn read(file: &PathBuf) -> Result<Vec<Spec>, Failure> {
    let usage =
        |problem: String| Failure::new(Exit::Usage, format!("task file {}: {problem}", file.display()));
    let text = if file.as_os_str() == "-" {
        std::io::read_to_string(std::io::stdin())
    } else {
        std::fs::read_to_string(file)
    };
    let text = text.map_err(|error| usage(error.to_string()))?;
    let mut specs = Spec::all_from_toml(&text).map_err(|error| usage(error.to_string()))?;
    for spec in &mut specs {
        // lists given as `@file` are read where the file is, so that no worker needs it
        spec.options
            .load_files(&|path| std::fs::read_to_string(path))
            .map_err(|error| usage(error.to_string()))?;
        spec.check_stored().map_err(|error| usage(error.to_string()))?;
    }
    Ok(specs)
}

async fn send(client: &mut Client, spec: &Spec) -> Result<v1::TaskView, Failure> {
    let spec = spec.to_json().map_err(|error| Failure::new(Exit::Usage, error))?;
    let request = v1::CreateTaskRequest { spec, allow_memory_secrets: false };
    held(answer(client.create_task(request).await)?.task)
}
