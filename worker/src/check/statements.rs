//! The statements that the schema phase would run, as the sink would send them. Pure.

use tdferry_common::ddl;
use tdferry_common::options::OnMissingColumn;
use tdferry_common::schema::{Column, NormalTable, Stable};

use super::facts::Facts;

/// Those for database, stables and normal tables that are missing; and one for a subtable, if there is any.
pub(super) fn of(facts: &Facts) -> (Vec<String>, Option<String>) {
    let database = &facts.asked.target_database;
    let mut statements = Vec::new();
    if facts.target.database.is_none() && facts.asked.creates_database {
        let options = facts.translated().options;
        statements.push(ddl::create_database(database, &options));
    }
    if !facts.asked.creates_tables {
        statements.extend(added(facts));
        return (statements, None);
    }
    let mapping = &facts.asked.mapping;
    let stables = facts.source.stables.iter().map(|one| mapping.target_stable(&one.stable));
    let missing = stables.filter(|stable| !facts.target.stables.contains_key(&stable.name));
    statements.extend(missing.map(|stable| ddl::create_stable(database, &stable)));
    let tables = facts.tables_to_be().map(|one| mapping.target_table(&one.table));
    let missing = tables.filter(|table| !facts.target.tables.contains_key(&table.name));
    statements.extend(missing.map(|table| ddl::create_table(database, &table)));
    statements.extend(added(facts));
    let example = facts.source.stables.iter().find_map(|one| {
        let row = mapping.target_row(&one.stable.name, one.example.as_ref()?);
        ddl::create_subtables(&mapping.target_stable(&one.stable), &[row], usize::MAX).ok()?.pop()
    });
    (statements, example)
}

/// Those that add the columns which the target's stables and tables lack, where the task says so.
fn added(facts: &Facts) -> Vec<String> {
    if facts.asked.options.on_missing_column != Some(OnMissingColumn::Widen) {
        return Vec::new();
    }
    let (database, mapping) = (&facts.asked.target_database, &facts.asked.mapping);
    let mut statements = Vec::new();
    let mut add = |kind, name: &str, columns: &[Column], there: Option<&[Column]>| {
        let known =
            |column: &&Column| there.is_none_or(|there| there.iter().any(|known| known.name == column.name));
        let lacking = columns.iter().filter(|column| !known(column));
        statements.extend(lacking.map(|column| ddl::add_column(database, kind, name, column)));
    };
    for one in &facts.source.stables {
        let Stable { name, columns, .. } = mapping.target_stable(&one.stable);
        let there = facts.target.stables.get(&name).map(|stable| stable.columns.as_slice());
        add("stable", &name, &columns, there);
    }
    for one in facts.tables_to_be() {
        let NormalTable { name, columns } = mapping.target_table(&one.table);
        let there = facts.target.tables.get(&name).map(|table| table.columns.as_slice());
        add("table", &name, &columns, there);
    }
    statements
}
