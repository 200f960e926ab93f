//! `tdferry certificate …`: what a task did, as a file in which any change shows, and as a page.
//!
//! [`entries`] says it, [`chain`] makes it hold together, [`html`] shows it, [`gather`] asks.

mod canon;
mod chain;
mod entries;
mod gather;
mod html;

use std::path::{Path, PathBuf};

use clap::{Args, Subcommand};
use serde_json::json;
use tdferry_common::clock::wall_now;
use tdferry_common::port::Connector;
use tdferry_common::secret::Secrets;
use tdferry_common::tdengine::TdConnector;
use tdferry_common::telemetry::LogConfig;
use tdferry_common::timing::Timing;
use tdferry_proto::v1::{self, admin_service_client::AdminServiceClient};
use tonic::transport::Channel;

use self::chain::Certificate;
pub(crate) use self::gather::Look;
use crate::exit::{Exit, Failure, Outcome};
use crate::output;
use crate::remote::{RemoteArgs, connect};

/// What can be done with certificates.
#[derive(Debug, Subcommand)]
pub(crate) enum CertificateCommand {
    /// Tell whether a certificate is as it was written. Example: tdferry certificate check certificate.json
    Check(CheckArgs),
    /// Write the certificate of a task that has ended. Example: tdferry certificate write migrate-power --html power.html
    Write(WriteArgs),
}

/// Tells whether a certificate is as it was written, else the first entry that does not fit.
///
/// Example:
///   tdferry certificate check tdferry-state/migrate-power.certificate.json
/// Against the head that was noted when it was written, which no change to the file can keep:
///   tdferry certificate check certificate.json --head 9f2c…
/// Exit code 0: as it was written. 1: changed. 2: there is no such file.
#[derive(Debug, Args)]
#[command(verbatim_doc_comment)]
pub(crate) struct CheckArgs {
    /// The certificate's JSON file
    file: PathBuf,
    /// The head that it must have, or how that begins
    #[arg(long, value_name = "HASH")]
    head: Option<String>,
    /// One JSON object on stdout
    #[arg(long)]
    json: bool,
}

/// Writes the certificate of a task that has ended, from what its coordinator knows and both databases tell.
///
/// Secrets that the task names are looked up here. Where a database cannot be reached from here, the certificate says so.
///
/// Example:
///   tdferry certificate write migrate-power --json power.json --html power.html
/// With a sum over every subtable, each read again on both sides:
///   tdferry certificate write migrate-power --subtables
#[derive(Debug, Args)]
#[command(verbatim_doc_comment)]
pub(crate) struct WriteArgs {
    /// The task's name
    task: String,
    /// Where the certificate goes [default: TASK.certificate.json]
    #[arg(long, value_name = "FILE")]
    json: Option<PathBuf>,
    /// The same as a page
    #[arg(long, value_name = "FILE")]
    html: Option<PathBuf>,
    /// Read every subtable again on both sides, and tell rows and sum of each
    #[arg(long)]
    subtables: bool,
    /// Ask neither database
    #[arg(long, conflicts_with = "subtables")]
    offline: bool,
    #[command(flatten)]
    remote: RemoteArgs,
}

/// A certificate that was written.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Written {
    /// Its file.
    pub(crate) file: PathBuf,
    /// The hash that stands for the whole.
    pub(crate) head: String,
}

pub(crate) async fn certificate(command: CertificateCommand, log: &LogConfig) -> Outcome {
    match command {
        CertificateCommand::Check(args) => check(&args),
        CertificateCommand::Write(args) => write(args, log).await,
    }
}

fn check(args: &CheckArgs) -> Outcome {
    let shown = args.file.display();
    let text = std::fs::read_to_string(&args.file)
        .map_err(|error| Failure::new(Exit::Usage, format!("{shown}: {error}")))?;
    let changed = |why: String| {
        if args.json {
            output::json(&json!({ "file": shown.to_string(), "intact": false, "why": why }));
        }
        Failure::new(Exit::Failed, format!("{shown} is not as it was written: {why}"))
    };
    let certificate = Certificate::check(&text).map_err(|flaw| changed(flaw.to_string()))?;
    if let Some(head) = args.head.as_ref().filter(|head| !is_head(certificate.head(), head)) {
        return Err(changed(format!("its head is {}, and not {head}", certificate.head())));
    }
    let verdict = certificate.of("verdict").last().cloned().unwrap_or_default();
    let (count, head) = (certificate.entries.len(), certificate.head());
    if args.json {
        output::json(&json!({
            "file": shown.to_string(), "intact": true, "entries": count, "head": head, "verdict": verdict,
        }));
    } else {
        let state = verdict.get("state").and_then(|state| state.as_str()).unwrap_or("unknown");
        output::data(&format!(
            "{shown} is as it was written: {count} entries, head {head}; the task is {state}"
        ));
    }
    Ok(Exit::Complete)
}

/// The whole head, or enough of it to mean no other.
fn is_head(head: &str, wanted: &str) -> bool {
    /// Eight bytes: nobody finds another file with the same ones by trying.
    const ENOUGH: usize = 16;
    wanted.len() >= ENOUGH && head.starts_with(&wanted.to_ascii_lowercase())
}

async fn write(args: WriteArgs, log: &LogConfig) -> Outcome {
    log.install().map_err(|error| Failure::new(Exit::Usage, error))?;
    let mut admin = connect(&args.remote).await?;
    let task = gather::ended(&mut admin, &args.task).await?;
    let connector = TdConnector::new(Secrets::from_process(), Timing::default());
    let look = match (args.offline, args.subtables) {
        (true, _) => Look::Away,
        (false, true) => Look::Subtables,
        (false, false) => Look::Options,
    };
    let json = args.json.unwrap_or_else(|| PathBuf::from(format!("{}.certificate.json", args.task)));
    let places = Places { json: &json, html: args.html.as_deref() };
    let written = of(&mut admin, &connector, task, look, places).await?;
    output::data(&format!("{} head {}", written.file.display(), written.head));
    Ok(Exit::Complete)
}

/// Where a certificate goes.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Places<'a> {
    pub(crate) json: &'a Path,
    pub(crate) html: Option<&'a Path>,
}

/// Writes the certificate of a task that has ended.
pub(crate) async fn of(
    admin: &mut AdminServiceClient<Channel>,
    connector: &dyn Connector,
    task: v1::TaskView,
    look: Look,
    places: Places<'_>,
) -> Result<Written, Failure> {
    let facts = gather::facts(admin, connector, task, look, wall_now()).await?;
    let certificate = chain::seal(entries::said(&facts));
    let put = |file: &Path, text: String| {
        let failed = |error| {
            Failure::new(
                Exit::Usage,
                format!("the certificate cannot be written: {}: {error}", file.display()),
            )
        };
        std::fs::write(file, text).map_err(failed)
    };
    put(places.json, certificate.render())?;
    if let Some(html) = places.html {
        put(html, html::page(&certificate))?;
    }
    Ok(Written { file: places.json.to_owned(), head: certificate.head().to_owned() })
}
