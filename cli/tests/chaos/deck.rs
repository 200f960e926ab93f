//! The kinds in an order that the seed decides, dealt so that each comes once before any comes again.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt;

use anyhow::Result;
use futures_util::future::join_all;
use rand::rngs::SmallRng;
use rand::seq::SliceRandom;
use rand::{Rng, SeedableRng};

use crate::cast::Cast;
use crate::kinds::Kind;
use crate::production::Written;
use crate::scenes::Scene;

/// Kinds inflicted at the same time.
const AT_ONCE: std::ops::RangeInclusive<usize> = 2..=4;

/// Kinds not yet dealt, the next one last.
pub(crate) struct Deck {
    /// All kinds that are dealt.
    all: Vec<Kind>,
    left: Vec<Kind>,
    /// Those of which nothing was seen: they are dealt once more.
    again: BTreeSet<Kind>,
    /// What was dealt, for whoever must understand a run that failed.
    pub(crate) dealt: Vec<String>,
}

/// What a run came to.
#[derive(Debug, Default)]
pub(crate) struct Tally {
    pub(crate) rounds: usize,
    /// Rounds in which sources were followed.
    pub(crate) followed: usize,
    /// What was written meanwhile.
    pub(crate) written: Written,
    pub(crate) rows: u64,
    pub(crate) commits: usize,
    pub(crate) leases: usize,
    pub(crate) retried: usize,
    /// How often each scene came to its expected end.
    pub(crate) scenes: BTreeMap<Scene, u64>,
    /// How often each kind was inflicted, and how often its effect was seen.
    pub(crate) kinds: BTreeMap<Kind, (u64, u64)>,
}

impl Deck {
    /// Of the kinds whose name has this in it, or of all.
    pub(crate) fn of(only: Option<&str>) -> Self {
        let mut all = Kind::all();
        all.retain(|kind| only.is_none_or(|only| format!("{kind:?}").contains(only)));
        Self { all, left: Vec::new(), again: BTreeSet::new(), dealt: Vec::new() }
    }

    /// Whether kinds are left out.
    pub(crate) fn is_part(&self) -> bool {
        self.all.len() < Kind::all().len()
    }

    fn next(&mut self, rng: &mut SmallRng, suits: impl Fn(Kind) -> bool) -> Option<Kind> {
        if self.left.is_empty() {
            self.left = self.all.clone();
            self.left.shuffle(rng);
            self.again.clear();
        }
        let at = self.left.iter().rposition(|kind| suits(*kind))?;
        Some(self.left.remove(at))
    }

    /// Inflicts some kinds at once that do not touch the same ground.
    pub(crate) async fn wave(&mut self, cast: &Cast, rng: &mut SmallRng) -> Tally {
        let mut kinds: Vec<Kind> = Vec::new();
        for _ in 0..rng.random_range(AT_ONCE) {
            kinds.extend(self.next(rng, |kind| kinds.iter().all(|other| other.ground() != kind.ground())));
        }
        self.dealt.push(format!("{kinds:?}"));
        println!("  {kinds:?}");
        let inflicted = kinds.into_iter().map(|kind| {
            let mut rng = SmallRng::seed_from_u64(rng.random());
            async move { (kind, kind.inflict(cast, &mut rng).await) }
        });
        let mut tally = Tally::default();
        for (kind, seen) in join_all(inflicted).await {
            if seen.is_err() && self.again.insert(kind) {
                self.left.insert(0, kind);
            }
            tally.inflicted(kind, seen);
        }
        tally
    }
}

impl Tally {
    fn inflicted(&mut self, kind: Kind, seen: Result<()>) {
        let (times, observed) = self.kinds.entry(kind).or_default();
        *times += 1;
        match seen {
            Ok(()) => *observed += 1,
            Err(why) => println!("    {kind:?} is not counted: {why:#}"),
        }
    }

    pub(crate) fn add(&mut self, other: Self) {
        self.rounds += other.rounds;
        self.followed += other.followed;
        self.written.add(&other.written);
        self.rows += other.rows;
        self.commits += other.commits;
        self.leases += other.leases;
        self.retried += other.retried;
        for (scene, times) in other.scenes {
            *self.scenes.entry(scene).or_default() += times;
        }
        for (kind, (times, observed)) in other.kinds {
            let sum = self.kinds.entry(kind).or_default();
            *sum = (sum.0 + times, sum.1 + observed);
        }
    }

    /// Kinds whose effect was seen.
    pub(crate) fn observed(&self) -> usize {
        self.kinds.values().filter(|(_, observed)| *observed > 0).count() + self.scenes.len()
    }
}

impl fmt::Display for Tally {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        writeln!(f, "rounds, followed      {}, {}", self.rounds, self.followed)?;
        writeln!(f, "written meanwhile     {}", self.written)?;
        writeln!(f, "rows compared         {}", self.rows)?;
        writeln!(f, "leases, commits       {}, {}", self.leases, self.commits)?;
        writeln!(f, "poisoned and retried  {}", self.retried)?;
        writeln!(f, "kinds seen            {} of {}", self.observed(), Kind::all().len() + Scene::ALL.len())?;
        for (kind, (times, observed)) in &self.kinds {
            writeln!(f, "  {observed:>5} of {times:>3} {kind:?}")?;
        }
        for (scene, times) in &self.scenes {
            writeln!(f, "  {times:>5} of {times:>3} Scene({scene:?})")?;
        }
        Ok(())
    }
}
