//! The files of the project, read once each, without what is built or belongs to a tool.

use std::path::{Path, PathBuf};

use crate::code::Code;

/// Folders that hold nothing of ours.
const SKIPPED: [&str; 4] = ["target", ".git", "tdferry-state", "proptest-regressions"];

/// A text file, by its path from the project's root.
#[derive(Debug)]
pub(crate) struct File {
    pub(crate) path: String,
    pub(crate) text: String,
}

impl File {
    pub(crate) fn new(path: &str, text: &str) -> Self {
        Self { path: path.to_owned(), text: text.to_owned() }
    }

    pub(crate) fn is(&self, extension: &str) -> bool {
        Path::new(&self.path).extension().is_some_and(|found| found == extension)
    }

    /// Whether it only runs in tests or benches, where layers are seen whole.
    pub(crate) fn is_test(&self) -> bool {
        self.path.contains("/tests/") || self.path.ends_with("tests.rs") || self.path.starts_with("benches/")
    }

    pub(crate) fn code(&self) -> Code {
        Code::of(&self.text)
    }

    /// The line of a place, as editors count.
    pub(crate) fn line(&self, at: usize) -> usize {
        self.text.bytes().take(at).filter(|byte| *byte == b'\n').count() + 1
    }
}

/// The project's root.
pub(crate) fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("..")
}

/// Every text file of the project, in the order of their paths.
pub(crate) fn whole() -> Vec<File> {
    let root = root();
    let mut paths = Vec::new();
    walk(&root, &mut paths);
    paths.sort();
    let files = paths.into_iter().filter_map(|path| {
        // what is no text is a recording or a picture
        let text = std::fs::read_to_string(&path).ok()?;
        let path = path.strip_prefix(&root).unwrap().to_str().unwrap().to_owned();
        Some(File { path, text })
    });
    let files: Vec<_> = files.collect();
    assert!(files.iter().filter(|file| file.is("rs")).count() > 100, "the tree was not found at {root:?}");
    files
}

fn walk(folder: &Path, paths: &mut Vec<PathBuf>) {
    for entry in std::fs::read_dir(folder).unwrap() {
        let entry = entry.unwrap();
        let name = entry.file_name();
        if SKIPPED.iter().any(|skipped| name == *skipped) {
            continue;
        }
        match entry.file_type().unwrap().is_dir() {
            true => walk(&entry.path(), paths),
            false => paths.push(entry.path()),
        }
    }
}
