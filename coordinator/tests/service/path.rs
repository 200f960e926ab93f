//! The main path: create, survey, structure, copy, completed.

use tdferry_proto::v1::{self, ShardKind, Verdict};

use crate::world::{Catalog, Fake, T0, World, commit, create, done, get, until_state};

#[tokio::test(start_paused = true)]
async fn a_task_goes_from_its_creation_to_its_end() {
    let (_world, coordinator, mut admin) = World::alone().await;
    assert_eq!(create(&mut admin, "t", &[]).await.state, "no workers");
    let mut worker = Fake::register(&coordinator, 1).await;
    assert_eq!(get(&mut admin, "t").await.state, "surveying");

    let survey = worker.claim_one().await;
    assert_eq!(survey.shard.as_ref().unwrap().kind(), ShardKind::Survey);
    assert!(survey.spec.contains("old:6041") && survey.names.is_empty());
    let surveyed = worker.survey(&survey, &Catalog::small()).await;
    assert_eq!(surveyed.verdict(), Verdict::Committed, "{}", surveyed.message);
    let found = surveyed.found.unwrap();
    assert_eq!((found.stables, found.subtables, found.normal_tables), (2, 510, 2));
    assert_eq!(found.rows, 10 * 50_000 + 500 * 4 + 2 * 100);

    let schema = worker.claim(4).await.leases;
    assert_eq!(schema.len(), 1, "subtables wait for their stables");
    assert_eq!(schema[0].fingerprint, 42);
    assert_eq!(schema[0].cutoff.as_ref().unwrap().units, T0);
    assert_eq!(get(&mut admin, "t").await.state, "creating");
    worker.finish(&schema[0]).await;

    let order = worker.work_until(&admin, "t", "completed").await;
    let creates = order.iter().take_while(|id| id.starts_with("create-")).count();
    assert!(creates >= 3 && order[creates..].iter().all(|id| id.starts_with("copy-")), "{order:?}");
    let task = get(&mut admin, "t").await;
    let progress = task.progress.unwrap();
    assert!(task.terminal && task.phase.is_empty() && task.ended_unix_millis.is_some());
    assert_eq!((progress.shards, progress.shards_done), (found.shards, found.shards));
    assert_eq!((progress.subtables, progress.subtables_done), (512, 512));
    assert_eq!(progress.totals.unwrap().written, found.rows);
    assert!(worker.claim(4).await.leases.is_empty());
}

#[tokio::test(start_paused = true)]
async fn a_copy_lease_brings_all_that_is_needed_to_copy() {
    let (_world, coordinator, mut admin) = World::alone().await;
    create(&mut admin, "t", &[("schema", "none")]).await;
    let mut worker = Fake::register(&coordinator, 1).await;
    for _ in 0..2 {
        let lease = worker.claim_one().await;
        worker.finish(&lease).await;
    }
    until_state(&admin, "t", "copying").await;
    let leases = worker.claim(64).await.leases;
    for lease in &leases {
        let shard = lease.shard.as_ref().unwrap();
        assert!(matches!(shard.kind(), ShardKind::CopyDense | ShardKind::CopySparse));
        let range = shard.range.unwrap();
        assert!(usize::try_from(range.to).unwrap() <= lease.names.len());
        assert!(
            lease.names.iter().all(|name| name.starts_with(&format!("{}_", lease.stable))),
            "{}",
            lease.stable
        );
        assert_eq!(shard.period.unwrap().to.min(T0), shard.period.unwrap().to, "nothing after the cutoff");
    }
    let stables: std::collections::BTreeSet<_> = leases.iter().map(|lease| lease.stable.as_str()).collect();
    assert_eq!(stables, ["", "meters", "sensors"].into());
}

#[tokio::test(start_paused = true)]
async fn commits_move_a_shard_on_and_progress_with_it() {
    let (_world, coordinator, mut admin) = World::alone().await;
    create(&mut admin, "t", &[("schema", "none")]).await;
    let mut worker = Fake::register(&coordinator, 1).await;
    for _ in 0..2 {
        let lease = worker.claim_one().await;
        worker.finish(&lease).await;
    }
    let lease = worker.claim_one().await;
    let totals =
        v1::Totals { read: 1_000, written: 1_000, bytes: 16_000, before: Some(0), ..Default::default() };
    let first = commit(&lease, None, totals, v1::Ending::Unspecified);
    assert_eq!(worker.commit(first.clone()).await, Verdict::Committed);
    assert_eq!(worker.commit(first.clone()).await, Verdict::Committed, "an answer that got lost");
    let progress = get(&mut admin, "t").await.progress.unwrap();
    assert_eq!((progress.totals.unwrap().read, progress.shards_leased), (1_000, 1));

    let mut back = first.clone();
    back.checkpoint.as_mut().unwrap().seq = 9;
    assert_eq!(worker.commit(back).await, Verdict::Refused);
    let mut early = done(&lease);
    early.checkpoint.as_mut().unwrap().seq = 2;
    early.checkpoint.as_mut().unwrap().offset = first.checkpoint.unwrap().offset;
    assert_eq!(worker.commit(early).await, Verdict::Refused, "done before its end");
}

#[tokio::test(start_paused = true)]
async fn rates_and_the_end_in_sight_are_told_while_rows_arrive() {
    let (_world, coordinator, mut admin) = World::alone().await;
    create(&mut admin, "t", &[("schema", "none")]).await;
    let mut worker = Fake::register(&coordinator, 1).await;
    for _ in 0..2 {
        let lease = worker.claim_one().await;
        worker.finish(&lease).await;
    }
    until_state(&admin, "t", "copying").await;
    tokio::time::sleep(std::time::Duration::from_secs(3)).await;
    let lease = worker.claim_one().await;
    let totals =
        v1::Totals { read: 1_000, written: 1_000, bytes: 16_000, before: Some(0), ..Default::default() };
    worker.commit(commit(&lease, None, totals, v1::Ending::Unspecified)).await;
    tokio::time::sleep(std::time::Duration::from_secs(2)).await;
    let progress = get(&mut admin, "t").await.progress.unwrap();
    assert!(progress.rows_per_second > 0.0 && progress.bytes_per_second > progress.rows_per_second);
    assert!(progress.eta_seconds.is_some_and(|eta| eta > 0), "{progress:?}");
}

#[tokio::test(start_paused = true)]
async fn the_schema_mode_decides_which_shards_there_are() {
    for (schema, creates, copies) in [("always", true, true), ("none", false, true), ("only", true, false)] {
        let (_world, coordinator, mut admin) = World::alone().await;
        create(&mut admin, "t", &[("schema", schema)]).await;
        let mut worker = Fake::register(&coordinator, 1).await;
        let order = worker.work_until(&admin, "t", "completed").await;
        assert_eq!(order.iter().any(|id| id.starts_with("create-")), creates, "{schema}");
        assert_eq!(order.iter().any(|id| id.starts_with("copy-")), copies, "{schema}");
    }
}

#[tokio::test(start_paused = true)]
async fn a_survey_that_lists_other_tables_at_its_end_is_tried_again() {
    let (_world, coordinator, mut admin) = World::alone().await;
    create(&mut admin, "t", &[]).await;
    let mut worker = Fake::register(&coordinator, 1).await;
    let lease = worker.claim_one().await;
    let refused = worker.survey(&lease, &Catalog { listed_again: Some(511), ..Catalog::small() }).await;
    assert_eq!(refused.verdict(), Verdict::Refused);
    assert!(refused.message.contains("510") && refused.message.contains("511"), "{}", refused.message);
    assert!(worker.claim(1).await.leases.is_empty(), "not at once");
    let again = worker.claim_one().await;
    assert!(again.shard.as_ref().unwrap().last_error.contains("511"));
    assert!(again.key.as_ref().unwrap().epoch > lease.key.unwrap().epoch);
    assert_eq!(worker.survey(&again, &Catalog::small()).await.verdict(), Verdict::Committed);
}

#[tokio::test(start_paused = true)]
async fn a_survey_that_lists_as_many_tables_but_others_is_tried_again() {
    let (_world, coordinator, mut admin) = World::alone().await;
    create(&mut admin, "t", &[]).await;
    let mut worker = Fake::register(&coordinator, 1).await;
    let lease = worker.claim_one().await;
    let refused = worker.survey(&lease, &Catalog { names_again: Some(7), ..Catalog::small() }).await;
    assert_eq!(refused.verdict(), Verdict::Refused);
    assert!(refused.message.contains("but others"), "{}", refused.message);
}

#[tokio::test(start_paused = true)]
async fn a_survey_under_a_lease_that_is_gone_is_fenced() {
    let (_world, coordinator, mut admin) = World::alone().await;
    create(&mut admin, "t", &[]).await;
    let mut worker = Fake::register(&coordinator, 1).await;
    let lease = worker.claim_one().await;
    worker.release(&lease).await;
    assert_eq!(worker.survey(&lease, &Catalog::small()).await.verdict(), Verdict::Fenced);
    assert_eq!(get(&mut admin, "t").await.state, "surveying");
}

#[tokio::test(start_paused = true)]
async fn an_empty_source_is_completed_with_its_structure() {
    let (_world, coordinator, mut admin) = World::alone().await;
    create(&mut admin, "t", &[]).await;
    let mut worker = Fake::register(&coordinator, 1).await;
    let lease = worker.claim_one().await;
    let nothing = Catalog { stables: Vec::new(), normal_tables: 0, ..Catalog::small() };
    assert_eq!(worker.survey(&lease, &nothing).await.verdict(), Verdict::Committed);
    assert_eq!(worker.work_until(&admin, "t", "completed").await, ["schema"]);
}
