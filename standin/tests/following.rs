//! What who follows a source asks for, while production writes to it: statements as 2.7 and 3.3.1 answer them.

#![expect(clippy::unwrap_used, reason = "a test stops at the first surprise")]

use tdferry_standin::Flavor::{self, V3, V26};
use tdferry_standin::{Config, MetersSeed, Outcome, Server, Value};

/// 2020-09-13 12:26:40, in the middle of everything.
const START: i64 = 1_600_000_000_000;

fn now() -> i64 {
    START + 86_400_000
}

async fn server(flavor: Flavor) -> Server {
    Server::start(Config { now_ms: now, ..Config::new(flavor) }).await.unwrap()
}

fn shown(value: &Value) -> String {
    match value {
        Value::Null => "null".into(),
        Value::Int(int) => int.to_string(),
        Value::Bytes(bytes) => String::from_utf8_lossy(bytes).into_owned(),
        other => format!("{other:?}"),
    }
}

fn ask(server: &Server, sql: &str) -> String {
    match server.execute(sql) {
        Err(error) => format!("0x{:04X}", error.code),
        Ok(Outcome::Affected(rows)) => format!("ok {rows}"),
        Ok(Outcome::Rows(table)) => {
            let row = |row: &Vec<Value>| row.iter().map(shown).collect::<Vec<_>>().join(",");
            table.rows.iter().map(row).collect::<Vec<_>>().join(" ")
        }
    }
}

fn check(server: &Server, cases: &[(&str, &str)]) {
    for (sql, want) in cases {
        assert_eq!(ask(server, sql), *want, "{sql}");
    }
}

#[tokio::test]
async fn production_writes_to_a_2x_while_it_is_read() {
    let server = server(V26).await;
    check(
        &server,
        &[
            ("create database d keep 36500 update 1", "ok 0"),
            ("create stable d.st (ts timestamp, v int, s binary(4)) tags (g int)", "ok 0"),
            ("create table if not exists d.a using d.st tags (1)", "ok 0"),
            ("insert into d.a values (1600000000000, 1, 'one')", "ok 1"),
            (
                "insert into d.b using d.st tags (2) values (1600000000500, 2, null) d.a values (1600000001000, 3, 'x')",
                "ok 2",
            ),
            (
                "select tbname, ts, v from d.st where ts >= 1600000000500 and ts < 1600000001000",
                "b,1600000000500,2",
            ),
            ("alter stable d.st add column w bigint", "ok 0"),
            ("alter stable d.st modify column s binary(8)", "ok 0"),
            ("alter stable d.st add tag site nchar(8)", "ok 0"),
            ("alter table d.a set tag site = '北'", "ok 0"),
            ("insert into d.a values (1600000002000, 4, 'longer', 9)", "ok 1"),
            ("select tbname, v, s, w from d.st where ts >= 1600000001000", "a,3,x,null a,4,longer,9"),
            ("select tbname, g, site from d.st", "a,1,北 b,2,null"),
            ("select last_row(ts) from d.st", "1600000002000"),
            ("select last_row(ts) from d.st where tbname in ('b', 'nobody')", "1600000000500"),
            ("drop table d.b", "ok 0"),
            ("select tbname, v from d.st where ts < 1600000001000", "a,1"),
            ("create table d.plain (ts timestamp, v int)", "ok 0"),
            ("select last_row(ts) from d.plain", ""),
        ],
    );
    let Outcome::Rows(stables) = server.execute("show d.stables").unwrap() else { panic!() };
    assert_eq!(stables.rows[0][4], Value::Int(1), "subtables");
    let Outcome::Rows(databases) = server.execute("show databases").unwrap() else { panic!() };
    let own = databases.rows.iter().find(|row| shown(&row[0]) == "d").unwrap();
    assert_eq!(own[2], Value::Int(2), "tables");
}

#[tokio::test]
async fn windows_of_seconds_start_at_multiples_of_their_length_before_1970_too() {
    for (flavor, what) in [(V26, "count(*)"), (V3, "_wstart, count(*)")] {
        let server = server(flavor).await;
        server.execute("create database d keep 36500").unwrap();
        server.execute("create table d.t (ts timestamp, v int)").unwrap();
        for ts in [-86_400_001, -86_400_000, -3_600_000, -60_000, -59_999, -1, 0, 86_399_999] {
            server.execute(&format!("insert into d.t values ({ts}, null)")).unwrap();
        }
        let windows = |seconds: i64| ask(&server, &format!("select {what} from d.t interval({seconds}s)"));
        assert_eq!(windows(60), "-86460000,1 -86400000,1 -3600000,1 -60000,3 0,1 86340000,1", "{flavor:?}");
        assert_eq!(windows(86_400), "-172800000,1 -86400000,5 0,2", "{flavor:?}");
        assert_eq!(windows(604_800), "-604800000,6 0,2", "{flavor:?}");
        let of_some = format!("select {what} from d.t where ts >= -70000 and ts < 100000000 interval(3600s)");
        assert_eq!(ask(&server, &of_some), "-3600000,3 0,1 82800000,1", "{flavor:?}");
    }
}

#[tokio::test]
async fn nothing_but_a_count_is_answered_with_a_row_over_no_rows() {
    for (flavor, counted) in [(V26, ""), (V3, "null,0")] {
        let server = server(flavor).await;
        server.execute("create database d keep 36500").unwrap();
        server.execute("create table d.t (ts timestamp, v int)").unwrap();
        check(
            &server,
            &[
                ("select last_row(ts) from d.t", ""),
                ("select last(ts), first(ts) from d.t", ""),
                ("select max(v) from d.t", ""),
                ("select last_row(ts), count(*) from d.t", counted),
            ],
        );
    }
}

#[tokio::test]
async fn asking_a_stable_about_a_time_after_its_last_row_goes_through_none_of_its_tables() {
    const TABLES: u64 = 100_000;
    let server = server(V26).await;
    let seed = MetersSeed { start_ms: START, ..MetersSeed::new(TABLES, 3) };
    server.seed_meters(&seed).unwrap();
    let poll = |from: i64| {
        let until = from + 1_000;
        format!("select tbname, ts, voltage from power.meters where ts >= {from} and ts < {until}")
    };
    let visited = || server.stats().tables_visited;
    let idle = START + 3_000;
    assert_eq!(ask(&server, &poll(idle)), "");
    assert_eq!(
        ask(&server, &format!("select count(*) from power.meters where ts >= {idle} interval(1s)")),
        ""
    );
    assert_eq!(visited(), 0);
    assert_eq!(server.stats().statements["select"], 2);
    let last = format!("select count(*) from power.meters where ts >= {}", idle - 1_000);
    assert_eq!((ask(&server, &last), visited()), (TABLES.to_string(), TABLES));
    server.execute(&format!("insert into power.d77 values ({idle}, 1, 5, 1)")).unwrap();
    assert_eq!(ask(&server, &poll(idle)), format!("d77,{idle},5"));
    assert_eq!(ask(&server, &poll(idle + 1_000)), "");
    assert_eq!(visited(), 2 * TABLES);
}
