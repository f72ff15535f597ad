//! Any text is an expression or none, and what can be read can be evaluated.
#![no_main]

use libfuzzer_sys::fuzz_target;
use tenantry::document::parse_foreign;
use tenantry::expression::{check_text, eval_text};
use tenantry::source::{Source, SourceId};

const NAMES: &str = "{name: shop, labels: {a.b/c: x, d: ''}, list: [1, two, {three: 3}], none: null}";

fuzz_target!(|text: &str| {
    let (documents, _) = parse_foreign(SourceId(0), &Source::new("names.yaml", NAMES));
    let tenant = documents[0].root.to_value();
    let names = [("tenant", &tenant), ("cluster", &tenant)];
    if eval_text(text, &names).is_ok() {
        assert!(check_text(text).is_ok(), "what is evaluated can be read");
    }
});
