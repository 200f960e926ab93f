//! Answers as lines of text. Revisions are shown relative to where the case began, so that the lines
//! are the same on any server; who answered (ids, term) is left out.

use std::fmt::Write;

use etcd_client::Error;
use etcd_client::proto::{
    PbEvent, PbKeyValue, PbRangeResponse, PbResponseHeader, PbTxnOpResponse, PbTxnResponse,
};

/// Shows numbers relative to a revision.
#[derive(Clone, Copy)]
pub(crate) struct Base(pub(crate) i64);

impl Base {
    pub(crate) fn revision(self, revision: i64) -> String {
        match revision {
            0 => "0".to_owned(),
            -1 => "-1".to_owned(),
            revision => format!("{:+}", revision - self.0),
        }
    }

    pub(crate) fn header(self, header: Option<&PbResponseHeader>) -> String {
        header.map_or_else(|| "@none".to_owned(), |header| format!("@{}", self.revision(header.revision)))
    }

    pub(crate) fn kv(self, kv: &PbKeyValue) -> String {
        let (key, value) = (text(&kv.key), text(&kv.value));
        let (created, modified) = (self.revision(kv.create_revision), self.revision(kv.mod_revision));
        let mut out = format!("{key}={value}(c{created} m{modified} v{})", kv.version);
        if kv.lease != 0 {
            let _ = write!(out, "[lease {}]", kv.lease);
        }
        out
    }

    pub(crate) fn kvs(self, kvs: &[PbKeyValue]) -> String {
        kvs.iter().map(|kv| self.kv(kv)).collect::<Vec<_>>().join(" ")
    }

    pub(crate) fn prev(self, kv: Option<&PbKeyValue>) -> String {
        kv.map_or_else(String::new, |kv| format!(" prev {}", self.kv(kv)))
    }

    pub(crate) fn range(self, range: &PbRangeResponse) -> String {
        let more = if range.more { " more" } else { "" };
        format!(
            "{} count={}{more} [{}]",
            self.header(range.header.as_ref()),
            range.count,
            self.kvs(&range.kvs)
        )
    }

    pub(crate) fn txn(self, txn: &PbTxnResponse) -> String {
        let inner: Vec<String> = txn.responses.iter().map(|op| self.op(op.response.as_ref())).collect();
        let header = self.header(txn.header.as_ref());
        format!("{header} {} {{{}}}", txn.succeeded, inner.join("; "))
    }

    pub(crate) fn event(self, event: &PbEvent) -> String {
        let kind = if event.r#type == 0 { "PUT" } else { "DELETE" };
        let kv = event.kv.as_ref().map_or_else(|| "none".to_owned(), |kv| self.kv(kv));
        format!("{kind} {kv}{}", self.prev(event.prev_kv.as_ref()))
    }

    pub(crate) fn op(self, op: Option<&PbTxnOpResponse>) -> String {
        match op {
            Some(PbTxnOpResponse::ResponseRange(range)) => format!("range {}", self.range(range)),
            Some(PbTxnOpResponse::ResponsePut(put)) => {
                format!("put {}{}", self.header(put.header.as_ref()), self.prev(put.prev_kv.as_ref()))
            }
            Some(PbTxnOpResponse::ResponseDeleteRange(delete)) => {
                let header = self.header(delete.header.as_ref());
                format!("delete {header} deleted={} [{}]", delete.deleted, self.kvs(&delete.prev_kvs))
            }
            Some(PbTxnOpResponse::ResponseTxn(txn)) => format!("txn {}", self.txn(txn)),
            None => "nothing".to_owned(),
        }
    }
}

/// A refusal as a client sees it: code and words.
pub(crate) fn error(error: &Error) -> String {
    match error {
        Error::GRpcStatus(status) => format!("{:?}: {}", status.code(), status.message()),
        other => format!("not from the server: {other}"),
    }
}

pub(crate) fn text(bytes: &[u8]) -> String {
    if bytes.len() > 64 {
        format!("<{} bytes>", bytes.len())
    } else {
        String::from_utf8_lossy(bytes).into_owned()
    }
}
