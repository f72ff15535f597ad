//! Ends a run on SIGINT, SIGTERM and SIGHUP: no credential plugin survives it, and no file is half
//! written.
//!
//! A credential plugin is a process group of its own, so that it ends with its children. The signal
//! that a terminal sends reaches only the group of this program; and another process sends SIGTERM
//! to this program alone. So a thread waits for the signals, ends the plugins, and then lets the
//! signal end this program as it would without that thread.

use std::io;
use std::process::{Child, Command, ExitStatus};
use std::sync::{Mutex, MutexGuard, PoisonError};

/// The plugins that run. A thread holds the lock while it starts or ends a plugin, or writes a file.
static PLUGINS: Mutex<Vec<PluginId>> = Mutex::new(Vec::new());

fn plugins() -> MutexGuard<'static, Vec<PluginId>> {
    PLUGINS.lock().unwrap_or_else(PoisonError::into_inner)
}

/// A plugin that runs.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct PluginId {
    process: u32,
    /// Whether the process leads a group of its own.
    leads_group: bool,
}

/// Does something that a signal must not interrupt, such as writing a file.
pub fn whole<T>(work: impl FnOnce() -> T) -> T {
    let _plugins = plugins();
    work()
}

/// A process that ends with the program.
pub struct PluginProcess {
    child: Child,
    id: PluginId,
}

impl PluginProcess {
    /// Starts a process, in a group of its own or in that of the program. A plugin that talks with the
    /// user needs the terminal, which only the program's own group may read.
    pub fn start(command: &mut Command, leads_group: bool) -> io::Result<Self> {
        #[cfg(unix)]
        if leads_group {
            std::os::unix::process::CommandExt::process_group(command, 0);
        }

        let mut plugins = plugins();
        let child = command.spawn()?;
        let id = PluginId {
            process: child.id(),
            leads_group,
        };
        plugins.push(id);
        Ok(Self { child, id })
    }

    /// Ends the processes that an ended plugin left in its group.
    pub fn end_rest(&self) {
        if self.id.leads_group {
            end(self.id);
        }
    }

    /// The standard output of the process, if it was asked for and not taken yet.
    pub fn take_stdout(&mut self) -> Option<std::process::ChildStdout> {
        self.child.stdout.take()
    }

    /// The status of the process, if it has ended by itself.
    pub fn try_wait(&mut self) -> io::Result<Option<ExitStatus>> {
        let mut plugins = plugins();
        let status = self.child.try_wait()?;
        if status.is_some() {
            plugins.retain(|plugin| *plugin != self.id);
        }
        Ok(status)
    }
}

/// Ends the process and its group, if it has not ended by itself.
impl Drop for PluginProcess {
    fn drop(&mut self) {
        let mut plugins = plugins();
        let Some(at) = plugins.iter().position(|plugin| *plugin == self.id) else {
            return;
        };

        plugins.swap_remove(at);
        end(self.id);
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

#[cfg(unix)]
fn end(plugin: PluginId) {
    use nix::sys::signal::{Signal, kill, killpg};
    use nix::unistd::Pid;

    let Ok(process) = i32::try_from(plugin.process) else {
        return;
    };
    let process = Pid::from_raw(process);
    if plugin.leads_group {
        let _ = killpg(process, Signal::SIGKILL);
        return;
    }

    // A plugin that asks for a password has to show again what the user types.
    let _ = kill(process, Signal::SIGTERM);
    std::thread::sleep(std::time::Duration::from_millis(100));
    let _ = kill(process, Signal::SIGKILL);
}

#[cfg(not(unix))]
fn end(_plugin: PluginId) {}

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
    use std::time::{Duration, Instant};

    /// The longest wait for a file that is being written.
    const PATIENCE: Duration = Duration::from_millis(500);

    // Held until the end, so that no plugin starts any more.
    let started = Instant::now();
    let plugins = loop {
        match PLUGINS.try_lock() {
            Ok(plugins) => break Some(plugins),
            Err(std::sync::TryLockError::Poisoned(poisoned)) => break Some(poisoned.into_inner()),
            Err(_) if started.elapsed() > PATIENCE => break None,
            Err(_) => std::thread::sleep(Duration::from_millis(5)),
        }
    };

    plugins
        .iter()
        .flat_map(|all| all.iter())
        .for_each(|plugin| end(*plugin));
    let _ = signal_hook::low_level::emulate_default_handler(signal);
}
