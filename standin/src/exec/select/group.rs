//! The state of one aggregate over one group and window.

use std::cmp::Ordering;

use super::sort::compare;
use crate::data::{DataType, Field, Value};

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Kind {
    /// Rows.
    CountRows,
    /// Values that are not NULL.
    Count,
    Sum,
    Min,
    Max,
    Avg,
    Spread,
    First,
    Last,
    /// The last row's value, NULL or not.
    LastRow,
}

#[derive(Clone, Debug, Default)]
pub(super) struct State {
    count: u64,
    whole: i128,
    sum: f64,
    min: Value,
    max: Value,
    first: Option<(i64, Value)>,
    last: Option<(i64, Value)>,
}

impl Kind {
    pub(super) fn named(name: &str) -> Option<Self> {
        Some(match name {
            "count" => Self::Count,
            "sum" => Self::Sum,
            "min" => Self::Min,
            "max" => Self::Max,
            "avg" => Self::Avg,
            "spread" => Self::Spread,
            "first" => Self::First,
            "last" => Self::Last,
            "last_row" => Self::LastRow,
            _ => return None,
        })
    }

    /// Whether the number of rows and the first and last timestamp are all it needs, given the timestamp.
    pub(super) fn needs_edges_only(self) -> bool {
        !matches!(self, Self::Sum | Self::Avg)
    }

    /// The column it gives for an argument shown as `of`.
    pub(super) fn field(self, label: String, of: &Field) -> Field {
        let ty = match self {
            Self::CountRows | Self::Count => DataType::BigInt,
            Self::Sum if of.ty.unsigned_max(crate::Flavor::V3).is_some() => DataType::UBigInt,
            Self::Sum if !matches!(of.ty, DataType::Float | DataType::Double) => DataType::BigInt,
            Self::Sum | Self::Avg | Self::Spread => DataType::Double,
            Self::Min | Self::Max | Self::First | Self::Last | Self::LastRow => {
                return Field::new(label, of.ty, of.bytes);
            }
        };
        Field::fixed(label, ty)
    }
}

impl State {
    /// Takes in rows of which only the number and the edges are known.
    pub(super) fn add_edges(&mut self, rows: u64, first: i64, last: i64) {
        self.add(Kind::First, first, &Value::Int(first));
        if rows > 1 {
            self.add(Kind::Last, last, &Value::Int(last));
            self.count += rows - 2;
        }
    }

    pub(super) fn add(&mut self, kind: Kind, ts: i64, value: &Value) {
        if value.is_null() && !matches!(kind, Kind::CountRows | Kind::LastRow) {
            return;
        }
        self.count += 1;
        match value {
            Value::Int(int) => self.whole += i128::from(*int),
            Value::UInt(int) => self.whole += i128::from(*int),
            _ => self.sum += value.as_f64().unwrap_or(0.0),
        }
        if self.min.is_null() || compare(value, &self.min) == Ordering::Less {
            self.min = value.clone();
        }
        if self.max.is_null() || compare(value, &self.max) == Ordering::Greater {
            self.max = value.clone();
        }
        if self.first.as_ref().is_none_or(|(first, _)| ts < *first) {
            self.first = Some((ts, value.clone()));
        }
        if self.last.as_ref().is_none_or(|(last, _)| ts > *last) {
            self.last = Some((ts, value.clone()));
        }
    }

    pub(super) fn result(&self, kind: Kind) -> Value {
        let edge =
            |edge: &Option<(i64, Value)>| edge.as_ref().map_or(Value::Null, |(_, value)| value.clone());
        match kind {
            Kind::CountRows | Kind::Count => Value::Int(self.count.cast_signed()),
            Kind::First => edge(&self.first),
            Kind::Last | Kind::LastRow => edge(&self.last),
            _ if self.count == 0 => Value::Null,
            Kind::Min => self.min.clone(),
            Kind::Max => self.max.clone(),
            Kind::Sum => self.total(),
            Kind::Avg => Value::Float((self.sum + self.whole as f64) / self.count as f64),
            Kind::Spread => Value::Float(self.max.as_f64().unwrap_or(0.0) - self.min.as_f64().unwrap_or(0.0)),
        }
    }

    fn total(&self) -> Value {
        if matches!(self.max, Value::Float(_)) {
            return Value::Float(self.sum);
        }
        match (i64::try_from(self.whole), u64::try_from(self.whole)) {
            (Ok(int), _) => Value::Int(int),
            (_, Ok(int)) => Value::UInt(int),
            _ => Value::Float(self.whole as f64),
        }
    }
}
