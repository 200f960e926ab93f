//! The report as one JSON object, for scripts.

use serde_json::{Value, json};
use tdferry_common::port::Side;
use tdferry_worker::check::{Finding, Severity};

use super::View;

pub(super) fn of(view: &View<'_>) -> Value {
    let report = view.report;
    let count = |severity| report.count(severity);
    json!({
        "source": { "place": view.from, "version": report.source_version },
        "target": { "place": view.to, "version": report.target_version },
        "reached": report.reached,
        "ok": report.reached && !report.has_hazard(),
        "counts": {
            "loses": count(Severity::Loses),
            "blocks": count(Severity::Blocks),
            "changes": count(Severity::Changes),
            "notes": count(Severity::Notes),
        },
        "stables": report.stables,
        "subtables": report.subtables,
        "normal_tables": report.normal_tables,
        "rows": report.rows,
        "bytes": report.bytes,
        "findings": report.findings.iter().map(finding).collect::<Vec<_>>(),
        "statements": report.statements,
        "subtable_example": report.example,
    })
}

fn finding(finding: &Finding) -> Value {
    let place = &finding.place;
    json!({
        "code": finding.kind.code,
        "severity": match finding.kind.severity {
            Severity::Loses => "loses",
            Severity::Blocks => "blocks",
            Severity::Changes => "changes",
            Severity::Notes => "notes",
        },
        "side": match place.side { Side::Source => "source", Side::Sink => "target" },
        "database": place.database,
        "stable": place.stable,
        "table": place.table,
        "column": place.column,
        "what": finding.what,
        "does": finding.kind.does,
        "cure": finding.kind.cure,
    })
}
