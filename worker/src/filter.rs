//! Which stables and tables a task takes, from its options `stables` and `tables`. Pure.
//!
//! A subtable is taken if both options allow it. A normal table belongs to no stable, so it is taken if `tables`
//! names it, or if neither option is given.

use std::collections::{BTreeMap, BTreeSet};

use tdferry_common::options::{Names, Options};

/// The two options, ready to be asked.
#[derive(Debug, Clone, Default)]
pub(crate) struct Filter {
    stables: Option<BTreeSet<String>>,
    tables: Option<Tables>,
}

/// What `tables` names: by table, the stables it was named with.
#[derive(Debug, Clone, Default)]
struct Tables {
    named: BTreeMap<String, BTreeSet<Option<String>>>,
    /// Every entry of which something was found.
    seen: BTreeSet<(Option<String>, String)>,
}

impl Filter {
    pub(crate) fn new(options: &Options) -> Self {
        let stables = match &options.stables {
            Names::Only(names) => Some(names.iter().cloned().collect()),
            // a stored task holds no files; where one is run at once they were read before
            Names::All | Names::File(_) => None,
        };
        let tables = match &options.tables {
            Names::Only(names) => {
                let mut named: BTreeMap<_, BTreeSet<_>> = BTreeMap::new();
                for name in names {
                    named.entry(name.table.clone()).or_default().insert(name.stable.clone());
                }
                Some(Tables { named, seen: BTreeSet::new() })
            }
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
        let allowed = self.stables.as_ref().is_none_or(|names| names.contains(stable));
        let named = |stables: &BTreeSet<Option<String>>| {
            stables.iter().any(|named| named.as_deref().is_none_or(|named| named == stable))
        };
        allowed && self.tables.as_ref().is_none_or(|tables| tables.named.values().any(named))
    }

    /// Whether this subtable of a stable that may be taken is taken.
    pub(crate) fn takes_subtable(&mut self, stable: &str, name: &str) -> bool {
        self.tables.as_mut().is_none_or(|tables| tables.take(Some(stable), name))
    }

    /// Whether this normal table is taken.
    pub(crate) fn takes_normal(&mut self, name: &str) -> bool {
        match &mut self.tables {
            Some(tables) => tables.take(None, name),
            None => self.stables.is_none(),
        }
    }

    /// What the options name and the source does not have: its option and the name.
    pub(crate) fn unknown(&self, stables: &BTreeSet<&str>) -> Vec<(&'static str, String)> {
        let no_stable = self.stables.iter().flatten().filter(|name| !stables.contains(name.as_str()));
        let mut unknown: Vec<_> = no_stable.map(|name| ("options.stables", name.clone())).collect();
        for (table, named) in self.tables.iter().flat_map(|tables| &tables.named) {
            let unseen = |stable: &&Option<String>| !self.saw(stable, table);
            unknown.extend(named.iter().filter(unseen).map(|stable| {
                let prefix = stable.as_ref().map(|stable| format!("{stable}.")).unwrap_or_default();
                ("options.tables", format!("{prefix}{table}"))
            }));
        }
        unknown
    }

    fn saw(&self, stable: &Option<String>, table: &str) -> bool {
        let place = (stable.clone(), table.to_owned());
        self.tables.as_ref().is_some_and(|tables| tables.seen.contains(&place))
    }
}

impl Tables {
    fn take(&mut self, stable: Option<&str>, name: &str) -> bool {
        let Some(named) = self.named.get(name) else { return false };
        let fits = |entry: &&Option<String>| entry.is_none() || entry.as_deref() == stable;
        let fitting: Vec<_> = named.iter().filter(fits).cloned().collect();
        let taken = !fitting.is_empty();
        self.seen.extend(fitting.into_iter().map(|entry| (entry, name.to_owned())));
        taken
    }
}

#[cfg(test)]
mod tests {
    use tdferry_common::options::TableName;

    use super::*;

    fn filter(stables: &[&str], tables: &[(Option<&str>, &str)]) -> Filter {
        let own = |text: &&str| (*text).to_owned();
        let table = |(stable, table): &(Option<&str>, &str)| TableName {
            stable: stable.map(str::to_owned),
            table: (*table).to_owned(),
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
}
