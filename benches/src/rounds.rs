//! Rounds of one case: both sides by turns, each into a fresh database of the same target.

use anyhow::{Context, Result, ensure};

use crate::case::{Case, Name};
use crate::load;
use crate::output;
use crate::process::{self, Ran};
use crate::report::{Outcome, Round, Side};
use crate::servers::{Servers, with_database};
use crate::tdferry::{Does, Run, Tdferry, Verify};

/// One case on one pair of servers.
struct Bench<'a> {
    tdferry: &'a Tdferry,
    servers: &'a Servers,
    case: &'a Case,
}

/// Runs a case so many times.
pub(crate) async fn run(tdferry: &Tdferry, servers: &Servers, case: &Case, rounds: u32) -> Result<Outcome> {
    let bench = Bench { tdferry, servers, case };
    let mut done = Vec::new();
    for round in 0..rounds {
        let first = if round % 2 == 0 { Side::Tdferry } else { Side::Plain };
        let one = bench.side(first, round).await?;
        let other = bench.side(first.other(), round).await?;
        done.push(if first == Side::Tdferry { [one, other] } else { [other, one] });
    }
    Ok(Outcome::new(*case, servers.are_real(), &done))
}

impl Bench<'_> {
    async fn side(&self, side: Side, round: u32) -> Result<Round> {
        let into = format!("{}_{side}_{round}", self.servers.database(self.case));
        let measured = self.measured(side, &into).await;
        load::drop_database(&self.servers.target, &into).await?;
        let round = measured.with_context(|| format!("round {round} of {side}"))?;
        output::say(&format!("{} {side}: {}", self.case.name, round.told(self.case)));
        Ok(round)
    }

    async fn measured(&self, side: Side, into: &str) -> Result<Round> {
        let (from, to) = self.places(into);
        // both sides find what tdferry created, so that only copying is measured
        if self.case.name != Name::Create {
            let created = self.tdferry.run(&from, &to, Does::Structure, Verify::Count).await?.moved;
            ensure!(created == self.case.subtables, "{created} subtables were created");
        }
        let before = self.servers.cpu()?;
        let (moved, ran, seconds) = match side {
            Side::Tdferry => {
                let run = self.tdferry.run(&from, &to, self.does(), Verify::Count).await?;
                // surveying is not creating
                let creating = run.creating().filter(|_| self.case.name == Name::Create);
                let Run { moved, ran, .. } = run;
                let seconds = creating.unwrap_or(ran.seconds);
                (moved, ran, seconds)
            }
            Side::Plain => {
                let (moved, ran) = self.plain(into).await?;
                let seconds = ran.seconds;
                (moved, ran, seconds)
            }
        };
        let servers = before.zip(self.servers.cpu()?).map(|(before, after)| after - before);
        ensure!(moved == self.case.amount(), "{moved} of {} {} came", self.case.amount(), self.case.unit());
        Ok(Round { seconds, whole: ran.seconds, cpu: ran.cpu, servers })
    }

    fn places(&self, into: &str) -> (String, String) {
        let Servers { source, target, .. } = self.servers;
        (with_database(source, &self.servers.database(self.case)), with_database(target, into))
    }

    fn does(&self) -> Does {
        if self.case.name == Name::Create { Does::Structure } else { Does::Rows }
    }

    async fn plain(&self, into: &str) -> Result<(u64, Ran)> {
        let verb = if self.case.name == Name::Create { "ddl" } else { "loop" };
        let Servers { source, target, .. } = self.servers;
        let mut command = tokio::process::Command::new(std::env::current_exe()?);
        command.args([verb, "--from", source, "--to", target, "--into", into]);
        let ran = process::run(command.arg("--database").arg(self.servers.database(self.case))).await?;
        Ok((ran.stdout.trim().parse().context(ran.stdout.clone())?, ran))
    }
}
