//! Rejects in a folder that all workers share: lines of JSON, in a folder for each task, a file for each writer.
//!
//! No file has two writers, so that none has to wait for another. A row that is kept twice is found twice and shown
//! once. A row that was taken off stays: a later line of some file names it.

use std::collections::{BTreeMap, BTreeSet};
use std::fs::{self, File, OpenOptions};
use std::io::{self, BufRead, BufReader, Seek, SeekFrom, Write};
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, PoisonError};

use async_trait::async_trait;
use serde::{Deserialize, Serialize};
use tdferry_common::port::{PortError, PortResult, Side};
use tdferry_common::spec::TaskName;

use super::{Kept, Mark, Origin, Refusal, Reject, Rejects, Visitor, encode};

/// Rows shown at once.
const PAGE: usize = 1_000;
const SUFFIX: &str = "jsonl";

/// A line, by its file and where it starts in it.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub(crate) struct Line {
    file: String,
    at: u64,
}

/// Lines whose rows the target has now.
#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct Taken {
    taken: Vec<Line>,
}

/// The rejects of one task in a folder.
pub struct FolderRejects {
    task: TaskName,
    root: PathBuf,
    writer: String,
    /// The file that this one writes to.
    file: Arc<Mutex<Option<File>>>,
}

impl FolderRejects {
    /// Rejects of this task under a folder; `writer` names whoever writes, to people.
    pub fn new(task: TaskName, root: &Path, writer: &str) -> Self {
        Self { task, root: root.to_owned(), writer: writer.to_owned(), file: Arc::default() }
    }

    /// Appends lines; they outlast any crash once this has answered.
    async fn append(&self, lines: Vec<u8>) -> PortResult<()> {
        let (file, folder) = (Arc::clone(&self.file), self.folder());
        let (root, writer) = (self.root.clone(), self.writer.clone());
        self.blocking(move || {
            let mut file = file.lock().unwrap_or_else(PoisonError::into_inner);
            // put back only when all went well: what may have a torn end is not written behind
            let mut open = match file.take() {
                Some(open) => open,
                None => create(&root, &folder, &writer)?,
            };
            open.write_all(&lines)?;
            open.sync_data()?;
            *file = Some(open);
            Ok(())
        })
        .await
    }

    async fn blocking<T: Send + 'static>(
        &self,
        work: impl FnOnce() -> io::Result<T> + Send + 'static,
    ) -> PortResult<T> {
        let folder = self.folder();
        let done = tokio::task::spawn_blocking(work).await;
        let done = done.unwrap_or_else(|died| Err(io::Error::other(died)));
        done.map_err(|error| in_words(&folder, &error))
    }

    fn folder(&self) -> PathBuf {
        self.root.join(self.task.as_str())
    }
}

#[async_trait]
impl Rejects for FolderRejects {
    async fn keep(&self, rows: &[Reject]) -> PortResult<()> {
        let mut lines = String::new();
        for row in rows {
            lines.push_str(&encode::encode(&self.task, row));
            lines.push('\n');
        }
        self.append(lines.into_bytes()).await
    }

    async fn visit(&self, visitor: &mut dyn Visitor) -> PortResult<()> {
        let folder = self.folder();
        let index = self.blocking(move || index(&folder)).await?;
        for some in index.chunks(PAGE) {
            let (some, folder) = (some.to_vec(), self.folder());
            let page = self.blocking(move || some.into_iter().map(|lines| read(&folder, lines)).collect());
            if !visitor.page(page.await?).await? {
                break;
            }
        }
        Ok(())
    }

    async fn take(&self, rows: &[Kept]) -> PortResult<()> {
        let lines = rows.iter().flat_map(|kept| match &kept.mark {
            Mark::Lines(lines) => lines.clone(),
            Mark::Row { .. } => Vec::new(),
        });
        let mut line = serde_json::to_vec(&Taken { taken: lines.collect() })
            .map_err(|error| in_words(&self.folder(), &io::Error::other(error)))?;
        line.push(b'\n');
        self.append(line).await
    }

    async fn renew(&self, kept: &Kept, refusal: Refusal) -> PortResult<()> {
        self.keep(&[Reject { refusal, ..kept.reject.clone() }]).await?;
        self.take(std::slice::from_ref(kept)).await
    }
}

/// A new file of this writer's in the task's folder, whose name is on the disk.
fn create(root: &Path, folder: &Path, writer: &str) -> io::Result<File> {
    // one that is not there is a share that is not mounted: it must not come to be on this machine alone
    if !folder.is_dir() {
        match fs::create_dir(folder) {
            Err(error) if error.kind() != io::ErrorKind::AlreadyExists => return Err(error),
            _ => File::open(root)?.sync_all()?,
        }
    }
    let mut number = 0_u32;
    loop {
        let path = folder.join(format!("{writer}-{number:04}.{SUFFIX}"));
        match OpenOptions::new().append(true).create_new(true).open(path) {
            Err(error) if error.kind() == io::ErrorKind::AlreadyExists => number += 1,
            file => {
                let file = file?;
                File::open(folder)?.sync_all()?;
                return Ok(file);
            }
        }
    }
}

/// The lines of every row that is kept, rows in the order of their origins.
fn index(folder: &Path) -> io::Result<Vec<Vec<Line>>> {
    let (mut rows, mut taken) = (BTreeMap::<Origin, Vec<Line>>::new(), BTreeSet::new());
    for name in files(folder)? {
        each_line(&folder.join(&name), |at, text| {
            if let Ok(marks) = serde_json::from_str::<Taken>(text) {
                taken.extend(marks.taken);
                return Ok(());
            }
            let (_, reject) = encode::decode(text).map_err(|bad| bad.to_string())?;
            rows.entry(reject.origin).or_default().push(Line { file: name.clone(), at });
            Ok(())
        })?;
    }
    let open = |lines: Vec<Line>| lines.into_iter().filter(|line| !taken.contains(line)).collect::<Vec<_>>();
    Ok(rows.into_values().map(open).filter(|lines| !lines.is_empty()).collect())
}

fn files(folder: &Path) -> io::Result<Vec<String>> {
    let listed = match fs::read_dir(folder) {
        // nothing of this task was ever rejected
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(Vec::new()),
        listed => listed?,
    };
    let mut names = Vec::new();
    for entry in listed {
        let path = entry?.path();
        if path.extension().is_some_and(|suffix| suffix == SUFFIX) {
            names.extend(path.file_name().and_then(|name| name.to_str()).map(str::to_owned));
        }
    }
    names.sort();
    Ok(names)
}

/// Hands on every line with where it starts. One without an end is what a crash left of lines that nobody was told of.
fn each_line(path: &Path, mut take: impl FnMut(u64, &str) -> Result<(), String>) -> io::Result<()> {
    let (mut file, mut at, mut line) = (BufReader::new(File::open(path)?), 0_u64, Vec::new());
    loop {
        line.clear();
        let read = file.read_until(b'\n', &mut line)?;
        if line.pop() != Some(b'\n') {
            return Ok(());
        }
        let text = String::from_utf8_lossy(&line);
        take(at, &text).map_err(|why| {
            io::Error::other(format!("{}, at byte {at}: {why}; it was left as it is", path.display()))
        })?;
        at += u64::try_from(read).unwrap_or(u64::MAX);
    }
}

/// The row of these lines: the last one says why it was refused.
fn read(folder: &Path, lines: Vec<Line>) -> io::Result<Kept> {
    let last = lines.last().ok_or_else(|| io::Error::other("a row without a line"))?;
    let mut file = BufReader::new(File::open(folder.join(&last.file))?);
    file.seek(SeekFrom::Start(last.at))?;
    let mut text = String::new();
    file.read_line(&mut text)?;
    let (_, reject) = encode::decode(text.trim_end()).map_err(io::Error::other)?;
    Ok(Kept { reject, mark: Mark::Lines(lines) })
}

/// A folder that cannot be used now is waited for, as a database is; a right that is missing is not.
fn in_words(folder: &Path, error: &io::Error) -> PortError {
    let side = Side::Sink;
    let message = format!("the folder of rejects {}: {error}", folder.display());
    match error.kind() {
        io::ErrorKind::PermissionDenied => PortError::Denied { side, message },
        io::ErrorKind::Other => PortError::Invalid { side, message },
        _ => PortError::Away { side, message },
    }
}
