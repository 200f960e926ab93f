//! Reads a whole 3.x database back with plain queries, past the ports.

use tdferry_common::batch::Value;
use tdferry_common::schema::{Column, DataType, Stable};
use tdferry_common::tdengine::{Answer, Reader};
use tdferry_common::testing::MemDatabase;
use tdferry_common::time::Precision;

use super::place::Place;

pub(crate) async fn read_back(place: &Place) -> MemDatabase {
    let (reader, database) = (place.reader(), &place.database);
    let of_database = |what: &str, from: &str, name: &str| {
        format!("select {what} from information_schema.{from} where {name} = '{database}'")
    };
    let options = ask(&reader, &of_database("`precision`", "ins_databases", "name")).await;
    let precision = options.rows.first().map(|row| text(&row[0])).expect("the database is there");
    let mut held = MemDatabase::new(database, Precision::from_word(&precision).expect("a precision"));
    for row in ask(&reader, &of_database("stable_name", "ins_stables", "db_name")).await.rows {
        add_stable(&reader, &mut held, &text(&row[0])).await;
    }
    for row in ask(&reader, &of_database("table_name, stable_name", "ins_tables", "db_name")).await.rows {
        let name = text(&row[0]);
        if row[1] == Value::Null || text(&row[1]).is_empty() {
            let (columns, _) = describe(&reader, database, &name).await;
            held.add_normal_table(&name, columns);
        }
    }
    let names: Vec<String> = held.tables.keys().cloned().collect();
    for name in names {
        for row in ask(&reader, &format!("select * from {database}.`{name}`")).await.rows {
            held.put_row(&name, row);
        }
    }
    held
}

async fn add_stable(reader: &Reader, held: &mut MemDatabase, name: &str) {
    let database = held.database.name.clone();
    let (columns, tags) = describe(reader, &database, name).await;
    let quoted: Vec<_> = tags.iter().map(|tag| format!("`{}`", tag.name)).collect();
    let sql = format!("select tags tbname, {} from {database}.`{name}`", quoted.join(", "));
    held.add_stable(Stable { name: name.to_owned(), columns, tags });
    for mut row in ask(reader, &sql).await.rows {
        let tags = row.split_off(1);
        held.add_subtable(name, &text(&row[0]), tags);
    }
}

async fn describe(reader: &Reader, database: &str, name: &str) -> (Vec<Column>, Vec<Column>) {
    let (mut columns, mut tags) = (Vec::new(), Vec::new());
    for row in ask(reader, &format!("describe {database}.`{name}`")).await.rows {
        let data_type = DataType::from_sql(&text(&row[1])).expect("a type of 2.x");
        let Value::Int(length) = row[2] else { panic!("a length is a number, not {:?}", row[2]) };
        let column = Column { name: text(&row[0]), data_type, length: length.try_into().expect("a length") };
        if text(&row[3]) == "TAG" { tags.push(column) } else { columns.push(column) }
    }
    (columns, tags)
}

async fn ask(reader: &Reader, sql: &str) -> Answer {
    reader.query(sql).await.unwrap_or_else(|error| panic!("{error} at {sql}"))
}

fn text(value: &Value) -> String {
    match value {
        Value::Binary(bytes) => String::from_utf8(bytes.clone()).expect("a text"),
        Value::Nchar(text) | Value::Json(text) => text.clone(),
        Value::Null => String::new(),
        other => panic!("{other:?} is no text"),
    }
}
