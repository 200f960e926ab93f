//! Subtables that are not in the plan: created with their tags, then added to it with what they held before.
//!
//! In this order: one that is in the plan and not in the target would fail the shard that copies it. One that is in the
//! target and not in the plan, since somebody died in between, is met again by whoever follows next.

use std::time::Duration;

use futures_util::TryStreamExt;
use tdferry_common::options::SchemaMode;
use tdferry_common::port::Side;
use tdferry_common::schema::Stable;

use super::known::Is;
use super::look::if_there;
use super::{Follows, Tail};
use crate::create;
use crate::lease::{Growth, Worked, within};
use crate::notices::About;
use crate::period;
use crate::structure::Layout;

/// Subtables met at once: their names fit into one request to a coordinator, and one transaction of the store.
const AT_ONCE: usize = 10_000;
/// Names whose tags are asked for with one query.
const TAGS_AT_ONCE: usize = 2_000;

impl Tail {
    /// Lists the stable and meets what is not in the plan.
    pub(super) async fn meet_all(&mut self) -> Worked<()> {
        let Layout::Stable { stable, .. } = &self.layout else { return Ok(()) };
        if self.follows == Follows::Listed {
            return Ok(());
        }
        let (stable, mut unknown) = (stable.name.clone(), Vec::new());
        self.known.forget_awaited();
        self.awaited.clear();
        let listed = self.list(&stable).await?;
        self.looks.listed = u64::try_from(listed.len()).ok();
        for name in listed {
            if self.known.of(&name).is_none() {
                unknown.push(name);
            }
        }
        self.meet(unknown).await
    }

    /// What this task does not create is for a person to create.
    fn tell_awaited(&self) {
        let stable = &self.attempt.claimed.stable;
        let awaited: Vec<_> = self.awaited.iter().cloned().collect();
        let message = (!awaited.is_empty()).then(|| {
            let (many, named) = (awaited.len(), create::named(&awaited));
            format!(
                "the target lacks {many} new subtables of `{stable}`: {named}; this task creates none; their rows are \
                 copied once you created them"
            )
        });
        self.board.tell(About::Subtables, message);
    }

    /// All subtables of the stable, whatever the task takes of it.
    async fn list(&self, stable: &str) -> Worked<Vec<String>> {
        let limit = self.attempt.listing_limit();
        let listed = self.attempt.outlast(|tries| async move {
            let all = async {
                let (mut names, mut pages) = (Vec::new(), self.source.subtables(stable, false));
                while let Some(page) = pages.try_next().await? {
                    names.extend(page.into_iter().map(|subtable| subtable.name));
                }
                Ok(names)
            };
            within(limit, tries, Side::Source, if_there(all)).await
        });
        let listed = listed.await?;
        listed.map_err(|error| crate::lease::Ended::at_database(&error, "listing subtables"))
    }

    /// Takes subtables into the plan that are not there yet.
    pub(super) async fn meet(&mut self, names: Vec<String>) -> Worked<()> {
        if names.is_empty() {
            self.tell_awaited();
            return Ok(());
        }
        // they may have come with a tag that was added just before
        self.restructure(Duration::ZERO).await?;
        let Layout::Stable { stable, .. } = &self.layout else { return Ok(()) };
        let stable = stable.clone();
        let (taken, left_out): (Vec<_>, Vec<_>) =
            names.into_iter().partition(|name| self.filter.takes_subtable(&stable.name, name));
        left_out.iter().for_each(|name| self.known.set(name, Is::LeftOut));
        for names in taken.chunks(AT_ONCE) {
            self.meet_some(&stable, names).await?;
        }
        self.tell_awaited();
        Ok(())
    }

    async fn meet_some(&mut self, stable: &Stable, names: &[String]) -> Worked<()> {
        let names = match self.options().schema {
            SchemaMode::None => self.there(stable, names).await?,
            SchemaMode::Always | SchemaMode::Only => self.create(stable, names).await?,
        };
        if names.is_empty() {
            return Ok(());
        }
        tracing::info!(
            stable = stable.name,
            subtables = names.len(),
            named = create::named(&names),
            "new subtables"
        );
        // what waits to be kept as rejects is behind the watermark that is committed now
        self.writer.flush().await?;
        let watermark = self.watermark;
        self.attempt.ledger.advance(|offset, _| offset.next = watermark.max(offset.next));
        let growth = Growth { names: names.clone(), from: self.history_from(), stable: None };
        self.attempt.ledger.grow(growth).await;
        names.iter().for_each(|name| self.known.set(name, Is::Planned));
        Ok(())
    }

    /// From where on a subtable's rows belong to the task.
    pub(super) fn history_from(&self) -> i64 {
        period::taken_from(self.options(), self.precision, self.attempt.shard().period.from)
    }

    /// Creates them; those that the source has.
    async fn create(&mut self, stable: &Stable, names: &[String]) -> Worked<Vec<String>> {
        let mut created = Vec::new();
        for names in names.chunks(TAGS_AT_ONCE) {
            let (attempt, source, sink) = (&self.attempt, self.source.as_ref(), self.sink.as_ref());
            let question = || source.tags(stable, names);
            let rows = attempt.ask("reading the tags of new subtables", Side::Source, question).await?;
            attempt.session.writable().await;
            let question = || sink.create_subtables(stable, &rows);
            attempt.ask("creating new subtables", Side::Sink, question).await?;
            created.extend(rows.into_iter().map(|row| row.name));
        }
        Ok(created)
    }

    /// Those that the target has; the others are awaited.
    async fn there(&mut self, stable: &Stable, names: &[String]) -> Worked<Vec<String>> {
        let missing = create::missing_of(&self.attempt, self.sink.as_ref(), &stable.name, names).await?;
        missing.iter().for_each(|name| self.known.set(name, Is::Awaited));
        self.awaited.extend(missing);
        Ok(names.iter().filter(|name| self.known.of(name) != Some(Is::Awaited)).cloned().collect())
    }
}
