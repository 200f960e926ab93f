//! The binary request that writes a block: `u64 request | u64 message | u64 action | u32 rows | u16 length |
//! table | raw block | 72 bytes per column (name in 65, type, 2 padding, i32 bytes)`. Action 4 comes without
//! the columns' names.

use crate::block::decode_v3;
use crate::error::{SqlError, SqlResult};
use crate::exec::BlockWrite;

const ACTION_PLAIN: u64 = 4;
const ACTION_WITH_FIELDS: u64 = 5;
const FIELD_BYTES: usize = 72;
const NAME_BYTES: usize = 65;

/// What such a request says before its block.
pub(super) struct Head<'a> {
    pub(super) req_id: u64,
    /// The action its answer carries.
    pub(super) action: &'static str,
    pub(super) table: &'a str,
    with_fields: bool,
    rest: &'a [u8],
}

impl<'a> Head<'a> {
    /// `None` for a request that cannot even be answered.
    pub(super) fn read(bytes: &'a [u8]) -> Option<Self> {
        let (words, rest) = bytes.split_at_checked(24)?;
        let word = |at: usize| words[at..at + 8].try_into().map(u64::from_le_bytes).ok();
        let (req_id, number) = (word(0)?, word(16)?);
        let (action, with_fields) = match number {
            ACTION_PLAIN => ("write_raw_block", false),
            ACTION_WITH_FIELDS => ("write_raw_block_with_fields", true),
            _ => return None,
        };
        let (length, rest) = rest.get(4..)?.split_at_checked(2)?;
        let length = u16::from_le_bytes(length.try_into().ok()?);
        let (table, rest) = rest.split_at_checked(length.into())?;
        Some(Self { req_id, action, table: std::str::from_utf8(table).ok()?, with_fields, rest })
    }

    /// The block itself. Without names its columns are taken for the table's, in order: `names` gives them.
    pub(super) fn block(&self, names: impl FnOnce() -> SqlResult<Vec<String>>) -> SqlResult<BlockWrite> {
        let invalid = || SqlError::new(0x0118, "Invalid parameters");
        let (batch, used) = decode_v3(self.rest).ok_or_else(invalid)?;
        let names = if self.with_fields {
            let fields = self.rest[used..].chunks_exact(FIELD_BYTES);
            fields.map(|field| name(&field[..NAME_BYTES])).collect::<Option<Vec<_>>>().ok_or_else(invalid)?
        } else {
            names()?
        };
        if names.len() < batch.columns.len() {
            return Err(invalid());
        }
        Ok(BlockWrite { table: self.table.to_owned(), names, columns: batch.columns })
    }
}

/// A name ends at its first zero.
fn name(bytes: &[u8]) -> Option<String> {
    let end = bytes.iter().position(|byte| *byte == 0).unwrap_or(bytes.len());
    String::from_utf8(bytes[..end].to_vec()).ok()
}
