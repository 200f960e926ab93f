//! Tasks as asked for: files and stored forms, and every way to ask wrongly.

use proptest::prelude::*;

use super::*;
use crate::options::tests::any_options;
use crate::options::{Names, SchemaMode};

const FROM: &str = "taos+ws://root:${env:PW}@src:6041/power";
const TO: &str = "taos+ws://root:${file:/run/pw}@dst:6041";

fn build(from: &str, to: &str, options: &[(&str, &str)]) -> Result<Spec, SpecError> {
    let options =
        options.iter().map(|(name, value)| ((*name).to_owned(), OptionValue::text(*value))).collect();
    Spec::build("migrate-test", TaskKind::TDengine2, from, to, &options)
}

fn file(extra: &str) -> String {
    format!("name = \"migrate-test\"\ntype = \"TDengine2\"\nfrom = \"{FROM}\"\nto = \"{TO}\"\n{extra}")
}

#[test]
fn a_task_file_is_read_whole() {
    let spec =
        Spec::from_toml(&file("[options]\nschema = \"none\"\nunit = 3600\nstart = 2024-01-01T00:00:00Z\n"))
            .unwrap();
    assert_eq!((spec.name.as_str(), spec.kind), ("migrate-test", TaskKind::TDengine2));
    assert_eq!((spec.from.to_string().as_str(), spec.to.to_string().as_str()), (FROM, TO));
    assert_eq!(
        (spec.options.schema, spec.options.unit),
        (SchemaMode::None, Some(std::time::Duration::from_secs(3600)))
    );
    assert_eq!((spec.source_database(), spec.target_database()), ("power", "power"));
}

#[test]
fn options_of_the_database_are_read_from_wherever_they_stand() {
    let (keep, vgroups) = ("keep = \"3650d\"", "vgroups = 8");
    for text in [
        format!("[database]\n{keep}\n{vgroups}\n"),
        format!("[options]\ndatabase.{keep}\ndatabase.{vgroups}\n"),
        format!("[options]\n\"database.keep\" = 3650\n[database]\n{vgroups}\n"),
    ] {
        let spec = Spec::from_toml(&file(&text)).unwrap();
        let database = &spec.options.database;
        assert_eq!(
            (database.keep.as_ref().unwrap().to_string(), database.vgroups),
            ("3650d".into(), Some(8))
        );
        let written = spec.to_toml().unwrap();
        assert!(written.contains("[database]") && written.contains(keep), "{written}");
        assert_eq!(Spec::from_toml(&written).unwrap(), spec);
        assert_eq!(Spec::from_json(&spec.to_json().unwrap()).unwrap(), spec);
    }
    let wrong = |text: &str| Spec::from_toml(&file(text)).unwrap_err();
    let vgroups = wrong("[database]\nvgroups = 0\n");
    assert_eq!((vgroups.field.as_str(), vgroups.line), ("options.database.vgroups", Some(6)));
    assert!(wrong("[database]\nwalrus = 0\n").to_string().contains("`database.walrus` is not known"));
    let twice = wrong("[options]\n\"database.comp\" = 1\n[database]\ncomp = 2\n");
    assert!(twice.to_string().contains("written twice"), "{twice}");
}

#[test]
fn the_target_database_is_the_one_named_else_the_sources() {
    let named = build(FROM, "ws://dst/other", &[]).unwrap();
    assert_eq!(named.target_database(), "other");
}

#[test]
fn options_in_the_dsns_count_as_those_of_the_file() {
    let spec =
        build(&format!("{FROM}?unit=1h&mode=history"), &format!("{TO}?fails-to=/mnt/r"), &[("unit", "1h")])
            .unwrap();
    let asked: Vec<_> = spec.options.asked().into_keys().collect();
    assert_eq!(asked, ["fails-to", "unit"]);
    assert_eq!(spec.from.to_string(), FROM, "they are no part of the DSN any more");
}

#[test]
fn a_wrong_task_is_answered_with_its_field_and_what_to_do() {
    let unit = format!("{FROM}?unit=1h");
    let start_after_end = format!("{FROM}?start=2024-01-02T00:00:00Z&end=2024-01-01T00:00:00Z");
    for (from, to, options, start, hint) in [
        ("src", TO, &[][..], "field `from`: driver (character 1)", "://"),
        (FROM, "ws://dst:x", &[], "field `to`: port (character 6)", "65535"),
        ("ws://src", TO, &[], "field `from`: database: none is named", "host:6041/db"),
        (&unit, TO, &[("unit", "2h")], "field `from`: unit: written twice", "leave one"),
        (&start_after_end, TO, &[], "field `from`: start: ", "after `end`"),
        (FROM, "ws://dst?workers=0", &[], "field `to`: workers: ", "1 to 1024"),
        (FROM, TO, &[("unit", "x")], "field `options.unit`: ", "`30m`"),
        (FROM, TO, &[("unti", "1d")], "field `options`: `unti` is not known", "`unit`"),
        (
            FROM,
            TO,
            &[("mode", "realtime"), ("end", "2024-01-01T00:00:00Z")],
            "field `options.end`: ",
            "mode=history",
        ),
        (FROM, "taos+ws://src:6041/power", &[], "field `to`: it is the source itself", "another"),
        (
            "taos://s/d",
            "taos://t/d",
            &[("libraryPath", "/l")],
            "field `options.libraryPath`: ",
            "in each DSN",
        ),
    ] {
        let shown = build(from, to, options).expect_err(from).to_string();
        assert!(shown.starts_with(start) && shown.contains(hint), "{from} {to} {options:?}: {shown}");
    }
}

#[test]
fn a_malformed_task_file_is_answered_with_its_line_and_field() {
    for (text, start, hint) in [
        ("name = \"a\"\nname = \"b\"".to_owned(), "line 2, field `name`: duplicate key", ""),
        ("name = \"a\"\nfrom \"x\"".to_owned(), "line 2, field `task file`: ", "[options]"),
        ("name = \"a\"".to_owned(), "line 1, field `name`: missing field `type`", ""),
        (file("colour = 1\n"), "line 5, field `colour`: unknown field `colour`", "expected one of"),
        (file("[options]\n\nunti = \"1d\"\n"), "line 7, field `options`: `unti`", "did you mean `unit`"),
        (
            file("[options]\nschema_polling_interval = \"x\"\n"),
            "line 6, field `options.schema-polling-interval`: ",
            "",
        ),
        (file("[options]\nunit = [1, [2]]\n"), "line 6, field `unit`: ", ""),
        (file("").replace("TDengine2", "mysql"), "line 2, field `type`: \"mysql\" is no type", "TDengine2"),
        (file("").replace("migrate-test", "-x"), "line 1, field `name`: \"-x\" is no name", "1 to 64"),
        (file("").replace("dst:6041", "dst:0"), "line 4, field `to`: port", "65535"),
        (file("").replace("env:PW", "memory:x"), "line 3, field `from`: `${memory:…}`", "${env:NAME}"),
    ] {
        let shown = Spec::from_toml(&text).expect_err(&text).to_string();
        assert!(shown.starts_with(start) && shown.contains(hint), "{text}\n{shown}");
    }
}

#[test]
fn no_malformed_task_file_shows_its_password() {
    let good = file("").replace("${env:PW}", "hunter2");
    for (at, _) in good.char_indices() {
        let cut = &good[..at];
        let broken = format!("{cut}\u{1}{}", &good[at..]);
        for text in [cut, broken.as_str()] {
            let shown = Spec::from_toml(text).err().map(|err| format!("{err} {err:?}")).unwrap_or_default();
            assert!(!shown.contains("hunter2"), "cut at {at}: {shown}");
        }
    }
}

#[test]
fn a_clear_password_or_token_is_neither_stored_nor_exported() {
    for (from, to, field, secret) in [
        ("ws://root:hunter2@s/d", TO, "from", "password"),
        (FROM, "ws://root:hunter2@t", "to", "password"),
        (FROM, "ws://t?token=hunter2", "to", "token"),
    ] {
        let spec = build(from, to, &[]).unwrap();
        let wanted = format!(
            "field `{field}`: a stored task must not hold a {secret}; write `${{env:NAME}}` or `${{file:PATH}}` in its place"
        );
        for refused in [spec.check_stored().err(), spec.to_json().err(), spec.to_toml().err()] {
            assert_eq!(refused.unwrap().to_string(), wanted);
        }
        assert!(!format!("{spec:?}").contains("hunter2"));
    }
}

#[test]
fn run_keeps_clear_secrets_in_memory_and_stores_their_names() {
    let mut spec = build("ws://root:hunter2@s/d?token=t0ken", TO, &[]).unwrap();
    let kept = spec.keep_secrets_in_memory();
    let json = spec.to_json().unwrap();
    assert!(
        !json.contains("hunter2")
            && !json.contains("t0ken")
            && json.contains("${memory:migrate-test.from.password}")
    );
    let secrets = crate::secret::Secrets::with_env(|_| None).with_memory(kept);
    let client = Spec::from_json(&json).unwrap().from.to_client(&secrets).unwrap();
    assert_eq!(client.password.unwrap().expose(), "hunter2");
    assert_eq!(client.token.unwrap().expose(), "t0ken");
    assert!(spec.keep_secrets_in_memory().is_empty(), "nothing is clear any more");
}

#[test]
fn a_file_of_names_is_not_stored_unread() {
    let spec = build(FROM, TO, &[("tables", "@tables.txt")]).unwrap();
    assert_eq!(spec.check_stored().unwrap_err().field, "options.tables");
}

#[test]
fn a_list_too_long_for_the_store_is_refused() {
    let mut spec = build(FROM, TO, &[]).unwrap();
    spec.options.stables = Names::Only(vec!["x".repeat(1000).into(); stored::MAX_STORED_BYTES / 1000]);
    assert!(spec.to_json().unwrap_err().to_string().contains("longer than"));
}

#[test]
fn options_of_the_client_reach_the_dsns_that_can_use_them() {
    let options = [("libraryPath", "/l.so"), ("compression", "on")];
    let spec = build("taos://s/d", "ws://t/d", &options).unwrap();
    assert_eq!(spec.from.param(DriverParam::LibraryPath), Some("/l.so"));
    assert_eq!(spec.to.param(DriverParam::LibraryPath), None);
    assert_eq!(spec.to.param(DriverParam::Compression), Some("true"));
    let own = build("taos://s/d?libraryPath=/own.so", "ws://t/d", &options).unwrap();
    assert_eq!(own.from.param(DriverParam::LibraryPath), Some("/own.so"));
}

#[test]
fn the_stored_form_stays_readable() {
    let golden = r#"{"version":1,"name":"migrate-test","type":"TDengine2","from":"taos+ws://root:${env:PW}@src:6041/power","to":"taos+ws://root:${file:/run/pw}@dst:6041","options":{"stables":["meters"],"unit":"1d"}}"#;
    let spec = build(FROM, TO, &[("unit", "24h"), ("stables", "meters")]).unwrap();
    assert_eq!(spec.to_json().unwrap(), golden);
    assert_eq!(Spec::from_json(golden).unwrap(), spec);
}

#[test]
fn damaged_and_newer_stored_forms_are_refused() {
    let good = build(FROM, TO, &[]).unwrap().to_json().unwrap();
    for (bad, hint) in [
        (good.replace("\"version\":1", "\"version\":2,\"new\":true"), "upgrade this tdferry"),
        (good.replace("\"to\"", "\"too\""), "cannot be read"),
        (good.replace("migrate-test", "a/b"), "cannot be read"),
        (good.replace("{}", "{\"unti\":\"1d\"}"), "`unit`"),
        (good[..good.len() - 1].to_owned(), "cannot be read"),
        (String::new(), "cannot be read"),
    ] {
        let shown = Spec::from_json(&bad).expect_err(&bad).to_string();
        assert!(shown.contains(hint), "{bad}: {shown}");
    }
}

#[test]
fn names_of_tasks_are_letters_digits_and_three_marks() {
    for good in ["a", "9", "migrate-test", "A.b_c-d", &"x".repeat(64)] {
        assert_eq!(good.parse::<TaskName>().unwrap().as_str(), good);
    }
    for bad in ["", "-a", ".a", "a/b", "a b", "涛", &"x".repeat(65), "a\n"] {
        assert!(bad.parse::<TaskName>().is_err(), "{bad:?}");
    }
}

prop_compose! {
    fn any_spec()(
        name in "[A-Za-z0-9][A-Za-z0-9_.-]{0,63}",
        from in prop::sample::select(vec![FROM, "taos://s:1,t/d?libraryPath=/l.so", "wss://h/d?token=${env:T}"]),
        to in prop::sample::select(vec![TO, "http://[::1]:6041/other", "ws://涛:${env:P}@h"]),
        options in any_options(),
    ) -> Spec {
        let asked = options.asked().into_iter().map(|(name, value)| (name.to_owned(), value)).collect();
        Spec::build(&name, TaskKind::TDengine2, from, to, &asked).unwrap()
    }
}

proptest! {
    #[test]
    fn a_task_is_read_back_from_its_file_as_it_was(spec in any_spec()) {
        let text = spec.to_toml().unwrap();
        prop_assert_eq!(Spec::from_toml(&text).map_err(|err| format!("{text}\n{err}")), Ok(spec));
    }

    #[test]
    fn a_task_is_read_back_from_the_store_as_it_was(spec in any_spec()) {
        let json = spec.to_json().unwrap();
        prop_assert_eq!(Spec::from_json(&json).map_err(|err| format!("{json}\n{err}")), Ok(spec));
    }
}
