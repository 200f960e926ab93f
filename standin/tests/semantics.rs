//! What statements mean, flavour by flavour, beyond what was recorded: asked in process.

#![expect(clippy::unwrap_used, reason = "a test stops at the first surprise")]

use tdferry_standin::Flavor::{self, V3, V26};
use tdferry_standin::{Config, Outcome, Server, TortureSeed, Value};

const BOTH: &[Flavor] = &[V26, V3];
const DAY: i64 = 86_400_000;
/// 2026-01-01.
const START: i64 = 1_767_225_600_000;

/// A little over the start, so that KEEP of ten years holds everything.
fn now() -> i64 {
    START + 30 * DAY
}

async fn server(flavor: Flavor) -> Server {
    let server = Server::start(Config { now_ms: now, ..Config::new(flavor) }).await.unwrap();
    let update = if flavor == V26 { " update 2" } else { "" };
    let statements = [
        format!("create database d keep 3650{update}"),
        "use d".into(),
        "create table st (ts timestamp, v int, f double, s binary(8)) tags (g int, name nchar(8))".into(),
        "create table a using st tags (1, '甲') b using st tags (2, null) c using st tags (1, 'x')".into(),
        format!(
            "insert into a values ({START}, 1, 1.5, 'one') ({}, 2, null, 'two') ({}, null, 4.5, null)",
            START + 1,
            START + DAY
        ),
        format!("insert into b values ({START}, 10, -1, 'ten') ({}, 30, 0.25, 'it''s')", START + 2 * DAY),
        "create table js (ts timestamp, v int) tags (j json)".into(),
        "create table j1 using js tags ('{\"k\":\"x\",\"n\":7}') j2 using js tags (null)".into(),
        format!("insert into j1 values ({START}, 1) j2 values ({START}, 2)"),
    ];
    for sql in statements {
        server.execute(&sql).unwrap();
    }
    server
}

fn shown(value: &Value) -> String {
    match value {
        Value::Null => "null".into(),
        Value::Bool(flag) => flag.to_string(),
        Value::Int(int) if (START..START + 30 * DAY).contains(int) => format!("S+{}", int - START),
        Value::Int(int) => int.to_string(),
        Value::UInt(int) => int.to_string(),
        Value::Float(float) => format!("{float:?}"),
        Value::Bytes(bytes) => String::from_utf8_lossy(bytes).into_owned(),
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

async fn check(cases: &[(&[Flavor], &str, &str)]) {
    for flavor in [V26, V3] {
        let server = server(flavor).await;
        for (flavors, sql, want) in cases {
            if flavors.contains(&flavor) {
                let sql =
                    sql.replace("START", &START.to_string()).replace("DAY2", &(START + DAY).to_string());
                assert_eq!(ask(&server, &sql), *want, "{flavor:?}: {sql}");
            }
        }
    }
}

#[tokio::test]
async fn rows_are_picked_ordered_and_cut() {
    check(&[
        (BOTH, "select v, s from a", "1,one 2,two null,null"),
        (BOTH, "select v from a where ts > START", "2 null"),
        (BOTH, "select v from a where START < ts", "2 null"),
        (BOTH, "select v from a order by ts desc", "null 2 1"),
        (BOTH, "select v from a order by ts desc limit 1 offset 1", "2"),
        (BOTH, "select v from a limit 1, 5", "2 null"),
        (BOTH, "select tbname, v from st where v >= 2", "a,2 b,10 b,30"),
        (BOTH, "select tbname, v from st where v >= 2 and g = 2", "b,10 b,30"),
        (BOTH, "select v from st where s like '%o%'", "1 2"),
        (BOTH, "select v from st where s = 'it''s'", "30"),
        (BOTH, "select v from st where v is null", "null"),
        (BOTH, "select v from st where v is not null and f is null", "2"),
        (BOTH, "select v from st where v in (1, 30)", "1 30"),
        (BOTH, "select v from st where not v > 1", "1"),
        (BOTH, "select v from st where v + 1 = 11", "10"),
        (BOTH, "select ts, tbname from st order by ts desc, tbname limit 2", "S+172800000,b S+86400000,a"),
        (BOTH, "select v from st order by ts limit 3 offset 1", "10 2 null"),
        (BOTH, "select v as x from a where ts = START", "1"),
        (BOTH, "select v from a where ts >= '2026-01-02T00:00:00Z'", "null"),
        (BOTH, "select v from a where ts between START and DAY2", "1 2 null"),
        (BOTH, "select v from st where tbname in ('b', 'nosuch', 'b')", "10 30"),
        (BOTH, "select v from st where tbname = 'b' and tbname in ('a')", ""),
        (BOTH, "select v from st where tbname like 'a%' and v = 1", "1"),
        (BOTH, "select v from js where j->'k' = 'x'", "1"),
        (BOTH, "select v from js where j->'n' > 6", "1"),
        (BOTH, "select name, g, v from a where v = 1", "甲,1,1"),
    ])
    .await;
}

#[tokio::test]
async fn names_and_tags_are_listed_by_each_generations_rule() {
    check(&[
        (&[V26], "select tbname, g, name from st", "a,1,甲 b,2,null c,1,x"),
        (&[V3], "select tbname, g from st", "a,1 a,1 a,1 b,2 b,2"),
        (&[V3], "select tags tbname, g, name from st", "a,1,甲 b,2,null c,1,x"),
        (&[V3], "select tags tbname from st where g = 1", "a c"),
        (BOTH, "select distinct g from st", "1 2"),
        (&[V26], "select count(tbname) from st", "3"),
        (&[V26], "select tbname from st where g = 1 limit 1 offset 1", "c"),
        (&[V26], "select tbname, j from js", "j1,{\"k\":\"x\",\"n\":7} j2,null"),
    ])
    .await;
}

#[tokio::test]
async fn aggregates_count_over_groups_and_windows_and_over_nothing() {
    check(&[
        (BOTH, "select count(*), count(v), count(f) from st", "5,4,4"),
        (BOTH, "select sum(v), min(v), max(v), avg(f), spread(v) from st", "43,1,30,1.3125,29.0"),
        (BOTH, "select first(v), last(v), last_row(v) from a", "1,2,null"),
        (BOTH, "select min(ts), max(ts), spread(ts) from a", "S+0,S+86400000,86400000.0"),
        (BOTH, "select first(*) from b", "S+0,10,-1.0,ten"),
        (&[V26], "select count(*) from c", ""),
        (&[V3], "select count(*), sum(v) from c", "0,null"),
        (&[V26], "select count(*) from st group by tbname", "3,a 2,b"),
        (&[V3], "select tbname, count(*) from st partition by tbname", "a,3 b,2 c,0"),
        (&[V26], "select count(*) from st group by g", "3,1 2,2"),
        (&[V3], "select g, count(*) from st group by g", "1,3 2,2"),
        (BOTH, "select count(*) from st where v > 1", "3"),
        (
            &[V26],
            "select count(*), last(ts) from st interval(1d)",
            "S+0,3,S+1 S+86400000,1,S+86400000 S+172800000,1,S+172800000",
        ),
        (&[V3], "select _wstart, count(*) from st interval(1d)", "S+0,3 S+86400000,1 S+172800000,1"),
        (&[V3], "select count(*) from st where ts >= DAY2 interval(1d)", "1 1"),
        (&[V3], "select tbname, count(*) as n from st partition by tbname order by n desc limit 1", "a,3"),
        (&[V3], "select count(*) from information_schema.ins_tables where db_name = 'd'", "5"),
        (
            &[V3],
            "select stable_name, `tags` from information_schema.ins_stables order by stable_name desc",
            "st,2 js,1",
        ),
        (&[V3], "select count(s) from st where tbname = 'a'", "2"),
        (&[V3], "select v, count(*) from st", "0x2643"),
    ])
    .await;
}

#[tokio::test]
async fn structure_changes_and_old_rows_show_null_in_new_columns() {
    check(&[
        (BOTH, "alter table st add column extra bigint", "ok 0"),
        (BOTH, "select v, extra from a", "1,null 2,null null,null"),
        (BOTH, "insert into a (ts, extra) values (START, 9)", "ok 1"),
        (BOTH, "select v, extra from a where ts = START", "1,9"),
        (BOTH, "alter table st drop column v", "ok 0"),
        (BOTH, "alter table st add column v binary(2)", "ok 0"),
        (BOTH, "select v, extra from a where ts = START", "null,9"),
        (BOTH, "alter table st drop tag name", "ok 0"),
        (&[V26], "alter table st change tag g h", "ok 0"),
        (&[V3], "alter table st rename tag g h", "ok 0"),
        (BOTH, "alter table a set tag h = 5", "ok 0"),
        (BOTH, "select h, extra from a where ts = START", "5,9"),
        (&[V26], "alter table a add column no int", "0x0200"),
        (&[V3], "alter table a add column no int", "0x2647"),
    ])
    .await;
}

#[tokio::test]
async fn writes_are_whole_or_not_at_all() {
    for (flavor, code) in [(V26, "0x0216"), (V3, "0x2653")] {
        let server = server(flavor).await;
        let sql =
            format!("insert into a values ({START}, 77, 5, 'x') b values ({START}, 1, 1, 'much too long')");
        assert_eq!(ask(&server, &sql), code);
        assert_eq!(ask(&server, "select v from a where v = 77"), "", "{flavor:?}");
        let old = format!("insert into a values ({START}, 77, 5, 'x') (1, 1, 1, 'x')");
        assert_eq!(ask(&server, &old), "0x060B");
        assert_eq!(ask(&server, "select v from a where v = 77"), "", "{flavor:?}");
    }
}

#[tokio::test]
async fn equal_timestamps_go_by_the_update_rule_of_the_database() {
    for (update, want) in [(0, "1,one"), (1, "9,null"), (2, "9,one")] {
        let server = Server::start(Config { now_ms: now, ..Config::new(V26) }).await.unwrap();
        for sql in [
            format!("create database d keep 3650 update {update}"),
            "create table d.t (ts timestamp, v int, s binary(8))".into(),
            format!("insert into d.t values ({START}, 1, 'one')"),
            format!("insert into d.t (ts, v) values ({START}, 9)"),
        ] {
            server.execute(&sql).unwrap();
        }
        assert_eq!(ask(&server, "select v, s from d.t"), want, "update {update}");
    }
}

#[tokio::test]
async fn rows_that_keep_has_let_go_are_not_read() {
    for flavor in [V26, V3] {
        let server = server(flavor).await;
        let days = if flavor == V26 { "days 1" } else { "duration 1d" };
        server.execute(&format!("create database k keep 40 {days}")).unwrap();
        server.execute("create table k.t (ts timestamp, v int)").unwrap();
        server.execute(&format!("insert into k.t values ({START}, 1) ({}, 2)", START + 20 * DAY)).unwrap();
        assert_eq!(ask(&server, "select v from k.t"), "1 2");
        server.execute("alter database k keep 20").unwrap();
        assert_eq!(ask(&server, "select v from k.t"), "2", "{flavor:?}");
        assert_eq!(ask(&server, "select count(*) from k.t"), "1", "{flavor:?}");
    }
}

#[tokio::test]
async fn deleting_takes_a_period_of_one_table_or_of_all() {
    let server = server(V3).await;
    assert_eq!(ask(&server, &format!("delete from a where ts <= {START}")), "ok 1");
    assert_eq!(ask(&server, &format!("delete from st where ts > {START} and g = 1")), "ok 2");
    assert_eq!(ask(&server, "select tbname, v from st"), "b,10 b,30");
    assert_eq!(ask(&server, "delete from st where v = 10"), "0x2600");
}

#[tokio::test]
async fn the_torture_grows_on_a_2x_alone_since_a_3x_refuses_some_of_its_numbers_in_sql() {
    let server = Server::start(Config::new(V26)).await.unwrap();
    server.seed_torture(&TortureSeed::new("odd")).unwrap();
    let rows = |stable: &str| server.row_count("odd", stable).unwrap_or_default();
    assert!(rows("alltypes") > 100 && rows("dense") == 18_000);
    let Outcome::Rows(tables) = server.execute("show odd.tables").unwrap() else { panic!() };
    assert!(tables.rows.len() >= 300, "{} tables", tables.rows.len());
    let server = Server::start(Config::new(V3)).await.unwrap();
    let refused = server.seed_torture(&TortureSeed::new("odd")).unwrap_err().to_string();
    assert!(refused.contains("illegal float data"), "{refused}");
}

#[tokio::test]
async fn every_seed_grows_on_both_generations() {
    for flavor in [V26, V3] {
        let server = Server::start(Config::new(flavor)).await.unwrap();
        server.seed_demo("power").unwrap();
        assert_eq!(server.row_count("power", "meters"), Some(800_000));
        assert_eq!(server.row_count("power", "sensors"), Some(40_000));
        assert_eq!(server.row_count("power", "events"), Some(500));
        assert!(server.seed_demo("power").is_err(), "a second time is refused");
    }
}
