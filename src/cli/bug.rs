//! Panics. Each is a fault of the program, and ends it with exit code 2.

use super::output;
use std::panic::{AssertUnwindSafe, Location, PanicHookInfo, catch_unwind, set_hook, take_hook};
use std::sync::OnceLock;

/// Where the first panic was.
static PLACE: OnceLock<String> = OnceLock::new();

/// What is said about a panic. Its message is not shown: it may quote an input, and with it a secret.
pub fn text(place: &str) -> String {
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
        let place = info.location().map_or("an unknown place".into(), in_crate);
        let mut is_first = false;
        PLACE.get_or_init(|| {
            is_first = true;
            place.clone()
        });
        if is_first {
            output::err(&format!("tenantry: {}\n", text(&place)));
        }

        let wanted = std::env::var_os("RUST_BACKTRACE");
        if wanted.is_some_and(|value| !value.is_empty() && value != "0") {
            usual(info);
        }
    }));
}

/// Runs something. Fails with the place of the first panic, also of another thread.
pub fn catch<T>(run: impl FnOnce() -> T) -> Result<T, &'static str> {
    let result = catch_unwind(AssertUnwindSafe(run));
    match (result, PLACE.get()) {
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

    /// The panics of this process are counted once for all: this is the only test that may make one.
    #[test]
    fn a_panic_of_any_thread_is_a_fault_with_its_place() {
        report_panics();
        assert_eq!(catch(|| 1), Ok(1));

        let of_another_thread = catch(|| {
            let thread = std::thread::spawn(|| panic!("a secret"));
            let _ = thread.join();
        });
        let place = of_another_thread.expect_err("the panic is seen");
        assert!(place.starts_with("src/cli/bug.rs:"), "{place}");

        let said = text(place);
        assert!(said.contains(place) && said.contains("/issues") && !said.contains("a secret"));
        assert_eq!(catch(|| panic!("another")), Err::<(), _>(place));
    }
}
