//! Databases made from a seed: dense and sparse stables, normal tables, every type, NULLs, odd names.

use std::sync::Arc;

use rand::rngs::StdRng;
use rand::{Rng, SeedableRng};

use super::database::MemDatabase;
use crate::batch::Value;
use crate::schema::{Column, DataType, Stable};
use crate::time::Precision;

/// Rows start here, 2020-09-13, in seconds: every precision can hold it, and it is no round number of anything.
const START_SECONDS: i64 = 1_600_000_000;
/// Names that a person or a program once gave a table. 3.x takes no dot in one and SQL no backtick.
const ODD_NAMES: [&str; 9] =
    ["Mixed Case", "涛思", "it's", "a-b", "select", "100", "Ünï", "a\\b", "quote\"d"];

/// What to make. Same recipe, same database.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Recipe {
    /// What all choices follow from.
    pub seed: u64,
    /// What one unit of time is.
    pub precision: Precision,
    /// Subtables of the dense stable `meters`, and rows of each.
    pub dense: (usize, usize),
    /// Subtables of the sparse stable `sensors`, and the most rows of each; some have none.
    pub sparse: (usize, usize),
    /// Normal tables, and rows of each.
    pub normal: (usize, usize),
    /// How many of a thousand values are NULL.
    pub null_per_mille: u32,
    /// Whether a stable `types` has a column and a tag of every type.
    pub every_type: bool,
    /// Whether a stable has subtables with odd names.
    pub odd_names: bool,
}

impl Recipe {
    /// A little of everything: some hundred rows.
    pub fn small(seed: u64) -> Self {
        Self {
            seed,
            precision: Precision::Milli,
            dense: (3, 150),
            sparse: (40, 4),
            normal: (2, 30),
            null_per_mille: 100,
            every_type: true,
            odd_names: true,
        }
    }

    /// Only smart meters: dense subtables of many rows, sparse ones of few.
    pub fn meters(seed: u64, dense: (usize, usize), sparse: (usize, usize)) -> Self {
        let normal = (0, 0);
        Self { dense, sparse, normal, every_type: false, odd_names: false, ..Self::small(seed) }
    }

    /// The database.
    pub fn make(&self) -> MemDatabase {
        let mut maker = Maker {
            recipe: self,
            rng: StdRng::seed_from_u64(self.seed),
            database: MemDatabase::new("source", self.precision),
        };
        maker.dense();
        maker.sparse();
        maker.normal();
        if self.every_type {
            maker.every_type();
        }
        if self.odd_names {
            maker.odd_names();
        }
        maker.database
    }
}

/// A column of this name and type; text gets room for 20.
pub fn column(name: &str, data_type: DataType) -> Column {
    let length = data_type.width().map_or(Ok(20), u32::try_from).unwrap_or_default();
    Column { name: name.to_owned(), data_type, length }
}

/// A timestamp and then a column of every type that a column can have.
pub fn all_types() -> Vec<Column> {
    let kinds = DataType::ALL.into_iter().filter(|kind| *kind != DataType::Json);
    let named = kinds.map(|kind| column(&format!("c{}", kind.code()), kind));
    std::iter::once(column("ts", DataType::Timestamp)).chain(named).collect()
}

struct Maker<'a> {
    recipe: &'a Recipe,
    rng: StdRng,
    database: MemDatabase,
}

impl Maker<'_> {
    fn dense(&mut self) {
        let (tables, rows) = self.recipe.dense;
        self.add_meters("meters", tables, |n| format!("d{n:04}"), |_| rows);
    }

    fn sparse(&mut self) {
        let (tables, most) = self.recipe.sparse;
        self.add_meters("sensors", tables, |n| format!("s{n:05}"), |rng| rng.random_range(0..=most));
    }

    fn odd_names(&mut self) {
        let name = |n: usize| ODD_NAMES.get(n).copied().unwrap_or("odd").to_owned();
        self.add_meters("Odd Names", ODD_NAMES.len(), name, |_| 5);
    }

    fn normal(&mut self) {
        let (tables, rows) = self.recipe.normal;
        for n in 0..tables {
            let columns = meter_columns();
            let name = format!("n{n:03}");
            self.database.add_normal_table(&name, columns.clone());
            self.add_rows(&name, &columns, rows);
        }
    }

    fn every_type(&mut self) {
        let columns = all_types();
        let tags: Vec<Column> =
            columns.iter().skip(1).map(|one| column(&format!("t_{}", one.name), one.data_type)).collect();
        self.database.add_stable(Stable {
            name: "types".into(),
            columns: columns.clone(),
            tags: tags.clone(),
        });
        for n in 0..3 {
            let values = tags.iter().map(|tag| self.value(tag)).collect();
            let name = format!("types_{n}");
            self.database.add_subtable("types", &name, values);
            self.add_rows(&name, &columns, 40);
        }
        let nulls = vec![Value::Null; tags.len()];
        self.database.add_subtable("types", "types_null_tags", nulls);
    }

    fn add_meters(
        &mut self,
        stable: &str,
        tables: usize,
        name: impl Fn(usize) -> String,
        rows: impl Fn(&mut StdRng) -> usize,
    ) {
        if tables == 0 {
            return;
        }
        let columns = meter_columns();
        let mut location = column("location", DataType::Binary);
        location.length = 64;
        let tags = vec![column("group_id", DataType::Int), location];
        self.database.add_stable(Stable { name: stable.into(), columns: columns.clone(), tags });
        for n in 0..tables {
            let group = Value::Int(i64::try_from(n % 10).unwrap_or_default());
            let location = Value::Binary(format!("California.{}", n % 7).into_bytes());
            self.database.add_subtable(stable, &name(n), vec![group, location]);
            let rows = rows(&mut self.rng);
            self.add_rows(&name(n), &columns, rows);
        }
    }

    fn add_rows(&mut self, table: &str, columns: &[Column], rows: usize) {
        let second = self.recipe.precision.per_second();
        let mut ts = START_SECONDS.saturating_mul(second);
        for _ in 0..rows {
            ts = ts.saturating_add(self.rng.random_range(1..=second.saturating_mul(20)));
            let rest: Vec<Value> = columns.iter().skip(1).map(|column| self.value_or_null(column)).collect();
            let row = std::iter::once(Value::Timestamp(ts)).chain(rest).collect();
            self.database.put_row(table, row);
        }
    }

    fn value_or_null(&mut self, column: &Column) -> Value {
        if self.rng.random_range(0..1_000) < self.recipe.null_per_mille {
            return Value::Null;
        }
        self.value(column)
    }

    /// A value that 2.x can hold: none of its sentinels for NULL.
    fn value(&mut self, column: &Column) -> Value {
        let rng = &mut self.rng;
        match column.data_type {
            DataType::Bool => Value::Bool(rng.random()),
            DataType::TinyInt => Value::Int(rng.random_range(-127..=127)),
            DataType::SmallInt => Value::Int(rng.random_range(-32_767..=32_767)),
            DataType::Int => Value::Int(rng.random_range(-i64::from(i32::MAX)..=i64::from(i32::MAX))),
            DataType::BigInt => Value::Int(rng.random_range(-i64::MAX..=i64::MAX)),
            DataType::UTinyInt => Value::UInt(rng.random_range(0..=254)),
            DataType::USmallInt => Value::UInt(rng.random_range(0..=65_534)),
            DataType::UInt => Value::UInt(rng.random_range(0..u64::from(u32::MAX))),
            DataType::UBigInt => Value::UInt(rng.random_range(0..u64::MAX)),
            DataType::Float => Value::Float(rng.random_range(-1_000.0_f32..1_000.0)),
            DataType::Double => Value::Double(rng.random_range(-1.0e9_f64..1.0e9)),
            DataType::Timestamp => Value::Timestamp(rng.random_range(0..=START_SECONDS * 1_000)),
            DataType::Binary => Value::Binary(text(rng, "az'\\\" \n%_").into_bytes()),
            DataType::Nchar => Value::Nchar(text(rng, "aÜ涛思'\\\"\u{1f600}")),
            DataType::Json => Value::Json(format!("{{\"k\":{}}}", rng.random_range(0..1_000))),
        }
    }
}

/// At most 15 of these characters; sometimes none at all.
fn text(rng: &mut StdRng, characters: &str) -> String {
    let characters: Arc<[char]> = characters.chars().collect();
    let length = rng.random_range(0..=15_usize);
    let pick =
        |rng: &mut StdRng| characters.get(rng.random_range(0..characters.len())).copied().unwrap_or('a');
    (0..length).map(|_| pick(rng)).collect()
}

fn meter_columns() -> Vec<Column> {
    vec![
        column("ts", DataType::Timestamp),
        column("current", DataType::Float),
        column("voltage", DataType::Int),
        column("phase", DataType::Double),
    ]
}
