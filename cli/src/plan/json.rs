//! The plan as one JSON object, for scripts.

use std::collections::BTreeMap;

use serde_json::{Value, json};
use tdferry_common::time::{Period, Precision, show_millis};
use tdferry_coordinator::outline::{Band, StableOutline};

use super::View;
use super::pace::Origin;

pub(super) fn of(view: &View) -> Value {
    let (start, work) = (&view.start, &view.outline.work);
    let precision = start.cutoff.precision;
    let forecast = &view.forecast;
    json!({
        "source": { "place": view.from, "version": start.version },
        "target": { "place": view.to },
        "precision": precision.as_str(),
        "period": period(start.period, precision),
        "stables": view.outline.stables.iter().map(|one| stable(one, precision)).collect::<Vec<_>>(),
        "subtables": start.subtables,
        "normal_tables": start.normal_tables,
        "rows": view.rows(),
        "bytes": view.bytes(),
        "shards": {
            "all": work.shards(),
            "create": work.creates.len(),
            "dense": work.dense.len(),
            "sparse": work.sparse.len(),
        },
        "fleet": { "workers": view.pace.fleet.workers, "slots": view.pace.fleet.slots },
        "rates": origin(view.pace.origin),
        "seconds": {
            "survey": band(forecast.survey),
            "schema": band(forecast.schema),
            "copy": band(forecast.copy),
            "verify": band(forecast.verify),
            "all": band(forecast.whole()),
        },
        "refusals": view.refusals.iter().map(|(name, value)| (*name, value.as_str())).collect::<BTreeMap<_, _>>(),
        "tables_rejected": view.rejected.as_ref().map(|one| json!({ "tables": one.tables, "first": one.first })),
        "finish_by": view.deadline.as_ref().map(|deadline| json!({
            "at": show_millis(deadline.at_millis),
            "seconds": deadline.seconds,
            "workers": { "low": deadline.needed.low, "high": deadline.needed.high },
        })),
    })
}

fn stable(stable: &StableOutline, precision: Precision) -> Value {
    json!({
        "name": stable.name,
        "tables": stable.tables,
        "rows": stable.rows,
        "bytes": stable.bytes,
        "data": stable.data.map(|data| period(data, precision)),
        "groups": stable.groups,
        "create_shards": stable.create_shards,
        "dense_shards": stable.dense_shards,
        "sparse_shards": stable.sparse_shards,
        "periods": stable.periods,
    })
}

/// An open start is null.
fn period(period: Period, precision: Precision) -> Value {
    let moment = |units| show_millis(precision.to_unix_millis(units));
    json!({ "from": (period.from != i64::MIN).then(|| moment(period.from)), "to": moment(period.to) })
}

fn band(band: Band) -> Value {
    json!({ "low": rounded(band.low), "high": rounded(band.high) })
}

fn rounded(seconds: f64) -> f64 {
    (seconds * 1000.0).round() / 1000.0
}

fn origin(origin: Origin) -> Value {
    match origin {
        Origin::Defaults | Origin::IdleCluster => json!({ "from": "defaults" }),
        Origin::Told { rows } => json!({ "from": "told", "rows_per_worker": rows }),
        Origin::Learnt { rows_per_slot } => {
            json!({ "from": "cluster", "rows_per_slot": rounded(rows_per_slot) })
        }
    }
}
