//! The text messages, both ways.

use std::borrow::Cow;

use serde::{Deserialize, Serialize};

use crate::SqlError;
use crate::config::Flavor;

/// A request: `{"action":…,"args":{…}}`.
#[derive(Debug, Deserialize)]
pub(super) struct Request<'a> {
    #[serde(borrow)]
    pub(super) action: Cow<'a, str>,
    #[serde(borrow, default)]
    pub(super) args: Args<'a>,
}

/// The arguments of all requests in one; each takes what it knows.
#[derive(Debug, Default, Deserialize)]
#[serde(default)]
pub(super) struct Args<'a> {
    pub(super) req_id: u64,
    pub(super) id: u64,
    #[serde(borrow)]
    pub(super) user: Option<Cow<'a, str>>,
    #[serde(borrow)]
    pub(super) password: Option<Cow<'a, str>>,
    #[serde(borrow)]
    pub(super) db: Option<Cow<'a, str>>,
    #[serde(borrow)]
    pub(super) sql: Cow<'a, str>,
}

/// An answer; what does not belong to it is left out.
#[derive(Debug, Default, Serialize)]
pub(super) struct Reply<'a> {
    pub(super) code: u32,
    pub(super) message: &'a str,
    pub(super) action: &'a str,
    pub(super) req_id: u64,
    /// 2.6 does not say how long it took.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) timing: Option<u64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) version: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) id: Option<u64>,
    #[serde(flatten)]
    pub(super) query: Option<QueryReply>,
    #[serde(flatten)]
    pub(super) fetch: Option<FetchReply>,
}

/// What a statement came to.
#[derive(Debug, Serialize)]
pub(super) struct QueryReply {
    pub(super) is_update: bool,
    pub(super) affected_rows: u64,
    pub(super) fields_count: usize,
    pub(super) fields_names: Option<Vec<String>>,
    pub(super) fields_types: Option<Vec<u8>>,
    pub(super) fields_lengths: Option<Vec<u32>>,
    pub(super) precision: u8,
}

/// What the next block will be.
#[derive(Debug, Serialize)]
pub(super) struct FetchReply {
    pub(super) completed: bool,
    pub(super) lengths: Option<Vec<usize>>,
    pub(super) rows: usize,
}

impl<'a> Reply<'a> {
    pub(super) fn ok(flavor: Flavor, action: &'a str, req_id: u64) -> Self {
        Self { action, req_id, timing: (flavor == Flavor::V3).then_some(1), ..Self::default() }
    }

    pub(super) fn error(flavor: Flavor, action: &'a str, req_id: u64, error: &'a SqlError) -> Self {
        Self { code: error.code, message: &error.message, ..Self::ok(flavor, action, req_id) }
    }

    /// Serializing plain data cannot fail; an empty text would only be ignored.
    pub(super) fn text(&self) -> String {
        serde_json::to_string(self).unwrap_or_default()
    }
}
