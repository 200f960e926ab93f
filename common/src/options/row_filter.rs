//! Which rows, by conditions that the source evaluates: one for all tables, or one for some of them.
//!
//! A condition stands in parentheses inside of a statement. What could leave them is refused, so that it stays one.

use super::names::Entry;
use super::pattern::Pattern;
use super::value::{Kind, OptionValue};

/// Statements to 2.x have 65,480 bytes, most of which names of subtables take.
const MAX_CONDITION_BYTES: usize = 4_000;

/// The option `where`.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct RowFilter(Vec<Condition>);

#[derive(Debug, Clone, PartialEq, Eq)]
struct Condition {
    /// The stables and normal tables it holds for; `None` for all that none is named for.
    table: Option<Pattern>,
    sql: String,
}

impl RowFilter {
    /// Whether all rows are taken.
    pub const fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// The condition for a stable or normal table: the first that names it, else the one that names none.
    pub fn of(&self, table: &str) -> Option<&str> {
        let named = |one: &&Condition| one.table.as_ref().is_some_and(|pattern| pattern.matches(table));
        let open = |one: &&Condition| one.table.is_none();
        let found = self.0.iter().find(named).or_else(|| self.0.iter().find(open));
        found.map(|one| one.sql.as_str())
    }

    /// One condition for all tables, whatever they are named.
    pub fn for_all(sql: &str) -> Self {
        Self(vec![Condition { table: None, sql: sql.to_owned() }])
    }

    /// Conditions for tables of these very names.
    pub fn for_tables(conditions: impl IntoIterator<Item = (String, String)>) -> Self {
        let one = |(table, sql): (String, String)| Condition { table: Some(Pattern::from(table)), sql };
        Self(conditions.into_iter().map(one).collect())
    }

    /// The condition of this stable as one for all tables: for who reads its subtables, which are named otherwise.
    #[must_use]
    pub fn of_subtables(&self, stable: &str) -> Self {
        Self(self.of(stable).map(|sql| Condition { table: None, sql: sql.to_owned() }).into_iter().collect())
    }
}

impl Kind for RowFilter {
    fn read(value: &OptionValue) -> Result<Self, String> {
        let texts = match value {
            OptionValue::Text(text) => std::slice::from_ref(text),
            OptionValue::List(texts) => texts.as_slice(),
        };
        let all: Vec<_> = texts.iter().map(|text| condition(text.trim())).collect::<Result<_, _>>()?;
        match all.iter().filter(|one| one.table.is_none()).count() {
            0 | 1 => Ok(Self(all)),
            _ => Err("two conditions for all tables; join them by `and`".to_owned()),
        }
    }

    fn write(&self) -> OptionValue {
        let one = |one: &Condition| match &one.table {
            Some(table) => format!("{}: {}", table.write(false), one.sql),
            None => one.sql.clone(),
        };
        OptionValue::List(self.0.iter().map(one).collect())
    }
}

/// `condition`, or `table: condition`. No condition starts with a name and a colon.
fn condition(text: &str) -> Result<Condition, String> {
    let (table, sql) = match named(text) {
        Some((name, sql)) => (Some(<Pattern as Entry>::read(name.trim())?), sql.trim()),
        None => (None, text),
    };
    closed(sql)?;
    Ok(Condition { table, sql: sql.to_owned() })
}

fn named(text: &str) -> Option<(&str, &str)> {
    if let Some(inner) = text.strip_prefix('`') {
        let (name, rest) = text.split_at(inner.find('`')? + 2);
        return rest.trim_start().strip_prefix(':').map(|sql| (name, sql));
    }
    let (name, sql) = text.split_once(':')?;
    let part = |c: char| c.is_alphanumeric() || "_*?.".contains(c);
    (!name.is_empty() && name.chars().all(part)).then_some((name, sql))
}

/// Whether parentheses and quotes that stand in it end in it, and nothing else could end a statement.
fn closed(sql: &str) -> Result<(), String> {
    if sql.is_empty() {
        return Err("a condition is empty; write one such as `voltage > 200`".to_owned());
    }
    if sql.len() > MAX_CONDITION_BYTES {
        return Err(format!("a condition is longer than {MAX_CONDITION_BYTES} bytes"));
    }
    let refuse = |what: &str| Err(format!("{sql:?} {what}; write a condition such as `voltage > 200`"));
    let (mut depth, mut rest) = (0_u32, sql.chars());
    while let Some(c) = rest.next() {
        match c {
            '(' => depth += 1,
            ')' => match depth.checked_sub(1) {
                Some(less) => depth = less,
                None => return refuse("closes a parenthesis that it did not open"),
            },
            ';' | '\0' => return refuse("has a character that ends a statement"),
            '\'' | '"' | '`' if !skip_quoted(&mut rest, c) => return refuse("has a quote that does not end"),
            _ => {}
        }
    }
    if depth == 0 { Ok(()) } else { refuse("opens a parenthesis that it does not close") }
}

fn skip_quoted(rest: &mut std::str::Chars<'_>, quote: char) -> bool {
    while let Some(c) = rest.next() {
        if c == quote {
            return true;
        }
        if c == '\\' && quote != '`' {
            rest.next();
        }
    }
    false
}

#[cfg(test)]
mod tests {
    use super::*;

    fn filter(texts: &[&str]) -> Result<RowFilter, String> {
        RowFilter::read(&OptionValue::List(texts.iter().map(|text| (*text).to_owned()).collect()))
    }

    #[test]
    fn a_table_has_the_first_condition_that_names_it_else_that_for_all() {
        let filter = filter(&[
            "meters: voltage > 200 and note <> 'a:b'",
            "`we.ather`: t < 5",
            "w*: t < 9",
            "ok = true",
        ])
        .unwrap();
        for (table, sql) in [
            ("meters", "voltage > 200 and note <> 'a:b'"),
            ("we.ather", "t < 5"),
            ("water", "t < 9"),
            ("other", "ok = true"),
        ] {
            assert_eq!(filter.of(table), Some(sql));
        }
        assert_eq!(filter.of_subtables("water").of("d1"), Some("t < 9"));
        assert_eq!(RowFilter::read(&filter.write()).unwrap(), filter);
    }

    #[test]
    fn a_condition_cannot_leave_its_parentheses() {
        for (text, words) in [
            ("a > 1) or (1 = 1", "did not open"),
            ("(a > 1", "does not close"),
            ("a > 1; drop table t", "ends a statement"),
            ("a = 'x", "does not end"),
            ("a = 'x\\'", "does not end"),
            ("meters:", "is empty"),
        ] {
            let error = filter(&[text]).unwrap_err();
            assert!(error.contains(words), "{text}: {error}");
        }
        assert!(filter(&["a = ')' and (b = \"(\" or c > 2)"]).is_ok());
        assert!(filter(&["a > 1", "b > 1"]).unwrap_err().contains("join them"));
    }
}
