//! What is written is read back unchanged.
#![no_main]

use libfuzzer_sys::fuzz_target;
use tenantry::document::{emit, parse, parse_foreign};
use tenantry::source::{Source, SourceId};

fuzz_target!(|text: &str| {
    let (documents, _) = parse_foreign(SourceId(0), &Source::new("in.yaml", text));
    for document in &documents {
        let value = document.root.to_value();
        let mut written = String::new();
        emit(&mut written, &value);

        let (again, faults) = parse(SourceId(0), &Source::new("out.yaml", written.as_str()));
        assert!(faults.is_empty(), "{written}\n{faults:?}");
        let again: Vec<_> = again.iter().map(|document| document.root.to_value()).collect();
        assert_eq!(again, [value], "{written}");
    }
});
