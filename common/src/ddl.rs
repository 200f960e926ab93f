//! The statements that create what a target lacks, as text: what the sink sends, and what a check shows beforehand.
//!
//! Names stand in backticks, which 3.x always knows. A name that cannot be one becomes the empty identifier, which every
//! server refuses.

use crate::batch::literal::{push_ident, push_value};
use crate::batch::{TagRow, Value};
use crate::schema::{Column, NormalTable, Stable};

/// Creates a database if it is missing, with these options.
pub fn create_database(name: &str, options: &str) -> String {
    format!("create database if not exists {} {options}", ident(name))
}

/// Creates a stable if it is missing.
pub fn create_stable(database: &str, stable: &Stable) -> String {
    let path = path(database, &stable.name);
    let (columns, tags) = (declared(&stable.columns), declared(&stable.tags));
    format!("create stable if not exists {path} ({columns}) tags ({tags})")
}

/// Creates a normal table if it is missing.
pub fn create_table(database: &str, table: &NormalTable) -> String {
    format!("create table if not exists {} ({})", path(database, &table.name), declared(&table.columns))
}

/// Creates subtables of the selected database if they are missing: statements of at most `limit` bytes, all rows in
/// order.
pub fn create_subtables(stable: &Stable, rows: &[TagRow], limit: usize) -> Result<Vec<String>, String> {
    let using = format!(" using {} ({}) tags (", ident(&stable.name), list(&stable.tags));
    let mut statements = Vec::new();
    let mut sql = String::from("create table");
    for row in rows {
        let one = format!(" if not exists {}{using}{})", ident(&row.name), values(row)?);
        if sql.len() + one.len() > limit && sql.len() > "create table".len() {
            statements.push(std::mem::replace(&mut sql, String::from("create table")));
        }
        sql.push_str(&one);
    }
    if !rows.is_empty() {
        statements.push(sql);
    }
    Ok(statements)
}

/// Gives a subtable these tags: a statement each, since no server before 3.3.4 takes several.
pub fn set_tags(database: &str, stable: &Stable, row: &TagRow) -> Result<Vec<String>, String> {
    let path = path(database, &row.name);
    let one = |(tag, value): (&Column, &Value)| {
        let mut sql = format!("alter table {path} set tag {} = ", ident(&tag.name));
        let told = |why| format!("subtable `{}`, tag `{}`: {why}", row.name, tag.name);
        push_value(&mut sql, value).map_err(told)?;
        Ok(sql)
    };
    stable.tags.iter().zip(&row.tags).map(one).collect()
}

/// Has a database keep rows for so many days.
pub fn widen_keep(database: &str, days: u64) -> String {
    format!("alter database {} keep {days}d", ident(database))
}

/// Makes a column of a `table` or `stable` as long as this one.
pub fn widen_column(database: &str, kind: &str, table: &str, column: &Column) -> String {
    format!("alter {kind} {} modify column {}", path(database, table), declared(std::slice::from_ref(column)))
}

/// Makes a tag of a stable as long as this one.
pub fn widen_tag(database: &str, stable: &str, tag: &Column) -> String {
    format!("alter stable {} modify tag {}", path(database, stable), declared(std::slice::from_ref(tag)))
}

/// Gives a stable a tag more.
pub fn add_tag(database: &str, stable: &str, tag: &Column) -> String {
    format!("alter stable {} add tag {}", path(database, stable), declared(std::slice::from_ref(tag)))
}

/// Gives a `table` or `stable` a column more.
pub fn add_column(database: &str, kind: &str, table: &str, column: &Column) -> String {
    format!("alter {kind} {} add column {}", path(database, table), declared(std::slice::from_ref(column)))
}

fn ident(name: &str) -> String {
    let mut text = String::with_capacity(name.len() + 2);
    if push_ident(&mut text, name).is_err() {
        text.push_str("``");
    }
    text
}

fn path(database: &str, table: &str) -> String {
    format!("{}.{}", ident(database), ident(table))
}

fn list(columns: &[Column]) -> String {
    columns.iter().map(|column| ident(&column.name)).collect::<Vec<_>>().join(",")
}

/// The columns of a `create`, with their types.
fn declared(columns: &[Column]) -> String {
    let one = |column: &Column| format!("{} {}", ident(&column.name), column.sql_type());
    columns.iter().map(one).collect::<Vec<_>>().join(", ")
}

fn values(row: &TagRow) -> Result<String, String> {
    let mut text = String::new();
    for (index, tag) in row.tags.iter().enumerate() {
        if index > 0 {
            text.push(',');
        }
        push_value(&mut text, tag)
            .map_err(|why| format!("subtable `{}`, tag {}: {why}", row.name, index + 1))?;
    }
    Ok(text)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::schema::DataType;

    fn stable() -> Stable {
        let column = |name: &str, data_type, length| Column { name: name.into(), data_type, length };
        Stable {
            name: "Meters".into(),
            columns: vec![column("ts", DataType::Timestamp, 8), column("order", DataType::Nchar, 4)],
            tags: vec![column("site", DataType::Binary, 8)],
        }
    }

    #[test]
    fn every_name_stands_in_backticks() {
        let stable = stable();
        let told = create_stable("d", &stable);
        let wanted = "create stable if not exists `d`.`Meters` (`ts` TIMESTAMP, `order` NCHAR(4)) tags (`site` BINARY(8))";
        assert_eq!(told, wanted);
        assert_eq!(create_database("d", "KEEP 1d"), "create database if not exists `d` KEEP 1d");
        let table = NormalTable { name: "a`b".into(), columns: stable.columns };
        assert!(create_table("d", &table).contains("`d`.``"), "no name ends the quotes around it");
    }

    #[test]
    fn tags_are_set_one_by_one() {
        let row = TagRow { name: "a".into(), tags: vec![Value::Null] };
        assert_eq!(set_tags("d", &stable(), &row).unwrap(), ["alter table `d`.`a` set tag `site` = NULL"]);
    }

    #[test]
    fn subtables_are_packed_into_statements_in_order() {
        let row = |name: &str| TagRow { name: name.into(), tags: vec![Value::Binary(b"x".to_vec())] };
        let rows = [row("a"), row("b"), row("c")];
        let one = create_subtables(&stable(), &rows, 10_000).unwrap();
        assert_eq!(one.len(), 1);
        let each = create_subtables(&stable(), &rows, 10).unwrap();
        assert_eq!(each[0], "create table if not exists `a` using `Meters` (`site`) tags ('x')");
        assert_eq!(each.len(), 3);
    }
}
