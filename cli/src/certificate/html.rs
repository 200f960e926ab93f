//! A certificate as one self-contained page: no scripts, nothing loaded, readable in light and dark. It shows the entries and
//! nothing else, so it says what the file says.

use std::fmt::Write;

use serde_json::Value;

use super::chain::Certificate;
use crate::output;
use crate::page::escaped;

/// Rows of one table: a browser should still scroll. The file has all of them.
const MOST_ROWS: usize = 2_000;

/// Bytes of a text that is given room of its own in a table that scrolls: a reason, not a name.
const LONG_TEXT: usize = 60;

const STYLE: &str = "\
:root{color-scheme:light dark;--fg:#1c2330;--dim:#5b6576;--bg:#f6f7f9;--card:#fff;--line:#dfe3ea;--good:#1b6e3c;--bad:#b3261e}\
@media(prefers-color-scheme:dark){:root{--fg:#e4e8ef;--dim:#9aa5b5;--bg:#12161d;--card:#1a2029;--line:#2c3542;--good:#7ad69a;--bad:#ff8a80}}\
*{box-sizing:border-box}body{margin:0 auto;max-width:76rem;padding:2rem 1.25rem;background:var(--bg);color:var(--fg);\
font:15px/1.5 system-ui,sans-serif}h1{font-size:1.5rem;margin:0}h2{font-size:1.1rem;margin:2rem 0 .5rem}p{margin:.3rem 0}\
.dim{color:var(--dim)}.good{color:var(--good);font-weight:600}.bad{color:var(--bad);font-weight:600}\
table.fields th{width:22rem}.scroll{overflow-x:auto}table{width:100%;border-collapse:collapse;background:var(--card);border:1px solid var(--line)}\
th,td{text-align:left;vertical-align:top;padding:.4rem .6rem;border-top:1px solid var(--line);overflow-wrap:anywhere}\
th{color:var(--dim);font-weight:600;overflow-wrap:normal}td.n{text-align:right;white-space:nowrap;overflow-wrap:normal;\
font-variant-numeric:tabular-nums}th.n{text-align:right}code{font:13px/1.5 ui-monospace,monospace;overflow-wrap:anywhere}\
table.fields{margin-top:1rem}.scroll td{overflow-wrap:break-word;min-width:4rem}.scroll td.t{white-space:nowrap}\
.scroll td.w{min-width:22rem}.scroll td code{white-space:nowrap}\
@media(max-width:52rem){table.fields,table.fields tbody,table.fields tr,table.fields th,table.fields td{display:block;width:auto}\
table.fields td{border:0;padding-top:0}table.fields th{padding-bottom:0}}summary{cursor:pointer;font-size:1.1rem;font-weight:600;margin:2rem 0 .5rem}";

/// A column of a table: its heading, and where it stands in an entry.
type Column = (&'static str, &'static str);

const VERDICT: [Column; 12] = [
    ("ended as", "/state"),
    ("because", "/reason"),
    ("rows written", "/rows_written"),
    ("rows of the target read back and compared", "/rows_read_back"),
    ("rows that fell on the moment of a later one, which was copied", "/rows_merged"),
    ("tables that only the target has", "/extra_tables"),
    ("rounds of repair", "/rounds_of_repair"),
    ("rows refused", "/rows_rejected"),
    ("kept in", "/rejects_kept_in"),
    ("not counted by reason", "/rejects_not_counted"),
    ("tables read again on both sides", "/tables_summed"),
    ("of them unequal", "/tables_unequal"),
];
const REJECTS: [Column; 3] = [("reason", "/reason"), ("stable", "/stable"), ("rows", "/rows")];
const STABLES: [Column; 12] = [
    ("stable", "/name"),
    ("at the target", "/at_target"),
    ("subtables created", "/subtables_created"),
    ("rows read", "/rows/read"),
    ("written", "/rows/written"),
    ("rejected", "/rows/rejected"),
    ("counted at the source", "/rows/source_counted"),
    ("counted at the target", "/rows/target_counted"),
    ("read back", "/rows_read_back"),
    ("tables that differ", "/differing/tables"),
    ("shards failed", "/shards/failed"),
    ("sum", "/sum"),
];
const SHARDS: [Column; 10] = [
    ("shard", "/id"),
    ("kind", "/kind"),
    ("stable", "/stable"),
    ("subtables", "/subtables"),
    ("from", "/period/from"),
    ("to", "/period/to"),
    ("state", "/state"),
    ("rows", "/rows/read"),
    ("sum", "/sum"),
    ("why", "/why"),
];
const TABLES: [Column; 7] = [
    ("stable", "/stable"),
    ("table", "/table"),
    ("at the target", "/at_target"),
    ("rows at the source", "/source/rows"),
    ("rows at the target", "/target/rows"),
    ("equal", "/equal"),
    ("sum of the source", "/source/sum"),
];
const LEFT_OUT: [Column; 3] =
    [("stable or table", "/table"), ("columns", "/columns"), ("rows that arrived without them", "/rows")];
const OPTIONS: [Column; 4] =
    [("option", "/option"), ("source", "/source"), ("target", "/target"), ("why", "/why")];

pub(super) fn page(certificate: &Certificate) -> String {
    let mut html = String::from("<!doctype html>\n<html lang=\"en\"><head><meta charset=\"utf-8\">");
    html.push_str("<meta name=\"viewport\" content=\"width=device-width,initial-scale=1\">");
    let _ = write!(
        html,
        "<title>certificate of {}</title><style>{STYLE}</style></head><body>",
        text(first(certificate, "task"), "/name")
    );
    head(&mut html, certificate);
    fields(&mut html, &chosen(first(certificate, "verdict"), &VERDICT));
    list(&mut html, certificate, "stable", ("Stables", &STABLES));
    list(&mut html, certificate, "reject", ("Rows that the target refused", &REJECTS));
    list(
        &mut html,
        certificate,
        "left_out",
        ("Columns that were not copied, since the target lacks them", &LEFT_OUT),
    );
    list(&mut html, certificate, "option", ("Options of the database that are not the same", &OPTIONS));
    folded(&mut html, certificate, "subtable", ("Subtables and normal tables, read again", &TABLES));
    folded(&mut html, certificate, "shard", ("Shards", &SHARDS));
    for (kind, title) in [("task", "Task"), ("source", "Source"), ("target", "Target")] {
        let _ = write!(html, "<details><summary>{title}</summary>");
        let mut told = Vec::new();
        flatten(first(certificate, kind), String::new(), &mut told);
        fields(&mut html, &told);
        html.push_str("</details>");
    }
    html.push_str("</body></html>\n");
    html
}

fn first<'a>(certificate: &'a Certificate, kind: &'a str) -> &'a Value {
    certificate.of(kind).next().unwrap_or(&Value::Null)
}

fn head(html: &mut String, certificate: &Certificate) {
    let state = text(first(certificate, "verdict"), "/state");
    let class = if state == "completed" { "good" } else { "bad" };
    let tdferry = first(certificate, "tdferry");
    let _ = write!(
        html,
        "<h1>Certificate of {}</h1><p class=\"{class}\">{state}</p>{}{}<p class=\"dim\">written {} by tdferry {}</p>\
         <p class=\"dim\">{} entries, head <code>{}</code></p>\
         <p class=\"dim\">This page shows what the file of the same head says. Only the file can be checked: \
         <code>tdferry certificate check FILE --head {}</code></p>",
        text(first(certificate, "task"), "/name"),
        place("from", first(certificate, "source")),
        place("to", first(certificate, "target")),
        text(tdferry, "/written"),
        text(tdferry, "/version"),
        certificate.entries.len(),
        certificate.head(),
        certificate.head(),
    );
}

fn place(word: &str, side: &Value) -> String {
    let of = |path: &str| text(side, path);
    let (address, database, version) = (of("/address"), of("/database"), of("/version"));
    format!("<p><span class=\"dim\">{word}</span> <code>{address}/{database}</code> TDengine {version}</p>")
}

/// What is said of these, each under its heading; what says nothing is left out.
fn chosen(body: &Value, columns: &[Column]) -> Vec<(String, String)> {
    let said = |path: &str| body.pointer(path).filter(|value| !value.is_null() && *value != "");
    columns.iter().filter_map(|(heading, path)| Some(((*heading).to_owned(), shown(said(path)?)))).collect()
}

/// A field a line.
fn fields(html: &mut String, told: &[(String, String)]) {
    html.push_str("<table class=\"fields\">");
    for (name, value) in told {
        let _ = write!(html, "<tr><th>{}</th><td>{value}</td></tr>", escaped(name));
    }
    html.push_str("</table>");
}

/// What is inside of a field, by its path.
fn flatten(value: &Value, name: String, told: &mut Vec<(String, String)>) {
    match value {
        Value::Object(fields) => {
            for (key, inner) in fields {
                let key = key.replace('_', " ");
                flatten(inner, if name.is_empty() { key } else { format!("{name} · {key}") }, told);
            }
        }
        plain => told.push((name, shown(plain))),
    }
}

fn list(html: &mut String, certificate: &Certificate, kind: &str, (title, columns): (&str, &[Column])) {
    let entries: Vec<&Value> = certificate.of(kind).collect();
    if !entries.is_empty() {
        let _ = write!(html, "<h2>{title} ({})</h2>", output::count(length(&entries)));
        table(html, &entries, columns);
    }
}

fn folded(html: &mut String, certificate: &Certificate, kind: &str, (title, columns): (&str, &[Column])) {
    let entries: Vec<&Value> = certificate.of(kind).collect();
    if entries.is_empty() {
        return;
    }
    let _ = write!(html, "<details><summary>{title} ({})</summary>", output::count(length(&entries)));
    table(html, &entries, columns);
    html.push_str("</details>");
}

fn table(html: &mut String, entries: &[&Value], columns: &[Column]) {
    // a column that says nothing of any entry is no help
    let says =
        |path: &str| entries.iter().any(|entry| entry.pointer(path).is_some_and(|value| !value.is_null()));
    let columns: Vec<&Column> = columns.iter().filter(|(_, path)| says(path)).collect();
    html.push_str("<div class=\"scroll\"><table><tr>");
    for (heading, path) in &columns {
        let number = entries.iter().any(|entry| entry.pointer(path).is_some_and(Value::is_number));
        let _ = write!(html, "<th{}>{heading}</th>", if number { " class=\"n\"" } else { "" });
    }
    html.push_str("</tr>\n");
    for entry in entries.iter().take(MOST_ROWS) {
        html.push_str("<tr>");
        for (_, path) in &columns {
            let value = entry.pointer(path).unwrap_or(&Value::Null);
            let class = match value {
                Value::Number(_) => " class=\"n\"",
                Value::String(text) if is_moment(text) => " class=\"t\"",
                Value::String(text) if text.len() > LONG_TEXT => " class=\"w\"",
                _ => "",
            };
            let _ = write!(html, "<td{class}>{}</td>", shown(value));
        }
        html.push_str("</tr>\n");
    }
    html.push_str("</table></div>");
    if entries.len() > MOST_ROWS {
        let more = output::count(length(entries).saturating_sub(length(&entries[..MOST_ROWS])));
        let _ = write!(html, "<p class=\"dim\">and {more} more in the file</p>");
    }
}

fn text(entry: &Value, path: &str) -> String {
    shown(entry.pointer(path).unwrap_or(&Value::Null))
}

fn shown(value: &Value) -> String {
    match value {
        Value::Null => "–".to_owned(),
        Value::Bool(yes) => if *yes { "yes" } else { "no" }.to_owned(),
        Value::Number(number) => number.as_u64().map_or_else(|| number.to_string(), output::count),
        Value::String(text) if text.is_empty() => "–".to_owned(),
        Value::String(text) if is_sum(text) => format!("<code>{text}</code>"),
        Value::String(text) => escaped(text),
        Value::Array(items) => items.iter().map(shown).collect::<Vec<_>>().join(", "),
        Value::Object(_) => escaped(&value.to_string()),
    }
}

/// Sums are long and meant to be compared.
fn is_sum(text: &str) -> bool {
    text.len() == 32 && text.bytes().all(|byte| byte.is_ascii_hexdigit())
}

/// A moment as [`show_millis`](tdferry_common::time::show_millis) writes it, which reads badly in two lines.
fn is_moment(text: &str) -> bool {
    text.len() > 19
        && text.is_char_boundary(10)
        && text.split_at(10).1.starts_with('T')
        && text.ends_with('Z')
}

fn length<T>(items: &[T]) -> u64 {
    u64::try_from(items.len()).unwrap_or(u64::MAX)
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::super::chain::seal;
    use super::*;

    #[test]
    fn no_name_is_markup_nothing_is_loaded_and_a_difference_is_no_good_end() {
        let name = "<script>alert('x')</script>&\"";
        let side = json!({ "address": name, "database": name, "version": null, "options": { name: name } });
        let mut said = vec![("task", json!({ "name": name })), ("source", side.clone()), ("target", side)];
        for kind in ["stable", "shard", "subtable", "option", "reject"] {
            said.push((
                kind,
                json!({ "name": name, "id": name, "table": name, "option": name, "reason": name }),
            ));
        }
        said.push(("verdict", json!({ "state": "differs", "reason": name })));
        let page = page(&seal(said));
        assert!(!page.contains("<script") && page.matches("&lt;script&gt;").count() > 8, "{page}");
        for loading in ["src=", "href=", "@import", "url("] {
            assert!(!page.contains(loading), "{loading}");
        }
        assert!(page.contains("<p class=\"bad\">differs</p>"), "{page}");
    }
}
