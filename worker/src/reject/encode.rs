//! A reject as a line of JSON, exact to the bit: for files, for the column that holds a row, and for export.
//!
//! Whole numbers are numbers. FLOAT and DOUBLE are text, the shortest that reads back as the same bits; a NaN brings
//! its bits. Bytes that are no text are `{"hex": "…"}`. NULL is null.

use serde::{Deserialize, Serialize};
use serde_json::{Value, json};
use tdferry_common::port::RefusedRow;
use tdferry_common::schema::{Column, DataType};
use tdferry_common::spec::TaskName;
use tdferry_common::time::{Precision, show_millis};

use super::{Origin, Refusal, Reject};

/// Changes whenever a reader of an older version would misread a line.
const VERSION: u8 = 1;

/// A line that is no reject of this version.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("a kept row cannot be read: {0}")]
pub struct BadReject(String);

impl BadReject {
    pub(super) fn new(what: impl Into<String>) -> Self {
        Self(what.into())
    }
}

#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct Line {
    v: u8,
    task: TaskName,
    database: String,
    stable: String,
    table: String,
    at: i64,
    precision: Precision,
    /// For people: `at` is what counts.
    time: String,
    reason: String,
    code: u32,
    why: String,
    row: Vec<CellForm>,
}

#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct CellForm {
    name: String,
    #[serde(rename = "type")]
    sql_type: String,
    value: Value,
}

/// One line, without its end.
pub fn encode(task: &TaskName, reject: &Reject) -> String {
    let Reject { origin, refusal, precision, .. } = reject;
    let Origin { database, stable, table, at } = origin.clone();
    let line = Line {
        v: VERSION,
        task: task.clone(),
        database,
        stable,
        table,
        at,
        precision: *precision,
        time: show_millis(precision.to_unix_millis(at)),
        reason: refusal.reason.word().to_owned(),
        code: refusal.code,
        why: refusal.why.clone(),
        row: forms(reject),
    };
    json!(line).to_string()
}

/// The reject of a line, and its task.
pub fn decode(line: &str) -> Result<(TaskName, Reject), BadReject> {
    let line: Line = serde_json::from_str(line).map_err(|error| BadReject::new(error.to_string()))?;
    if line.v != VERSION {
        return Err(BadReject::new(format!("version {} is not known, only {VERSION}", line.v)));
    }
    let reason = RefusedRow::from_word(&line.reason)
        .ok_or_else(|| BadReject::new(format!("no reason is called {:?}", line.reason)))?;
    let Line { task, database, stable, table, at, precision, code, why, row, .. } = line;
    let (columns, cells) = unform(row)?;
    let refusal = Refusal { reason, code, why };
    let origin = Origin { database, stable, table, at };
    Ok((task, Reject { origin, refusal, precision, columns: columns.into(), cells }))
}

/// Names and values of the cells.
pub(super) fn values(reject: &Reject) -> Vec<(&str, Value)> {
    let cells = reject.columns.iter().zip(&reject.cells);
    let value = |(column, cell): (&Column, &Option<Vec<u8>>)| {
        cell.as_deref().map_or(Value::Null, |bytes| value(column.data_type, bytes))
    };
    reject.columns.iter().map(|column| column.name.as_str()).zip(cells.map(value)).collect()
}

/// The cells alone, with their columns.
pub(super) fn encode_row(reject: &Reject) -> String {
    json!(forms(reject)).to_string()
}

/// Cells with their columns.
pub(super) type Cells = (Vec<Column>, Vec<Option<Vec<u8>>>);

/// What [`encode_row`] wrote.
pub(super) fn decode_row(text: &str) -> Result<Cells, BadReject> {
    unform(serde_json::from_str(text).map_err(|error| BadReject::new(error.to_string()))?)
}

fn forms(reject: &Reject) -> Vec<CellForm> {
    let form = |(column, (_, value)): (&Column, (&str, Value))| CellForm {
        name: column.name.clone(),
        sql_type: column.sql_type(),
        value,
    };
    reject.columns.iter().zip(values(reject)).map(form).collect()
}

fn unform(forms: Vec<CellForm>) -> Result<Cells, BadReject> {
    let mut cells = Cells::default();
    for CellForm { name, sql_type, value } in forms {
        let column = column(name, &sql_type)?;
        let bytes = match &value {
            Value::Null => None,
            value => Some(bytes(column.data_type, value).ok_or_else(|| {
                BadReject::new(format!("{value} is no {sql_type}, in column `{}`", column.name))
            })?),
        };
        cells.0.push(column);
        cells.1.push(bytes);
    }
    Ok(cells)
}

fn column(name: String, sql_type: &str) -> Result<Column, BadReject> {
    let unknown = || BadReject::new(format!("no type is called {sql_type:?}, in column `{name}`"));
    let (word, length) = match sql_type.strip_suffix(')').and_then(|text| text.split_once('(')) {
        Some((word, length)) => (word, Some(length.parse().map_err(|_| unknown())?)),
        None => (sql_type, None),
    };
    let data_type = DataType::from_sql(word).ok_or_else(unknown)?;
    let width = data_type.width().and_then(|width| u32::try_from(width).ok());
    Ok(Column { data_type, length: length.or(width).unwrap_or_default(), name })
}

/// A cell's bytes as JSON.
pub(crate) fn value(data_type: DataType, bytes: &[u8]) -> Value {
    match data_type {
        DataType::Bool => json!(fixed::<1>(bytes) != [0]),
        DataType::TinyInt => json!(i8::from_le_bytes(fixed(bytes))),
        DataType::SmallInt => json!(i16::from_le_bytes(fixed(bytes))),
        DataType::Int => json!(i32::from_le_bytes(fixed(bytes))),
        DataType::BigInt | DataType::Timestamp => json!(i64::from_le_bytes(fixed(bytes))),
        DataType::UTinyInt => json!(u8::from_le_bytes(fixed(bytes))),
        DataType::USmallInt => json!(u16::from_le_bytes(fixed(bytes))),
        DataType::UInt => json!(u32::from_le_bytes(fixed(bytes))),
        DataType::UBigInt => json!(u64::from_le_bytes(fixed(bytes))),
        DataType::Float => match f32::from_le_bytes(fixed(bytes)) {
            nan if nan.is_nan() => json!(format!("nan:{:08x}", nan.to_bits())),
            number => json!(format!("{number:?}")),
        },
        DataType::Double => match f64::from_le_bytes(fixed(bytes)) {
            nan if nan.is_nan() => json!(format!("nan:{:016x}", nan.to_bits())),
            number => json!(format!("{number:?}")),
        },
        DataType::Binary | DataType::Json => {
            std::str::from_utf8(bytes).map_or_else(|_| hex(bytes), Value::from)
        }
        DataType::Nchar => text_of(bytes).map_or_else(|| hex(bytes), Value::from),
    }
}

/// The bytes behind [`value`]; `None` for what it never writes.
fn bytes(data_type: DataType, value: &Value) -> Option<Vec<u8>> {
    let text = || value.as_str();
    Some(match data_type {
        DataType::Bool => vec![u8::from(value.as_bool()?)],
        DataType::TinyInt => i8::try_from(value.as_i64()?).ok()?.to_le_bytes().into(),
        DataType::SmallInt => i16::try_from(value.as_i64()?).ok()?.to_le_bytes().into(),
        DataType::Int => i32::try_from(value.as_i64()?).ok()?.to_le_bytes().into(),
        DataType::BigInt | DataType::Timestamp => value.as_i64()?.to_le_bytes().into(),
        DataType::UTinyInt => u8::try_from(value.as_u64()?).ok()?.to_le_bytes().into(),
        DataType::USmallInt => u16::try_from(value.as_u64()?).ok()?.to_le_bytes().into(),
        DataType::UInt => u32::try_from(value.as_u64()?).ok()?.to_le_bytes().into(),
        DataType::UBigInt => value.as_u64()?.to_le_bytes().into(),
        DataType::Float => match text()?.strip_prefix("nan:") {
            Some(bits) => u32::from_str_radix(bits, 16).ok()?.to_le_bytes().into(),
            None => text()?.parse::<f32>().ok()?.to_le_bytes().into(),
        },
        DataType::Double => match text()?.strip_prefix("nan:") {
            Some(bits) => u64::from_str_radix(bits, 16).ok()?.to_le_bytes().into(),
            None => text()?.parse::<f64>().ok()?.to_le_bytes().into(),
        },
        DataType::Binary | DataType::Json => {
            text().map(|text| text.as_bytes().to_vec()).or_else(|| unhex(value))?
        }
        DataType::Nchar => match text() {
            Some(text) => text.chars().flat_map(|c| u32::from(c).to_le_bytes()).collect(),
            None => unhex(value)?,
        },
    })
}

fn fixed<const N: usize>(bytes: &[u8]) -> [u8; N] {
    bytes.try_into().unwrap_or([0; N])
}

/// NCHAR as text; `None` where anything in it is no character.
fn text_of(bytes: &[u8]) -> Option<String> {
    let (codes, rest) = bytes.as_chunks::<4>();
    let text = codes.iter().map(|code| char::from_u32(u32::from_le_bytes(*code))).collect();
    if rest.is_empty() { text } else { None }
}

fn hex(bytes: &[u8]) -> Value {
    json!({ "hex": bytes.iter().map(|byte| format!("{byte:02x}")).collect::<String>() })
}

fn unhex(value: &Value) -> Option<Vec<u8>> {
    let digits = value.as_object().filter(|object| object.len() == 1)?.get("hex")?.as_str()?;
    let (pairs, rest) = digits.as_bytes().as_chunks::<2>();
    let byte = |pair: &[u8; 2]| u8::from_str_radix(std::str::from_utf8(pair).ok()?, 16).ok();
    let bytes = pairs.iter().map(byte).collect();
    if rest.is_empty() { bytes } else { None }
}
