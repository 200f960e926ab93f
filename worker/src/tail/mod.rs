//! The tail shard: follows a stable, whatever subtables it gets, or a list of tables, from a moment on.
//!
//! It polls what lies between its watermark and a little before now, and goes on for ever. What is before the watermark
//! is in the target; what comes there late is found by counting. It creates subtables that are new and has them added
//! to the plan, with a shard that copies what they held before, in one transaction with the watermark.

mod again;
mod audit;
mod change;
mod clock;
mod database;
mod ending;
mod known;
mod look;
mod meet;
mod pace;
mod retag;
mod take;

use std::collections::BTreeSet;
use std::sync::Arc;

use tdferry_common::options::{Options, TailBy};
use tdferry_common::port::{Sink, Source, Tables};
use tdferry_common::time::{Period, Precision};
use tokio::time::Instant;

use crate::copy::Writer;
use crate::filter::Filter;
use crate::lease::{Attempt, Claimed, Finish, Worked};
use crate::notices::Board;
use crate::structure::Layout;
use again::Without;
use audit::Audits;
use change::{Seen, Unsure};
use clock::SourceClock;
use known::Known;
use look::Looks;
use pace::Stride;
use retag::Tags;

/// What following needs besides the attempt.
struct Tail {
    attempt: Arc<Attempt>,
    source: Arc<dyn Source>,
    sink: Arc<dyn Sink>,
    layout: Layout,
    seen: Seen,
    /// The structure changed, and what was read before that is to be read once more.
    is_altered: bool,
    unsure: Unsure,
    /// What the target lacks of the structure, and what follows from that.
    without: Without,
    /// Where a person is told what to see to.
    board: Board,
    writer: Writer,
    filter: Filter,
    precision: Precision,
    clock: SourceClock,
    /// The subtables that are in the plan.
    known: Known,
    /// Subtables that the target lacks, where this task creates none.
    awaited: BTreeSet<String>,
    stride: Stride,
    /// Everything before it is in the target; the ledger may lag behind it while nothing comes.
    watermark: i64,
    /// When the ledger last heard of it.
    entered: Instant,
    looks: Looks,
    audits: Audits,
    is_live: bool,
    /// The source has no such stable at this moment.
    is_gone: bool,
    /// That the source is still written to behind the end was told.
    is_told: bool,
    handover: Option<Handover>,
    tags: Tags,
    follows: Follows,
}

/// What of its stable a tail follows.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Follows {
    /// All rows, and whatever subtables it gets.
    All,
    /// The rows of a list of subtables, or normal tables.
    Listed,
    /// No rows: it has new subtables followed by tails of their own.
    New,
}

impl Follows {
    fn of(attempt: &Attempt) -> Self {
        match (attempt.shard().range.is_empty(), attempt.spec.options.tail_by) {
            (false, _) => Self::Listed,
            (true, TailBy::Stable) => Self::All,
            (true, TailBy::Names) => Self::New,
        }
    }

    /// What is asked about of a stable.
    fn tables(self, claimed: &Claimed) -> Tables<'_> {
        let stable = claimed.stable.as_str();
        match self {
            Self::Listed => Tables::Of { stable, names: claimed.shard_names() },
            Self::All | Self::New => Tables::All { stable },
        }
    }
}

/// Another one may have followed before, and may still write.
#[derive(Debug, Clone, Copy)]
struct Handover {
    /// Until then.
    over: Instant,
    /// From here on it may have read what it still writes.
    from: i64,
}

impl Handover {
    /// `None` where nothing was read before.
    fn of(attempt: &Attempt, precision: Precision) -> Option<Self> {
        let grace = attempt.session.timing.handover_grace;
        let behind = grace + attempt.spec.options.schema_polling_interval * 2;
        let (begin, watermark) = (attempt.shard().period.from, attempt.ledger.entry().offset.next);
        let from = watermark.saturating_sub(precision.units(behind)).max(begin);
        (from < watermark).then(|| Self { over: Instant::now() + grace, from })
    }
}

/// Follows until a drain is ordered.
pub(crate) async fn run(attempt: Arc<Attempt>) -> Worked<Finish> {
    if attempt.shard().group.is_none() {
        return database::run(&attempt).await;
    }
    let Some(mut tail) = Tail::begin(Arc::clone(&attempt)).await? else {
        ending::without_source(&attempt);
        return Ok(Finish::Commit);
    };
    tail.meet_all().await?;
    tail.overlap().await?;
    loop {
        tail.attempt.go_on()?;
        tail.look().await?;
        let next = Instant::now() + tail.options().interval;
        if tail.poll().await? {
            if tail.is_at_its_end() && tail.end().await? {
                return Ok(Finish::Commit);
            }
            tail.look_back(next).await?;
            tail.rest(next).await?;
        }
    }
}

impl Tail {
    /// `None` where its stable was dropped and is not waited for.
    async fn begin(attempt: Arc<Attempt>) -> Worked<Option<Self>> {
        let (source, sink) = (attempt.source().await?, attempt.sink().await?);
        // what is followed may be newer than what others asked for
        attempt.session.structures.renew(&attempt, Instant::now()).await;
        if !change::awaited(&attempt, source.as_ref(), sink.as_ref()).await? {
            return Ok(None);
        }
        let (seen, _) = change::seen(&attempt, source.as_ref(), sink.as_ref()).await?;
        let both = attempt.session.structures.both(&attempt, source.as_ref(), sink.as_ref()).await?;
        let structures = &attempt.session.structures;
        let (layout, lacking) = structures.layout_to_follow(&attempt, source.as_ref(), sink.as_ref()).await?;
        let precision = both.source.precision;
        let writer = Writer::new(Arc::clone(&attempt), Arc::clone(&sink));
        let clock = SourceClock::ask(&attempt, source.as_ref(), precision).await?;
        let follows = Follows::of(&attempt);
        let known = match follows {
            Follows::Listed => Known::listed(attempt.claimed.shard_names()),
            Follows::All | Follows::New => Known::of_plan(&attempt).await?,
        };
        let watermark = attempt.ledger.entry().offset.next;
        let mut tail = Self {
            source,
            sink,
            layout,
            seen,
            is_altered: false,
            unsure: Unsure::default(),
            without: Without::new(precision),
            board: attempt.session.notices.board(&attempt.claimed.lease.key),
            writer,
            filter: Filter::new(&attempt.spec.options),
            precision,
            clock,
            known,
            awaited: BTreeSet::new(),
            stride: Stride::new(precision),
            watermark,
            entered: Instant::now(),
            looks: Looks::new(&attempt),
            audits: match follows {
                Follows::New => Audits::none(),
                Follows::All | Follows::Listed => Audits::new(&attempt.spec.options, precision),
            },
            is_live: false,
            is_gone: false,
            is_told: false,
            handover: Handover::of(&attempt, precision),
            tags: Tags::new(),
            follows,
            attempt,
        };
        // whoever followed before may have gone without for long
        let since = tail.watermark.saturating_sub(tail.audits.furthest());
        tail.go_without(lacking, since.max(tail.attempt.shard().period.from));
        Ok(Some(tail))
    }

    fn options(&self) -> &Options {
        &self.attempt.spec.options
    }

    fn tables(&self) -> Tables<'_> {
        self.follows.tables(&self.attempt.claimed)
    }

    /// Reads the next period up to a little before now; whether that was all there is.
    async fn poll(&mut self) -> Worked<bool> {
        let until = self.clock.now().saturating_sub(self.precision.units(self.options().excursion));
        let until = until.min(self.attempt.ends_at());
        if until <= self.watermark {
            return Ok(true);
        }
        let to = until.min(self.watermark.saturating_add(self.stride.units()));
        let taken = self.take(Period { from: self.watermark, to }).await?;
        // what may come back is waited for; at a mark nothing of it can come any more
        if self.is_gone && self.attempt.ends_at() == i64::MAX {
            return Ok(true);
        }
        self.stride.took(taken.read);
        self.watermark = to;
        self.enter(taken);
        let caught_up = to == until;
        if caught_up && !self.is_live {
            self.is_live = true;
            tracing::info!(watermark = to, "tail is live");
        }
        Ok(caught_up)
    }

    /// Does what is due behind the watermark piece by piece while there is time, and one piece at least: rows of now come
    /// first.
    async fn look_back(&mut self, next: Instant) -> Worked<()> {
        while !self.is_gone && (self.audits.has_work() || !self.without.is_made_good()) {
            self.attempt.go_on()?;
            self.read_again().await?;
            self.audit().await?;
            if Instant::now() >= next {
                break;
            }
        }
        Ok(())
    }

    /// Until the next poll is due, or a drain is ordered.
    async fn rest(&self, next: Instant) -> Worked<()> {
        tokio::select! {
            biased;
            () = self.attempt.drained() => self.attempt.go_on(),
            () = tokio::time::sleep_until(next) => Ok(()),
        }
    }

    /// What the last holder read last is read by the structure of now before anything is committed: whoever commits says
    /// that it is right, and nobody looks there again.
    async fn overlap(&mut self) -> Worked<()> {
        let Some(Handover { from, .. }) = self.handover else { return Ok(()) };
        let taken = self.take(Period { from, to: self.watermark }).await?;
        tracing::debug!(rows = taken.read, "what the last holder read last is read again");
        Ok(())
    }

    /// What was read around a handover is read once more when the last holder is surely gone: a write of its own may
    /// have come late, over a newer one, or without columns that were added meanwhile.
    async fn once_more(&mut self) -> Worked<()> {
        let Some(handover) = self.handover.filter(|handover| Instant::now() >= handover.over) else {
            return Ok(());
        };
        self.handover = None;
        let taken = self.take(Period { from: handover.from, to: self.watermark }).await?;
        tracing::info!(rows = taken.read, "what was read around the handover is read once more");
        Ok(())
    }
}
