//! The tail of a whole database: stables and normal tables that are new, or gone. Rows are no matter of its: whatever is
//! new gets a tail of its own, in one transaction with how far this one has looked.

use std::collections::BTreeSet;

use tdferry_common::options::SchemaMode;
use tdferry_common::port::{Side, Sink, Source};
use tokio::time::{Instant, sleep_until};

use super::clock::SourceClock;
use crate::create;
use crate::lease::{Attempt, Finish, Growth, Worked};
use crate::notices::{About, Board};
use crate::period;
use crate::schema;
use crate::selection::Selection;

/// What is followed, by name.
struct Followed {
    stables: BTreeSet<String>,
    tables: BTreeSet<String>,
    /// What was told to be gone, so that it is told once.
    told: BTreeSet<String>,
    /// Where a person is told what the target lacks.
    board: Board,
}

/// Looks until a drain is ordered.
pub(super) async fn run(attempt: &Attempt) -> Worked<Finish> {
    let (source, sink) = (attempt.source().await?, attempt.sink().await?);
    let database = attempt.ask("reading the source database", Side::Source, || source.database()).await?;
    let mut clock = SourceClock::ask(attempt, source.as_ref(), database.precision).await?;
    let mut followed = Followed::of_plan(attempt).await?;
    let mut entered = Instant::now();
    loop {
        attempt.go_on()?;
        let next = Instant::now() + attempt.spec.options.schema_polling_interval;
        let begun = clock.now();
        let tails = attempt.shard().period.from;
        let from = period::taken_from(&attempt.spec.options, database.precision, tails);
        let selection = schema::select(attempt, source.as_ref()).await?;
        followed.tell_gone(&selection);
        followed.take_up(attempt, (source.as_ref(), sink.as_ref()), &selection, from).await?;
        if entered.elapsed() >= attempt.session.timing.heartbeat {
            entered = Instant::now();
            clock.set(attempt, source.as_ref()).await?;
            let now = clock.now();
            attempt.ledger.advance(|offset, _| offset.next = now.min(attempt.ends_at()).max(offset.next));
        }
        let end = attempt.ends_at();
        // what came before the end was looked for after it
        if begun >= end {
            attempt.ledger.advance(|offset, _| offset.next = end.max(offset.next));
            return Ok(Finish::Commit);
        }
        tokio::select! {
            biased;
            () = attempt.drained() => attempt.go_on()?,
            () = sleep_until(next) => {}
        }
    }
}

impl Followed {
    async fn of_plan(attempt: &Attempt) -> Worked<Self> {
        let planned = attempt.planned(None).await?;
        Ok(Self {
            stables: planned.stables.into_iter().collect(),
            tables: planned.names.into_iter().collect(),
            told: BTreeSet::new(),
            board: attempt.session.notices.board(&attempt.claimed.lease.key),
        })
    }

    /// Creates what is new at the target and has it followed.
    async fn take_up(
        &mut self,
        attempt: &Attempt,
        (source, sink): (&dyn Source, &dyn Sink),
        selection: &Selection,
        from: i64,
    ) -> Worked<()> {
        let stables = selection.stables.iter().map(|taken| &taken.stable.name);
        let mut stables: Vec<_> = stables.filter(|name| !self.stables.contains(*name)).cloned().collect();
        let tables = selection.normal_tables.iter().map(|table| &table.name);
        let mut tables: Vec<_> = tables.filter(|name| !self.tables.contains(*name)).cloned().collect();
        if stables.is_empty() && tables.is_empty() {
            self.board.tell(About::Tables, None);
            return Ok(());
        }
        if attempt.spec.options.schema == SchemaMode::None {
            self.keep_those_there(attempt, sink, (&mut stables, &mut tables)).await?;
        } else {
            // the tails of what is followed hold it against the target, and give it what it lacks by then
            schema::create(attempt, source, sink, selection).await?;
        }
        for name in stables {
            tracing::info!(stable = name, "a new stable is followed");
            attempt.ledger.grow(Growth { names: Vec::new(), from, stable: Some(name.clone()) }).await;
            self.stables.insert(name);
        }
        if !tables.is_empty() {
            tracing::info!(
                tables = tables.len(),
                named = create::named(&tables),
                "new normal tables are followed"
            );
            attempt.ledger.grow(Growth { names: tables.clone(), from, stable: Some(String::new()) }).await;
            self.tables.extend(tables);
        }
        Ok(())
    }

    /// This task creates nothing: what the target lacks is told of, and waited for.
    async fn keep_those_there(
        &mut self,
        attempt: &Attempt,
        sink: &dyn Sink,
        (stables, tables): (&mut Vec<String>, &mut Vec<String>),
    ) -> Worked<()> {
        let mapping = attempt.mapping();
        let there = attempt.list("listing the target's stables", Side::Sink, || sink.stables()).await?;
        let there: BTreeSet<_> = there.into_iter().map(|stable| stable.name).collect();
        let (lacking, left) = stables.drain(..).partition(|name| !there.contains(&mapping.stable(name)));
        *stables = left;
        let doing = "reading the target's normal tables";
        let found = attempt.ask(doing, Side::Sink, || sink.tables(tables)).await?;
        let found: BTreeSet<_> = found.into_iter().map(|table| table.name).collect();
        let (more, left): (Vec<_>, Vec<_>) = tables.drain(..).partition(|name| !found.contains(name));
        *tables = left;
        let lacking: Vec<String> = Vec::into_iter(lacking).chain(more).collect();
        let message = (!lacking.is_empty()).then(|| {
            format!(
                "the target lacks new stables or normal tables: {}; this task creates none; they are followed and copied \
                 once you created them",
                create::named(&lacking)
            )
        });
        self.board.tell(About::Tables, message);
        Ok(())
    }

    /// What the source has no more stays at the target.
    fn tell_gone(&mut self, selection: &Selection) {
        let stables: BTreeSet<_> = selection.stables.iter().map(|taken| taken.stable.name.as_str()).collect();
        let tables: BTreeSet<_> = selection.normal_tables.iter().map(|table| table.name.as_str()).collect();
        let gone = |all: &BTreeSet<String>, there: &BTreeSet<&str>| -> Vec<String> {
            all.iter().filter(|name| !there.contains(name.as_str())).cloned().collect()
        };
        let gone = gone(&self.stables, &stables).into_iter().chain(gone(&self.tables, &tables));
        let untold: Vec<_> = gone.filter(|name| self.told.insert(name.clone())).collect();
        if !untold.is_empty() {
            let named = create::named(&untold);
            tracing::warn!(
                tables = untold.len(),
                named,
                "the source has them no more; the target keeps what it has"
            );
        }
    }
}
