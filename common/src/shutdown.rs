//! Stopping a process: one token that everything long-running watches.
//!
//! Drain means: no new claims, commit, finish or release, then return. Abort means: return at once, the leases
//! will expire or be ended. The token knows nothing of leases; who holds some decides what finishing is.

use tokio::sync::watch;

/// How far a process has been asked to stop. It only ever moves forward.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Stop {
    /// Go on.
    Running,
    /// Finish or release what is held, take nothing new.
    Drain,
    /// Return now.
    Abort,
}

/// Asks for the stop. Clones ask the same process.
#[derive(Debug, Clone)]
pub struct Stopper(watch::Sender<Stop>);

/// Sees the stop. Clones see the same one. A token whose stopper is gone never fires.
#[derive(Debug, Clone)]
pub struct StopToken(watch::Receiver<Stop>);

/// One process's stopper and the token to hand around.
pub fn stop_pair() -> (Stopper, StopToken) {
    let (sender, receiver) = watch::channel(Stop::Running);
    (Stopper(sender), StopToken(receiver))
}

impl Stopper {
    /// Asks for an orderly end.
    pub fn drain(&self) {
        self.raise(Stop::Drain);
    }

    /// Asks for the end now.
    pub fn abort(&self) {
        self.raise(Stop::Abort);
    }

    /// Another token of the same process.
    pub fn token(&self) -> StopToken {
        StopToken(self.0.subscribe())
    }

    fn raise(&self, to: Stop) {
        self.0.send_if_modified(|stop| {
            let raised = to > *stop;
            *stop = to.max(*stop);
            raised
        });
    }
}

impl StopToken {
    /// How far the stop has gone.
    pub fn state(&self) -> Stop {
        *self.0.borrow()
    }

    /// Whether any stop was asked for, so that nothing new may be begun.
    pub fn is_stopping(&self) -> bool {
        self.state() != Stop::Running
    }

    /// Returns once a stop was asked for, of either kind. Safe to drop and call again.
    pub async fn stopping(&self) {
        self.reached(Stop::Drain).await;
    }

    /// Returns once the end was asked for at once.
    pub async fn aborted(&self) {
        self.reached(Stop::Abort).await;
    }

    async fn reached(&self, wanted: Stop) {
        let mut receiver = self.0.clone();
        if receiver.wait_for(|stop| *stop >= wanted).await.is_err() {
            std::future::pending::<()>().await;
        }
    }
}

/// Turns signals into the stop: the first SIGTERM or SIGINT drains, the second aborts. Runs until then.
pub async fn stop_on_signals(stopper: Stopper) -> std::io::Result<()> {
    use tokio::signal::unix::{SignalKind, signal};
    let mut terminate = signal(SignalKind::terminate())?;
    let mut interrupt = signal(SignalKind::interrupt())?;
    for to in [Stop::Drain, Stop::Abort] {
        tokio::select! {
            _ = terminate.recv() => {}
            _ = interrupt.recv() => {}
        }
        tracing::info!(stop = ?to, "signal received");
        stopper.raise(to);
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;
    use futures_util::FutureExt;
    use std::time::Duration;

    const BOUND: Duration = Duration::from_secs(10);

    #[tokio::test]
    async fn every_clone_sees_the_drain_also_one_made_afterwards() {
        let (stopper, token) = stop_pair();
        let waiting = tokio::spawn({
            let token = token.clone();
            async move { token.stopping().await }
        });
        assert!(!token.is_stopping());
        stopper.drain();
        tokio::time::timeout(BOUND, waiting).await.unwrap().unwrap();
        tokio::time::timeout(BOUND, stopper.token().stopping()).await.unwrap();
        assert!(token.aborted().now_or_never().is_none(), "a drain is no abort");
    }

    #[test]
    fn a_stop_never_goes_back() {
        let (stopper, token) = stop_pair();
        stopper.abort();
        stopper.drain();
        assert_eq!(token.state(), Stop::Abort);
        assert!(token.stopping().now_or_never().is_some(), "who waits for a drain sees the abort");
    }

    #[tokio::test(start_paused = true)]
    async fn a_token_without_its_stopper_never_fires() {
        let (stopper, token) = stop_pair();
        drop(stopper);
        assert!(tokio::time::timeout(BOUND, token.stopping()).await.is_err());
    }

    #[tokio::test]
    async fn the_first_signal_drains_and_the_second_aborts() {
        let (stopper, token) = stop_pair();
        let mut watching = Box::pin(stop_on_signals(stopper));
        assert!(
            (&mut watching).now_or_never().is_none(),
            "polled once, so that it catches signals from here on"
        );
        signal_self("TERM").await;
        tokio::select! {
            _ = &mut watching => panic!("one signal is not the end of the watch"),
            stopping = tokio::time::timeout(BOUND, token.stopping()) => stopping.unwrap(),
        }
        assert_eq!(token.state(), Stop::Drain);
        signal_self("INT").await;
        tokio::time::timeout(BOUND, watching).await.unwrap().unwrap();
        assert_eq!(token.state(), Stop::Abort);
    }

    async fn signal_self(name: &str) {
        let command = format!("kill -{name} {}", std::process::id());
        assert!(tokio::process::Command::new("sh").args(["-c", &command]).status().await.unwrap().success());
    }
}
