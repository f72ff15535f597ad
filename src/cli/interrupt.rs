//! Ends a run on SIGINT, SIGTERM and SIGHUP: no credential plugin survives it, and no file is half
//! written.
//!
//! The signal that a terminal sends reaches only the group of this program; and another process sends
//! SIGTERM to this program alone. So a thread waits for the signals, ends the plugins, and then lets
//! the signal end this program as it would without that thread.

use super::plugin_process;

/// Does something that a signal must not interrupt, such as writing a file.
pub fn whole<T>(work: impl FnOnce() -> T) -> T {
    let _plugins = plugin_process::plugins();
    work()
}

/// Prepares the program for the signals.
#[cfg(unix)]
pub fn prepare() {
    use signal_hook::consts::{SIGHUP, SIGINT, SIGTERM};
    use signal_hook::iterator::Signals;

    // A signal that is ignored stays so: `nohup` ignores SIGHUP.
    let ending = [SIGHUP, SIGINT, SIGTERM];
    let ending = ending.into_iter().filter(|signal| !is_ignored(*signal));
    let Ok(mut signals) = Signals::new(ending) else {
        return;
    };

    let handle = signals.handle();
    let waiting = std::thread::Builder::new()
        .name("signals".to_owned())
        .spawn(move || signals.forever().for_each(end_by));
    if waiting.is_err() {
        handle.close();
    }
}

#[cfg(not(unix))]
pub fn prepare() {}

/// Whether the program was started with a signal ignored, where the system tells it.
#[cfg(unix)]
fn is_ignored(signal: i32) -> bool {
    let status = std::fs::read_to_string("/proc/self/status").unwrap_or_default();
    let mask = status.lines().find_map(|line| line.strip_prefix("SigIgn:"));
    let mask = mask.and_then(|mask| u64::from_str_radix(mask.trim(), 16).ok());
    mask.is_some_and(|mask| mask & (1 << (signal - 1)) != 0)
}

/// Ends the plugins, and then the program by the signal.
#[cfg(unix)]
fn end_by(signal: i32) {
    /// The longest wait for a file that is being written.
    const PATIENCE: std::time::Duration = std::time::Duration::from_millis(500);

    // Held until the end, so that no plugin starts any more.
    let _plugins = plugin_process::end_all(PATIENCE);
    let _ = signal_hook::low_level::emulate_default_handler(signal);
}
