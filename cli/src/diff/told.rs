//! What differs as people and scripts read it, line by line, and the sum of it.

use serde_json::{Value as Json, json};
use tdferry_common::schema::DataType;
use tdferry_common::time::Precision;
use tdferry_worker::diff::{Change, Difference, Moment, What};

use crate::output::{self, count};

/// Prints differences and counts them.
#[derive(Debug, Default)]
pub(super) struct Told {
    json: bool,
    limit: Option<u64>,
    /// Of rows.
    missing: u64,
    extra: u64,
    changed: u64,
    /// Of tables.
    missing_tables: u64,
    extra_tables: u64,
    other_tags: u64,
}

impl Told {
    pub(super) fn new(json: bool, limit: Option<u64>) -> Self {
        Self { json, limit, ..Self::default() }
    }

    /// Prints it unless as many as may be were printed before.
    pub(super) fn take(&mut self, difference: &Difference) {
        if self.limit.is_none_or(|limit| self.all() < limit) {
            if self.json { output::json(&as_json(difference)) } else { output::data(&in_words(difference)) }
        }
        let counter = match &difference.what {
            What::MissingTable => &mut self.missing_tables,
            What::ExtraTable { .. } => &mut self.extra_tables,
            What::Tags(_) => &mut self.other_tags,
            What::MissingRow(_) => &mut self.missing,
            What::ExtraRow(_) => &mut self.extra,
            What::ChangedRow(..) => &mut self.changed,
        };
        *counter = counter.saturating_add(1);
    }

    /// The sum.
    pub(super) fn end(&self) {
        if self.json {
            output::json(&json!({
                "what": "sum",
                "missing": self.missing,
                "extra": self.extra,
                "changed": self.changed,
                "missing_tables": self.missing_tables,
                "extra_tables": self.extra_tables,
                "other_tags": self.other_tags,
                "left_out": self.left_out(),
            }));
        } else {
            output::say(&self.sum());
        }
    }

    pub(super) fn is_none(&self) -> bool {
        self.all() == 0
    }

    fn all(&self) -> u64 {
        let rows = self.missing.saturating_add(self.extra).saturating_add(self.changed);
        let tables = self.missing_tables.saturating_add(self.extra_tables).saturating_add(self.other_tags);
        rows.saturating_add(tables)
    }

    fn left_out(&self) -> u64 {
        self.limit.map_or(0, |limit| self.all().saturating_sub(limit))
    }

    fn sum(&self) -> String {
        if self.is_none() {
            return "nothing differs any more".to_owned();
        }
        let counted = [
            (self.missing, "rows missing"),
            (self.extra, "extra"),
            (self.changed, "changed"),
            (self.missing_tables, "tables missing"),
            (self.extra_tables, "extra"),
            (self.other_tags, "with other tags"),
        ];
        let [missing, extra, changed, tables, more, tags] =
            counted.map(|(n, what)| format!("{} {what}", count(n)));
        let left_out = match self.left_out() {
            0 => String::new(),
            left_out => format!("; {} of these not shown, for --limit", count(left_out)),
        };
        format!("{missing}, {extra}, {changed}; {tables}, {more}, {tags}{left_out}")
    }
}

fn in_words(Difference { stable, table, what }: &Difference) -> String {
    let table = if stable.is_empty() { table.clone() } else { format!("{stable}.{table}") };
    let line = |word: &str, rest: String| format!("{word:<13}  {table}  {rest}").trim_end().to_owned();
    match what {
        What::MissingTable => line("missing table", String::new()),
        What::ExtraTable { rows } => line("extra table", format!("{} rows", count(*rows))),
        What::Tags(tags) => line("other tags", changes(tags, None)),
        What::MissingRow(at) => line("missing", moment(at)),
        What::ExtraRow(at) => line("extra", moment(at)),
        What::ChangedRow(at, columns) => {
            line("changed", format!("{}  {}", moment(at), changes(columns, Some(at.precision))))
        }
    }
}

fn moment(at: &Moment) -> String {
    at.precision.show(at.units)
}

fn changes(changes: &[Change], precision: Option<Precision>) -> String {
    let one = |change: &Change| {
        let Change { column, source, target } = change;
        let shown = |value| shown(value, column.data_type, precision);
        let (source, target) = (shown(source), shown(target));
        format!("{} {}: {source} at the source, {target} at the target", column.name, column.sql_type())
    };
    changes.iter().map(one).collect::<Vec<_>>().join("; ")
}

fn shown(value: &Json, data_type: DataType, precision: Option<Precision>) -> String {
    match (value, data_type, precision) {
        (Json::Null, ..) => "NULL".to_owned(),
        (Json::Number(units), DataType::Timestamp, Some(precision)) => {
            units.as_i64().map_or_else(|| units.to_string(), |units| precision.show(units))
        }
        (Json::String(number), DataType::Float | DataType::Double, _) => number.clone(),
        (Json::Object(bytes), ..) => {
            format!("0x{}", bytes.get("hex").and_then(Json::as_str).unwrap_or_default())
        }
        // quotes and escapes: a value may hold anything, and comes on one line
        (value, ..) => value.to_string(),
    }
}

fn as_json(Difference { stable, table, what }: &Difference) -> Json {
    let mut line = match what {
        What::MissingTable => json!({"what": "missing table"}),
        What::ExtraTable { rows } => json!({"what": "extra table", "rows": rows}),
        What::Tags(tags) => json!({"what": "other tags", "tags": changes_json(tags)}),
        What::MissingRow(at) => row_json("missing", at),
        What::ExtraRow(at) => row_json("extra", at),
        What::ChangedRow(at, columns) => {
            let mut line = row_json("changed", at);
            line["columns"] = changes_json(columns);
            line
        }
    };
    line["stable"] = json!(stable);
    line["table"] = json!(table);
    line
}

fn row_json(what: &str, at: &Moment) -> Json {
    json!({"what": what, "time": moment(at), "at": at.units, "precision": at.precision.as_str()})
}

fn changes_json(changes: &[Change]) -> Json {
    let one = |Change { column, source, target }: &Change| json!({"name": column.name, "type": column.sql_type(), "source": source, "target": target});
    changes.iter().map(one).collect()
}

#[cfg(test)]
mod tests {
    use tdferry_common::schema::Column;

    use super::*;

    const AT: Moment = Moment { units: 1_600_000_000_123_456, precision: Precision::Micro };

    fn change(data_type: DataType, source: Json, target: Json) -> Change {
        Change { column: Column { name: "c".into(), data_type, length: 8 }, source, target }
    }

    fn of(what: What) -> Difference {
        Difference { stable: "meters".into(), table: "d1".into(), what }
    }

    #[test]
    fn a_row_is_shown_at_its_time_to_the_last_unit() {
        assert_eq!(
            in_words(&of(What::MissingRow(AT))),
            "missing        meters.d1  2020-09-13T12:26:40.123456Z"
        );
        let line = as_json(&of(What::ExtraRow(AT)));
        assert_eq!(
            (line["what"].as_str(), line["at"].as_i64(), line["time"].as_str()),
            (Some("extra"), Some(AT.units), Some("2020-09-13T12:26:40.123456Z"))
        );
    }

    #[test]
    fn values_are_shown_by_their_type() {
        let cases = [
            (DataType::Int, json!(219), "219"),
            (DataType::Double, json!("0.30000000000000004"), "0.30000000000000004"),
            (DataType::Nchar, json!("a\n\"b\""), r#""a\n\"b\"""#),
            (DataType::Binary, json!({"hex": "ff00"}), "0xff00"),
            (DataType::Timestamp, json!(1), "1970-01-01T00:00:00.000001Z"),
            (DataType::Bool, Json::Null, "NULL"),
        ];
        for (data_type, value, words) in cases {
            assert_eq!(shown(&value, data_type, Some(Precision::Micro)), words);
        }
        let changed = What::ChangedRow(AT, vec![change(DataType::Int, json!(1), Json::Null)]);
        assert!(in_words(&of(changed)).ends_with("c INT: 1 at the source, NULL at the target"));
    }

    #[test]
    fn what_is_not_shown_is_counted() {
        let mut told = Told::new(false, Some(2));
        for _ in 0..5 {
            told.take(&of(What::MissingRow(AT)));
        }
        told.take(&of(What::Tags(Vec::new())));
        assert_eq!((told.all(), told.left_out()), (6, 4));
        let sum = told.sum();
        assert!(sum.starts_with("5 rows missing, 0 extra") && sum.contains("4 of these not shown"), "{sum}");
        assert!(Told::default().is_none() && Told::default().left_out() == 0);
    }
}
