//! A disk in memory that keeps a journal of what was asked of it, so that any crash can be played later.

use std::io::{Error, ErrorKind};
use std::sync::{Arc, Mutex};

use rand::rngs::SmallRng;
use rand::{Rng, SeedableRng};
use redb::StorageBackend;

/// One thing asked of the disk.
#[derive(Debug, Clone)]
pub(crate) enum Asked {
    Write(usize, Vec<u8>),
    Length(usize),
    Sync,
}

#[derive(Debug, Clone, Default)]
pub(crate) struct Disk {
    contents: Arc<Mutex<Contents>>,
}

#[derive(Debug, Default)]
struct Contents {
    image: Vec<u8>,
    journal: Vec<Asked>,
}

/// A crash: what was asked up to `synced` is on the disk, of what was asked from there to `at` a part
/// that follows from the seed, or everything if there is none.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Cut {
    synced: usize,
    pub(crate) at: usize,
    tear: Option<u64>,
}

impl Disk {
    pub(crate) fn from_image(image: Vec<u8>) -> Self {
        Self { contents: Arc::new(Mutex::new(Contents { image, journal: Vec::new() })) }
    }

    pub(crate) fn journal(&self) -> Vec<Asked> {
        self.contents.lock().expect("lock").journal.clone()
    }

    fn ask(&self, asked: Asked) {
        let mut contents = self.contents.lock().expect("lock");
        asked.apply(&mut contents.image);
        contents.journal.push(asked);
    }
}

impl Asked {
    fn apply(&self, image: &mut Vec<u8>) {
        match self {
            Self::Write(offset, data) => {
                let end = offset + data.len();
                if image.len() < end {
                    image.resize(end, 0);
                }
                image[*offset..end].copy_from_slice(data);
            }
            Self::Length(length) => image.resize(*length, 0),
            Self::Sync => {}
        }
    }

    /// Lost, whole, or cut at some byte.
    fn apply_torn(&self, image: &mut Vec<u8>, rng: &mut SmallRng) {
        match (rng.random_range(0..3), self) {
            (0, _) => {}
            (1, Self::Write(offset, data)) => {
                let kept = rng.random_range(0..=data.len());
                Self::Write(*offset, data[..kept].to_vec()).apply(image);
            }
            _ => self.apply(image),
        }
    }
}

impl Cut {
    /// Before every sync, torn in several ways, and right after it.
    pub(crate) fn all(journal: &[Asked], tears: u64) -> Vec<Self> {
        let mut cuts = Vec::new();
        let mut synced = 0;
        let syncs = journal.iter().enumerate().filter(|(_, asked)| matches!(asked, Asked::Sync));
        for (at, _) in syncs {
            let torn = (0..tears).map(|tear| Self { synced, at, tear: Some(tear * 1_000_003 + at as u64) });
            cuts.extend(torn);
            cuts.push(Self { synced: at, at, tear: None });
            synced = at;
        }
        cuts
    }

    pub(crate) fn image(&self, journal: &[Asked]) -> Vec<u8> {
        let mut image = Vec::new();
        journal[..self.synced].iter().for_each(|asked| asked.apply(&mut image));
        let unsynced = &journal[self.synced..self.at];
        match self.tear {
            Some(seed) => {
                let mut rng = SmallRng::seed_from_u64(seed);
                unsynced.iter().for_each(|asked| asked.apply_torn(&mut image, &mut rng));
            }
            None => unsynced.iter().for_each(|asked| asked.apply(&mut image)),
        }
        image
    }
}

impl StorageBackend for Disk {
    fn len(&self) -> Result<u64, Error> {
        Ok(self.contents.lock().expect("lock").image.len() as u64)
    }

    fn read(&self, offset: u64, out: &mut [u8]) -> Result<(), Error> {
        let contents = self.contents.lock().expect("lock");
        let offset = usize::try_from(offset).expect("small");
        let slice = contents.image.get(offset..offset + out.len());
        out.copy_from_slice(slice.ok_or_else(|| Error::from(ErrorKind::UnexpectedEof))?);
        Ok(())
    }

    fn set_len(&self, length: u64) -> Result<(), Error> {
        self.ask(Asked::Length(usize::try_from(length).expect("small")));
        Ok(())
    }

    fn sync_data(&self) -> Result<(), Error> {
        self.ask(Asked::Sync);
        Ok(())
    }

    fn write(&self, offset: u64, data: &[u8]) -> Result<(), Error> {
        self.ask(Asked::Write(usize::try_from(offset).expect("small"), data.to_vec()));
        Ok(())
    }
}
