//! The report for a person at a terminal.

use tdferry_worker::check::Finding;

use super::{View, counted, grouped, held};
use crate::output;

/// Columns of a large table alike in kind would fill the screen; --json and --html show all.
const SHOWN: usize = 5;
/// Longer statements are cut on a screen.
const STATEMENT: usize = 400;

pub(super) fn print(view: &View<'_>) {
    let report = view.report;
    output::data(&format!("from  {}  TDengine {}", view.from, or_unknown(&report.source_version)));
    output::data(&format!("to    {}  TDengine {}", view.to, or_unknown(&report.target_version)));
    if report.reached {
        output::data(&held(report));
    }
    for (severity, found) in grouped(report) {
        output::data(&format!("\n{} ({})", severity.as_str().to_uppercase(), found.len()));
        by_kind(&found).iter().for_each(|alike| kind(alike));
    }
    statements(view);
    output::data(&format!("\n{}", counted(report)));
}

fn or_unknown(version: &str) -> &str {
    if version.is_empty() { "unknown" } else { version }
}

/// Findings of one kind together, in the order in which the kinds come first.
fn by_kind<'a>(found: &[&'a Finding]) -> Vec<Vec<&'a Finding>> {
    let mut groups: Vec<Vec<&Finding>> = Vec::new();
    for finding in found {
        match groups.iter_mut().find(|group| group.first().is_some_and(|one| one.kind == finding.kind)) {
            Some(group) => group.push(finding),
            None => groups.push(vec![finding]),
        }
    }
    groups
}

fn kind(alike: &[&Finding]) {
    let Some(first) = alike.first() else { return };
    output::data(&format!("  {}", first.kind.code));
    for finding in alike.iter().take(SHOWN) {
        output::data(&format!("    {}: {}", finding.place, finding.what));
    }
    if alike.len() > SHOWN {
        output::data(&format!("    … and {} more; --json and --html show all", alike.len() - SHOWN));
    }
    output::data(&format!("    tdferry: {}", first.kind.does));
    output::data(&format!("    you:     {}", first.kind.cure));
}

fn statements(view: &View<'_>) {
    let report = view.report;
    if report.statements.is_empty() && report.example.is_none() {
        return;
    }
    output::data(&format!("\nSTATEMENTS ({})", report.statements.len()));
    for statement in report.statements.iter().take(SHOWN) {
        output::data(&format!("  {};", cut(statement)));
    }
    if report.statements.len() > SHOWN {
        output::data(&format!(
            "  … and {} more; --json and --html show all",
            report.statements.len() - SHOWN
        ));
    }
    if let Some(example) = &report.example {
        let plural = if report.subtables == 1 { "" } else { "s" };
        output::data(&format!("  and {} subtable{plural}, such as", output::count(report.subtables)));
        output::data(&format!("  {};", cut(example)));
    }
}

fn cut(statement: &str) -> String {
    match statement.char_indices().nth(STATEMENT) {
        None => statement.to_owned(),
        Some((end, _)) => format!("{}…", &statement[..end]),
    }
}
