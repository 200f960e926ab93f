//! The catalog told part by part: first its sums, then stable by stable its subtables, then what a second listing
//! found.

use std::pin::pin;

use futures_util::TryStreamExt;
use tdferry_common::digest::NameSum;
use tdferry_common::port::{PortResult, Side, Source, Subtable};
use tdferry_common::schema::{Extent, NormalTable, Stable};
use tdferry_common::task::Cutoff;
use tdferry_common::time::Precision;
use tdferry_proto::v1::{self, survey_request::Part};
use tokio::sync::mpsc;
use tokio::time::{Instant, interval_at, sleep_until};

use crate::extents::{Extents, Heading};
use crate::filter::Filter;
use crate::lease::{Attempt, within};
use crate::selection::{self, Listing, Selection, Taken};
use crate::{fingerprint, period, sizing};

/// Subtables in one message: with the longest names some 400 KB, a tenth of what gRPC takes by itself.
const PAGE: usize = 2_000;

/// Where the parts go. A receiver that is gone is an answer that has come early, so it is no error here.
struct Told<'a> {
    attempt: &'a Attempt,
    source: &'a dyn Source,
    filter: Filter,
    parts: mpsc::Sender<v1::SurveyRequest>,
    /// Surveys that the source broke off before this one.
    tries: u32,
}

/// Reads the catalog and tells it.
pub(super) async fn catalog(
    attempt: &Attempt,
    source: &dyn Source,
    parts: mpsc::Sender<v1::SurveyRequest>,
    tries: u32,
) -> PortResult<()> {
    let filter = Filter::new(&attempt.spec.options);
    let mut told = Told { attempt, source, filter, parts, tries };
    let version = told.ask(source.version()).await?;
    let database = told.ask(source.database()).await?;
    let cutoff = told.cutoff(database.precision).await?;
    let fixed = Instant::now();
    let selection = told.select().await?;
    let extents = told.extents(&selection).await?;
    told.start(&selection, &extents, version, cutoff).await;
    for (taken, extent) in selection.stables.iter().zip(&extents.stables) {
        told.stable(&taken.stable, taken.tables.unwrap_or(0), *extent).await?;
    }
    told.normal_tables(&selection.normal_tables, &extents.normal).await;
    let ending = async {
        // rows of the last moments before T0 may still arrive: nothing that ends there is planned before
        if !extents.silent(&attempt.spec.options, cutoff) {
            sleep_until(fixed + attempt.spec.options.excursion).await;
        }
        let again = told.select().await?;
        told.names(&again).await.map(|names| (names, again))
    };
    let (names, again) = told.heard_meanwhile(ending).await?;
    told.end(&again, names).await;
    Ok(())
}

impl Told<'_> {
    async fn ask<T>(&self, question: impl Future<Output = PortResult<T>>) -> PortResult<T> {
        within(self.attempt.session.timing.database_request, self.tries, Side::Source, question).await
    }

    /// Lists everything, with a filter of its own: the first and the last listing are independent.
    async fn select(&self) -> PortResult<Selection> {
        let limit = self.attempt.listing_limit();
        let mut filter = Filter::new(&self.attempt.spec.options);
        let select = selection::select(self.source, &self.attempt.spec, &mut filter, Listing::Always);
        within(limit, self.tries, Side::Source, select).await
    }

    /// Reads the names of everything selected once more.
    async fn names(&self, again: &Selection) -> PortResult<NameSum> {
        let mut filter = Filter::new(&self.attempt.spec.options);
        let mut names = NameSum::default();
        for Taken { stable, .. } in &again.stables {
            let mut pages = self.source.subtables(&stable.name, false);
            while let Some(page) = self.ask(pages.try_next()).await? {
                for subtable in page {
                    if filter.takes_subtable(&stable.name, &subtable.name) {
                        names.add(&stable.name, &subtable.name);
                    }
                }
            }
        }
        again.normal_tables.iter().for_each(|table| names.add("", &table.name));
        Ok(names)
    }

    async fn say(&self, part: Part) {
        let _ = self.parts.send(v1::SurveyRequest { part: Some(part) }).await;
    }

    /// T0: by the source's clock where it can be asked, else by this machine's.
    async fn cutoff(&self, precision: Precision) -> PortResult<Cutoff> {
        let clock = self.ask(self.source.clock()).await?;
        let own = || precision.from_unix_millis(self.attempt.session.clock.wall_millis());
        Ok(Cutoff { units: clock.unwrap_or_else(own), precision, from_source: clock.is_some() })
    }

    async fn extents(&self, selection: &Selection) -> PortResult<Extents> {
        let mut extents = Extents { stables: Vec::new(), normal: Vec::new() };
        for taken in &selection.stables {
            extents.stables.push(self.ask(self.source.stable_extent(&taken.stable.name)).await?);
        }
        for table in &selection.normal_tables {
            extents.normal.push(self.ask(self.source.table_extent(&table.name)).await?);
        }
        Ok(extents)
    }

    async fn start(&self, selection: &Selection, extents: &Extents, version: String, cutoff: Cutoff) {
        let lease = &self.attempt.claimed.lease;
        let stables: Vec<_> = selection.stables.iter().map(|taken| &taken.stable).collect();
        let start = v1::SurveyStart {
            key: Some(lease.key.clone().into()),
            fence: lease.fence,
            version,
            cutoff: Some(cutoff.into()),
            period: Some(period::history(&self.attempt.spec.options, cutoff).into()),
            stables: length(&selection.stables),
            normal_tables: length(&selection.normal_tables),
            subtables: selection.stables.iter().filter_map(|taken| taken.tables).sum(),
            rows: extents.rows(),
            fingerprint: fingerprint::of(&stables, &selection.normal_tables),
        };
        self.say(Part::Start(start)).await;
    }

    async fn stable(&mut self, stable: &Stable, tables: u64, extent: Extent) -> PortResult<()> {
        self.say(Part::Stable(heading(Heading::of_stable(stable, tables, extent)))).await;
        let mut pages = self.source.subtables(&stable.name, tables <= sizing::EXACT_TABLES);
        while let Some(mut page) = self.ask(pages.try_next()).await? {
            page.retain(|subtable| self.filter.takes_subtable(&stable.name, &subtable.name));
            self.pages(page.into_iter().map(subtable).collect()).await;
        }
        Ok(())
    }

    async fn normal_tables(&self, tables: &[NormalTable], extents: &[Extent]) {
        if tables.is_empty() {
            return;
        }
        self.say(Part::Stable(heading(Heading::of_normal_tables(tables, extents)))).await;
        let counted = |(table, extent): (&NormalTable, &Extent)| Subtable {
            name: table.name.clone(),
            extent: Some(*extent),
        };
        self.pages(tables.iter().zip(extents).map(counted).map(subtable).collect()).await;
    }

    async fn pages(&self, subtables: Vec<v1::SurveySubtable>) {
        let mut rest = subtables.into_iter();
        loop {
            let subtables: Vec<_> = rest.by_ref().take(PAGE).collect();
            if subtables.is_empty() {
                return;
            }
            self.say(Part::Page(v1::SurveyPage { subtables })).await;
        }
    }

    /// Does something that tells nothing, with an empty page at every heartbeat: an intake gives up a survey that falls
    /// silent.
    async fn heard_meanwhile<T>(&self, doing: impl Future<Output = T>) -> T {
        let pace = self.attempt.session.timing.heartbeat;
        let mut beats = interval_at(Instant::now() + pace, pace);
        let mut doing = pin!(doing);
        loop {
            tokio::select! {
                biased;
                done = &mut doing => return done,
                _ = beats.tick() => {
                    let page = v1::SurveyPage::default();
                    // where the wire is full there is no silence
                    let _ = self.parts.try_send(v1::SurveyRequest { part: Some(Part::Page(page)) });
                }
            }
        }
    }

    /// What a second listing found: what was told must be what is there now.
    async fn end(&self, again: &Selection, names: NameSum) {
        let end = v1::SurveyEnd {
            subtables: again.stables.iter().filter_map(|taken| taken.tables).sum(),
            normal_tables: length(&again.normal_tables),
            names: Some(names.value()),
        };
        self.say(Part::End(end)).await;
    }
}

fn heading(heading: Heading) -> v1::SurveyStable {
    let Heading { name, rows, tables, period, row_bytes } = heading;
    v1::SurveyStable { name, rows, tables, period: period.map(Into::into), row_bytes }
}

fn subtable(subtable: Subtable) -> v1::SurveySubtable {
    let Subtable { name, extent } = subtable;
    v1::SurveySubtable {
        name,
        rows: extent.map(|extent| extent.rows),
        period: extent.and_then(|extent| extent.period).map(Into::into),
    }
}

fn length<T>(items: &[T]) -> u64 {
    u64::try_from(items.len()).unwrap_or(u64::MAX)
}
