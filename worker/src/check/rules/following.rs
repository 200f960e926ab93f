//! What is not followed of a source that is polled: what to know before one relies on it.

use tdferry_common::options::{AuditBy, Mode, show_duration};

use super::super::facts::Facts;
use super::super::finding::Finding;
use super::super::kinds;

pub(super) fn judge(facts: &Facts) -> Vec<Finding> {
    let options = &facts.asked.options;
    if !matches!(options.mode, Mode::Realtime | Mode::Both) {
        return Vec::new();
    }
    let furthest = options.audit_window.each().last().map(show_duration);
    let tell = |kind, what: String| Finding::new(kind, super::source(facts), what);
    let updates = match (&furthest, options.audit_by) {
        (Some(furthest), AuditBy::Digest) => tell(
            &kinds::UPDATES_OUTSIDE_AUDIT,
            format!("a row that is older than {furthest} when it is updated is not looked at again"),
        ),
        _ => tell(
            &kinds::UPDATES_NOT_FOLLOWED,
            "a row that is updated after it was read is not seen: rows are counted, not compared".to_owned(),
        ),
    };
    let late = match furthest {
        Some(furthest) => format!("a row that comes more than {furthest} late is not looked for"),
        None => "a row that comes later than `excursion` is not looked for: `audit-window` is off".to_owned(),
    };
    let deletes = "a row that is deleted after it was read stays at the target".to_owned();
    let mut found =
        vec![tell(&kinds::DELETES_NOT_FOLLOWED, deletes), tell(&kinds::LATE_ROWS_NOT_FOLLOWED, late)];
    // a database of `update 0` leaves a row as it came first
    found.extend(
        (facts.source.database.options.get("update").map(String::as_str) != Some("0")).then_some(updates),
    );
    found
}
