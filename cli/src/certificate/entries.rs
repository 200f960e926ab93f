//! What a certificate says of a task: plain facts turned into entries. Pure; no secret comes in, so none goes out.

use std::collections::BTreeMap;

use serde_json::{Value, json};
use tdferry_common::digest::RowSum;
use tdferry_common::options::OptionValue;
use tdferry_common::shard::{Differing, Shard, ShardKind, ShardState, Totals};
use tdferry_common::spec::Spec;
use tdferry_common::time::{Period, Precision, show_millis};
use tdferry_proto::v1;
use tdferry_worker::sides::{LeftOut, Sides, TableSums, Told, stable_at_target};

/// All that is known of a task that has ended.
#[derive(Debug)]
pub(super) struct Facts {
    pub(super) written_millis: i64,
    pub(super) task: v1::TaskView,
    pub(super) spec: Spec,
    /// With the stable of each.
    pub(super) shards: Vec<(String, Shard)>,
    /// Both databases, or why they were not asked.
    pub(super) sides: Result<Sides, String>,
    /// Rows that the target refused, by reason and stable; or why they were not counted.
    pub(super) rejects: Result<BTreeMap<(String, String), u64>, String>,
    /// Sums table by table, where they were asked for.
    pub(super) tables: Vec<TableSums>,
}

/// What is said, in the order of the file.
pub(super) fn said(facts: &Facts) -> Vec<(&'static str, Value)> {
    let mut said = vec![
        (
            "tdferry",
            json!({ "version": env!("CARGO_PKG_VERSION"), "written": show_millis(facts.written_millis) }),
        ),
        ("task", task(facts)),
    ];
    said.extend(sides(facts));
    said.extend(left_out(facts));
    said.extend(stables(facts).into_iter().map(|(name, sums)| ("stable", sums.shown(facts, &name))));
    said.extend(facts.rejects.iter().flatten().map(|((reason, stable), rows)| {
        ("reject", json!({ "reason": reason, "stable": stable, "rows": rows }))
    }));
    said.extend(facts.shards.iter().map(|(stable, one)| ("shard", shard(facts, stable, one))));
    said.extend(facts.tables.iter().map(|one| ("subtable", table(one))));
    said.push(("verdict", verdict(facts)));
    said
}

fn task(facts: &Facts) -> Value {
    let (task, spec) = (&facts.task, &facts.spec);
    let options: BTreeMap<&str, Value> =
        spec.options.asked().into_iter().map(|(name, value)| (name, option(value))).collect();
    json!({
        "name": task.name,
        "type": task.r#type,
        "options": options,
        "created": show_millis(task.created_unix_millis),
        "ended": task.ended_unix_millis.map(show_millis),
        "history_until": task.cutoff.map(|cutoff| json!({
            "at": show_millis(precision(&cutoff).to_unix_millis(cutoff.units)),
            "units": cutoff.units,
            "precision": precision(&cutoff).as_str(),
            "clock": if cutoff.from_source { "source" } else { "worker" },
        })),
    })
}

fn option(value: OptionValue) -> Value {
    match value {
        OptionValue::Text(text) => Value::from(text),
        OptionValue::List(list) => Value::from(list),
    }
}

fn precision(cutoff: &v1::Cutoff) -> Precision {
    match cutoff.precision() {
        v1::Precision::Micro => Precision::Micro,
        v1::Precision::Nano => Precision::Nano,
        v1::Precision::Milli | v1::Precision::Unspecified => Precision::Milli,
    }
}

/// Where from and where to; addresses and databases, no users.
fn sides(facts: &Facts) -> Vec<(&'static str, Value)> {
    let spec = &facts.spec;
    let places =
        [("source", &spec.from, spec.source_database()), ("target", &spec.to, spec.target_database())];
    let told = |kind: &str| {
        facts.sides.as_ref().map(|sides| if kind == "source" { &sides.source } else { &sides.target })
    };
    let mut said: Vec<_> =
        places.map(|(kind, dsn, database)| (kind, side(&dsn.address(), database, told(kind)))).to_vec();
    let translations = facts.sides.iter().flat_map(|sides| &sides.translations);
    said.extend(translations.map(|one| {
        let body =
            json!({ "option": one.option, "source": one.source, "target": one.target, "why": one.why });
        ("option", body)
    }));
    said
}

/// Columns that the target lacks and that nobody copied, with the rows that arrived without them, where these are known.
fn left_out(facts: &Facts) -> Vec<(&'static str, Value)> {
    let stables = stables(facts);
    let rows =
        |one: &LeftOut| stables.get(&one.table).filter(|_| one.is_stable).map(|sums| sums.totals.written);
    let told = facts.sides.iter().flat_map(|sides| &sides.left_out);
    let body = |one: &LeftOut| json!({ "table": one.table, "columns": one.columns, "rows": rows(one) });
    told.map(|one| ("left_out", body(one))).collect()
}

fn side(address: &str, database: &str, told: Result<&Told, &String>) -> Value {
    match told {
        Ok(told) => json!({
            "address": address, "database": database, "version": told.version, "options": told.options,
        }),
        Err(why) => json!({ "address": address, "database": database, "version": null, "not_asked": why }),
    }
}

/// What the shards of a stable add up to.
#[derive(Debug, Clone, Default)]
struct Sums {
    tables: u64,
    copy: u64,
    verify: u64,
    repair: u64,
    failed: u64,
    totals: Totals,
    /// Over the rows that were written; `None` where a shard has none.
    sum: Option<u128>,
    read_back: u64,
    /// What the last round of comparing found.
    differing: Differing,
}

fn stables(facts: &Facts) -> BTreeMap<String, Sums> {
    let last_round = last_round(facts);
    let mut stables: BTreeMap<String, Sums> = BTreeMap::new();
    for (stable, shard) in &facts.shards {
        // what belongs to no stable
        if shard.group.is_none() {
            continue;
        }
        let fresh = || Sums { sum: Some(0), ..Sums::default() };
        stables.entry(stable.clone()).or_insert_with(fresh).add(shard, last_round);
    }
    stables
}

fn last_round(facts: &Facts) -> u32 {
    facts.shards.iter().map(|(_, shard)| shard.round).max().unwrap_or(0)
}

impl Sums {
    fn add(&mut self, shard: &Shard, last_round: u32) {
        self.failed += u64::from(matches!(shard.state, ShardState::Failed { .. }));
        let totals = &shard.checkpoint.totals;
        match shard.kind {
            ShardKind::Create => self.tables += totals.tables,
            ShardKind::Copy(_) => self.add_copy(shard),
            ShardKind::VerifyTags | ShardKind::VerifyTables | ShardKind::Verify(_) => {
                self.verify += 1;
                if matches!(shard.kind, ShardKind::Verify(_)) {
                    self.read_back += totals.read;
                }
                if shard.round == last_round {
                    self.differing = self.differing.and(totals.differing);
                }
            }
            ShardKind::Repair(..) => self.repair += 1,
            // what was copied while following is told by the shards that compared it
            ShardKind::Survey | ShardKind::Schema | ShardKind::Tail => {}
        }
    }

    fn add_copy(&mut self, shard: &Shard) {
        let (sum, one) = (&mut self.totals, &shard.checkpoint.totals);
        self.copy += 1;
        sum.read += one.read;
        sum.written += one.written;
        sum.rejected += one.rejected;
        sum.bytes += one.bytes;
        sum.expired += one.expired;
        sum.merged += one.merged;
        sum.source_counted += one.source_counted;
        sum.target_counted += one.target_counted;
        sum.before = Some(sum.before.unwrap_or(0) + one.before.unwrap_or(0));
        self.sum = self.sum.zip(shard.checkpoint.sum).map(|(sum, more)| sum.wrapping_add(more));
    }

    fn shown(&self, facts: &Facts, name: &str) -> Value {
        json!({
            "name": name,
            // normal tables have names of their own each
            "at_target": (!name.is_empty()).then(|| stable_at_target(&facts.spec, name)),
            "subtables_created": self.tables,
            "shards": { "copy": self.copy, "verify": self.verify, "repair": self.repair, "failed": self.failed },
            "rows": rows(&self.totals),
            "sum": (self.copy > 0).then_some(self.sum).flatten().map(hex),
            "rows_read_back": self.read_back,
            "differing": differing(&self.differing),
        })
    }
}

fn rows(totals: &Totals) -> Value {
    json!({
        "read": totals.read,
        "written": totals.written,
        "rejected": totals.rejected,
        "expired": totals.expired,
        "merged": totals.merged,
        "before": totals.before,
        "source_counted": totals.source_counted,
        "target_counted": totals.target_counted,
        "bytes": totals.bytes,
    })
}

fn differing(differing: &Differing) -> Value {
    let Differing { tables, missing, extra, changed, unlike, extra_tables } = differing;
    json!({
        "tables": tables, "missing": missing, "extra": extra, "changed": changed,
        "tables_missing_or_tags": unlike, "extra_tables": extra_tables,
    })
}

fn shard(facts: &Facts, stable: &str, shard: &Shard) -> Value {
    let unit = facts.task.cutoff.as_ref().map(precision).unwrap_or_default();
    let why = match &shard.state {
        ShardState::Differs { finding } => Some(finding),
        ShardState::Failed { reason } => Some(reason),
        ShardState::Open | ShardState::Done => None,
    };
    // the others read none, and a sum over nothing reads like one over something
    let has_rows = matches!(shard.kind, ShardKind::Copy(_) | ShardKind::Verify(_));
    json!({
        "id": shard.id.to_string(),
        "kind": shard.kind.to_string(),
        "stable": stable,
        "subtables": shard.range.len(),
        "period": period(shard.period, unit),
        "round": shard.round,
        "state": shard.state.name(),
        "why": why,
        "rows": rows(&shard.checkpoint.totals),
        "sum": shard.checkpoint.sum.filter(|_| has_rows).map(hex),
        "expected": shard.expected.map(hex),
        "differing": differing(&shard.checkpoint.totals.differing),
    })
}

/// Open ends are null, and both where there is no time in between; units are told besides, since a moment in words ends at the nanosecond.
fn period(period: Period, unit: Precision) -> Value {
    let end = |units: i64| {
        (!period.is_empty() && units != i64::MIN && units != i64::MAX)
            .then(|| show_millis(unit.to_unix_millis(units)))
    };
    json!({ "from": end(period.from), "to": end(period.to), "units": [period.from, period.to] })
}

fn hex(sum: u128) -> String {
    RowSum::from_value(sum).to_string()
}

fn table(sums: &TableSums) -> Value {
    let side = |(rows, sum): (u64, RowSum)| json!({ "rows": rows, "sum": sum.to_string() });
    json!({
        "stable": sums.stable,
        "table": sums.table,
        "at_target": sums.at_target,
        "source": side(sums.source),
        "target": side(sums.target),
        "equal": sums.source == sums.target,
    })
}

fn verdict(facts: &Facts) -> Value {
    let (task, spec) = (&facts.task, &facts.spec);
    let totals = task.progress.unwrap_or_default().totals.unwrap_or_default();
    let unequal = facts.tables.iter().filter(|table| table.source != table.target).count();
    json!({
        "state": task.state,
        "reason": task.reason,
        "rows_written": totals.written,
        "rows_rejected": totals.rejected,
        "rejects_kept_in": spec.rejects_place(),
        "rejects_not_counted": facts.rejects.as_ref().err(),
        "rows_merged": totals.merged,
        "extra_tables": totals.differing.unwrap_or_default().extra_tables,
        "rows_read_back": facts.task.progress.unwrap_or_default().rows_verified,
        "rounds_of_repair": last_round(facts),
        "tables_summed": facts.tables.len(),
        "tables_unequal": unequal,
    })
}
