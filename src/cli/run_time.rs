//! The time that a run with live clusters may take.

use super::args::ConnectArgs;
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
        left.as_secs() + u64::from(left.subsec_nanos() > 0)
    }

    /// The reason why something is missing when the time is over.
    pub fn over(&self) -> String {
        format!("the time of the run is over (--timeout {})", self.seconds)
    }
}
