//! From a value as written to a cell of a column's type, with the range rules of each flavour.

use std::borrow::Cow;

use super::json;
use crate::config::Flavor;
use crate::data::{DataType, Precision, Value};
use crate::error::{SqlError, SqlResult};
use crate::sql::ast::Literal;
use crate::sql::timestamp_text;
use crate::store::ColumnDef;

/// A value as written.
#[derive(Clone, Debug)]
pub(crate) enum Written<'a> {
    Null,
    Bool(bool),
    Number(&'a str),
    Text(Cow<'a, str>),
    /// `now`, plus so many milliseconds.
    Now(i64),
}

/// A value in the form a column stores: the low bytes of `Bits`, or text.
#[derive(Clone, Debug, PartialEq)]
pub(crate) enum Cell<'a> {
    Null,
    Bits(u64),
    Text(Cow<'a, str>),
}

#[derive(Clone, Copy, Debug)]
pub(crate) struct Rules {
    pub(crate) flavor: Flavor,
    pub(crate) precision: Precision,
    pub(crate) now_ms: i64,
}

impl Rules {
    pub(crate) fn now_ticks(&self, offset_ms: i64) -> i64 {
        self.now_ms.saturating_add(offset_ms).saturating_mul(self.precision.per_milli())
    }

    pub(crate) fn cell<'a>(&self, def: &ColumnDef, written: Written<'a>) -> SqlResult<Cell<'a>> {
        let text = match written {
            Written::Null => return Ok(Cell::Null),
            Written::Text(text) => text,
            other => return self.plain(def, &other),
        };
        match def.ty {
            DataType::Binary | DataType::NChar => self.string(def, text),
            DataType::Json => {
                Ok(json::normalise(&text, self.flavor)?.map_or(Cell::Null, |text| Cell::Text(text.into())))
            }
            DataType::Timestamp => match timestamp_text(&text, self.precision) {
                Some(ticks) => Ok(Cell::Bits(ticks.cast_unsigned())),
                None => self.number(def, &text).map_err(|_| self.refused(&text, "invalid timestamp")),
            },
            _ if text.eq_ignore_ascii_case("null") => Ok(Cell::Null),
            DataType::Bool if text.eq_ignore_ascii_case("true") => Ok(Cell::Bits(1)),
            DataType::Bool if text.eq_ignore_ascii_case("false") => Ok(Cell::Bits(0)),
            _ => self.number(def, &text),
        }
    }

    /// The value of a tag.
    pub(crate) fn tag(&self, def: &ColumnDef, literal: &Literal) -> SqlResult<Value> {
        let written = match literal {
            Literal::Null => Written::Null,
            Literal::Bool(flag) => Written::Bool(*flag),
            Literal::Number(text) => Written::Number(text),
            Literal::Text(text) => Written::Text(Cow::Borrowed(text)),
            Literal::Now(offset) => Written::Now(*offset),
        };
        let value = match self.cell(def, written)? {
            Cell::Null => return Ok(Value::Null),
            Cell::Text(text) => Value::text(text.as_bytes()),
            Cell::Bits(bits) => {
                let width = def.ty.fixed_width().unwrap_or(8);
                crate::data::decode(def.ty, &bits.to_le_bytes()[..width]).unwrap_or_default()
            }
        };
        Ok(value)
    }

    fn plain<'a>(&self, def: &ColumnDef, written: &Written<'a>) -> SqlResult<Cell<'a>> {
        match (def.ty, written) {
            (DataType::Timestamp, Written::Now(offset)) => {
                Ok(Cell::Bits(self.now_ticks(*offset).cast_unsigned()))
            }
            (DataType::Bool, Written::Bool(flag)) => Ok(Cell::Bits(u64::from(*flag))),
            (DataType::Json, _) => Err(self.refused("", "invalidate json value")),
            (DataType::Binary | DataType::NChar, Written::Number(text)) => {
                self.string(def, Cow::Borrowed(*text))
            }
            (_, Written::Number(text)) => self.number(def, text),
            (_, Written::Bool(flag)) => self.number(def, if *flag { "1" } else { "0" }),
            _ => Err(self.refused("", "invalid data")),
        }
    }

    fn string<'a>(&self, def: &ColumnDef, text: Cow<'a, str>) -> SqlResult<Cell<'a>> {
        if def.fits(text.as_bytes()) {
            Ok(Cell::Text(text))
        } else {
            Err(SqlError::too_long(self.flavor, &def.name))
        }
    }

    fn number<'a>(&self, def: &ColumnDef, text: &str) -> SqlResult<Cell<'a>> {
        match def.ty {
            DataType::Float | DataType::Double => self.float(def.ty, text),
            DataType::Bool => text.parse::<f64>().map_or_else(
                |_| Err(self.refused(text, "invalid bool data")),
                |number| Ok(Cell::Bits(u64::from(number != 0.0))),
            ),
            _ => self.integer(def.ty, text),
        }
    }

    fn integer<'a>(&self, ty: DataType, text: &str) -> SqlResult<Cell<'a>> {
        if let Some((low, high)) = ty.signed_range(self.flavor) {
            // nearly every integer goes this way; what does not is looked at again with room to spare
            if let Some(int) = text.parse().ok().filter(|int| (low..=high).contains(int)) {
                return Ok(Cell::Bits(int.cast_unsigned()));
            }
            let int = whole(text).ok_or_else(|| self.refused(text, "invalid data"))?;
            let fits = (i128::from(low)..=i128::from(high)).contains(&int);
            let int = i64::try_from(int).ok().filter(|_| fits).ok_or_else(|| self.overflow(text))?;
            return Ok(Cell::Bits(int.cast_unsigned()));
        }
        let int = whole(text).ok_or_else(|| self.refused(text, "invalid unsigned data"))?;
        let high = ty.unsigned_max(self.flavor).unwrap_or(0);
        let int = u64::try_from(int).ok().filter(|int| *int <= high).ok_or_else(|| self.overflow(text))?;
        Ok(Cell::Bits(int))
    }

    /// NaN and infinities are refused, be they written so or too big to be anything else.
    fn float<'a>(&self, ty: DataType, text: &str) -> SqlResult<Cell<'a>> {
        let starts_as_number = text.bytes().find(|byte| !matches!(byte, b'-' | b'+' | b'.'));
        if !starts_as_number.is_some_and(|byte| byte.is_ascii_digit()) {
            return Err(self.refused(text, "illegal float data"));
        }
        let number: f64 = text.parse().map_err(|_| self.refused(text, "illegal float data"))?;
        if ty == DataType::Double {
            // what underflows is refused (3.3.1)
            if self.flavor == Flavor::V3 && number.is_subnormal() {
                return Err(self.refused(text, "illegal float data"));
            }
            return if number.is_finite() {
                Ok(Cell::Bits(number.to_bits()))
            } else {
                Err(self.overflow(text))
            };
        }
        let bytes = crate::data::float_bytes(number);
        // the double counts, not what it would be rounded to: 3.4028235e38 is refused (3.3.1)
        if number.abs() <= f64::from(f32::MAX) {
            Ok(Cell::Bits(u32::from_le_bytes(bytes).into()))
        } else {
            Err(self.overflow(text))
        }
    }

    fn refused(&self, text: &str, why: &str) -> SqlError {
        SqlError::new(0x0216, format!("syntax error near '{text}' ({why})"))
    }

    fn overflow(&self, text: &str) -> SqlError {
        match self.flavor {
            Flavor::V26 => SqlError::new(0x0216, format!("invalid operation: '{text}' (data overflow)")),
            Flavor::V3 => SqlError::new(0x0216, format!("syntax error near '{text}' (data overflow)")),
        }
    }
}

/// An integer; a number with a fraction or an exponent is cut to one, as the servers do.
fn whole(text: &str) -> Option<i128> {
    if let Ok(int) = text.parse() {
        return Some(int);
    }
    let number: f64 = text.parse().ok()?;
    let starts_as_number = text.bytes().find(|byte| !matches!(byte, b'-' | b'+' | b'.'))?.is_ascii_digit();
    #[expect(
        clippy::cast_possible_truncation,
        reason = "cutting is what is wanted; the range is checked after"
    )]
    let int = number.trunc() as i128;
    (number.is_finite() && starts_as_number).then_some(int)
}
