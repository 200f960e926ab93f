//! From a name at the target back to those of the source that become it: whether a task could have made a table. Pure.

use std::collections::BTreeSet;

use tdferry_common::batch::{TagRow, Value};
use tdferry_common::options::{Act, Named, Renamed};
use tdferry_common::schema::Stable;

use super::Mapping;

impl Mapping {
    /// The names that a subtable of this stable may have at the source; `None` where that cannot be told.
    pub(crate) fn undone(&self, stable: &str, table: &str) -> Option<Vec<String>> {
        // what a dot became may have been there before
        if self.options.dots.as_ref().is_some_and(|instead| table.contains(instead.as_str())) {
            return None;
        }
        let acts: Vec<&Act> = self.options.transforms.acts().collect();
        let mut names = BTreeSet::from([table.to_owned()]);
        for act in acts.into_iter().rev() {
            let Act::Rename { of: of @ (Renamed::Tables | Renamed::Subtables), rule } = act else { continue };
            let mut before = BTreeSet::new();
            for name in &names {
                let named = Named { name, stable, database: &self.database };
                before.extend(
                    rule.undo(named)?
                        .into_iter()
                        .filter(|from| rule.apply(*of, Named { name: from, ..named }) == *name),
                );
            }
            names = before;
        }
        Some(names.into_iter().collect())
    }

    /// Whether a subtable as the target has it, with all its tags, has the values that this task adds.
    pub(crate) fn has_added_tags(&self, stable: &Stable, row: &TagRow) -> bool {
        let text = |value: &Value| match value {
            Value::Binary(bytes) => Some(bytes.clone()),
            Value::Nchar(text) => Some(text.clone().into_bytes()),
            _ => None,
        };
        let found = row.tags.iter().skip(stable.tags.len());
        self.added.len() <= found.len()
            && self.added.iter().zip(found).all(|((_, added), found)| text(added) == text(found))
    }
}
