//! A predicate whose names have been looked up, and its three-valued evaluation.

use std::cmp::Ordering;

use super::Scope;
use crate::data::{DataType, Value};
use crate::error::{SqlError, SqlResult};
use crate::exec::json;
use crate::sql::ast::{Expr, Literal, Op};

/// Where a value of a row comes from.
#[derive(Clone, Debug, PartialEq)]
pub(crate) enum Source {
    Ts,
    Cell { id: u32, ty: DataType },
    Tag { id: u32, ty: DataType },
    TableName,
    Const { value: Value, ty: DataType },
}

#[derive(Clone, Debug)]
pub(crate) enum Bound {
    Source(Source),
    Const(Value),
    Not(Box<Bound>),
    Binary { op: Op, left: Box<Bound>, right: Box<Bound> },
    In { expr: Box<Bound>, list: Vec<Value>, not: bool },
    Like { expr: Box<Bound>, pattern: String, not: bool },
    IsNull { expr: Box<Bound>, not: bool },
    JsonGet { expr: Box<Bound>, key: String },
}

impl Bound {
    pub(crate) fn new(scope: &Scope, expr: &Expr) -> SqlResult<Self> {
        let bind = |expr: &Expr| Self::new(scope, expr).map(Box::new);
        Ok(match expr {
            Expr::Column(name) => Self::Source(scope.source(name)?),
            Expr::Literal(literal) => Self::Const(literal.plain(|offset| scope.now_ticks(offset))),
            Expr::Unary { expr, .. } => Self::Not(bind(expr)?),
            Expr::Binary { op, left, right } => {
                let (mut left, mut right) = (bind(left)?, bind(right)?);
                left.read_time(scope, &mut right)?;
                right.read_time(scope, &mut left)?;
                Self::Binary { op: *op, left, right }
            }
            Expr::In { expr, list, not } => {
                let constant = |expr: &Expr| match Self::new(scope, expr)? {
                    Self::Const(value) => Ok(value),
                    _ => Err(SqlError::unsupported(scope.flavor, "IN with anything but constants")),
                };
                let list = list.iter().map(constant).collect::<SqlResult<_>>()?;
                Self::In { expr: bind(expr)?, list, not: *not }
            }
            Expr::Like { expr, pattern, not } => {
                Self::Like { expr: bind(expr)?, pattern: pattern.clone(), not: *not }
            }
            Expr::IsNull { expr, not } => Self::IsNull { expr: bind(expr)?, not: *not },
            Expr::JsonGet { expr, key } => Self::JsonGet { expr: bind(expr)?, key: key.clone() },
            Expr::Star | Expr::Duration(_) | Expr::Call { .. } => {
                let what = format!("{} in a condition", expr.label());
                return Err(SqlError::unsupported(scope.flavor, what));
            }
        })
    }

    pub(crate) fn holds(&self, cell: &dyn Fn(&Source) -> Value) -> bool {
        self.truth(cell) == Some(true)
    }

    pub(crate) fn sources(&self, found: &mut Vec<Source>) {
        match self {
            Self::Source(source) => found.push(source.clone()),
            Self::Const(_) => {}
            Self::Binary { left, right, .. } => {
                left.sources(found);
                right.sources(found);
            }
            Self::Not(expr)
            | Self::In { expr, .. }
            | Self::Like { expr, .. }
            | Self::IsNull { expr, .. }
            | Self::JsonGet { expr, .. } => expr.sources(found),
        }
    }

    /// The table names a test lets through, where it lists them.
    pub(crate) fn table_names(&self) -> Option<Vec<String>> {
        let text = |value: &Value| value.as_bytes().map(|bytes| String::from_utf8_lossy(bytes).into_owned());
        match self {
            Self::In { expr, list, not: false } if expr.is_table_name() => list.iter().map(text).collect(),
            Self::Binary { op: Op::Eq, left, right } if left.is_table_name() => match right.as_ref() {
                Self::Const(value) => text(value).map(|name| vec![name]),
                _ => None,
            },
            _ => None,
        }
    }

    fn is_table_name(&self) -> bool {
        matches!(self, Self::Source(Source::TableName))
    }

    /// Reads a text constant as a point in time if this side is one.
    fn read_time(&self, scope: &Scope, other: &mut Self) -> SqlResult<()> {
        let (Self::Source(source), Self::Const(Value::Bytes(text))) = (self, &*other) else { return Ok(()) };
        if source.is_time() {
            let literal = Literal::Text(String::from_utf8_lossy(text).into_owned());
            *other = Self::Const(Value::Int(scope.moment(&literal)?));
        }
        Ok(())
    }

    fn truth(&self, cell: &dyn Fn(&Source) -> Value) -> Option<bool> {
        match self {
            Self::Not(expr) => expr.truth(cell).map(|truth| !truth),
            Self::Binary { op: Op::And, left, right } => match (left.truth(cell), right.truth(cell)) {
                (Some(false), _) | (_, Some(false)) => Some(false),
                (Some(true), Some(true)) => Some(true),
                _ => None,
            },
            Self::Binary { op: Op::Or, left, right } => match (left.truth(cell), right.truth(cell)) {
                (Some(true), _) | (_, Some(true)) => Some(true),
                (Some(false), Some(false)) => Some(false),
                _ => None,
            },
            Self::Binary { op, left, right } => compare(*op, &left.value(cell), &right.value(cell)),
            Self::In { expr, list, not } => {
                let value = expr.value(cell);
                let found = list.iter().any(|item| value.compare(item) == Some(Ordering::Equal));
                (!value.is_null()).then_some(found != *not)
            }
            Self::Like { expr, pattern, not } => {
                let value = expr.value(cell);
                let text = String::from_utf8_lossy(value.as_bytes()?);
                Some(matches_like(&text, pattern) != *not)
            }
            Self::IsNull { expr, not } => Some(expr.value(cell).is_null() != *not),
            Self::Source(_) | Self::Const(_) | Self::JsonGet { .. } => {
                self.value(cell).as_f64().map(|number| number != 0.0)
            }
        }
    }

    fn value(&self, cell: &dyn Fn(&Source) -> Value) -> Value {
        match self {
            Self::Source(source) => cell(source),
            Self::Const(value) => value.clone(),
            Self::Binary { op: op @ (Op::Add | Op::Sub | Op::Mul | Op::Div), left, right } => {
                arithmetic(*op, &left.value(cell), &right.value(cell))
            }
            Self::JsonGet { expr, key } => {
                expr.value(cell).as_bytes().and_then(|text| json::get(text, key)).map_or(Value::Null, scalar)
            }
            other => other.truth(cell).map_or(Value::Null, Value::Bool),
        }
    }
}

fn compare(op: Op, left: &Value, right: &Value) -> Option<bool> {
    let order = left.compare(right)?;
    Some(match op {
        Op::Eq => order == Ordering::Equal,
        Op::Ne => order != Ordering::Equal,
        Op::Lt => order == Ordering::Less,
        Op::Le => order != Ordering::Greater,
        Op::Gt => order == Ordering::Greater,
        Op::Ge => order != Ordering::Less,
        _ => return None,
    })
}

fn arithmetic(op: Op, left: &Value, right: &Value) -> Value {
    if let (Some(left), Some(right), true) = (left.as_int(), right.as_int(), op != Op::Div) {
        let whole = match op {
            Op::Add => left.checked_add(right),
            Op::Sub => left.checked_sub(right),
            _ => left.checked_mul(right),
        };
        return whole.map_or(Value::Null, Value::Int);
    }
    let (Some(left), Some(right)) = (left.as_f64(), right.as_f64()) else { return Value::Null };
    Value::Float(match op {
        Op::Add => left + right,
        Op::Sub => left - right,
        Op::Mul => left * right,
        _ if right == 0.0 => return Value::Null,
        _ => left / right,
    })
}

fn scalar(value: serde_json::Value) -> Value {
    match value {
        serde_json::Value::Bool(flag) => Value::Bool(flag),
        serde_json::Value::Number(number) => number.as_f64().map_or(Value::Null, Value::Float),
        serde_json::Value::String(text) => Value::text(text),
        _ => Value::Null,
    }
}

/// LIKE: `%` is any run, `_` any one character, a backslash takes the next one as it is; case counts.
pub(crate) fn matches_like(text: &str, pattern: &str) -> bool {
    let text: Vec<char> = text.chars().collect();
    let pattern: Vec<char> = pattern.chars().collect();
    // rows of the classic table: whether text[..i] matches the pattern read so far
    let mut reached = vec![false; text.len() + 1];
    reached[0] = true;
    let mut at = 0;
    while at < pattern.len() {
        let escaped = pattern[at] == '\\' && at + 1 < pattern.len();
        let char = pattern[at + usize::from(escaped)];
        if char == '%' && !escaped {
            let first = reached.iter().position(|hit| *hit).unwrap_or(reached.len());
            reached.iter_mut().skip(first).for_each(|hit| *hit = true);
        } else {
            for end in (1..=text.len()).rev() {
                reached[end] = reached[end - 1] && ((char == '_' && !escaped) || text[end - 1] == char);
            }
            reached[0] = false;
        }
        at += 1 + usize::from(escaped);
    }
    reached[text.len()]
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn like_knows_its_two_wildcards_and_the_backslash() {
        let cases = [
            ("d10", "d%", true),
            ("d10", "D%", false),
            ("d10", "d_0", true),
            ("d10", "d_", false),
            ("a_b", "a\\_b", true),
            ("axb", "a\\_b", false),
            ("", "%", true),
            ("abc", "%b%", true),
            ("abc", "", false),
            ("表1", "_1", true),
        ];
        for (text, pattern, want) in cases {
            assert_eq!(matches_like(text, pattern), want, "{text} like {pattern}");
        }
    }
}
