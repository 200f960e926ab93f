//! Which columns of which tables: `{table}.{column}` takes these alone, `!{table}.{column}` leaves these out.

use super::names::{Entry, Names, dotted};
use super::pattern::Pattern;

/// One entry of the option `columns`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ColumnRule {
    /// Whether what it names is left out.
    pub out: bool,
    /// The stable or normal table.
    pub table: Pattern,
    /// The column.
    pub column: Pattern,
}

impl Entry for ColumnRule {
    fn read(text: &str) -> Result<Self, String> {
        let (out, named) = text.strip_prefix('!').map_or((false, text), |named| (true, named));
        match dotted(named)? {
            (Some(table), column) => Ok(Self { out, table, column }),
            (None, _) => Err(format!(
                "{text:?} names no table; write `meters.voltage` to take that column, or `!meters.voltage` to leave it out"
            )),
        }
    }

    fn write(&self) -> String {
        format!("{}{}.{}", if self.out { "!" } else { "" }, self.table, self.column)
    }
}

impl Names<ColumnRule> {
    /// Whether a column of a stable or normal table is taken. A table of which no column is named is taken whole.
    pub fn take(&self, table: &str, column: &str) -> bool {
        let Self::Only(rules) = self else { return true };
        let of_table =
            |out: bool| rules.iter().filter(move |rule| rule.out == out && rule.table.matches(table));
        let named = |rule: &ColumnRule| rule.column.matches(column);
        let chosen = of_table(false).next().is_none() || of_table(false).any(named);
        chosen && !of_table(true).any(named)
    }

    /// The columns of this table that are named by themselves.
    pub fn named<'a>(&'a self, table: &'a str) -> impl Iterator<Item = &'a str> {
        let rules = match self {
            Self::Only(rules) => rules.as_slice(),
            Self::All | Self::File(_) => &[],
        };
        let by_name = move |rule: &'a ColumnRule| {
            rule.column.name().filter(|_| rule.table.name().is_some_and(|name| name == table))
        };
        rules.iter().filter_map(by_name)
    }
}

#[cfg(test)]
mod tests {
    use super::super::names::read_list;
    use super::*;

    fn rules(texts: &[&str]) -> Names<ColumnRule> {
        read_list(texts.iter().copied()).unwrap()
    }

    #[test]
    fn named_columns_alone_are_taken_and_those_with_a_mark_left_out() {
        let rules = rules(&["meters.v*", "!meters.vx", "!weather.raw_*", "`a.b`.c"]);
        for (table, column, taken) in [
            ("meters", "voltage", true),
            ("meters", "vx", false),
            ("meters", "current", false),
            ("weather", "raw_1", false),
            ("weather", "temp", true),
            ("other", "anything", true),
            ("a.b", "c", true),
            ("a.b", "d", false),
        ] {
            assert_eq!(rules.take(table, column), taken, "{table}.{column}");
        }
        assert_eq!(rules.named("a.b").collect::<Vec<_>>(), ["c"]);
        assert_eq!(rules.named("meters").collect::<Vec<_>>(), ["vx"]);
        assert!(ColumnRule::read("voltage").unwrap_err().contains("names no table"));
    }
}
