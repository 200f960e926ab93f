//! What real servers answered, statement by statement, held against the stand-in. Volatile cells are masked;
//! the statements that differ are listed with the reason, and a list that is out of date fails the test.

#![expect(
    clippy::unwrap_used,
    clippy::print_stdout,
    reason = "a test stops at the first surprise and says how it went"
)]

mod known;
mod recording;
mod replay;

use recording::{Answer, Recorded};
use tdferry_standin::{Config, Flavor, Server};

/// The day the recordings were made: KEEP is measured from here.
fn recorded_at() -> i64 {
    1_795_332_266_311
}

fn config(flavor: Flavor) -> Config {
    let version = match flavor {
        Flavor::V26 => "2.7.0.0",
        Flavor::V3 => "3.3.1.0.alpha",
    };
    Config { now_ms: recorded_at, version: version.into(), ..Config::new(flavor) }
}

/// At least so many of a hundred statements must be answered as the real servers did.
const FLOOR_PERCENT: usize = 85;

fn judge(flavor: Flavor, answered: &[(Recorded, Answer)]) {
    let known = known::differences(flavor);
    let mut wrong = Vec::new();
    let mut same = 0;
    for (recorded, answer) in answered {
        let difference = recorded.difference(answer);
        let excuse = known.iter().find(|(sql, _)| *sql == recorded.sql);
        match (difference, excuse) {
            (None, None) => same += 1,
            (Some(_), Some(_)) => {}
            (None, Some(_)) => wrong.push(format!("{}\n  is listed as different and is not", recorded.sql)),
            (Some(difference), None) => wrong.push(format!("{}\n  {difference}", recorded.sql)),
        }
    }
    for (sql, _) in known {
        assert!(answered.iter().any(|(recorded, _)| recorded.sql == *sql), "listed and never asked: {sql}");
    }
    assert!(wrong.is_empty(), "{} unlisted differences:\n{}", wrong.len(), wrong.join("\n"));
    let percent = same * 100 / answered.len();
    println!("{flavor:?}: {same} of {} statements answered alike ({percent} %)", answered.len());
    assert!(percent >= FLOOR_PERCENT, "only {percent} %");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn statements_in_process_are_answered_as_recorded() {
    for flavor in [Flavor::V26, Flavor::V3] {
        let server = Server::start(config(flavor)).await.unwrap();
        judge(flavor, &replay::in_process(&server, &recording::read(flavor)));
        server.stop().await;
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn statements_over_the_wire_are_answered_as_recorded() {
    for flavor in [Flavor::V26, Flavor::V3] {
        let server = Server::start(config(flavor)).await.unwrap();
        judge(flavor, &replay::over_the_wire(&server, &recording::read(flavor)).await);
        server.stop().await;
    }
}
