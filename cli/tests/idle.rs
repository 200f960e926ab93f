//! A silent source is asked little, however many subtables it has: statements and polls as a stand-in counts them.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::print_stderr,
    reason = "a test that cannot go on fails"
)]

use std::time::Duration;

use tdferry_standin::{Action, Fault, MetersSeed, When};
use tokio::time::{sleep, timeout};

mod support;
use support::process::{kill, run_args, tdferry};
use support::servers::Servers;

const SUBTABLES: u64 = 100_000;
/// Statements of an interval.
const MOST: u64 = 5;
/// Polls that are watched: everything that is looked at every five seconds comes round.
const POLLS: u64 = 15;
const PATIENCE: Duration = Duration::from_secs(240);

#[tokio::test]
async fn a_hundred_thousand_silent_subtables_cost_five_statements_an_interval_at_most() {
    let servers = Servers::standins().await;
    let seed = MetersSeed::new(SUBTABLES, 1);
    servers.source_standin().seed_meters(&seed).expect("an empty source");
    servers.target_standin().seed_meters(&seed).expect("an empty target");
    let source = servers.source_standin();
    // a fault that does no harm counts: first what is fetched of an answer, which is no statement
    let count =
        |text: &str| source.faults().add(Fault::new(When::contains(text), Action::Delay(Duration::ZERO)));
    count("fetch ");
    let polls = count("select tbname,`ts`");
    let until = async |wanted: u64| {
        let come = async {
            while polls.fired() < wanted {
                sleep(Duration::from_millis(10)).await;
            }
        };
        timeout(PATIENCE, come).await.unwrap_or_else(|_| panic!("{} of {wanted} polls came", polls.fired()));
        (polls.fired(), source.stats().statements.values().sum::<u64>())
    };

    let state = tempfile::tempdir().expect("a folder");
    let (from, to) = (servers.from("power"), servers.to("power"));
    let more = ["--mode", "realtime", "--heartbeat", "1000"];
    let child = tdferry(&run_args(&from, &to, state.path(), &more)).spawn().expect("starts");
    // until the third everything is still set up: names listed, the structures held against each other
    let begun = until(3).await;
    let visited = source.stats().tables_visited;
    let ended = until(3 + POLLS).await;
    let (polls, statements) = (ended.0 - begun.0, ended.1 - begun.1);
    assert!(statements >= polls, "a poll is a statement: {statements} in {polls} intervals");
    assert!(statements <= MOST * polls, "{statements} statements in {polls} intervals");
    let visited = source.stats().tables_visited - visited;
    assert!(visited < SUBTABLES * polls, "each poll went through every subtable: {visited}");
    kill(child).await;
}
