//! Medians, ratios, and the table people read. Pure.

use std::fmt;

use comfy_table::{Table, presets};
use serde::Serialize;

use crate::case::{Case, Name};

/// Above it the servers, not the two sides, decide the pace.
const MOST_SERVER_SHARE: f64 = 0.6;

/// Who moved the rows.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Side {
    Tdferry,
    Plain,
}

impl Side {
    pub(crate) fn other(self) -> Self {
        if self == Self::Tdferry { Self::Plain } else { Self::Tdferry }
    }
}

impl fmt::Display for Side {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(if *self == Self::Tdferry { "tdferry" } else { "plain" })
    }
}

/// What one side took once.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Round {
    /// What counts.
    pub(crate) seconds: f64,
    /// From the start of the process to its result.
    pub(crate) whole: f64,
    /// CPU seconds of the side's own process.
    pub(crate) cpu: f64,
    /// CPU seconds of both servers meanwhile, where they are stand-ins.
    pub(crate) servers: Option<f64>,
}

/// Medians of one side.
#[derive(Debug, Clone, Copy, PartialEq, Serialize)]
pub(crate) struct Measured {
    /// Rows, or subtables, a second.
    pub(crate) per_second: f64,
    /// Seconds from the start of the process to its result: where subtables are created, tdferry surveys first.
    pub(crate) whole: f64,
    /// CPU seconds of the side's own process for a million of them.
    pub(crate) cpu_per_million: f64,
    /// The servers' part of all CPU that was used, where they are stand-ins.
    pub(crate) server_share: Option<f64>,
}

/// One case on one pair of servers.
#[derive(Debug, Serialize)]
pub(crate) struct Outcome {
    case: Name,
    real_servers: bool,
    subtables: u64,
    rows_each: u64,
    tdferry: Measured,
    plain: Measured,
    /// tdferry's pace in that of the plain loop.
    ratio: f64,
    /// The least and the greatest of the rounds' own ratios: how much noise there was.
    ratio_from: f64,
    ratio_to: f64,
    wanted: f64,
    /// Why the ratio says nothing, if it does not.
    void: Option<String>,
}

/// A whole run.
#[derive(Debug, Serialize)]
pub(crate) struct Report {
    results: Vec<Outcome>,
    real_servers: &'static str,
}

impl Round {
    fn measured(&self, case: &Case) -> Measured {
        let amount = precise(case.amount());
        Measured {
            per_second: amount / self.seconds,
            whole: self.whole,
            cpu_per_million: self.cpu * 1_000_000.0 / amount,
            server_share: self.servers.map(|servers| servers / (servers + self.cpu)),
        }
    }

    /// In words, while the rounds go on.
    pub(crate) fn told(&self, case: &Case) -> String {
        let Measured { per_second, cpu_per_million, .. } = self.measured(case);
        let unit = case.unit();
        format!(
            "{:.2} s of {:.2} s, {} {unit}/s, {cpu_per_million:.2} CPU s per million",
            self.seconds,
            self.whole,
            rate(per_second)
        )
    }
}

impl Outcome {
    /// The outcome of rounds of tdferry and of the plain loop.
    pub(crate) fn new(case: Case, real_servers: bool, rounds: &[[Round; 2]]) -> Self {
        let side = |side: usize| -> Vec<Measured> {
            rounds.iter().map(|round| round[side].measured(&case)).collect()
        };
        let (tdferry, plain) = (medians(&side(0)), medians(&side(1)));
        let ratios = || rounds.iter().map(|[tdferry, plain]| plain.seconds / tdferry.seconds);
        Self {
            case: case.name,
            real_servers,
            subtables: case.subtables,
            rows_each: if case.name == Name::Create { 0 } else { case.rows },
            ratio: tdferry.per_second / plain.per_second,
            ratio_from: ratios().fold(f64::INFINITY, f64::min),
            ratio_to: ratios().fold(0.0, f64::max),
            wanted: case.wanted,
            void: void(&[tdferry, plain]),
            tdferry,
            plain,
        }
    }

    fn cells(&self) -> Vec<String> {
        let on = if self.real_servers { "real" } else { "stand-ins" };
        let both = |show: fn(&Measured) -> String| [show(&self.tdferry), show(&self.plain)];
        let [tdferry_rate, plain_rate] = both(|side| rate(side.per_second));
        let [tdferry_whole, plain_whole] = both(|side| format!("{:.2}", side.whole));
        let [tdferry_cpu, plain_cpu] = both(|side| format!("{:.2}", side.cpu_per_million));
        let [tdferry_share, plain_share] = both(|side| {
            side.server_share.map_or_else(|| "-".into(), |share| format!("{:.0} %", share * 100.0))
        });
        let ratio = format!("{:.2} ({:.2}..{:.2})", self.ratio, self.ratio_from, self.ratio_to);
        vec![
            format!("{} {}x{}", self.case, self.subtables, self.rows_each),
            on.into(),
            tdferry_rate,
            plain_rate,
            ratio,
            format!("{:.1}", self.wanted),
            format!("{tdferry_whole} / {plain_whole}"),
            format!("{tdferry_cpu} / {plain_cpu}"),
            format!("{tdferry_share} / {plain_share}"),
            self.verdict(),
        ]
    }

    fn verdict(&self) -> String {
        match &self.void {
            Some(void) => void.clone(),
            None if self.ratio >= self.wanted => "reached".into(),
            None => "missed".into(),
        }
    }
}

impl Report {
    pub(crate) fn new(results: Vec<Outcome>, real: bool) -> Self {
        Self {
            results,
            real_servers: if real { "run on real servers too" } else { "not run on real servers" },
        }
    }

    /// A table for people.
    pub(crate) fn text(&self) -> String {
        let mut table = Table::new();
        table.load_style(presets::NOTHING).set_header([
            "CASE",
            "SERVERS",
            "TDFERRY/S",
            "PLAIN/S",
            "RATIO (ROUNDS)",
            "WANTED",
            "WHOLE RUN S",
            "CPU S PER MILLION",
            "STAND-INS' CPU",
            "VERDICT",
        ]);
        table.add_rows(self.results.iter().map(Outcome::cells));
        format!(
            "{}\n\n{}; pairs are tdferry / plain loop, medians of the rounds",
            table.trim_fmt(),
            self.real_servers
        )
    }
}

fn void(sides: &[Measured]) -> Option<String> {
    let most = sides.iter().filter_map(|side| side.server_share).fold(0.0, f64::max);
    (most > MOST_SERVER_SHARE).then(|| format!("void: the stand-in took {:.0} % of the CPU", most * 100.0))
}

fn medians(rounds: &[Measured]) -> Measured {
    let of = |value: fn(&Measured) -> f64| median(rounds.iter().map(value).collect());
    let shares: Option<Vec<f64>> = rounds.iter().map(|round| round.server_share).collect();
    Measured {
        per_second: of(|round| round.per_second),
        whole: of(|round| round.whole),
        cpu_per_million: of(|round| round.cpu_per_million),
        server_share: shares.map(median),
    }
}

/// The middle value, or the mean of the middle two; 0 of none.
fn median(mut values: Vec<f64>) -> f64 {
    values.sort_by(f64::total_cmp);
    let middle = values.len() / 2;
    match values.get(middle) {
        None => 0.0,
        Some(upper) if values.len() % 2 == 1 => *upper,
        Some(upper) => values.get(middle - 1).map_or(*upper, |lower| f64::midpoint(*lower, *upper)),
    }
}

/// 1234567.8 as `1,234,568`.
fn rate(number: f64) -> String {
    let digits = format!("{number:.0}");
    let mut text = String::new();
    for (index, digit) in digits.chars().enumerate() {
        if index > 0 && (digits.len() - index).is_multiple_of(3) {
            text.push(',');
        }
        text.push(digit);
    }
    text
}

#[expect(clippy::cast_precision_loss, reason = "amounts of a bench are far below 2^52")]
fn precise(number: u64) -> f64 {
    number as f64
}

#[cfg(test)]
mod tests {
    use super::*;

    const CASE: Case = Case { name: Name::Dense, subtables: 1_000, rows: 1_000, wanted: 0.9 };

    fn round(tdferry: f64, plain: f64, servers: f64) -> [Round; 2] {
        [tdferry, plain].map(|seconds| Round { seconds, whole: seconds, cpu: 1.0, servers: Some(servers) })
    }

    #[test]
    fn a_median_is_the_middle_or_between_the_middle_two() {
        assert!((median(vec![9.0, 1.0, 2.0]) - 2.0).abs() < 1e-9);
        assert!((median(vec![4.0, 1.0, 2.0, 9.0]) - 3.0).abs() < 1e-9);
        assert!(median(Vec::new()).abs() < 1e-9);
    }

    #[test]
    fn a_ratio_is_that_of_the_medians_and_one_slow_round_does_not_move_it() {
        let rounds = [round(1.0, 2.0, 0.5), round(1.0, 2.0, 0.5), round(50.0, 2.0, 0.5)];
        let outcome = Outcome::new(CASE, false, &rounds);
        assert!((outcome.ratio - 2.0).abs() < 1e-9);
        assert!((outcome.ratio_from - 0.04).abs() < 1e-9);
        assert!((outcome.tdferry.cpu_per_million - 1.0).abs() < 1e-9);
        assert_eq!(outcome.verdict(), "reached");
    }

    #[test]
    fn a_run_in_which_the_stand_ins_did_most_of_the_work_is_void() {
        let outcome = Outcome::new(CASE, false, &[round(1.0, 1.0, 3.0)]);
        assert_eq!(outcome.verdict(), "void: the stand-in took 75 % of the CPU");
    }

    #[test]
    fn the_table_names_case_rates_ratio_and_where_it_ran() {
        let rounds = [round(2.0, 1.0, 0.5)];
        let text = Report::new(vec![Outcome::new(CASE, false, &rounds)], false).text();
        for part in [
            "dense 1000x1000",
            "500,000",
            "1,000,000",
            "0.50 (0.50..0.50)",
            "missed",
            "not run on real servers",
        ] {
            assert!(text.contains(part), "{part} is not in\n{text}");
        }
    }
}
