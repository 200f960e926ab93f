//! What bad input gets: one clear message with the field and what to do, the documented exit code, nothing stored.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::print_stderr,
    reason = "a test that cannot go on fails"
)]

mod support;

use support::load::{self, Size};
use support::process::{Answer, answer, run_args};
use support::servers::Servers;
use tdferry_standin::{Config, Flavor, Server, User};

const TINY: Size = Size { dense: 1, dense_rows: 10, sparse: 1, sparse_rows: 1 };

/// Source, target, more arguments, exit code, words of the message.
type Case<'a> = (&'a str, &'a str, &'a [&'a str], i32, &'a [&'a str]);

async fn refused(from: &str, to: &str, more: &[&str]) -> (Answer, bool) {
    let state = tempfile::tempdir().unwrap();
    let folder = state.path().join("state");
    let answer = answer(&run_args(from, to, &folder, more)).await;
    let stored = folder.join("store.redb").exists();
    (answer, stored)
}

#[tokio::test(flavor = "multi_thread")]
async fn each_mistake_gets_one_message_and_its_exit_code_and_stores_nothing() {
    let servers = Servers::standins().await;
    load::load(&servers.ask_source(), "power", TINY, 1).await;
    let (from, to) = (servers.from("power"), servers.to("power"));
    let wrong_password = from.replace("taosdata", "letmein");
    let unknown_host = "taos+ws://root:taosdata@no-such-host.invalid:6041/power";
    let closed_port = "taos+ws://root:taosdata@127.0.0.1:1/power";
    let unknown_database = servers.from("nosuch");
    let unknown_option = format!("{from}?speed=9");
    let late = ["--start", "2024-02-01T00:00:00Z", "--end", "2024-01-01T00:00:00Z"];
    let target_password = to.replace("taosdata", "letmein");
    let cases: [Case; 11] = [
        (&wrong_password, &to, &[], 4, &["from", "password"]),
        (unknown_host, &to, &[], 4, &["from", "no-such-host.invalid"]),
        (closed_port, &to, &[], 4, &["from", "127.0.0.1:1"]),
        (&unknown_database, &to, &[], 4, &["from", "nosuch"]),
        (&from, &target_password, &[], 4, &["to", "password"]),
        (&unknown_option, &to, &[], 2, &["speed"]),
        (&from, &to, &late, 2, &["start", "end"]),
        (&from, &to, &["--mode", "realtime", "--start", "2024-01-01T00:00:00Z"], 2, &["start", "realtime"]),
        ("taos+ws//root@x", &to, &[], 2, &["from"]),
        (&from, "postgres://x/y", &[], 2, &["to", "driver", "taos+ws"]),
        (&from, &to, &["--name", "no/slash"], 2, &["name"]),
    ];
    for (from, to, more, code, words) in cases {
        let (answer, stored) = refused(from, to, more).await;
        let shown = format!("{from} {to} {more:?}: {}", answer.stderr);
        assert_eq!(answer.code, code, "{shown}");
        assert!(!stored, "{shown}");
        assert!(answer.stdout.is_empty(), "{shown}");
        let errors: Vec<_> = answer.stderr.lines().filter(|line| line.starts_with("error: ")).collect();
        assert_eq!(errors.len(), 1, "one message: {shown}");
        for word in words {
            assert!(errors[0].contains(word), "{word:?} in {shown}");
        }
        assert!(
            !answer.stderr.contains("letmein") && !answer.stderr.contains(":taosdata@"),
            "a secret: {shown}"
        );
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_target_without_rights_is_named_and_nothing_of_the_task_stays() {
    let servers = Servers::standins().await;
    load::load(&servers.ask_source(), "power", TINY, 1).await;
    let guest = User { name: "guest".into(), password: "taosdata".into(), read_only: true };
    let users = Config::new(Flavor::V3).users.into_iter().chain([guest]).collect();
    let target = Server::start(Config { users, ..Config::new(Flavor::V3) }).await.unwrap();
    let state = tempfile::tempdir().unwrap();
    let to = |user: &str| format!("taos+ws://{user}:taosdata@{}/power", target.addr());
    let (from, denied, allowed) = (servers.from("power"), to("guest"), to("root"));
    let answer_to = async |to: &str| answer(&run_args(&from, to, state.path(), &[])).await;
    let refused = answer_to(&denied).await;
    assert_eq!(refused.code, 4, "{}", refused.stderr);
    assert!(refused.stderr.contains("field `to`") && refused.stderr.contains("rights"), "{}", refused.stderr);
    assert!(refused.stderr.contains("Nothing was stored"), "{}", refused.stderr);
    // the same name with another target is no conflict: the refused task is gone
    let allowed = answer_to(&allowed).await;
    assert_eq!(allowed.code, 0, "{}", allowed.stderr);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_malformed_task_file_is_refused_by_line_and_field() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("task.toml");
    let cases = [
        ("name = \"a\"\ntype = \"TDengine2\"\nfrom = 3\n", "from"),
        ("name = \"a\"\nspeed = 9\n", "speed"),
        ("name = \"a b\"\ntype = \"TDengine2\"\nfrom = \"ws://h/d\"\nto = \"ws://g\"\n", "name"),
        ("name = \"a\"\ntype = \"TDengine2\"\nfrom = \"ws://root:pw@h/d\"\nto = \"ws://g\"\n", "from"),
        ("not toml", "line 1"),
    ];
    for (text, word) in cases {
        std::fs::write(&file, text).unwrap();
        let answer = answer(&["task", "create", "-f", file.to_str().unwrap()]).await;
        assert_eq!(answer.code, 2, "{text}: {}", answer.stderr);
        assert!(answer.stderr.contains(word), "{word:?} in {}", answer.stderr);
        assert!(!answer.stderr.contains("pw@"), "a secret: {}", answer.stderr);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_missing_coordinator_has_an_exit_code_of_its_own() {
    let answer = answer(&["task", "list", "--coordinator", "http://127.0.0.1:1"]).await;
    assert_eq!(answer.code, 6, "{}", answer.stderr);
    assert!(answer.stderr.contains("127.0.0.1:1"), "{}", answer.stderr);
}

#[tokio::test(flavor = "multi_thread")]
async fn help_teaches_every_verb_by_an_example() {
    for verb in
        ["create", "list", "show", "watch", "pause", "resume", "stop", "delete", "export", "import", "copy"]
    {
        let answer = answer(&["task", "--help"]).await;
        assert_eq!(answer.code, 0);
        assert!(
            one_line(&answer.stdout).contains(&format!("Example: tdferry task {verb} ")),
            "{}",
            answer.stdout
        );
    }
    for verb in ["run", "coordinator", "worker", "standin"] {
        let answer = answer(&[verb, "--help"]).await;
        assert!(one_line(&answer.stdout).contains(&format!("tdferry {verb} --")), "{}", answer.stdout);
    }
}

/// Help is wrapped to the width of the terminal.
fn one_line(help: &str) -> String {
    help.split_whitespace().collect::<Vec<_>>().join(" ")
}
