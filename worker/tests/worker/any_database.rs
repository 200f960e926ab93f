//! Whatever a database holds arrives: generated ones, each stable by either way of copying.

use proptest::prelude::*;
use tdferry_common::shard::{Density, ShardKind, ShardState};
use tdferry_common::testing::{Recipe, differences};
use tdferry_common::time::{Period, Precision};

use crate::stage::Stage;

/// Databases in one run; each takes some tens of milliseconds.
const DATABASES: u32 = 48;

prop_compose! {
    fn any_recipe()(
        seed in any::<u64>(),
        precision in prop::sample::select(vec![Precision::Milli, Precision::Micro, Precision::Nano]),
        dense in (0_usize..4, 0_usize..400),
        sparse in (0_usize..60, 0_usize..8),
        normal in (0_usize..4, 0_usize..50),
        null_per_mille in prop::sample::select(vec![0_u32, 50, 500, 1_000]),
        every_type in any::<bool>(),
        odd_names in any::<bool>(),
    ) -> Recipe {
        Recipe { seed, precision, dense, sparse, normal, null_per_mille, every_type, odd_names }
    }
}

/// Copies everything; the first shards that did not end well, and the first differences.
async fn copied(recipe: &Recipe, sparse_first: bool) -> Vec<String> {
    let stage = Stage::new(recipe.make());
    let all_of_time = |mut place: crate::coordinator::Place| {
        place.shard.period = Period { from: 0, to: i64::MAX };
        place
    };
    let stables: Vec<String> = stage.source.held().stables.into_keys().collect();
    let groups = || (0_u32..).zip(&stables);
    let density = |group: u32| match group.is_multiple_of(2) == sparse_first {
        true => Density::Sparse,
        false => Density::Dense,
    };
    stage.finish([stage.schema()]).await;
    stage.finish(groups().map(|(group, stable)| stage.place(stable, group, ShardKind::Create))).await;
    let copies = groups().map(|(group, stable)| stage.place(stable, group, ShardKind::Copy(density(group))));
    let normal = stage.place("", 99, ShardKind::Copy(Density::Dense));
    stage.finish(copies.chain([normal]).map(all_of_time)).await;
    let state = stage.coordinator.state();
    let bad = state.shards.values().filter(|place| place.shard.state != ShardState::Done);
    let bad: Vec<_> = bad.map(|place| format!("{:?}", place.shard)).collect();
    drop(state);
    let differ = differences(&stage.source.held(), &stage.sink.held(), Period::ALL, 5);
    bad.into_iter().chain(differ).collect()
}

proptest! {
    #![proptest_config(ProptestConfig { cases: DATABASES, ..ProptestConfig::default() })]

    #[test]
    fn any_database_arrives_with_every_cell(recipe in any_recipe(), sparse_first in any::<bool>()) {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().start_paused(true).build().unwrap();
        let wrong = runtime.block_on(copied(&recipe, sparse_first));
        prop_assert!(wrong.is_empty(), "{wrong:#?}");
    }
}
