//! Which stables and tables a task takes, from its options `stables` and `tables`. Pure.
//!
//! A subtable is taken if both options allow it. A normal table belongs to no stable, so it is taken if `tables`
//! names it, or if neither option is given.

use std::collections::{BTreeMap, BTreeSet};

use tdferry_common::options::{Names, Options, Pattern, TableName};

/// The two options, ready to be asked.
#[derive(Debug, Clone, Default)]
pub(crate) struct Filter {
    stables: Option<Vec<Pattern>>,
    tables: Option<Tables>,
}

/// What `tables` names: entries that are names by their table, so that a million of them are found at once, and the
/// others in order.
#[derive(Debug, Clone, Default)]
struct Tables {
    named: BTreeMap<String, Vec<Entry>>,
    matching: Vec<Entry>,
}

#[derive(Debug, Clone)]
struct Entry {
    name: TableName,
    /// Whether something was found of it.
    seen: bool,
}

impl Filter {
    pub(crate) fn new(options: &Options) -> Self {
        let stables = match &options.stables {
            Names::Only(patterns) => Some(patterns.clone()),
            // a stored task holds no files; where one is run at once they were read before
            Names::All | Names::File(_) => None,
        };
        let tables = match &options.tables {
            Names::Only(names) => Some(Tables::new(names)),
            Names::All | Names::File(_) => None,
        };
        Self { stables, tables }
    }

    /// Whether tables are picked one by one, so that stables must be listed to know what is taken of them.
    pub(crate) const fn picks_tables(&self) -> bool {
        self.tables.is_some()
    }

    /// Whether any subtable of this stable may be taken.
    pub(crate) fn takes_stable(&self, stable: &str) -> bool {
        let allowed =
            self.stables.as_ref().is_none_or(|patterns| patterns.iter().any(|one| one.matches(stable)));
        allowed
            && self
                .tables
                .as_ref()
                .is_none_or(|tables| tables.entries().any(|entry| entry.allows(Some(stable))))
    }

    /// Whether this subtable of a stable that may be taken is taken.
    pub(crate) fn takes_subtable(&mut self, stable: &str, name: &str) -> bool {
        self.tables.as_mut().is_none_or(|tables| tables.take(Some(stable), name))
    }

    /// The same, for who does not look for names of tables that are not there.
    pub(crate) fn takes(&self, stable: &str, name: &str) -> bool {
        self.tables.as_ref().is_none_or(|tables| tables.has(Some(stable), name))
    }

    /// Whether this normal table is taken.
    pub(crate) fn takes_normal(&mut self, name: &str) -> bool {
        match &mut self.tables {
            Some(tables) => tables.take(None, name),
            None => self.stables.is_none(),
        }
    }

    /// What the options name and the source does not have: its option and the name. A pattern may match nothing.
    pub(crate) fn unknown(&self, stables: &BTreeSet<&str>) -> Vec<(&'static str, String)> {
        let named = self.stables.iter().flatten().filter_map(Pattern::name);
        let no_stable = named.filter(|name| !stables.contains(name));
        let mut unknown: Vec<_> = no_stable.map(|name| ("options.stables", name.to_owned())).collect();
        let unseen =
            self.tables.iter().flat_map(Tables::entries).filter(|entry| !entry.seen && entry.is_exact());
        unknown.extend(unseen.map(|entry| ("options.tables", entry.name.to_string())));
        unknown
    }
}

impl Tables {
    fn new(names: &[TableName]) -> Self {
        let mut tables = Self::default();
        for name in names {
            let entry = Entry { name: name.clone(), seen: false };
            match name.table.name() {
                Some(table) => tables.named.entry(table.to_owned()).or_default().push(entry),
                None => tables.matching.push(entry),
            }
        }
        tables
    }

    fn entries(&self) -> impl Iterator<Item = &Entry> {
        self.named.values().flatten().chain(&self.matching)
    }

    fn has(&self, stable: Option<&str>, name: &str) -> bool {
        let by_name = self.named.get(name).into_iter().flatten();
        let others = self.matching.iter().filter(|entry| entry.name.table.matches(name));
        by_name.chain(others).any(|entry| entry.allows(stable))
    }

    fn take(&mut self, stable: Option<&str>, name: &str) -> bool {
        let by_name = self.named.get_mut(name).into_iter().flatten();
        let others = self.matching.iter_mut().filter(|entry| entry.name.table.matches(name));
        let mut taken = false;
        for entry in by_name.chain(others).filter(|entry| entry.allows(stable)) {
            entry.seen = true;
            taken = true;
        }
        taken
    }
}

impl Entry {
    /// Whether a table of this stable, or a normal table, may be meant.
    fn allows(&self, stable: Option<&str>) -> bool {
        let named = self.name.stable.as_ref();
        named.is_none_or(|pattern| stable.is_some_and(|stable| pattern.matches(stable)))
    }

    fn is_exact(&self) -> bool {
        let exact = |pattern: &Pattern| pattern.name().is_some();
        exact(&self.name.table) && self.name.stable.as_ref().is_none_or(exact)
    }
}

#[cfg(test)]
mod tests {
    use tdferry_common::options::OptionValue;

    use super::*;

    fn filter(stables: &[&str], tables: &[(Option<&str>, &str)]) -> Filter {
        let own = |text: &&str| Pattern::from(*text);
        let table = |(stable, table): &(Option<&str>, &str)| TableName {
            stable: stable.map(Pattern::from),
            table: Pattern::from(*table),
        };
        let stables =
            if stables.is_empty() { Names::All } else { Names::Only(stables.iter().map(own).collect()) };
        let tables =
            if tables.is_empty() { Names::All } else { Names::Only(tables.iter().map(table).collect()) };
        Filter::new(&Options { stables, tables, ..Options::default() })
    }

    #[test]
    fn without_options_everything_is_taken() {
        let mut all = filter(&[], &[]);
        assert!(all.takes_stable("s") && all.takes_subtable("s", "t") && all.takes_normal("n"));
        assert!(!all.picks_tables());
        assert!(all.unknown(&BTreeSet::new()).is_empty());
    }

    #[test]
    fn named_stables_are_taken_whole_and_nothing_else() {
        let mut some = filter(&["s"], &[]);
        assert!(some.takes_stable("s") && some.takes_subtable("s", "t"));
        assert!(!some.takes_stable("other") && !some.takes_normal("n"));
    }

    #[test]
    fn a_table_named_with_its_stable_is_taken_there_only() {
        let mut some = filter(&[], &[(Some("s"), "t"), (None, "free")]);
        assert!(
            some.takes_subtable("s", "t")
                && some.takes_subtable("other", "free")
                && some.takes_normal("free")
        );
        assert!(
            !some.takes_subtable("other", "t") && !some.takes_normal("t") && !some.takes_subtable("s", "x")
        );
    }

    #[test]
    fn a_stable_of_which_no_table_can_be_meant_is_not_taken() {
        let some = filter(&[], &[(Some("s"), "t")]);
        assert!(some.takes_stable("s") && !some.takes_stable("other"));
        assert!(filter(&[], &[(None, "t")]).takes_stable("other"));
    }

    #[test]
    fn names_that_the_source_does_not_have_are_told_with_their_option() {
        let mut some = filter(&["s", "gone"], &[(Some("s"), "t"), (Some("s"), "missing"), (None, "nowhere")]);
        assert!(some.takes_subtable("s", "t"));
        let unknown = some.unknown(&BTreeSet::from(["s"]));
        let expected =
            [("options.stables", "gone"), ("options.tables", "s.missing"), ("options.tables", "nowhere")];
        assert_eq!(unknown, expected.map(|(option, name)| (option, name.to_owned())));
    }

    #[test]
    fn globs_and_expressions_take_what_they_match_and_may_match_nothing() {
        let mut options = Options::default();
        options.set("stables", &OptionValue::text("met*,re:w.*")).unwrap();
        options.set("tables", &OptionValue::text("meters.d?,w*.re:s[0-9]+,n_*,nothing*")).unwrap();
        let mut some = Filter::new(&options);
        assert!(some.takes_stable("meters") && some.takes_stable("weather") && !some.takes_stable("other"));
        assert!(some.takes_subtable("meters", "d1") && !some.takes_subtable("meters", "d10"));
        assert!(some.takes_subtable("weather", "s10") && !some.takes_subtable("meters", "s10"));
        assert!(some.takes_normal("n_1") && !some.takes_normal("d1"));
        assert!(some.unknown(&BTreeSet::from(["meters"])).is_empty());
    }
}
