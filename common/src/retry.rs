//! Trying again: how long to wait between attempts, and a helper that does the waiting.
//!
//! It does not know what is tried. Randomness is the caller's, so that a simulation replays the same waits.

use std::future::Future;
use std::time::Duration;

use rand::Rng;

/// Exponential waits with jitter: the nth lies between half of `base × 2ⁿ` and all of it, and never above `cap`.
///
/// The lower half is not used, so that many who failed together do not come back at once and none comes back at once.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Backoff {
    /// The longest first wait.
    pub base: Duration,
    /// No wait is longer.
    pub cap: Duration,
    /// How many attempts in all; `None` waits an outage out.
    pub attempts: Option<u32>,
}

impl Backoff {
    /// Tries again for ever, for outages that are waited out.
    pub const fn endless(base: Duration, cap: Duration) -> Self {
        Self { base, cap, attempts: None }
    }

    /// Gives up after `attempts` in all.
    pub const fn limited(base: Duration, cap: Duration, attempts: u32) -> Self {
        Self { base, cap, attempts: Some(attempts) }
    }

    /// The wait after `failed` attempts (1 or more), or `None` when there is to be no other attempt.
    pub fn delay(&self, failed: u32, rng: &mut (impl Rng + ?Sized)) -> Option<Duration> {
        if self.attempts.is_some_and(|attempts| failed >= attempts) {
            return None;
        }
        let longest = self.longest(failed);
        Some(longest.mul_f64(rng.random_range(0.5..=1.0)))
    }

    fn longest(&self, failed: u32) -> Duration {
        let doublings = failed.saturating_sub(1).min(31);
        self.base.saturating_mul(1 << doublings).min(self.cap)
    }
}

/// Errors that say whether the same call may succeed later.
pub trait Retryable {
    /// Whether to try again.
    fn is_retryable(&self) -> bool;
}

/// Calls `op` until it succeeds, fails for good, or the policy is used up; then its last answer is returned.
///
/// To stop early drop the future: nothing runs outside of it.
pub async fn retry<T, E, F>(
    policy: Backoff,
    rng: &mut (impl Rng + ?Sized),
    mut op: impl FnMut() -> F,
) -> Result<T, E>
where
    E: Retryable,
    F: Future<Output = Result<T, E>>,
{
    let mut failed = 0u32;
    loop {
        let err = match op().await {
            Err(err) if err.is_retryable() => err,
            done => return done,
        };
        failed = failed.saturating_add(1);
        let Some(delay) = policy.delay(failed, rng) else { return Err(err) };
        tokio::time::sleep(delay).await;
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;
    use rand::SeedableRng;
    use rand::rngs::SmallRng;

    const POLICY: Backoff = Backoff::limited(Duration::from_millis(100), Duration::from_secs(5), 4);

    #[derive(Debug, PartialEq)]
    enum Fault {
        Busy,
        Fatal,
    }

    impl Retryable for Fault {
        fn is_retryable(&self) -> bool {
            *self == Self::Busy
        }
    }

    /// The answer, how often `op` was called, and how long it took.
    async fn run(answers: Vec<Result<u8, Fault>>) -> (Result<u8, Fault>, usize, Duration) {
        let started = tokio::time::Instant::now();
        let mut calls = 0;
        let mut answers = answers.into_iter();
        let answer = retry(POLICY, &mut SmallRng::seed_from_u64(1), || {
            calls += 1;
            std::future::ready(answers.next().unwrap())
        })
        .await;
        (answer, calls, started.elapsed())
    }

    proptest! {
        #[test]
        fn a_wait_lies_in_the_upper_half_of_its_doubling_and_under_the_cap(
            failed in 1u32..200, base_ms in 1u64..10_000, cap_ms in 1u64..600_000, seed: u64,
        ) {
            let policy = Backoff::endless(Duration::from_millis(base_ms), Duration::from_millis(cap_ms));
            let wait = policy.delay(failed, &mut SmallRng::seed_from_u64(seed)).unwrap();
            let longest = u128::from(base_ms) << failed.saturating_sub(1).min(40);
            let longest = longest.min(u128::from(cap_ms)) * 1_000_000;
            prop_assert!(wait.as_nanos() <= longest + 1 && wait.as_nanos() * 2 + 2 >= longest);
        }

        #[test]
        fn the_same_seed_waits_the_same(seed: u64, failed in 1u32..4) {
            let wait = || POLICY.delay(failed, &mut SmallRng::seed_from_u64(seed));
            prop_assert_eq!(wait(), wait());
        }
    }

    #[test]
    fn a_limited_policy_ends_after_its_attempts() {
        let mut rng = SmallRng::seed_from_u64(7);
        assert!(POLICY.delay(3, &mut rng).is_some());
        assert_eq!(POLICY.delay(4, &mut rng), None);
    }

    #[tokio::test(start_paused = true)]
    async fn success_after_faults_is_success() {
        let (answer, calls, took) = run(vec![Err(Fault::Busy), Err(Fault::Busy), Ok(7)]).await;
        assert_eq!((answer, calls), (Ok(7), 3));
        assert!(took >= Duration::from_millis(150) && took <= Duration::from_millis(310), "{took:?}");
    }

    #[tokio::test(start_paused = true)]
    async fn a_final_error_is_not_tried_again() {
        let (answer, calls, took) = run(vec![Err(Fault::Fatal)]).await;
        assert_eq!((answer, calls, took), (Err(Fault::Fatal), 1, Duration::ZERO));
    }

    #[tokio::test(start_paused = true)]
    async fn the_last_error_comes_back_when_the_attempts_are_used_up() {
        let (answer, calls, _) = run((0..4).map(|_| Err(Fault::Busy)).collect()).await;
        assert_eq!((answer, calls), (Err(Fault::Busy), 4));
    }
}
