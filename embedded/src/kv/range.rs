//! A range request answered from the history: filters, order, limit, as etcd applies them.

use std::cmp::Ordering;

use etcd_client::proto::{PbKeyValue, PbRangeRequest, PbRangeResponse};

use super::{History, KeyRange};
use crate::header::at_revision;
use crate::refusal::Refusal;

const ORDER_NONE: i32 = 0;
const ORDER_DESCEND: i32 = 2;
const TARGET_KEY: i32 = 0;
const TARGET_VERSION: i32 = 1;
const TARGET_CREATE: i32 = 2;
const TARGET_MOD: i32 = 3;
const TARGET_VALUE: i32 = 4;

/// Answers `request`; `now` is the newest transaction the reader may see.
pub(crate) fn range(
    history: &History,
    request: &PbRangeRequest,
    now: i64,
) -> Result<PbRangeResponse, Refusal> {
    let at = history.check_readable(request.revision, now)?;
    let keys = KeyRange::new(&request.key, &request.range_end);
    let count = i64::try_from(history.count(&keys, at)).unwrap_or(i64::MAX);
    let mut answer = PbRangeResponse { header: Some(at_revision(now)), count, ..PbRangeResponse::default() };
    if request.count_only {
        return Ok(answer);
    }
    let limit = usize::try_from(request.limit).unwrap_or(0);
    let fetch = if limit == 0 || has_filter(request) || request.sort_order != ORDER_NONE {
        usize::MAX
    } else {
        limit.saturating_add(1)
    };
    let mut kvs: Vec<PbKeyValue> = history
        .range(&keys, at)
        .take(fetch)
        .filter(|kv| passes(request, kv.modified, kv.value.created))
        .map(|kv| kv.to_proto())
        .collect();
    sort(request, &mut kvs);
    if limit > 0 && kvs.len() > limit {
        kvs.truncate(limit);
        answer.more = true;
    }
    if request.keys_only {
        kvs.iter_mut().for_each(|kv| kv.value.clear());
    }
    answer.kvs = kvs;
    Ok(answer)
}

fn has_filter(request: &PbRangeRequest) -> bool {
    request.min_mod_revision != 0
        || request.max_mod_revision != 0
        || request.min_create_revision != 0
        || request.max_create_revision != 0
}

fn passes(request: &PbRangeRequest, modified: i64, created: i64) -> bool {
    let at_least = |bound: i64, is: i64| bound == 0 || is >= bound;
    let at_most = |bound: i64, is: i64| bound == 0 || is <= bound;
    at_least(request.min_mod_revision, modified)
        && at_most(request.max_mod_revision, modified)
        && at_least(request.min_create_revision, created)
        && at_most(request.max_create_revision, created)
}

/// etcd sorts ascending where a target other than the key is named without an order, and it does so
/// after the limit was applied to the fetch; both are kept because a client can see them.
fn sort(request: &PbRangeRequest, kvs: &mut [PbKeyValue]) {
    if request.sort_order == ORDER_NONE && request.sort_target == TARGET_KEY {
        return;
    }
    let descend = request.sort_order == ORDER_DESCEND;
    kvs.sort_by(|a, b| {
        let order = compare(request.sort_target, a, b);
        if descend { order.reverse() } else { order }
    });
}

fn compare(target: i32, a: &PbKeyValue, b: &PbKeyValue) -> Ordering {
    match target {
        TARGET_KEY => a.key.cmp(&b.key),
        TARGET_VERSION => a.version.cmp(&b.version),
        TARGET_CREATE => a.create_revision.cmp(&b.create_revision),
        TARGET_MOD => a.mod_revision.cmp(&b.mod_revision),
        TARGET_VALUE => a.value.cmp(&b.value),
        _ => Ordering::Equal,
    }
}
