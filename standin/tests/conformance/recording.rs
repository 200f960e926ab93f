//! The recordings as data, and what counts as the same answer.

use serde_json::Value as Json;
use tdferry_standin::Flavor;

/// One statement and what the real server answered.
#[derive(Clone, Debug)]
pub(crate) struct Recorded {
    pub(crate) sql: String,
    /// Whether a new connection begins before it.
    pub(crate) reconnect: bool,
    expected: Json,
}

/// What somebody answered.
#[derive(Clone, Debug)]
pub(crate) enum Answer {
    Affected(u64),
    Rows { fields: Vec<(String, String, u64)>, precision: String, rows: Vec<Vec<Json>> },
    Error(u32),
}

/// Cells that differ from run to run or from machine to machine, by their column.
const VOLATILE: &[&str] = &[
    "created_time",
    "create_time",
    "role_time",
    "reboot_time",
    "last_update",
    "uid",
    "vgId",
    "vgroup_id",
    "now()",
    "vnodes",
    "endpoint",
    "end_point",
];

pub(crate) fn read(flavor: Flavor) -> Vec<Recorded> {
    let text = match flavor {
        Flavor::V26 => include_str!("../data/tdengine-2.7.0-native.jsonl"),
        Flavor::V3 => include_str!("../data/tdengine-3.3.1-native.jsonl"),
    };
    let mut reconnect = false;
    let mut all = Vec::new();
    for line in text.lines() {
        let expected: Json = serde_json::from_str(line).unwrap();
        match expected["sql"].as_str() {
            Some(sql) => {
                all.push(Recorded { sql: sql.to_owned(), reconnect, expected: expected.clone() });
                reconnect = false;
            }
            // this block was recorded later, on another connection
            None => reconnect = expected["note"] == "the clock and the user",
        }
    }
    all
}

impl Recorded {
    /// In words, how an answer differs from the recorded one.
    pub(crate) fn difference(&self, answer: &Answer) -> Option<String> {
        let want = &self.expected;
        match answer {
            Answer::Affected(rows) => differs("affected rows", &want["affected_rows"], &Json::from(*rows)),
            Answer::Error(code) => {
                let want = want["error"]["code"].as_str().unwrap_or("none");
                let code = format!("0x{code:04X}");
                (want != code).then(|| format!("error: recorded {want} ({}), answered {code}", self.expected))
            }
            Answer::Rows { fields, precision, rows } => {
                if want["rows"].is_null() {
                    return Some(format!("recorded {want}, answered rows"));
                }
                let fields: Json =
                    fields.iter().map(|(name, ty, bytes)| serde_json::json!([name, ty, bytes])).collect();
                differs("fields", &want["fields"], &fields)
                    .or_else(|| differs("precision", &want["precision"], &Json::from(precision.as_str())))
                    .or_else(|| self.rows_differ(rows))
            }
        }
    }

    fn rows_differ(&self, rows: &[Vec<Json>]) -> Option<String> {
        let recorded: Vec<Vec<Json>> = serde_json::from_value(self.expected["rows"].clone()).unwrap();
        let names: Vec<&str> = self.expected["fields"]
            .as_array()
            .unwrap()
            .iter()
            .map(|field| field[0].as_str().unwrap())
            .collect();
        let (mut want, mut have) = (self.comparable(&names, &recorded), self.comparable(&names, rows));
        if !self.ordered() {
            want.sort();
            have.sort();
        }
        (want != have).then(|| format!("rows: recorded {want:?}\n        answered {have:?}"))
    }

    fn comparable(&self, names: &[&str], rows: &[Vec<Json>]) -> Vec<String> {
        let kept = rows.iter().filter(|row| self.concerns_us(row));
        let cell = |(name, cell): (&&str, &Json)| {
            if VOLATILE.contains(name) { "*".to_owned() } else { number_free(cell) }
        };
        kept.map(|row| names.iter().zip(row).map(cell).collect::<Vec<_>>().join(" | ")).collect()
    }

    /// The recorded servers held other databases beside the one the statements made.
    fn concerns_us(&self, row: &[Json]) -> bool {
        let others = ["sparse", "power", "power10m", "log", "alltypes"];
        self.sql != "show databases" || !row[0].as_str().is_some_and(|name| others.contains(&name))
    }

    /// Rows of one table come in order of time; everything else in an order nobody promised.
    fn ordered(&self) -> bool {
        self.sql.contains("order by")
            || (self.sql.starts_with("select * from c") && !self.sql.contains("meters"))
    }
}

fn differs(what: &str, want: &Json, have: &Json) -> Option<String> {
    (want != have).then(|| format!("{what}: recorded {want}\n        answered {have}"))
}

/// Numbers compare by value: 1 and 1.0 are the same cell.
fn number_free(cell: &Json) -> String {
    match (cell.as_i64(), cell.as_u64(), cell.as_f64()) {
        (Some(int), ..) => int.to_string(),
        (_, Some(int), _) => int.to_string(),
        (.., Some(float)) => format!("{float:?}").trim_end_matches(".0").to_owned(),
        _ => cell.to_string(),
    }
}
