//! An outline is the plan itself, counted; and more workers or better rates never make it slower.

use proptest::prelude::*;
use tdferry_common::options::{Options, SchemaMode};
use tdferry_common::time::Precision;

use super::*;

const DAY: i64 = 86_400_000;

fn stable(name: &str, tables: u64, each: u64) -> (StableSeen, Vec<TableSeen>) {
    let period = Some(Period { from: 0, to: 10 * DAY });
    let stable = StableSeen { name: name.into(), rows: tables * each, tables, period, row_bytes: 20 };
    let named = |n| TableSeen { name: format!("{name}_{n}"), ..TableSeen::default() };
    (stable, (0..tables).map(named).collect())
}

fn outline(schema: SchemaMode, slots: u32, catalog: Vec<(StableSeen, Vec<TableSeen>)>) -> Outline {
    let asked = Asked { schema, ..Asked::new(&Options::default(), Precision::Milli, slots) };
    let totals = Totals {
        period: Period { from: i64::MIN, to: 11 * DAY },
        stables: catalog.iter().filter(|(stable, _)| !stable.name.is_empty()).count().try_into().unwrap(),
        subtables: catalog.iter().map(|(stable, _)| stable.tables).sum(),
        rows: catalog.iter().map(|(stable, _)| stable.rows).sum(),
        cutoff: 11 * DAY,
    };
    let mut outliner = Outliner::new(asked, totals);
    for (stable, tables) in catalog {
        outliner.stable(stable);
        tables.chunks(100).for_each(|page| outliner.tables(page.to_vec()));
    }
    outliner.end()
}

#[test]
fn each_stable_is_counted_with_its_groups_shards_and_periods() {
    let catalog = vec![stable("meters", 10, 10_000_000), stable("sensors", 5_000, 20), stable("", 3, 1_000)];
    let outline = outline(SchemaMode::Always, 4, catalog);
    let [meters, sensors, normal] = outline.stables.as_slice() else { panic!("{outline:?}") };
    assert_eq!((meters.tables, meters.rows, meters.bytes), (10, 100_000_000, 2_000_000_000));
    assert_eq!((meters.groups, meters.create_shards, meters.sparse_shards), (1, 1, 0));
    assert!(meters.dense_shards > 30 && meters.periods == meters.dense_shards, "{meters:?}");
    assert_eq!(meters.data, Some(Period { from: 0, to: 10 * DAY }));
    assert_eq!((sensors.dense_shards, sensors.periods, sensors.rows), (0, 1, 100_000));
    assert_eq!(sensors.create_shards, sensors.groups);
    assert_eq!((normal.tables, normal.create_shards, normal.dense_shards), (3, 0, 1));
    let counted: u64 =
        outline.stables.iter().map(|one| one.create_shards + one.dense_shards + one.sparse_shards).sum();
    assert_eq!(outline.work.shards(), counted + 1, "and the schema shard");
    assert_eq!((outline.work.others, outline.work.statements), (1, 5));
    assert_eq!(outline.work.creates.iter().sum::<u64>(), 5_010);
}

#[test]
fn without_structure_or_without_rows_there_is_less_to_do() {
    let catalog = || vec![stable("meters", 100, 10_000)];
    let only = outline(SchemaMode::Only, 4, catalog());
    assert_eq!((only.stables[0].dense_shards + only.stables[0].sparse_shards, only.stables[0].rows), (0, 0));
    let none = outline(SchemaMode::None, 4, catalog());
    assert!(none.work.creates.is_empty() && none.stables[0].rows == 1_000_000);
}

#[test]
fn a_measured_rate_is_what_copying_takes() {
    let work = outline(SchemaMode::None, 4, vec![stable("meters", 10, 10_000_000)]).work;
    let copy = work.forecast(Fleet { workers: 1, slots: 4 }, &Rates::measured(250_000.0)).copy;
    // a hundred million rows at a million a second
    assert!(copy.low > 75.0 && copy.low < 100.0 && copy.high > 125.0 && copy.high < 170.0, "{copy:?}");
}

#[test]
fn comparing_takes_its_share_of_copying_and_none_where_only_counts_are_compared() {
    let work = outline(SchemaMode::None, 4, vec![stable("meters", 10, 10_000_000)]).work;
    let fleet = Fleet { workers: 1, slots: 4 };
    assert_eq!(work.forecast(fleet, &DEFAULTS).verify, Band::default());
    let half = Work { read_back_percent: 50, ..work.clone() }.forecast(fleet, &DEFAULTS);
    let all = Work { read_back_percent: 100, ..work }.forecast(fleet, &DEFAULTS);
    assert!(
        half.verify.low > 0.0 && (half.verify.high * 2.0 - all.verify.high).abs() < 1e-6,
        "{half:?} {all:?}"
    );
    assert!(all.verify.high <= all.copy.high && all.whole().high > half.whole().high);
}

#[test]
fn who_wants_to_be_through_at_once_is_told_that_no_number_is_enough() {
    let work = outline(SchemaMode::Always, 4, vec![stable("meters", 10, 10_000_000)]).work;
    assert_eq!(work.workers_for(0.001, 4, &DEFAULTS), Needed { low: None, high: None });
    assert_eq!(work.workers_for(1e9, 4, &DEFAULTS), Needed { low: Some(1), high: Some(1) });
}

prop_compose! {
    fn any_work()(
        planned_slots in 1_u32..64,
        statements in 0_u64..1_000,
        creates in prop::collection::vec(0_u64..5_000, 0..20),
        dense in prop::collection::vec((0_u64..30_000_000, 0_u64..3_000_000_000), 0..40),
        sparse in prop::collection::vec((0_u64..30_000_000, 0_u64..3_000_000_000), 0..40),
    ) -> Work {
        Work { planned_slots, statements, creates, dense, sparse, others: 1, read_back_percent: 100 }
    }
}

proptest! {
    #[test]
    fn more_workers_are_never_slower_and_the_best_is_never_worse_than_the_worst(
        work in any_work(), slots in 1_u32..64, workers in 1_u32..500, more in 1_u32..500, rate in 1.0_f64..1e7,
    ) {
        for rates in [DEFAULTS, Rates::measured(rate)] {
            let few = work.forecast(Fleet { workers, slots }, &rates).whole();
            let many = work.forecast(Fleet { workers: workers + more, slots }, &rates).whole();
            let hair = 1.0 + 1e-9;
            prop_assert!(few.low <= few.high * hair, "{few:?}");
            prop_assert!(many.low <= few.low * hair && many.high <= few.high * hair, "{few:?} {many:?}");
        }
    }

    #[test]
    fn the_workers_needed_are_enough_and_one_less_is_not(work in any_work(), slots in 1_u32..16, seconds in 1.0_f64..5_000.0) {
        let needed = work.workers_for(seconds, slots, &DEFAULTS);
        let high = |workers| work.forecast(Fleet { workers, slots }, &DEFAULTS).whole().high;
        match needed.high {
            Some(workers) => {
                prop_assert!(high(workers) <= seconds);
                prop_assert!(workers == 1 || high(workers - 1) > seconds);
                prop_assert!(needed.low.is_some_and(|low| low <= workers));
            }
            None => prop_assert!(high(MOST_WORKERS) > seconds),
        }
    }
}
