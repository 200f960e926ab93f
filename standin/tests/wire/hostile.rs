//! Nonsense on the wire: an error or a closed socket, and a server that goes on.

use futures_util::{SinkExt, StreamExt};
use proptest::prelude::*;
use tdferry_standin::{Flavor, Server};
use tokio_tungstenite::tungstenite::Message;

use crate::client::{connect, rows, server, within};

/// Sends messages on a fresh connection and returns what came back before it went quiet or closed.
async fn send(server: &Server, messages: Vec<Message>) -> Vec<Message> {
    let url = format!("ws://{}/rest/ws", server.addr());
    let (mut socket, _) = within(tokio_tungstenite::connect_async(url)).await.unwrap();
    for message in messages {
        if within(socket.send(message)).await.is_err() {
            return Vec::new();
        }
    }
    // a last request that is always answered, unless the socket was closed
    let _ = within(socket.send(text(r#"{"action":"version"}"#))).await;
    let mut answers = Vec::new();
    while let Some(Ok(answer)) = within(socket.next()).await {
        let last = matches!(&answer, Message::Text(text) if text.contains("\"version\":\""));
        answers.push(answer);
        if last {
            break;
        }
    }
    answers
}

fn text(text: &str) -> Message {
    Message::Text(text.to_owned())
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn malformed_messages_are_refused_or_end_their_own_connection_only() {
    let conn = r#"{"action":"conn","args":{"req_id":0,"user":"root","password":"taosdata","db":""}}"#;
    let cases: Vec<Vec<Message>> = vec![
        vec![text("")],
        vec![text("not json")],
        vec![text("[]")],
        vec![text(r#"{"action":7}"#)],
        vec![text(r#"{"action":"dance","args":{"req_id":1}}"#)],
        vec![text(r#"{"action":"query","args":{"req_id":1,"sql":"select 1"}}"#)],
        vec![text(conn), text(r#"{"action":"fetch","args":{"req_id":1,"id":99}}"#)],
        vec![text(conn), text(r#"{"action":"fetch_block","args":{"req_id":1,"id":99}}"#)],
        vec![text(conn), text(r#"{"action":"free_result","args":{"req_id":1,"id":99}}"#)],
        vec![text(conn), text(r#"{"action":"query","args":{"req_id":1}}"#)],
        vec![text(conn), Message::Binary(vec![])],
        vec![text(conn), Message::Binary(vec![0xFF; 23])],
        vec![text(conn), Message::Binary(vec![5; 200])],
    ];
    for flavor in [Flavor::V26, Flavor::V3] {
        let server = server(flavor).await;
        for case in &cases {
            send(&server, case.clone()).await;
        }
        let taos = connect(&server.dsn()).await;
        assert_eq!(rows(&taos, "select server_status()").await, [["Int(1)"]]);
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn unknown_requests_are_answered_with_an_error_that_carries_their_id() {
    let server = server(Flavor::V3).await;
    let answers =
        send(&server, vec![text(r#"{"action":"query","args":{"req_id":42,"sql":"select 1"}}"#)]).await;
    let Message::Text(answer) = &answers[0] else { panic!("not text: {answers:?}") };
    assert!(answer.contains("\"req_id\":42") && answer.contains("\"action\":\"query\""), "{answer}");
    assert!(answer.contains("\"code\":65535"), "{answer}");
}

/// Words that statements are made of, to be shaken together.
const WORDS: &[&str] = &[
    "select",
    "*",
    "from",
    "insert",
    "into",
    "values",
    "(",
    ")",
    ",",
    "d",
    ".",
    "t",
    "st",
    "create",
    "table",
    "using",
    "tags",
    "where",
    "tbname",
    "in",
    "'a'",
    "1",
    "-1",
    "1.5",
    "null",
    "ts",
    ">=",
    "<",
    "and",
    "or",
    "not",
    "like",
    "'%'",
    "group",
    "by",
    "order",
    "limit",
    "interval",
    "1d",
    "count",
    "first",
    "describe",
    "show",
    "alter",
    "add",
    "column",
    "tag",
    "set",
    "drop",
    "delete",
    "now",
    "+",
    "`q",
    "`",
    "'",
    "\"",
    "\\",
    "表",
    ";",
    "is",
    "between",
    "desc",
    "offset",
    "distinct",
    "v",
    "j",
    "->",
    "'k'",
    "partition",
    "as",
    "x",
    "database",
    "keep",
    "if",
    "exists",
];

proptest! {
    #![proptest_config(ProptestConfig::with_cases(400))]
    #[test]
    fn no_statement_however_odd_breaks_the_server(
        words in proptest::collection::vec(proptest::sample::select(WORDS), 1..24),
        head in proptest::sample::select(&["", "select * from d.t where ", "insert into d.t values (", "select count(*) from d.st ", "create table d.x "][..]),
    ) {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
        runtime.block_on(async {
            for flavor in [Flavor::V26, Flavor::V3] {
                let server = server(flavor).await;
                for sql in [
                    "create database d keep 36500",
                    "create table d.st (ts timestamp, v int) tags (j json)",
                    "create table d.a using d.st tags ('{\"k\":1}')",
                    "create table d.t (ts timestamp, v int, b binary(4))",
                    "insert into d.t values (1600000000000, 1, 'x')",
                ] {
                    server.execute(sql).unwrap();
                }
                let _ = server.execute(&format!("{head}{}", words.join(" ")));
                assert!(server.execute("select server_status()").is_ok());
            }
        });
    }
}
