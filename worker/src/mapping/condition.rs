//! A condition on rows of the source said in the target's names, so that both sides are compared under it. Pure.
//!
//! Nothing of a condition is understood but its names: each must be a column or tag that the target has, a function or a
//! word of the language. What would mean something else at the target is refused with a reason.

use std::collections::BTreeMap;

use tdferry_common::schema::{Column, DataType};

/// What may stand beside names.
const WORDS: [&str; 16] = [
    "and", "or", "not", "is", "null", "like", "in", "between", "true", "false", "match", "nmatch",
    "contains", "regexp", "div", "mod",
];
/// Words whose rows are others at another moment.
const MOMENTS: [&str; 4] = ["now", "today", "curtime", "timezone"];

/// The columns and tags of a table by the source's names: what the target calls each, and whether it holds a moment.
pub(super) struct Known {
    names: BTreeMap<String, (String, bool)>,
    /// The table's name is another at the target.
    pub(super) renames_tables: bool,
    /// The unit of time is another at the target.
    pub(super) changes_time: bool,
}

impl Known {
    pub(super) fn new<'a>(columns: impl Iterator<Item = (&'a Column, String)>) -> Self {
        let one = |(column, target): (&Column, String)| {
            (column.name.clone(), (target, column.data_type == DataType::Timestamp))
        };
        Self { names: columns.map(one).collect(), renames_tables: false, changes_time: false }
    }

    /// The condition in the target's names, or why it cannot be said in them.
    pub(super) fn said(&self, condition: &str) -> Result<String, String> {
        let (mut said, mut rest) = (String::with_capacity(condition.len()), condition);
        while let Some(first) = rest.chars().next() {
            let (token, behind) = rest.split_at(length(rest, first));
            match first {
                '`' => said.push_str(&self.column(token.trim_matches('`'))?),
                _ if first.is_alphabetic() || first == '_' => {
                    let calls = behind.trim_start().starts_with('(');
                    said.push_str(&self.word(token, calls)?);
                }
                _ => said.push_str(token),
            }
            rest = behind;
        }
        Ok(said)
    }

    fn word(&self, word: &str, calls: bool) -> Result<String, String> {
        let lower = word.to_lowercase();
        if MOMENTS.contains(&lower.as_str()) {
            return Err(format!("`{word}` is another moment each time it is asked"));
        }
        if WORDS.contains(&lower.as_str()) {
            return Ok(word.to_owned());
        }
        match lower.as_str() {
            "tbname" if self.renames_tables => Err("tables have other names at the target".to_owned()),
            "tbname" => Ok(word.to_owned()),
            "_c0" | "_rowts" if self.changes_time => Err(self.other_unit(word)),
            "_c0" | "_rowts" => Ok(word.to_owned()),
            _ if calls => Ok(word.to_owned()),
            // bare names are lower case to both servers
            _ => self.column(&lower),
        }
    }

    fn column(&self, name: &str) -> Result<String, String> {
        match self.names.get(name) {
            None => Err(format!("the target gets no column or tag `{name}`")),
            Some((_, true)) if self.changes_time => Err(self.other_unit(name)),
            Some((target, _)) => Ok(format!("`{target}`")),
        }
    }

    fn other_unit(&self, name: &str) -> String {
        format!("`{name}` is counted in another unit of time at the target")
    }
}

/// The bytes of the token that a text begins with: a text or name in quotes, a word, a number, or one character.
fn length(text: &str, first: char) -> usize {
    match first {
        '\'' | '"' | '`' => quoted(text, first),
        _ if first.is_alphanumeric() || first == '_' => {
            text.find(|c: char| !c.is_alphanumeric() && c != '_').unwrap_or(text.len())
        }
        _ => first.len_utf8(),
    }
}

fn quoted(text: &str, quote: char) -> usize {
    let mut chars = text.char_indices().skip(1);
    while let Some((at, c)) = chars.next() {
        if c == quote {
            return at + c.len_utf8();
        }
        if c == '\\' && quote != '`' {
            chars.next();
        }
    }
    text.len()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn known() -> Known {
        let column = |name: &str, data_type| Column { name: name.into(), data_type, length: 8 };
        let columns = [
            (column("ts", DataType::Timestamp), "ts".to_owned()),
            (column("v", DataType::Int), "volts".to_owned()),
            (column("Odd Name", DataType::Int), "Odd Name".to_owned()),
        ];
        Known::new(columns.iter().map(|(column, target)| (column, target.clone())))
    }

    #[test]
    fn names_become_the_targets_and_nothing_else_is_touched() {
        for (source, target) in [
            ("v > 200 AND `v` <> 3", "`volts` > 200 AND `volts` <> 3"),
            ("V in (1, 2e1) or `Odd Name` is not null", "`volts` in (1, 2e1) or `Odd Name` is not null"),
            ("abs(v) > 1 and tbname like 'v\\'v%'", "abs(`volts`) > 1 and tbname like 'v\\'v%'"),
            ("ts >= 5 and _c0 < 9", "`ts` >= 5 and _c0 < 9"),
        ] {
            assert_eq!(known().said(source).as_deref(), Ok(target));
        }
    }

    #[test]
    fn what_would_mean_something_else_at_the_target_is_refused_with_a_reason() {
        for (source, why) in [
            ("w > 1", "no column or tag `w`"),
            ("`V` > 1", "no column or tag `V`"),
            ("ts > now - 1d", "another moment"),
            ("ts > NOW()", "another moment"),
        ] {
            assert!(known().said(source).unwrap_err().contains(why), "{source}");
        }
        let other = Known { renames_tables: true, changes_time: true, ..known() };
        assert!(other.said("tbname = 'd1'").unwrap_err().contains("other names"));
        assert!(other.said("ts > 5").unwrap_err().contains("unit of time"));
        assert!(other.said("_c0 > 5").unwrap_err().contains("unit of time"));
        assert_eq!(other.said("v > 5").as_deref(), Ok("`volts` > 5"));
    }
}
