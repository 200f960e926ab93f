//! How long a task is seen in each of its phases.

use std::collections::BTreeMap;
use std::time::Duration;

use tokio::time::Instant;

/// Times by phase, the one under way apart.
#[derive(Debug, Default)]
pub struct Phases {
    ended: BTreeMap<String, Duration>,
    now: Option<(String, Instant)>,
}

impl Phases {
    /// The task is in this phase at this moment; in none if it is empty.
    pub fn saw(&mut self, phase: &str, at: Instant) {
        if self.now.as_ref().is_some_and(|(now, _)| now == phase) {
            return;
        }
        if let Some((before, since)) = self.now.take() {
            *self.ended.entry(before).or_default() += at.duration_since(since);
        }
        self.now = (!phase.is_empty()).then(|| (phase.to_owned(), at));
    }

    /// Seconds of each phase that has been seen to its end.
    pub fn seconds(&self) -> BTreeMap<String, f64> {
        self.ended.iter().map(|(phase, time)| (phase.clone(), time.as_secs_f64())).collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test(start_paused = true)]
    async fn a_phase_lasts_until_another_is_seen_and_adds_up_when_it_comes_again() {
        let (mut phases, start) = (Phases::default(), Instant::now());
        let after = |millis| start + Duration::from_millis(millis);
        for (phase, at) in
            [("survey", 0), ("survey", 300), ("schema", 500), ("copy", 600), ("schema", 700), ("", 950)]
        {
            phases.saw(phase, after(at));
        }
        phases.saw("", after(2_000));
        let wanted = [("copy", 0.1), ("schema", 0.35), ("survey", 0.5)];
        assert_eq!(phases.seconds(), wanted.map(|(phase, seconds)| (phase.to_owned(), seconds)).into());
    }
}
