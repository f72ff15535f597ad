//! Panics. Each is a fault of the program, and ends it with exit code 2.

use super::output;
use std::panic::{AssertUnwindSafe, Location, PanicHookInfo, catch_unwind, set_hook, take_hook};
use std::sync::OnceLock;

/// What is said of a task that a panic ended. The error of the task quotes the panic's message.
pub const TASK_ENDED: &str = "a task of tenantry ended unexpectedly";

/// Where the first panic was.
static FIRST_PANIC: OnceLock<String> = OnceLock::new();

/// What is said about a panic. Its message is not shown: it may quote an input, and with it a secret.
pub fn panic_message(place: &str) -> String {
    format!(
        "this is a bug in tenantry {}, at {place}: please report it at {}/issues, with the command, and \
         with the input if you may share it; RUST_BACKTRACE=1 also shows the message of the panic, which \
         may quote the input",
        env!("CARGO_PKG_VERSION"),
        env!("CARGO_PKG_REPOSITORY")
    )
}

/// Says of the first panic of any thread what to do. The others are left out: they follow from it.
pub fn report_panics() {
    let usual = take_hook();
    set_hook(Box::new(move |info: &PanicHookInfo<'_>| {
        if let Some(place) = note(&FIRST_PANIC, info) {
            output::err(&format!("tenantry: {}\n", panic_message(&place)));
        }

        let wanted = std::env::var_os("RUST_BACKTRACE");
        if wanted.is_some_and(|value| !value.is_empty() && value != "0") {
            usual(info);
        }
    }));
}

/// Keeps the place of a panic, if it is the first. Returns the place then.
fn note(first: &OnceLock<String>, info: &PanicHookInfo<'_>) -> Option<String> {
    let place = info.location().map_or("an unknown place".into(), in_crate);
    first.set(place.clone()).is_ok().then_some(place)
}

/// Runs something. Fails with the place of the first panic, also of another thread.
pub fn catch<T>(run: impl FnOnce() -> T) -> Result<T, &'static str> {
    catch_after(&FIRST_PANIC, run)
}

fn catch_after<T>(
    first: &'static OnceLock<String>,
    run: impl FnOnce() -> T,
) -> Result<T, &'static str> {
    let result = catch_unwind(AssertUnwindSafe(run));
    match (result, first.get()) {
        (Ok(value), None) => Ok(value),
        (_, place) => Err(place.map_or("an unknown place", String::as_str)),
    }
}

/// A place in a source file, without the folders above its crate.
fn in_crate(location: &Location<'_>) -> String {
    let file = location.file().replace('\\', "/");
    let below = file.split_once("/registry/src/");
    let below = below.and_then(|(_, rest)| rest.split_once('/'));
    let file = below.map_or(file.as_str(), |(_, rest)| rest);
    format!("{file}:{}", location.line())
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The name of the threads whose panics are this test's.
    const PANICKING: &str = "panicking";

    fn in_thread<T: Send + 'static>(run: impl FnOnce() -> T + Send + 'static) -> Option<T> {
        let thread = std::thread::Builder::new().name(PANICKING.to_owned());
        thread.spawn(run).ok()?.join().ok()
    }

    /// Another test that fails meanwhile keeps its message.
    #[test]
    fn a_panic_of_any_thread_is_a_fault_with_its_place() {
        static FIRST: OnceLock<String> = OnceLock::new();
        let usual = take_hook();
        set_hook(Box::new(move |info| {
            if std::thread::current().name() == Some(PANICKING) {
                note(&FIRST, info);
            } else {
                usual(info);
            }
        }));
        assert_eq!(catch_after(&FIRST, || 1), Ok(1));

        let place = catch_after(&FIRST, || in_thread(|| panic!("a secret")))
            .map(|_: Option<()>| ())
            .expect_err("the panic is seen");
        assert!(place.starts_with("src/cli/bug.rs:"), "{place}");

        let message = panic_message(place);
        assert!(message.contains(place) && message.contains("/issues"));
        assert!(!message.contains("a secret"));

        let second = in_thread(|| catch_after(&FIRST, || panic!("another")));
        assert_eq!(second, Some(Err::<(), _>(place)));
    }
}
