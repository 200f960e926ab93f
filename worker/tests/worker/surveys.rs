//! The survey: the catalog as it is streamed, what filters leave of it, and where history ends.

use std::collections::BTreeMap;
use std::time::Duration;

use tdferry_common::digest::NameSum;
use tdferry_common::id::ShardId;
use tdferry_common::shard::ShardState;
use tdferry_common::testing::{Fault, FaultPlan, MemDatabase, Recipe};
use tdferry_proto::v1::survey_request::Part;
use tdferry_proto::v1::{SurveyEnd, SurveyRequest, SurveyStable, SurveyStart, SurveySubtable};
use tokio::time::Instant;
use tonic::Status;

use crate::stage::{NOW_MILLIS, Stage};

/// What a survey told.
pub(crate) struct Told {
    start: SurveyStart,
    stables: Vec<(SurveyStable, Vec<SurveySubtable>)>,
    end: SurveyEnd,
}

impl Told {
    pub(crate) fn names(&self) -> BTreeMap<String, Vec<String>> {
        let names = |subtables: &[SurveySubtable]| subtables.iter().map(|one| one.name.clone()).collect();
        self.stables.iter().map(|(stable, subtables)| (stable.name.clone(), names(subtables))).collect()
    }
}

impl Told {
    fn sum(&self) -> u64 {
        let mut sum = NameSum::default();
        for (stable, names) in self.names() {
            names.iter().for_each(|name| sum.add(&stable, name));
        }
        sum.value()
    }
}

pub(crate) async fn survey(stage: &Stage) -> Told {
    stage.coordinator.add([stage.survey()]);
    let running = stage.start();
    stage.coordinator.until("the survey is told", |state| !state.survey.is_empty()).await;
    running.stop().await;
    let mut parts = stage.coordinator.state().survey.clone().into_iter().filter_map(|request| request.part);
    let Some(Part::Start(start)) = parts.next() else { panic!("no start") };
    let (mut stables, mut end) = (Vec::new(), None);
    for part in parts {
        match part {
            Part::Start(_) => panic!("two starts"),
            Part::Stable(stable) => stables.push((stable, Vec::new())),
            Part::Page(page) => stables.last_mut().expect("a stable first").1.extend(page.subtables),
            Part::End(told) => end = Some(told),
        }
    }
    Told { start, stables, end: end.expect("an end") }
}

fn database() -> MemDatabase {
    Recipe::small(61).make()
}

#[tokio::test(start_paused = true)]
async fn a_survey_tells_every_table_once_the_normal_ones_last() {
    let stage = Stage::new(database());
    let told = survey(&stage).await;
    let held = stage.source.held();
    assert_eq!(told.stables.last().unwrap().0.name, "", "normal tables come last");
    assert_eq!(told.end.names, Some(told.sum()), "the same names at the end");
    let mut expected: BTreeMap<String, Vec<String>> = BTreeMap::new();
    for (name, table) in &held.tables {
        expected.entry(table.stable.clone().unwrap_or_default()).or_default().push(name.clone());
    }
    assert_eq!(told.names(), expected);
    let subtables = held.tables.values().filter(|table| table.stable.is_some()).count();
    assert_eq!((told.start.subtables, told.end.subtables), (subtables as u64, subtables as u64));
    assert_eq!((told.start.normal_tables, told.end.normal_tables), (2, 2));
    assert_eq!((told.start.rows, told.start.version.as_str()), (stage.row_count(), "2.6.0.34"));
    for (stable, tables) in &told.stables {
        assert_eq!(stable.tables, tables.len() as u64);
        assert!(stable.row_bytes >= 24);
        let rows: u64 = tables.iter().map(|table| table.rows.expect("few are counted one by one")).sum();
        assert_eq!(stable.rows, rows);
    }
}

#[tokio::test(start_paused = true)]
async fn filters_leave_only_what_they_name() {
    let stage = Stage::with_options(database(), &[("stables", "meters")]);
    let told = survey(&stage).await;
    assert_eq!(told.names().into_keys().collect::<Vec<_>>(), ["meters"]);
    assert_eq!((told.end.subtables, told.end.normal_tables), (3, 0));

    let stage = Stage::with_options(database(), &[("tables", "sensors.s00001,d0002,n001")]);
    let told = survey(&stage).await;
    let expected = [("", "n001"), ("meters", "d0002"), ("sensors", "s00001")];
    assert_eq!(
        told.names(),
        expected.map(|(stable, table)| (stable.to_owned(), vec![table.to_owned()])).into()
    );
    assert_eq!((told.start.subtables, told.end.subtables), (2, 2));
}

#[tokio::test(start_paused = true)]
async fn a_name_the_source_does_not_have_fails_the_survey_and_tells_its_option() {
    for (option, value) in [("stables", "meters,metres"), ("tables", "meters.d0000,meters.d9999")] {
        let stage = Stage::with_options(database(), &[(option, value)]);
        stage.finish([stage.survey()]).await;
        let failure = stage.coordinator.failure(&ShardId::survey());
        let wrong = value.split(',').next_back().unwrap();
        assert!(failure.contains(&format!("field `options.{option}`: no `{wrong}`")), "{failure}");
    }
}

#[tokio::test(start_paused = true)]
async fn history_ends_at_the_clock_of_the_source_or_else_of_the_worker() {
    let stage = Stage::new(database());
    stage.source.limit(|limits| limits.clock = Some(1_600_000_500_000));
    let told = survey(&stage).await;
    let cutoff = told.start.cutoff.unwrap();
    assert_eq!((cutoff.units, cutoff.from_source), (1_600_000_500_000, true));
    assert_eq!(told.start.period.unwrap().to, 1_600_000_500_000);

    let told = survey(&Stage::new(database())).await;
    let cutoff = told.start.cutoff.unwrap();
    assert!((NOW_MILLIS..NOW_MILLIS + 10_000).contains(&cutoff.units), "{cutoff:?}");
    assert!(!cutoff.from_source);
}

#[tokio::test(start_paused = true)]
async fn start_and_end_bound_the_period_in_units_of_the_source() {
    let options = [("start", "2020-09-13T12:00:00.5Z"), ("end", "2020-09-13T14:00:00+01:00")];
    let micro = Recipe { precision: tdferry_common::time::Precision::Micro, ..Recipe::small(62) };
    let told = survey(&Stage::with_options(micro.make(), &options)).await;
    let period = told.start.period.unwrap();
    assert_eq!((period.from, period.to), (1_599_998_400_500_000, 1_600_002_000_000_000));

    let told = survey(&Stage::with_options(database(), &[("end", "2999-01-01T00:00:00Z")])).await;
    assert_eq!(told.start.period.unwrap().to, told.start.cutoff.unwrap().units, "never beyond T0");
}

#[tokio::test(start_paused = true)]
async fn a_survey_does_not_end_before_the_excursion_has_passed_unless_nobody_writes_to_the_source() {
    let newest =
        database().tables.values().filter_map(|table| table.rows.keys().last().copied()).max().unwrap();
    for (behind, options, waits) in [
        (0, &[("excursion", "90s")][..], true),
        (120 * 90_000, &[("excursion", "90s")], true),
        (120 * 90_000 + 2, &[("excursion", "90s")], false),
        (0, &[("excursion", "90s"), ("schema", "only")], false),
    ] {
        let stage = Stage::with_options(database(), options);
        stage.source.limit(|limits| limits.clock = Some(newest + behind));
        let begun = Instant::now();
        survey(&stage).await;
        assert_eq!(begun.elapsed() >= Duration::from_secs(90), waits, "{behind} {options:?}");
    }
}

#[tokio::test(start_paused = true)]
async fn a_survey_that_waits_is_heard_at_every_heartbeat() {
    let stage = Stage::with_options(database(), &[("excursion", "20m")]);
    let newest = database().tables.values().filter_map(|table| table.rows.keys().last().copied()).max();
    stage.source.limit(|limits| limits.clock = newest);
    survey(&stage).await;
    let state = stage.coordinator.state();
    let empty =
        |one: &&SurveyRequest| matches!(&one.part, Some(Part::Page(page)) if page.subtables.is_empty());
    let heard = state.survey.iter().filter(empty).count();
    assert!((238..=242).contains(&heard), "{heard}: twenty minutes are 240 heartbeats");
}

#[tokio::test(start_paused = true)]
async fn a_source_that_fails_in_the_middle_has_its_survey_started_again_whole() {
    for seed in 0..10 {
        let stage = Stage::new(database());
        stage.source.set_faults(Some(FaultPlan::new(seed, 8, 300)));
        let told = survey(&stage).await;
        let names: usize = told.names().values().map(Vec::len).sum();
        assert_eq!(names, stage.source.held().tables.len(), "nothing twice, nothing missing");
        assert!(stage.source.fired().values().sum::<u64>() > 0, "{:?}", Fault::ALL);
    }
}

#[tokio::test(start_paused = true)]
async fn a_survey_is_not_ended_twice() {
    let stage = Stage::new(database());
    survey(&stage).await;
    let state = stage.coordinator.state();
    assert!(state.commits.is_empty(), "the answer to the survey was its end");
    assert_eq!(
        state.shards[&ShardId::survey()].shard.state,
        ShardState::Open,
        "which this script left alone"
    );
}

#[tokio::test(start_paused = true)]
async fn a_survey_that_the_coordinator_cannot_take_ends_with_its_words() {
    for refused in [Status::invalid_argument("what is this?"), Status::internal("no key can be read")] {
        let stage = Stage::new(database());
        let words = refused.message().to_owned();
        stage.coordinator.state().refuse_survey = Some(refused);
        survey(&stage).await;
        let shard = stage.coordinator.shard(&ShardId::survey());
        assert!(shard.last_error.as_ref().is_some_and(|told| told.contains(&words)), "{shard:?}");
    }
}
