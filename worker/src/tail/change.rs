//! What changes in the structure of the source while it is followed: columns and tags that are added or made longer.
//!
//! The target is given them before anything is read by them. What was read since the last look is read once more, since
//! it was read without.

use tdferry_common::options::SchemaMode;
use tdferry_common::port::Side;
use tdferry_common::schema::{Column, NormalTable, Stable};
use tdferry_common::time::Period;

use super::Tail;
use crate::lease::Worked;
use crate::structure::Layout;

/// Looks that lie between a change and its being found, at most: one may have been under way.
const LOOKS_BEHIND: u32 = 2;

impl Tail {
    /// Looks whether the structure is still the one that is read by, and follows it.
    pub(super) async fn structure(&mut self) -> Worked<()> {
        let interval = self.options().schema_polling_interval;
        self.attempt.session.structures.refresh(&self.attempt, interval).await;
        let changed = match &self.layout {
            Layout::Stable { stable, .. } => {
                let known = stable.clone();
                self.changed_stable(&known).await?
            }
            Layout::Normal(_) => self.changed_tables().await?,
        };
        if !changed {
            return Ok(());
        }
        let Self { attempt, source, sink, .. } = &*self;
        attempt.session.structures.forget(attempt);
        self.layout = attempt.session.structures.layout(attempt, source.as_ref(), sink.as_ref()).await?;
        let behind = self.precision.units(interval * LOOKS_BEHIND + self.options().interval);
        let from = self.watermark.saturating_sub(behind).max(self.attempt.shard().period.from);
        let taken = self.take(Period { from, to: self.watermark }).await?;
        tracing::info!(
            rows = taken.read,
            "the source's structure changed; what was read since is read once more"
        );
        Ok(())
    }

    async fn changed_stable(&self, known: &Stable) -> Worked<bool> {
        let Self { attempt, source, sink, .. } = self;
        let both = attempt.session.structures.both(attempt, source.as_ref(), sink.as_ref()).await?;
        let Some(now) = both.source_stable(&known.name).filter(|now| *now != known) else { return Ok(false) };
        if attempt.spec.options.schema == SchemaMode::Always {
            attempt.ask("adding columns and tags", Side::Sink, || sink.add_to_stable(now)).await?;
            let longer = longer(&known.columns, &now.columns).chain(longer(&known.tags, &now.tags));
            self.widen(&now.name, longer).await?;
        }
        Ok(true)
    }

    async fn changed_tables(&self) -> Worked<bool> {
        let Self { attempt, source, sink, .. } = self;
        let tables = attempt.session.structures.normal(attempt, source.as_ref()).await?;
        let mut any = false;
        for name in attempt.claimed.shard_names() {
            let (Some(now), Some(known)) = (tables.get(name), self.layout.columns(name)) else { continue };
            if now.columns == *known {
                continue;
            }
            any = true;
            if attempt.spec.options.schema == SchemaMode::Always {
                attempt.ask("adding columns", Side::Sink, || sink.add_to_table(now)).await?;
                let NormalTable { name, columns } = now;
                self.widen(name, longer(&known, columns)).await?;
            }
        }
        Ok(any)
    }

    async fn widen(&self, table: &str, columns: impl Iterator<Item = &Column>) -> Worked<()> {
        for column in columns {
            let widen = || self.sink.widen_column(table, column);
            self.attempt.ask("making a column longer", Side::Sink, widen).await?;
        }
        Ok(())
    }
}

/// What is longer now than it was.
fn longer<'a>(known: &'a [Column], now: &'a [Column]) -> impl Iterator<Item = &'a Column> {
    now.iter().filter(|column| known.iter().any(|own| own.name == column.name && own.length < column.length))
}
