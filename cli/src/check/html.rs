//! The report as one self-contained page: no scripts, nothing loaded, readable in light and dark.

use std::fmt::Write;

use tdferry_worker::check::{Finding, Severity};

use super::{View, counted, grouped, held};
use crate::output;
use crate::page::escaped;

const STYLE: &str = "\
:root{color-scheme:light dark;--fg:#1c2330;--dim:#5b6576;--bg:#f6f7f9;--card:#fff;--line:#dfe3ea;\
--loses:#b3261e;--blocks:#a04a00;--changes:#6b5b00;--notes:#3b5b8c}\
@media(prefers-color-scheme:dark){:root{--fg:#e4e8ef;--dim:#9aa5b5;--bg:#12161d;--card:#1a2029;--line:#2c3542;\
--loses:#ff8a80;--blocks:#ffb56b;--changes:#e8d36b;--notes:#9cc0ff}}\
*{box-sizing:border-box}body{margin:0 auto;max-width:72rem;padding:2rem 1.25rem;background:var(--bg);color:var(--fg);\
font:15px/1.5 system-ui,sans-serif}h1{font-size:1.5rem;margin:0}h2{font-size:1.1rem;margin:2rem 0 .5rem}\
p{margin:.3rem 0}.dim{color:var(--dim)}.verdict{font-weight:600}\
table{width:100%;border-collapse:collapse;background:var(--card);border:1px solid var(--line)}\
th,td{text-align:left;vertical-align:top;padding:.5rem .7rem;border-top:1px solid var(--line);overflow-wrap:anywhere}\
th{color:var(--dim);font-weight:600}col.code{width:15rem}col.where{width:18%}\
code,pre{font:13px/1.5 ui-monospace,monospace}pre{margin:0;padding:.8rem;background:var(--card);\
border:1px solid var(--line);white-space:pre-wrap;overflow-wrap:anywhere}\
.loses{color:var(--loses)}.blocks{color:var(--blocks)}.changes{color:var(--changes)}.notes{color:var(--notes)}\
@media(max-width:52rem){table,tbody,tr,td{display:block}tr:first-child{display:none}tr+tr{border-top:1px solid var(--line);\
padding:.3rem 0}td{border:0;padding:.15rem .7rem}td[data-is]::before{content:attr(data-is) \": \";color:var(--dim)}}";

pub(super) fn page(view: &View<'_>) -> String {
    let report = view.report;
    let mut html = String::from("<!doctype html>\n<html lang=\"en\"><head><meta charset=\"utf-8\">");
    html.push_str("<meta name=\"viewport\" content=\"width=device-width,initial-scale=1\">");
    let _ = write!(
        html,
        "<title>tdferry check {}</title><style>{STYLE}</style></head><body>",
        escaped(&view.from)
    );
    head(&mut html, view);
    for (severity, found) in grouped(report) {
        let (class, word) = (class(severity), severity.as_str());
        let _ = write!(html, "<h2 class=\"{class}\">{word} ({})</h2>", found.len());
        table(&mut html, &found);
    }
    statements(&mut html, view);
    html.push_str("</body></html>\n");
    html
}

fn head(html: &mut String, view: &View<'_>) {
    let report = view.report;
    let (class, verdict) = match (report.reached, report.has_hazard()) {
        (false, _) => ("loses", "Not both sides can be used"),
        (true, true) => ("loses", "Something would lose data or block"),
        (true, false) => ("notes", "Nothing would lose data or block"),
    };
    let _ = write!(html, "<h1>tdferry check</h1><p class=\"verdict {class}\">{verdict}</p>");
    for (word, place, version) in
        [("from", &view.from, &report.source_version), ("to", &view.to, &report.target_version)]
    {
        let (place, version) = (escaped(place), escaped(version));
        let _ =
            write!(html, "<p><span class=\"dim\">{word}</span> <code>{place}</code> TDengine {version}</p>");
    }
    let _ = write!(html, "<p class=\"dim\">{}</p><p class=\"dim\">{}</p>", held(report), counted(report));
}

fn table(html: &mut String, found: &[&Finding]) {
    html.push_str(
        "<table><col class=\"code\"><col class=\"where\"><tr><th>code</th><th>where</th><th>what</th><th>tdferry</th>\
         <th>you</th></tr>",
    );
    for finding in found {
        let cells =
            [("what", finding.what.as_str()), ("tdferry", finding.kind.does), ("you", finding.kind.cure)];
        // a long place breaks between its names
        let place = escaped(&finding.place.to_string()).replace("`.`", "`.<wbr>`");
        let _ =
            write!(html, "<tr><td><code>{}</code></td><td data-is=\"where\">{place}</td>", finding.kind.code);
        for (is, cell) in cells {
            let _ = write!(html, "<td data-is=\"{is}\">{}</td>", escaped(cell));
        }
        html.push_str("</tr>\n");
    }
    html.push_str("</table>");
}

fn statements(html: &mut String, view: &View<'_>) {
    let report = view.report;
    if !report.statements.is_empty() {
        let all = report.statements.join(";\n");
        let _ =
            write!(html, "<h2>statements ({})</h2><pre>{};</pre>", report.statements.len(), escaped(&all));
    }
    if let Some(example) = &report.example {
        let (count, plural) = (output::count(report.subtables), if report.subtables == 1 { "" } else { "s" });
        let _ = write!(html, "<p>and {count} subtable{plural}, such as</p><pre>{};</pre>", escaped(example));
    }
}

const fn class(severity: Severity) -> &'static str {
    match severity {
        Severity::Loses => "loses",
        Severity::Blocks => "blocks",
        Severity::Changes => "changes",
        Severity::Notes => "notes",
    }
}

#[cfg(test)]
mod tests {
    use tdferry_common::port::Side;
    use tdferry_worker::check::{KINDS, Place, Report};

    use super::*;

    #[test]
    fn no_name_is_markup_and_nothing_is_loaded() {
        let name = "<script>alert('x')</script>&\"";
        let place =
            Place { database: Some(name.into()), table: Some(name.into()), ..Place::server(Side::Source) };
        let findings =
            KINDS.iter().map(|&kind| Finding { kind, place: place.clone(), what: name.into() }).collect();
        let (statements, example) = (vec![name.to_owned()], Some(name.to_owned()));
        let report = Report { findings, statements, example, reached: true, ..Report::default() };
        let page = page(&View { report: &report, from: name.into(), to: name.into() });
        assert!(!page.contains("<script") && page.contains("&lt;script&gt;"), "{page}");
        for loading in ["src=", "href=", "@import", "url("] {
            assert!(!page.contains(loading), "{loading}");
        }
        for kind in KINDS {
            assert!(page.contains(kind.code), "{}", kind.code);
        }
    }
}
