//! A selector that is read means the same when it is written and read again, and the labels that are found for it match.
#![no_main]

use libfuzzer_sys::fuzz_target;
use tenantry::document::parse_foreign;
use tenantry::kube::labels::{Labels, Selector, satisfiable};
use tenantry::source::{Source, SourceId};

fuzz_target!(|text: &str| {
    let (documents, _) = parse_foreign(SourceId(0), &Source::new("in.yaml", text));
    let Some((first, others)) = documents.split_first() else {
        return;
    };
    let Ok(selector) = Selector::of(&first.root) else {
        return;
    };

    let again = Selector::of(&selector.to_value()).expect("it was read before");
    for labels in others.iter().map(|other| Labels::of(Some(&other.root))) {
        assert_eq!(selector.matches(&labels), again.matches(&labels));
    }
    if let Ok(Some(labels)) = satisfiable(&[&selector], &[]) {
        assert!(selector.matches(&labels), "{labels:?}");
    }
    let apart = satisfiable(&[&selector], &[&again]);
    assert!(matches!(apart, Ok(None) | Err(_)), "{apart:?}");
});
