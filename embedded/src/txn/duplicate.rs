//! etcd's rule that no branch of a transaction may change a key twice, with its gaps:
//! a delete in a later nested transaction is not held against the puts of an earlier one.

use std::collections::BTreeSet;

use etcd_client::proto::{PbTxnOpRequest, PbTxnRequest, PbTxnRequestOp};

use crate::refusal::Refusal;

/// What one list of operations, with everything nested in it, puts and deletes.
#[derive(Debug, Default)]
struct Touched<'a> {
    puts: BTreeSet<&'a [u8]>,
    deletes: Vec<(&'a [u8], &'a [u8])>,
}

pub(super) fn check_duplicates(request: &PbTxnRequest) -> Result<(), Refusal> {
    touched(&request.success)?;
    touched(&request.failure)?;
    Ok(())
}

fn touched(ops: &[PbTxnRequestOp]) -> Result<Touched<'_>, Refusal> {
    let mut all = Touched::default();
    for op in ops {
        if let Some(PbTxnOpRequest::RequestDeleteRange(delete)) = &op.request {
            all.deletes.push((&delete.key, &delete.range_end));
        }
    }
    for op in ops {
        if let Some(PbTxnOpRequest::RequestTxn(txn)) = &op.request {
            all.add_nested(touched(&txn.success)?, touched(&txn.failure)?)?;
        }
    }
    for op in ops {
        if let Some(PbTxnOpRequest::RequestPut(put)) = &op.request {
            all.refuse_known(&put.key)?;
            all.puts.insert(&put.key);
        }
    }
    Ok(all)
}

impl<'a> Touched<'a> {
    /// Both branches may put the same key, since only one of them runs.
    fn add_nested(&mut self, then: Self, otherwise: Self) -> Result<(), Refusal> {
        for key in &then.puts {
            self.refuse_known(key)?;
        }
        for key in &otherwise.puts {
            self.refuse_known(key)?;
        }
        self.puts.extend(then.puts);
        self.puts.extend(otherwise.puts);
        self.deletes.extend(then.deletes);
        self.deletes.extend(otherwise.deletes);
        Ok(())
    }

    fn refuse_known(&self, key: &'a [u8]) -> Result<(), Refusal> {
        let deleted = self.deletes.iter().any(|(from, end)| intersects(from, end, key));
        if deleted || self.puts.contains(key) { Err(Refusal::DuplicateKey) } else { Ok(()) }
    }
}

/// etcd keeps deletes as plain intervals here, so that "from this key on", whose end is a zero byte,
/// is an empty one and meets nothing.
fn intersects(from: &[u8], end: &[u8], key: &[u8]) -> bool {
    if end.is_empty() { from == key } else { from <= key && key < end }
}
