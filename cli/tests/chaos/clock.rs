//! The time that some processes are shown instead of the machine's: the library `libfaketime`, told by files.

use std::path::{Path, PathBuf};

use anyhow::Result;
use tokio::process::Command;

use crate::cast::{COORDINATORS, WORKERS};

/// Where files say what time it is.
pub(crate) struct Clock {
    library: PathBuf,
    folder: PathBuf,
}

/// Who has a clock of its own.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Owner {
    Worker,
    Coordinator,
}

impl Owner {
    /// Which of its kind.
    pub(crate) const fn index(self) -> usize {
        match self {
            Self::Worker => WORKERS - 1,
            Self::Coordinator => COORDINATORS - 1,
        }
    }

    const fn file(self) -> &'static str {
        match self {
            Self::Worker => "clock-of-worker",
            Self::Coordinator => "clock-of-coordinator",
        }
    }
}

impl Clock {
    /// `None` where the library is not installed.
    pub(crate) fn find(folder: &Path) -> Result<Option<Self>> {
        let of_architecture = |entry: std::fs::DirEntry| entry.path().join("faketime/libfaketime.so.1");
        let mut libraries = std::fs::read_dir("/usr/lib")?.flatten().map(of_architecture);
        let library = libraries.find(|library| library.exists());
        let clock = library.map(|library| Self { library, folder: folder.to_owned() });
        if let Some(clock) = &clock {
            clock.set(Owner::Worker, 0)?;
            clock.set(Owner::Coordinator, 0)?;
        }
        Ok(clock)
    }

    /// Shows another time of day, so many seconds away from the machine's. Durations go on as they are.
    pub(crate) fn set(&self, owner: Owner, seconds: i64) -> Result<()> {
        Ok(std::fs::write(self.folder.join(owner.file()), format!("{seconds:+}"))?)
    }

    /// Shows whoever starts from now on durations, too, that are so many times as long as the machine's.
    pub(crate) fn slow(&self, owner: Owner, times: u32) -> Result<()> {
        Ok(std::fs::write(self.folder.join(owner.file()), format!("+0 x{}", 1.0 / f64::from(times)))?)
    }

    /// Gives a process its clock.
    pub(crate) fn show(&self, owner: Owner, command: &mut Command) -> Result<()> {
        let file = self.folder.join(owner.file());
        if !std::fs::read_to_string(&file)?.contains('x') {
            command.env("FAKETIME_DONT_FAKE_MONOTONIC", "1");
        }
        command
            .env("LD_PRELOAD", &self.library)
            .env("FAKETIME_TIMESTAMP_FILE", file)
            .env("FAKETIME_CACHE_DURATION", "1");
        Ok(())
    }
}
