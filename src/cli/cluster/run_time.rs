//! The time that the requests of a run with live clusters may take.

use crate::cli::args::ConnectArgs;
use std::time::{Duration, Instant};

/// The seconds of a run without `--timeout`: far more than the largest cluster takes, so that no
/// server holds a run for ever.
pub const DEFAULT_RUN_SECONDS: u64 = 3600;

/// The seconds that `--wait` waits without `--timeout`.
pub const DEFAULT_WAIT_SECONDS: u64 = 300;

/// The time of a run: when it ends, and when `--wait` stops waiting.
#[derive(Clone, Copy, Debug)]
pub struct RunTime {
    end: Instant,
    wait_end: Instant,
    /// The seconds of the run, for messages.
    seconds: u64,
    /// The seconds that `--wait` waits, for messages.
    pub wait_seconds: u64,
    /// Whether it is a part of the run's time.
    is_share: bool,
}

impl RunTime {
    /// Starts the time of a run.
    pub fn start(connect: &ConnectArgs) -> Self {
        let now = Instant::now();
        let seconds = connect.timeout.unwrap_or(DEFAULT_RUN_SECONDS);
        let wait_seconds = connect.timeout.unwrap_or(DEFAULT_WAIT_SECONDS);

        Self {
            end: now + Duration::from_secs(seconds),
            wait_end: now + Duration::from_secs(wait_seconds),
            seconds,
            wait_seconds,
            is_share: false,
        }
    }

    /// The time of the next of some clusters that are left: an equal part of the time that is left. What
    /// one does not need goes to those after it, and one that hangs takes nothing from them.
    ///
    /// The end of the wait is common to all clusters: they become healthy at the same time, also while
    /// another one is asked. It is later than a share only where `--timeout` ends both.
    pub fn share(self, clusters: usize) -> Self {
        if clusters < 2 {
            return self;
        }

        let now = Instant::now();
        let count = u32::try_from(clusters).unwrap_or(u32::MAX);
        let share = now + self.end.saturating_duration_since(now) / count;
        let end = match self.wait_end < self.end {
            true => share.max(self.wait_end),
            false => share,
        };
        let wait_end = self.wait_end.min(end);
        let cut = self.wait_end - wait_end;
        Self {
            end,
            wait_end,
            seconds: self.seconds,
            wait_seconds: self.wait_seconds.saturating_sub(whole_seconds(cut)),
            is_share: true,
        }
    }

    /// The time that is left; zero when the run is over.
    pub fn left(&self) -> Duration {
        self.end.saturating_duration_since(Instant::now())
    }

    /// Whether the time is over.
    pub fn is_over(&self) -> bool {
        self.left().is_zero()
    }

    /// The whole seconds that `--wait` may still wait, rounded up.
    pub fn wait_left(&self) -> u64 {
        let left = self.wait_end.saturating_duration_since(Instant::now());
        whole_seconds(left)
    }

    /// The reason why something is missing when the time is over.
    pub fn over(&self) -> String {
        let seconds = self.seconds;
        match self.is_share {
            false => format!("the time of the run is over (--timeout {seconds})"),
            true => {
                format!("the cluster's share of the time of the run is over (--timeout {seconds})")
            }
        }
    }
}

/// The seconds of a duration, rounded up.
fn whole_seconds(duration: Duration) -> u64 {
    duration.as_secs() + u64::from(duration.subsec_nanos() > 0)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn started(timeout: Option<u64>) -> RunTime {
        RunTime::start(&ConnectArgs {
            context: Vec::new(),
            request_timeout: 60,
            timeout,
        })
    }

    /// Without `--timeout`, every cluster of a fleet has the whole wait to become healthy.
    #[test]
    fn the_wait_is_not_divided() {
        for clusters in [1, 2, 20, 1000] {
            let time = started(None).share(clusters);
            assert_eq!(time.wait_left(), DEFAULT_WAIT_SECONDS, "{clusters}");
            assert_eq!(time.wait_seconds, DEFAULT_WAIT_SECONDS, "{clusters}");
            assert!(time.left() >= Duration::from_secs(DEFAULT_WAIT_SECONDS - 1));
        }
    }

    /// Clusters that need nothing leave their time to the others; one that hangs takes its own.
    #[test]
    fn each_cluster_has_its_share() {
        let whole = started(Some(300));
        let seconds = |time: RunTime| time.left().as_secs_f64().round() as u64;

        assert_eq!(seconds(whole.share(1)), 300);
        assert!(whole.share(1).over().contains("the time of the run"));
        assert_eq!(seconds(whole.share(3)), 100);
        assert_eq!(whole.share(3).wait_seconds, 100);
        assert!(whole.share(3).over().contains("share"));
        assert_eq!(seconds(whole.share(usize::MAX)), 0);
    }
}
