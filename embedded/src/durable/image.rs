//! What a storage gave back at start, understood and checked.

use std::collections::BTreeMap;

use super::{Record, Table, codec};
use crate::error::Error;
use crate::kv::{Event, Revision};

/// The counters of a store.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Meta {
    pub(crate) seed: u64,
    pub(crate) revision: i64,
    pub(crate) compacted: i64,
    pub(crate) granted: u64,
}

/// The decoded contents of a storage; `meta` is `None` where nothing was ever stored.
#[derive(Debug, Default)]
pub(crate) struct Image {
    pub(crate) meta: Option<Meta>,
    pub(crate) events: Vec<(Revision, Event)>,
    pub(crate) leases: Vec<(i64, i64)>,
}

impl Image {
    pub(crate) fn decode(stored: Vec<Record>) -> Result<Self, Error> {
        let mut image = Self::default();
        let mut counters = BTreeMap::new();
        for (table, key, value) in stored {
            match table {
                Table::Event => {
                    image.events.push((codec::decode_revision(&key)?, codec::decode_event(&value)?));
                }
                Table::Lease => {
                    image.leases.push((codec::decode_number(&key)?, codec::decode_number(&value)?));
                }
                Table::Meta => {
                    counters.insert(key, codec::decode_number(&value)?);
                }
            }
        }
        image.meta = Meta::decode(&counters)?;
        match image.meta {
            None if !image.events.is_empty() => Err(Error::damaged("there are events but no format")),
            _ => Ok(image),
        }
    }
}

impl Meta {
    fn decode(counters: &BTreeMap<Vec<u8>, i64>) -> Result<Option<Self>, Error> {
        let number = |name: &str| counters.get(name.as_bytes()).copied();
        let Some(format) = number(codec::FORMAT) else { return Ok(None) };
        if format.cast_unsigned() != codec::FORMAT_VERSION {
            return Err(Error::Format { found: format.cast_unsigned(), known: codec::FORMAT_VERSION });
        }
        let needed = |name: &str| {
            number(name).ok_or_else(|| Error::damaged(format!("the counter \"{name}\" is missing")))
        };
        Ok(Some(Self {
            seed: needed(codec::SEED)?.cast_unsigned(),
            revision: needed(codec::REVISION)?,
            compacted: needed(codec::COMPACTED)?,
            granted: needed(codec::GRANTED)?.cast_unsigned(),
        }))
    }
}
