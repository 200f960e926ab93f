//! The check as a whole, over databases in memory: what is read is judged, what cannot be read is told, nothing is written.

use std::sync::Arc;

use tdferry_common::batch::Value;
use tdferry_common::clock::Clock;
use tdferry_common::schema::{DataType, Stable};
use tdferry_common::spec::{Spec, TaskKind};
use tdferry_common::testing::{MemConnector, MemDatabase, MemServer, column};
use tdferry_common::time::Precision;

use super::*;

const FROM: &str = "ws://s:6041/power";
const TO: &str = "ws://t:6041";

fn spec(from: &str, to: &str, options: &[(&str, &str)]) -> Spec {
    let option = |(name, value): &(&str, &str)| {
        ((*name).to_owned(), tdferry_common::options::OptionValue::text(*value))
    };
    Spec::build("t", TaskKind::TDengine2, from, to, &options.iter().map(option).collect()).unwrap()
}

fn database() -> MemDatabase {
    let mut database = MemDatabase::new("power", Precision::Milli);
    database.add_stable(Stable {
        name: "meters".into(),
        columns: vec![column("ts", DataType::Timestamp), column("v", DataType::Int)],
        tags: vec![column("t", DataType::Double)],
    });
    database.add_subtable("meters", "d1", vec![Value::Double(1.5)]);
    database.put_row("d1", vec![Value::Timestamp(1_700_000_000_000), Value::Int(1)]);
    database
}

async fn checked(spec: &Spec, source: &Arc<MemServer>, sink: &Arc<MemServer>) -> Report {
    let connector = MemConnector::new(Arc::clone(source), Arc::clone(sink));
    check(&connector, spec, &Clock::simulated(1_767_225_600_000)).await
}

fn codes(report: &Report) -> Vec<&'static str> {
    report.findings.iter().map(|finding| finding.kind.code).collect()
}

#[tokio::test(start_paused = true)]
async fn a_report_counts_what_there_is_and_shows_the_statements() {
    let (source, sink) = (MemServer::source(database()), MemServer::sink());
    let report = checked(&spec(FROM, TO, &[]), &source, &sink).await;
    assert!(report.reached && !report.has_hazard(), "{:?}", report.findings);
    assert_eq!((report.stables, report.subtables, report.rows, report.bytes), (1, 1, 1, 12));
    assert_eq!(report.statements.len(), 2);
    assert!(report.statements[0].starts_with("create database if not exists `power` PRECISION 'ms'"));
    assert_eq!(
        report.statements[1],
        "create stable if not exists `power`.`meters` (`ts` TIMESTAMP, `v` INT) tags (`t` DOUBLE)"
    );
    assert!(report.example.unwrap().contains("`d1` using `meters`"));
    assert_eq!(sink.held(), MemDatabase::default(), "nothing is written");
}

#[tokio::test(start_paused = true)]
async fn what_streams_by_is_judged_as_well() {
    let mut database = database();
    database.add_subtable("meters", "a.b", vec![Value::Double(f64::NAN)]);
    let (source, sink) = (MemServer::source(database), MemServer::sink());
    let report = checked(&spec(FROM, TO, &[]), &source, &sink).await;
    assert!(codes(&report).contains(&"dot-in-name") && codes(&report).contains(&"tag-not-sql"));
    let left_out = checked(&spec(FROM, TO, &[("tables", "meters.d1")]), &source, &sink).await;
    assert!(!left_out.has_hazard(), "{:?}", left_out.findings);
    let unknown = checked(&spec(FROM, TO, &[("tables", "meters.d9")]), &source, &sink).await;
    assert_eq!(codes(&unknown)[0], "selected-name-missing");
}

#[tokio::test(start_paused = true)]
async fn a_side_that_cannot_be_asked_is_a_finding_of_its_own() {
    let (source, sink) = (MemServer::source(database()), MemServer::sink());
    source.set_away(true);
    sink.set_away(true);
    let report = checked(&spec(FROM, TO, &[]), &source, &sink).await;
    assert_eq!(codes(&report), ["source-unreachable", "target-unreachable"]);
    assert!(!report.reached && report.has_hazard());
    let encrypted = checked(&spec("wss://s/power", "taos+wss://t", &[]), &source, &sink).await;
    assert_eq!(codes(&encrypted), ["tls-not-built-in", "tls-not-built-in"]);
}

#[test]
fn each_error_of_a_side_has_its_kind() {
    use tdferry_common::port::{PortError, Side};
    let message = String::from("m");
    let typed = "`c` has the type GEOMETRY, which no 2.x database has".to_owned();
    let spec = spec(FROM, TO, &[]);
    for (error, code) in [
        (PortError::Denied { side: Side::Source, message: message.clone() }, "source-denied"),
        (PortError::Denied { side: Side::Sink, message: message.clone() }, "target-denied"),
        (PortError::Missing { side: Side::Source, message: message.clone() }, "source-database-missing"),
        (PortError::Invalid { side: Side::Sink, message: typed }, "type-without-equal"),
        (PortError::Invalid { side: Side::Source, message }, "source-unreachable"),
    ] {
        assert_eq!(gather::unusable(&spec, &error).kind.code, code);
    }
}
