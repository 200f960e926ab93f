//! Cells, values and names as SQL: appended to a statement so that the server reads back the very same bits.
//!
//! It knows no statement. What SQL cannot carry is refused, so that the caller sends a raw block instead.

mod json;
mod number;

#[cfg(test)]
mod tests;

use super::{Cell, Nchar, Value};
pub use json::is_too_large_in as json_number_is_too_large_in;

/// What SQL text cannot carry, and why.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("SQL cannot carry {what}")]
pub struct NotSql {
    what: &'static str,
}

const NUL: NotSql = NotSql { what: "a NUL character" };
const NOT_FINITE: NotSql = NotSql { what: "NaN or an infinity" };
/// 3.3.1 takes what underflows for no number (measured). A single is read as a double, which has room for it.
const SUBNORMAL: NotSql = NotSql { what: "a double too small to be a normal one" };
const NOT_UTF8: NotSql = NotSql { what: "bytes that are not UTF-8" };
const NOT_CHARACTERS: NotSql = NotSql { what: "NCHAR codes that are no characters" };
/// See [`json_number_is_too_large_in`].
const LARGE_IN_JSON: NotSql =
    NotSql { what: "a JSON tag with a number of 2e19 or more, which may end a 3.x server" };
const BACKTICK: NotSql = NotSql { what: "a name with a backtick" };

/// Appends a cell. `out` is left as it was where the cell is refused.
pub fn push_cell(out: &mut String, cell: Cell<'_>) -> Result<(), NotSql> {
    match cell {
        Cell::Null => out.push_str("NULL"),
        Cell::Bool(value) => out.push_str(if value { "true" } else { "false" }),
        Cell::Int(value) | Cell::Timestamp(value) => number::push_signed(out, value),
        Cell::UInt(value) => number::push_unsigned(out, value),
        Cell::Float(value) if value.is_finite() => number::push_single(out, value),
        Cell::Double(value) if value.is_subnormal() => return Err(SUBNORMAL),
        Cell::Double(value) if value.is_finite() => number::push_double(out, value),
        Cell::Float(_) | Cell::Double(_) => return Err(NOT_FINITE),
        Cell::Binary(bytes) => return push_quoted(out, std::str::from_utf8(bytes).map_err(|_| NOT_UTF8)?),
        Cell::Json(bytes) => return push_json(out, std::str::from_utf8(bytes).map_err(|_| NOT_UTF8)?),
        Cell::Nchar(text) => return push_nchar(out, text),
    }
    Ok(())
}

/// Appends a value. `out` is left as it was where the value is refused.
pub fn push_value(out: &mut String, value: &Value) -> Result<(), NotSql> {
    let cell = match value {
        Value::Null => Cell::Null,
        Value::Bool(value) => Cell::Bool(*value),
        Value::Int(value) => Cell::Int(*value),
        Value::UInt(value) => Cell::UInt(*value),
        Value::Float(value) => Cell::Float(*value),
        Value::Double(value) => Cell::Double(*value),
        Value::Timestamp(value) => Cell::Timestamp(*value),
        Value::Binary(bytes) => Cell::Binary(bytes),
        Value::Nchar(text) => return push_quoted(out, text),
        Value::Json(text) => return push_json(out, text),
    };
    push_cell(out, cell)
}

/// Appends text in single quotes, such as a name in `tbname in (…)`.
///
/// A quote is doubled and a backslash is doubled: both versions read these two, and every other way of escaping
/// is newer or differs between them. Control characters stand for themselves.
pub fn push_quoted(out: &mut String, text: &str) -> Result<(), NotSql> {
    let before = out.len();
    out.push('\'');
    let mut rest = text;
    while let Some(at) = rest.bytes().position(|byte| matches!(byte, b'\'' | b'\\' | 0)) {
        let (plain, special) = rest.split_at(at);
        out.push_str(plain);
        match special.split_at_checked(1) {
            Some((special @ ("'" | "\\"), after)) => {
                out.push_str(special);
                out.push_str(special);
                rest = after;
            }
            _ => {
                out.truncate(before);
                return Err(NUL);
            }
        }
    }
    out.push_str(rest);
    out.push('\'');
    Ok(())
}

/// A name in backticks, so that reserved words, case and any other character stand for themselves.
pub fn ident(name: &str) -> Result<String, NotSql> {
    let mut out = String::with_capacity(name.len() + 2);
    push_ident(&mut out, name)?;
    Ok(out)
}

/// Appends a name in backticks. There is no way to escape a backtick inside, so such a name is refused.
pub fn push_ident(out: &mut String, name: &str) -> Result<(), NotSql> {
    if name.contains('`') {
        return Err(BACKTICK);
    }
    if name.contains('\0') {
        return Err(NUL);
    }
    out.push('`');
    out.push_str(name);
    out.push('`');
    Ok(())
}

fn push_json(out: &mut String, text: &str) -> Result<(), NotSql> {
    if json::is_too_large_in(text) { Err(LARGE_IN_JSON) } else { push_quoted(out, text) }
}

fn push_nchar(out: &mut String, text: Nchar<'_>) -> Result<(), NotSql> {
    let before = out.len();
    out.push('\'');
    for code in text.codes() {
        let refusal = match char::from_u32(code) {
            Some('\0') => NUL,
            None => NOT_CHARACTERS,
            Some(character) => {
                if matches!(character, '\'' | '\\') {
                    out.push(character);
                }
                out.push(character);
                continue;
            }
        };
        out.truncate(before);
        return Err(refusal);
    }
    out.push('\'');
    Ok(())
}
