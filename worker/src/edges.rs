//! The edges of what databases keep. Below them rows vanish while one looks, so that nothing is compared there.

use tdferry_common::port::{Side, Sink, Source};
use tdferry_common::time::Period;

use crate::lease::{Asker, Worked};
use crate::rules;

/// How far the clocks of two servers and the time of a read may lie apart, in seconds.
const EDGE_MARGIN_SECONDS: i64 = 600;
const SECONDS_A_DAY: u64 = 86_400;

/// A period above the edges of what both sides keep: below them rows vanish while they are compared.
pub(crate) async fn kept(
    asker: &Asker,
    source: &dyn Source,
    sink: &dyn Sink,
    period: Period,
) -> Worked<Period> {
    let database = asker.ask("reading the source database", Side::Source, || source.database()).await?;
    let precision = database.precision;
    let margin = EDGE_MARGIN_SECONDS.saturating_mul(precision.per_second());
    let keeps = asker.ask("asking what the target keeps", Side::Sink, || sink.keeps(precision)).await?;
    let mut from = period.from;
    if keeps.from != i64::MIN {
        from = from.max(keeps.from.saturating_add(margin));
    }
    if let Some(days) = rules::keep_days(&database) {
        let clock = asker.ask("asking the source's clock", Side::Source, || source.clock()).await?;
        let own = || precision.from_unix_millis(asker.means.clock.wall_millis());
        let seconds = i64::try_from(days.saturating_mul(SECONDS_A_DAY)).unwrap_or(i64::MAX);
        let edge = clock.unwrap_or_else(own).saturating_sub(seconds.saturating_mul(precision.per_second()));
        from = from.max(edge.saturating_add(margin));
    }
    Ok(Period { from: from.min(period.to), to: period.to })
}
