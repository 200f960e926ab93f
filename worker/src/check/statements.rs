//! The statements that the schema phase would run, as the sink would send them. Pure.

use tdferry_common::ddl;

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
        return (statements, None);
    }
    let mapping = &facts.asked.mapping;
    let stables = facts.source.stables.iter().map(|one| mapping.target_stable(&one.stable));
    let missing = stables.filter(|stable| !facts.target.stables.contains_key(&stable.name));
    statements.extend(missing.map(|stable| ddl::create_stable(database, &stable)));
    let tables = facts.source.normal_tables.iter().map(|one| mapping.target_table(&one.table));
    let missing = tables.filter(|table| !facts.target.tables.contains_key(&table.name));
    statements.extend(missing.map(|table| ddl::create_table(database, &table)));
    let example = facts.source.stables.iter().find_map(|one| {
        let row = mapping.target_row(&one.stable.name, one.example.as_ref()?);
        ddl::create_subtables(&mapping.target_stable(&one.stable), &[row], usize::MAX).ok()?.pop()
    });
    (statements, example)
}
