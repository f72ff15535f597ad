//! Any text is read, or refused at places within it.
#![no_main]

use libfuzzer_sys::fuzz_target;
use tenantry::document::quoting::Quotable;
use tenantry::document::{parse, parse_foreign};
use tenantry::source::{Source, SourceId};

fuzz_target!(|text: &str| {
    let id = SourceId(0);
    let source = Source::new("fuzz.yaml", text);
    for (documents, faults) in [parse(id, &source), parse_foreign(id, &source)] {
        for fault in &faults {
            let span = fault.span;
            assert!(text.get(span.start as usize..span.end as usize).is_some(), "{fault:?}");
            assert!(!source.path.is_empty() && source.position(span.start).line > 0);
        }
        for document in &documents {
            let span = document.raw;
            assert!(text.get(span.start as usize..span.end as usize).is_some(), "{span:?}");
        }
    }
    let _ = Quotable::of(id, &source);
});
