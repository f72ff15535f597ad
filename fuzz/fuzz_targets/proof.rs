//! Any text as a manifest: the proof ends.
#![no_main]

use libfuzzer_sys::fuzz_target;
use tenantry::graph::{ExtraFacts, WithoutFleet, read, without_fleet};
use tenantry::isolation::prove;
use tenantry::source::{Source, SourceMap};
use tenantry::tenancy::PlatformNames;

fuzz_target!(|text: &str| {
    let mut sources = SourceMap::default();
    let span = sources.add_path("cluster");
    let id = sources.add(Source::new("fuzz.yaml", text));
    let reading = read(&sources, &[id], true);

    let beside = ExtraFacts {
        facts: reading.facts,
        faults: reading.faults,
        has_unread_files: reading.has_unread_files,
        keeps_objects: true,
        ..ExtraFacts::default()
    };
    let platform = PlatformNames {
        platform: &[],
        tenants: &[],
    };
    let options = WithoutFleet {
        name: None,
        group_by: None,
        platform,
    };
    let _ = prove(&without_fleet(beside, span, &options));
});
