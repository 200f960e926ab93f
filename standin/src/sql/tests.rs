//! The grammar as a table: what each generation takes, and where it stumbles.

use super::parse;
use crate::Flavor::{self, V3, V26};

const BOTH: &[Flavor] = &[V26, V3];

#[test]
fn statements_that_a_generation_knows_are_taken() {
    let cases: &[(&[Flavor], &str)] = &[
        (BOTH, "select server_version()"),
        (BOTH, "SELECT * FROM d.t WHERE ts >= 1 AND ts < 2 ORDER BY ts DESC LIMIT 5 OFFSET 6;"),
        (BOTH, "select `a b`, tbname, _c0 from `d`.`T x` where tbname in ('a', 'b') and v is not null"),
        (
            BOTH,
            "select count(*), first(ts) as f from t where a = 1 or (b <> 'x' and not c like 'p%') group by tbname",
        ),
        (BOTH, "select count(*) from st where ts between '2020-01-01' and now - 1d interval(10m)"),
        (BOTH, "select last_row(*) from st"),
        (BOTH, "create database if not exists d keep 365,730,3650 precision 'us'"),
        (BOTH, "create table d.t (ts timestamp, `order` binary(8), u tinyint unsigned, n nchar(3))"),
        (BOTH, "create stable st (ts timestamp, v int) tags (j json)"),
        (
            BOTH,
            "create table a using st tags (1, -2.5, 'x', null, true) if not exists b using st (t) tags ('y')",
        ),
        (BOTH, "alter table t add column c bigint unsigned"),
        (BOTH, "alter stable st modify tag g binary(9)"),
        (BOTH, "alter table t set tag g = 'new'"),
        (BOTH, "alter database d keep 100"),
        (BOTH, "drop table if exists a, b"),
        (BOTH, "show d.tables like 'x%'"),
        (BOTH, "show create table `t`"),
        (BOTH, "describe d.`t`"),
        (BOTH, "use `d`"),
        (&[V26], "create table t (ts timestamp, value int, count int)"),
        (&[V26], "create database d days 10 blocks 4 update 1 cachelast 3"),
        (&[V3], "select tags tbname, g from st"),
        (&[V3], "select distinct tbname from st partition by tbname"),
        (&[V3], "delete from t where ts < 5"),
        (&[V3], "create table t (ts timestamp, v varchar(5)) ttl 3 comment 'x'"),
        (&[V3], "show child d.tables"),
        (&[V3], "show table distributed st"),
        (&[V3], "select _wstart, count(*) from st interval(1h)"),
    ];
    for (flavors, sql) in cases {
        for flavor in *flavors {
            assert!(parse(sql, *flavor).is_ok(), "{flavor:?}: {sql}: {:?}", parse(sql, *flavor));
        }
    }
}

#[test]
fn what_is_not_a_statement_is_a_syntax_error_that_shows_where() {
    let cases: &[(&[Flavor], &str, &str)] = &[
        (BOTH, "selec * from t", "selec * from t"),
        (BOTH, "select * from", ""),
        (BOTH, "select * form t", "t"),
        (BOTH, "create table t (ts timestamp, v wibble)", "wibble)"),
        (BOTH, "create table select (ts timestamp, v int)", "select (ts timestamp, v int)"),
        (BOTH, "describe t extra", "extra"),
        (BOTH, "select 'open", "'open"),
        (BOTH, "select * from t limit -1", "-1"),
        (&[V26], "delete from t where ts < 5", "delete from t where ts < 5"),
        (&[V26], "create table t (ts timestamp, v varchar(5))", "varchar(5))"),
        (&[V3], "create table t (ts timestamp, value int)", "value int)"),
        (&[V3], "create table t (ts timestamp, count int)", "count int)"),
    ];
    for (flavors, sql, near) in cases {
        for flavor in *flavors {
            let error = parse(sql, *flavor).unwrap_err();
            let code = if *flavor == V26 { 0x0216 } else { 0x2600 };
            assert_eq!(error.code, code, "{flavor:?}: {sql}");
            assert!(error.message.contains(near), "{flavor:?}: {sql}: {}", error.message);
        }
    }
}

#[test]
fn deep_nesting_is_refused_before_it_hurts() {
    for open in ["(", "not "] {
        let sql = format!("select * from t where {}a = 1", open.repeat(100_000));
        assert!(parse(&sql, V3).is_err());
    }
}
