//! A map of names as CSV: lines `old,new`; a field with a comma, a quote or a line end stands in double quotes.

use std::collections::BTreeMap;

pub(super) fn read(text: &str) -> Result<BTreeMap<String, String>, String> {
    let mut map = BTreeMap::new();
    let mut rest = text.trim_start_matches('\u{feff}');
    let mut line = 1;
    while !rest.is_empty() {
        let (fields, behind) = record(rest).ok_or_else(|| format!("line {line}: a quote does not end"))?;
        match fields.as_slice() {
            [blank] if blank.is_empty() => {}
            [old, new] if !old.is_empty() && !new.is_empty() => {
                if map.insert(old.clone(), new.clone()).is_some_and(|other| other != *new) {
                    return Err(format!("line {line}: {old:?} is there twice with different names"));
                }
            }
            _ => return Err(format!("line {line}: not two names with a comma between; write `old,new`")),
        }
        line += rest
            .len()
            .checked_sub(behind.len())
            .map_or(0, |read| rest.bytes().take(read).filter(|byte| *byte == b'\n').count());
        rest = behind;
    }
    match map.is_empty() {
        true => Err("no names; write lines `old,new`".to_owned()),
        false => Ok(map),
    }
}

pub(super) fn write(map: &BTreeMap<String, String>) -> String {
    map.iter().map(|(old, new)| format!("{},{}\n", quoted(old), quoted(new))).collect()
}

fn quoted(field: &str) -> String {
    let trimmed = field.trim() != field;
    match trimmed || field.starts_with('@') || field.contains([',', '"', '\n', '\r']) {
        true => format!("\"{}\"", field.replace('"', "\"\"")),
        false => field.to_owned(),
    }
}

/// The fields of one record, and what follows it; `None` where a quote does not end.
fn record(text: &str) -> Option<(Vec<String>, &str)> {
    let (mut fields, mut rest) = (Vec::new(), text);
    loop {
        let (field, behind) = field(rest)?;
        fields.push(field);
        match behind.chars().next() {
            Some(',') => rest = behind.get(1..)?,
            Some(_) => return Some((fields, behind.get(1..)?)),
            None => return Some((fields, "")),
        }
    }
}

/// One field without the comma or line end behind it.
fn field(text: &str) -> Option<(String, &str)> {
    let Some(inner) = text.trim_start_matches([' ', '\t']).strip_prefix('"') else {
        let end = text.find([',', '\n']).unwrap_or(text.len());
        let (field, behind) = text.split_at(end);
        return Some((field.trim().to_owned(), behind));
    };
    let (mut field, mut rest) = (String::new(), inner);
    loop {
        let (piece, behind) = rest.split_once('"')?;
        field.push_str(piece);
        match behind.strip_prefix('"') {
            Some(more) => {
                field.push('"');
                rest = more;
            }
            None => return Some((field, behind.trim_start_matches([' ', '\t', '\r']))),
        }
    }
}
