//! The form of a certificate: entries in a chain of hashes, so that any change to it shows. Pure.
//!
//! Each entry's hash is SHA-256 over the hash before it, a line end, and the entry's canonical bytes. It knows nothing of
//! what entries say.

use serde_json::{Map, Value, json};
use sha2::{Digest, Sha256};

use super::canon::canonical;

/// What the file says it is.
const FORMAT: &str = "tdferry certificate";
/// The form below. Raise it when it changes, and keep reading the older ones.
const VERSION: u64 = 1;
/// Stands before the first entry.
const NOTHING: &str = "0000000000000000000000000000000000000000000000000000000000000000";
/// The kind of the last entry: without it something was cut off.
pub(super) const END: &str = "end";

/// One thing that a certificate says.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct Entry {
    pub(super) kind: String,
    pub(super) body: Value,
    pub(super) hash: String,
}

/// Entries whose hashes follow from each other.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct Certificate {
    pub(super) entries: Vec<Entry>,
}

/// Why a text is not the certificate that was written, in words that follow the name of its file.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub(super) enum Flaw {
    #[error("it is no certificate: {0}")]
    Form(String),
    #[error(
        "entry {number} ({kind}) does not fit the chain: it was changed, or something before it was taken out or put in"
    )]
    Entry { number: usize, kind: String },
    #[error("it ends with entry {number} ({kind}) and not with its own end: something was cut off or added")]
    Cut { number: usize, kind: String },
    #[error("its head is not the hash of its last entry")]
    Head,
    #[error("line {line} is not as it was written, although it means the same")]
    Bytes { line: usize },
}

/// Chains what is to be said, and ends it.
pub(super) fn seal(said: Vec<(&'static str, Value)>) -> Certificate {
    let count = said.len();
    let end = (END, json!({ "entries": count }));
    let mut entries: Vec<Entry> = Vec::with_capacity(count + 1);
    for (kind, body) in said.into_iter().chain([end]) {
        let before = entries.last().map_or(NOTHING, |entry| entry.hash.as_str());
        let hash = hash(before, kind, &body);
        entries.push(Entry { kind: kind.to_owned(), body, hash });
    }
    Certificate { entries }
}

fn hash(before: &str, kind: &str, body: &Value) -> String {
    let mut hash = Sha256::new();
    hash.update(before.as_bytes());
    hash.update(b"\n");
    hash.update(canonical(&json!({ "kind": kind, "body": body })).as_bytes());
    hash.finalize().iter().map(|byte| format!("{byte:02x}")).collect()
}

impl Certificate {
    /// The hash of the last entry: who knows it knows the whole.
    pub(super) fn head(&self) -> &str {
        self.entries.last().map_or(NOTHING, |entry| entry.hash.as_str())
    }

    /// Entries of a kind, in order.
    pub(super) fn of<'a>(&'a self, kind: &'a str) -> impl Iterator<Item = &'a Value> {
        self.entries.iter().filter(move |entry| entry.kind == kind).map(|entry| &entry.body)
    }

    /// The file: one entry a line.
    pub(super) fn render(&self) -> String {
        let line = |entry: &Entry| {
            let said = canonical(&json!({ "kind": entry.kind, "body": entry.body }));
            format!("{{\"entry\":{said},\"hash\":{}}}", canonical(&Value::from(entry.hash.as_str())))
        };
        let lines: Vec<String> = self.entries.iter().map(line).collect();
        format!(
            "{{\"format\":\"{FORMAT}\",\"version\":{VERSION},\"entries\":[\n{}\n],\"head\":\"{}\"}}\n",
            lines.join(",\n"),
            self.head(),
        )
    }

    /// Reads a file and holds every hash against what it stands for; the first thing that does not fit is told.
    pub(super) fn check(text: &str) -> Result<Self, Flaw> {
        let (entries, head) = read(text)?;
        let mut before = NOTHING;
        for (entry, number) in entries.iter().zip(1..) {
            if hash(before, &entry.kind, &entry.body) != entry.hash {
                return Err(Flaw::Entry { number, kind: entry.kind.clone() });
            }
            before = &entry.hash;
        }
        let certificate = Self { entries };
        certificate.check_end()?;
        if certificate.head() != head {
            return Err(Flaw::Head);
        }
        certificate.check_bytes(text)?;
        Ok(certificate)
    }

    fn check_end(&self) -> Result<(), Flaw> {
        let number = self.entries.len();
        let Some(last) = self.entries.last() else { return Err(Flaw::Form("it has no entries".into())) };
        let counted =
            last.body.get("entries").and_then(Value::as_u64).and_then(|count| usize::try_from(count).ok());
        match last.kind == END && counted == Some(number - 1) {
            true => Ok(()),
            false => Err(Flaw::Cut { number, kind: last.kind.clone() }),
        }
    }

    /// What a reader of JSON takes for the same, such as a key that stands twice, may tell a person something else.
    fn check_bytes(&self, text: &str) -> Result<(), Flaw> {
        let written = self.render();
        if written == text {
            return Ok(());
        }
        let same =
            written.split('\n').zip(text.split('\n')).take_while(|(ours, theirs)| ours == theirs).count();
        Err(Flaw::Bytes { line: same + 1 })
    }
}

fn read(text: &str) -> Result<(Vec<Entry>, String), Flaw> {
    let form = |what: &str| Flaw::Form(what.to_owned());
    let whole: Value = serde_json::from_str(text).map_err(|bad| Flaw::Form(bad.to_string()))?;
    let field = |name: &str| whole.get(name).ok_or_else(|| Flaw::Form(format!("`{name}` is missing")));
    if field("format")? != FORMAT {
        return Err(form("`format` is another"));
    }
    if field("version")? != VERSION {
        return Err(form("`version` is not known here; upgrade this tdferry"));
    }
    let entries = field("entries")?.as_array().ok_or_else(|| form("`entries` is no list"))?;
    let entries =
        entries.iter().zip(1..).map(|(value, number)| entry(value, number)).collect::<Result<_, _>>()?;
    let head = field("head")?.as_str().ok_or_else(|| form("`head` is no text"))?;
    Ok((entries, head.to_owned()))
}

fn entry(value: &Value, number: usize) -> Result<Entry, Flaw> {
    let text = |value: Option<&Value>| value.and_then(Value::as_str).map(str::to_owned);
    let said = value.get("entry").and_then(Value::as_object);
    let read = |said: &Map<String, Value>| {
        Some(Entry {
            kind: text(said.get("kind"))?,
            body: said.get("body")?.clone(),
            hash: text(value.get("hash"))?,
        })
    };
    said.and_then(read)
        .ok_or_else(|| Flaw::Form(format!("entry {number} lacks its kind, its body or its hash")))
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn sample() -> Certificate {
        seal(vec![
            ("tdferry", json!({ "version": "1" })),
            ("stable", json!({ "name": "met\"ers\n涛", "rows": u64::MAX, "sum": null })),
            ("stable", json!({ "name": "b", "rows": 2, "list": [1, "x", { "z": 1, "a": false }] })),
        ])
    }

    #[test]
    fn what_was_written_is_read_back_and_fits() {
        let certificate = sample();
        let text = certificate.render();
        assert_eq!(Certificate::check(&text).unwrap(), certificate);
        assert_eq!((text.lines().count(), certificate.head().len()), (6, 64));
        assert_eq!(certificate.of("stable").count(), 2);
    }

    #[test]
    fn a_hash_is_that_of_the_line_before_and_of_what_stands_in_its_own() {
        // so that anybody can check it with other means
        let text = sample().render();
        let first = text.lines().nth(1).unwrap();
        let (said, hash) = first.strip_prefix("{\"entry\":").unwrap().split_once(",\"hash\":\"").unwrap();
        let mut own = Sha256::new();
        own.update(format!("{NOTHING}\n{said}"));
        let own: String = own.finalize().iter().map(|byte| format!("{byte:02x}")).collect();
        assert!(hash.starts_with(&own), "{said}");
    }

    #[test]
    fn the_first_entry_that_does_not_fit_is_named() {
        let text = sample().render();
        let lines: Vec<&str> = text.lines().collect();
        let without = |gone: usize| {
            let kept: Vec<&str> =
                lines.iter().enumerate().filter(|(n, _)| *n != gone).map(|(_, line)| *line).collect();
            Certificate::check(&(kept.join("\n") + "\n")).unwrap_err()
        };
        let entry = |number, kind: &str| Flaw::Entry { number, kind: kind.into() };
        let changed = |from: &str, to: &str| Certificate::check(&text.replacen(from, to, 1)).unwrap_err();
        assert_eq!(changed("\"rows\":2", "\"rows\":3"), entry(3, "stable"));
        assert_eq!(changed("\"kind\":\"tdferry\"", "\"kind\":\"stable\""), entry(1, "stable"));
        assert_eq!(changed("\"rows\":2", "\"rows\":3,\"rows\":2"), Flaw::Bytes { line: 4 });
        assert_eq!(changed("},\n", "} ,\n"), Flaw::Bytes { line: 2 });
        assert_eq!(changed("\"head\":\"", "\"head\":\"0"), Flaw::Head);
        assert_eq!(without(2), entry(2, "stable"));
        assert_eq!(without(1), entry(1, "stable"));
        for no_certificate in ["", "{}", "[]", "null", "{\"format\":\"tdferry certificate\",\"version\":2}"] {
            assert!(matches!(Certificate::check(no_certificate), Err(Flaw::Form(_))), "{no_certificate}");
        }
    }

    #[test]
    fn an_end_that_was_cut_off_shows_even_if_the_head_was_moved() {
        let whole = sample();
        let cut = Certificate { entries: whole.entries[..3].to_vec() };
        let flaw = Certificate::check(&cut.render()).unwrap_err();
        assert_eq!(flaw, Flaw::Cut { number: 3, kind: "stable".into() });
    }

    proptest! {
        #[test]
        fn no_byte_can_be_changed_unseen(at in any::<prop::sample::Index>(), to: u8) {
            let text = sample().render();
            let mut bytes = text.into_bytes();
            let at = at.index(bytes.len());
            prop_assume!(bytes[at] != to);
            bytes[at] = to;
            if let Ok(changed) = String::from_utf8(bytes) {
                prop_assert!(Certificate::check(&changed).is_err(), "{changed}");
            }
        }
    }
}
