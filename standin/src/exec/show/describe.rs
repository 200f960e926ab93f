//! DESCRIBE.

use super::{Listing, fields, int};
use crate::config::Flavor;
use crate::data::DataType::{Binary, Int};
use crate::data::{DataType, Precision, Value};
use crate::error::SqlResult;
use crate::exec::{Answer, Context, Engine, ResultStream};
use crate::sql::ast::TableName;
use crate::store::{ColumnDef, Schema};

pub(crate) fn describe(engine: &Engine, context: &Context, name: &TableName) -> SqlResult<Answer> {
    let schema = engine.resolve(context, name)?.schema();
    let (fields, rows) = match engine.flavor() {
        Flavor::V26 => v26(&schema),
        Flavor::V3 => v3(&schema),
    };
    Ok(Answer::Rows(ResultStream::of_rows(fields, Precision::Milli, &rows)))
}

fn v26(schema: &Schema) -> Listing {
    let fields =
        fields(&[("Field", Binary, 64), ("Type", Binary, 20), ("Length", Int, 4), ("Note", Binary, 8)]);
    let columns = schema.columns.iter().map(|def| row(def, "", Flavor::V26));
    let tags = schema.tags.iter().map(|def| row(def, "TAG", Flavor::V26));
    (fields, columns.chain(tags).collect())
}

fn v3(schema: &Schema) -> Listing {
    let fields = fields(&[
        ("field", Binary, 64),
        ("type", Binary, 20),
        ("length", Int, 4),
        ("note", Binary, 16),
        ("encode", Binary, 12),
        ("compress", Binary, 12),
        ("level", Binary, 12),
    ]);
    let columns = schema.columns.iter().map(|def| {
        let mut row = row(def, "", Flavor::V3);
        row.extend([encoding(def.ty), "lz4", "medium"].map(Value::from));
        row
    });
    let tags = schema.tags.iter().map(|def| {
        let mut row = row(def, "TAG", Flavor::V3);
        row.extend(["disabled"; 3].map(Value::from));
        row
    });
    (fields, columns.chain(tags).collect())
}

/// How 3.x encodes a column unless told otherwise.
pub(super) fn encoding(ty: DataType) -> &'static str {
    match ty {
        DataType::Timestamp => "delta-i",
        DataType::Bool => "bit-packing",
        DataType::Float | DataType::Double => "delta-d",
        DataType::Binary | DataType::NChar | DataType::Json => "disabled",
        _ => "simple8b",
    }
}

fn row(def: &ColumnDef, note: &str, flavor: Flavor) -> Vec<Value> {
    let name = Value::from(def.name.as_str());
    vec![name, Value::from(def.ty.sql_name(flavor)), int(def.bytes), Value::from(note)]
}
