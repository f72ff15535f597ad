//! A lock and the record of a file are refused, or are as tenantry writes them.
#![no_main]

use libfuzzer_sys::fuzz_target;
use tenantry::source::{Source, SourceId};
use tenantry::tree::{FileEntry, Lock, record_range};

fuzz_target!(|text: &str| {
    if let Some(range) = record_range(text.as_bytes()) {
        assert!(text.as_bytes().get(range).is_some());
    }
    let path = "rendered/prod/shop.yaml";
    if let Some(entry) = FileEntry::read("rendered", path, text.as_bytes()) {
        assert_eq!(entry.path, path);
        assert!(text.contains(entry.comment().trim_end()));
    }

    let (lock, faults) = Lock::parse(SourceId(0), &Source::new("tenantry.lock", text));
    if faults.is_empty() {
        let written = lock.written().to_text();
        let (again, faults) = Lock::parse(SourceId(0), &Source::new("tenantry.lock", written.as_str()));
        assert!(faults.is_empty(), "{written}\n{faults:?}");
        assert_eq!(again.written().to_text(), written);
    }
});
