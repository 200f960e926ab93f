//! What an operator gets wrong: each comes back as the right kind of error, in words that name it.

use std::fmt::Debug;

use tdferry_common::port::{PortError, PortResult, Side, Tables};
use tdferry_common::schema::{Column, DataType, Stable};
use tdferry_common::testing::column;
use tdferry_common::time::Period;

use super::rig::TdRig;

/// A user who may look and not touch.
pub(crate) const LIMITED: (&str, &str) = ("tdferry_limited", "Limited_123");

#[tokio::test]
async fn what_is_wrong_is_told_apart_over_stand_ins() {
    told_apart(&TdRig::over_stand_ins().await).await;
}

#[tokio::test]
async fn what_is_wrong_is_told_apart_over_real_servers() {
    let Some(rig) = TdRig::over_real_servers() else { return };
    told_apart(&rig).await;
}

async fn told_apart(rig: &TdRig) {
    wrong_password(rig).await;
    nobody_there(rig).await;
    unknown_database(rig).await;
    if rig.sink.stand_in.is_some() {
        no_rights(rig).await;
    }
}

async fn wrong_password(rig: &TdRig) {
    let (from, to) = (rig.source.dsn_as("root:not_this_one"), rig.sink.dsn_as("root:not_this_one"));
    denied(Side::Source, rig.open_source_at(&from).await.expect("no call yet").version().await);
    denied(Side::Sink, rig.open_sink_at(&to).await.expect("no call yet").version().await);
}

async fn nobody_there(rig: &TdRig) {
    for host in ["127.0.0.1:1", "no-such-host.invalid:6041"] {
        let (from, to) = (rig.source.dsn_on(host), rig.sink.dsn_on(host));
        away(host, rig.open_source_at(&from).await.expect("no call yet").version().await);
        away(host, rig.open_sink_at(&to).await.expect("no call yet").version().await);
    }
}

async fn unknown_database(rig: &TdRig) {
    let name = &rig.source.database;
    let source = rig.open_source().await.expect("no call yet");
    missing(name, source.database().await);
    missing(name, source.stables().await);
    missing(name, source.normal_tables().await);
    missing(name, source.table_extent("t").await);
    let sink = rig.open_sink().await.expect("no call yet");
    let name = &rig.sink.database;
    assert_eq!(sink.database().await, Ok(None));
    missing(name, sink.create_stable(&stable()).await);
    missing(name, sink.missing_subtables("st", &["d0".to_owned()]).await);
    missing(name, sink.count(Tables::One { name: "t" }, Period::ALL).await);
}

/// Only on a stand-in: the community edition of 3.3.1 lets every user do everything.
async fn no_rights(rig: &TdRig) {
    let admin = rig.open_sink().await.expect("no call yet");
    admin.create_database("KEEP 36500d").await.expect("a database");
    let limited = rig.open_sink_at(&rig.sink.dsn_as(&format!("{}:{}", LIMITED.0, LIMITED.1))).await;
    let limited = limited.expect("no call yet");
    denied(Side::Sink, limited.create_stable(&stable()).await);
    denied(Side::Sink, limited.create_database("KEEP 10d").await.and(limited.create_stable(&stable()).await));
}

fn stable() -> Stable {
    let columns: Vec<Column> = vec![column("ts", DataType::Timestamp), column("n", DataType::Int)];
    Stable { name: "st".into(), columns, tags: vec![column("t", DataType::Int)] }
}

fn denied<T: Debug>(wanted: Side, answer: PortResult<T>) {
    match answer {
        Err(PortError::Denied { side, message }) => {
            assert_eq!(side, wanted);
            assert!(!message.contains("not_this_one") && !message.contains(LIMITED.1), "{message}");
        }
        other => panic!("{wanted} should refuse, not answer {other:?}"),
    }
}

fn away<T: Debug>(host: &str, answer: PortResult<T>) {
    match answer {
        Err(PortError::Away { message, .. }) => assert!(message.contains(host), "{message}"),
        other => panic!("{host} should be away, not answer {other:?}"),
    }
}

fn missing<T: Debug>(name: &str, answer: PortResult<T>) {
    match answer {
        Err(PortError::Missing { message, .. }) => assert!(message.contains(name), "{message}"),
        other => panic!("{name} should be missing, not answer {other:?}"),
    }
}
