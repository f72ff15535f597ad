//! The processes of credential plugins, none of which outlives the program.
//!
//! A credential plugin is a process group of its own, so that it ends with its children.

use std::io;
use std::process::{Child, Command, ExitStatus};
use std::sync::{Mutex, MutexGuard, PoisonError};
#[cfg(unix)]
use std::{
    sync::TryLockError,
    time::{Duration, Instant},
};

/// The plugins that run. A thread holds the lock while it starts or ends a plugin, or writes a file.
static PLUGINS: Mutex<Vec<PluginId>> = Mutex::new(Vec::new());

/// The plugins that run, held so that none starts or ends meanwhile.
pub fn plugins() -> MutexGuard<'static, Vec<PluginId>> {
    PLUGINS.lock().unwrap_or_else(PoisonError::into_inner)
}

/// A plugin that runs.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct PluginId {
    process: u32,
    /// Whether the process leads a group of its own.
    leads_group: bool,
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

/// Ends all plugins, and returns the hold on them. `None` if another thread held them for longer than
/// `patience`: then they run on.
#[cfg(unix)]
pub fn end_all(patience: Duration) -> Option<MutexGuard<'static, Vec<PluginId>>> {
    let started = Instant::now();
    let plugins = loop {
        match PLUGINS.try_lock() {
            Ok(plugins) => break plugins,
            Err(TryLockError::Poisoned(poisoned)) => break poisoned.into_inner(),
            Err(_) if started.elapsed() > patience => return None,
            Err(_) => std::thread::sleep(Duration::from_millis(5)),
        }
    };

    plugins.iter().for_each(|plugin| end(*plugin));
    Some(plugins)
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
    std::thread::sleep(Duration::from_millis(100));
    let _ = kill(process, Signal::SIGKILL);
}

#[cfg(not(unix))]
fn end(_plugin: PluginId) {}
