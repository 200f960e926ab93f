//! Asking the stand-in what the real servers were asked: past the wire, and through the real client.

use std::time::Duration;

use serde_json::{Value as Json, json};
use taos::{AsyncFetchable, AsyncQueryable, AsyncTBuilder, BorrowedValue, ColumnView, Taos, TaosBuilder, Ty};
use tdferry_standin::{DataType, Outcome, Precision, Server, Value};

use crate::recording::{Answer, Recorded};

const PATIENCE: Duration = Duration::from_secs(20);

pub(crate) fn in_process(server: &Server, recorded: &[Recorded]) -> Vec<(Recorded, Answer)> {
    let ask = |one: &Recorded| {
        if one.reconnect {
            server.reset_connection();
        }
        let answer = match server.execute(&one.sql) {
            Err(error) => Answer::Error(error.code),
            Ok(Outcome::Affected(rows)) => Answer::Affected(rows),
            Ok(Outcome::Rows(table)) => Answer::Rows {
                fields: table
                    .fields
                    .iter()
                    .map(|field| (field.name.clone(), type_name(field.ty).to_owned(), field.bytes.into()))
                    .collect(),
                precision: precision_name(table.precision).to_owned(),
                rows: table.rows.iter().map(|row| row.iter().map(json_of).collect()).collect(),
            },
        };
        (one.clone(), answer)
    };
    recorded.iter().map(ask).collect()
}

pub(crate) async fn over_the_wire(server: &Server, recorded: &[Recorded]) -> Vec<(Recorded, Answer)> {
    let connect = async || TaosBuilder::from_dsn(server.dsn()).unwrap().build().await.unwrap();
    let mut taos = connect().await;
    let mut answers = Vec::new();
    for one in recorded {
        if one.reconnect {
            taos = connect().await;
        }
        let answer = tokio::time::timeout(PATIENCE, ask(&taos, &one.sql)).await;
        answers.push((one.clone(), answer.unwrap_or_else(|_| panic!("no answer to {}", one.sql))));
    }
    answers
}

async fn ask(taos: &Taos, sql: &str) -> Answer {
    let mut result = match taos.query(sql).await {
        Ok(result) => result,
        Err(error) => return Answer::Error(u32::try_from(i32::from(error.code())).unwrap()),
    };
    if result.fields().is_empty() {
        return Answer::Affected(u64::try_from(result.affected_rows()).unwrap());
    }
    let fields = result
        .fields()
        .iter()
        .map(|field| (field.name().to_owned(), wire_name(field.ty()), field.bytes().into()));
    let fields = fields.collect();
    let precision = format!("{:?}", result.precision());
    let mut rows = Vec::new();
    while let Some(block) = result.fetch_raw_block_async().await {
        let columns: Vec<Vec<Json>> = block.columns().map(column_cells).collect();
        rows.extend((0..block.nrows()).map(|row| columns.iter().map(|column| column[row].clone()).collect()));
    }
    Answer::Rows { fields, precision, rows }
}

trait NextBlock {
    async fn fetch_raw_block_async(&mut self) -> Option<taos::RawBlock>;
}

impl NextBlock for taos::ResultSet {
    async fn fetch_raw_block_async(&mut self) -> Option<taos::RawBlock> {
        std::future::poll_fn(|context| self.fetch_raw_block(context)).await.unwrap()
    }
}

fn column_cells(column: &ColumnView) -> Vec<Json> {
    column.iter().map(|cell| cell_json(&cell)).collect()
}

fn cell_json(cell: &BorrowedValue<'_>) -> Json {
    match cell {
        BorrowedValue::Null(_) => Json::Null,
        BorrowedValue::Bool(value) => json!(value),
        BorrowedValue::TinyInt(value) => json!(value),
        BorrowedValue::SmallInt(value) => json!(value),
        BorrowedValue::Int(value) => json!(value),
        BorrowedValue::BigInt(value) => json!(value),
        BorrowedValue::UTinyInt(value) => json!(value),
        BorrowedValue::USmallInt(value) => json!(value),
        BorrowedValue::UInt(value) => json!(value),
        BorrowedValue::UBigInt(value) => json!(value),
        BorrowedValue::Float(value) => json!(f64::from(*value)),
        BorrowedValue::Double(value) => json!(value),
        BorrowedValue::Timestamp(value) => json!(value.as_raw_i64()),
        BorrowedValue::VarChar(value) => json!(value),
        BorrowedValue::NChar(value) => json!(value.as_ref()),
        BorrowedValue::Json(value) => json!(String::from_utf8_lossy(value)),
        other => panic!("a type nobody sent: {other:?}"),
    }
}

fn wire_name(ty: Ty) -> String {
    format!("{ty:?}")
}

fn type_name(ty: DataType) -> &'static str {
    match ty {
        DataType::Bool => "Bool",
        DataType::TinyInt => "TinyInt",
        DataType::SmallInt => "SmallInt",
        DataType::Int => "Int",
        DataType::BigInt => "BigInt",
        DataType::Float => "Float",
        DataType::Double => "Double",
        DataType::Binary => "VarChar",
        DataType::Timestamp => "Timestamp",
        DataType::NChar => "NChar",
        DataType::UTinyInt => "UTinyInt",
        DataType::USmallInt => "USmallInt",
        DataType::UInt => "UInt",
        DataType::UBigInt => "UBigInt",
        DataType::Json => "Json",
    }
}

fn precision_name(precision: Precision) -> &'static str {
    match precision {
        Precision::Milli => "Millisecond",
        Precision::Micro => "Microsecond",
        Precision::Nano => "Nanosecond",
    }
}

fn json_of(value: &Value) -> Json {
    match value {
        Value::Null => Json::Null,
        Value::Bool(flag) => json!(flag),
        Value::Int(int) => json!(int),
        Value::UInt(int) => json!(int),
        Value::Float(float) => json!(float),
        Value::Bytes(bytes) => json!(String::from_utf8_lossy(bytes)),
    }
}
