//! An answer of a server is a page of a list, a list of kinds, or an error.
#![no_main]

use libfuzzer_sys::fuzz_target;
use tenantry::live::listing::ServedKind;
use tenantry::live::page::managed_fields;
use tenantry::live::{Page, ServedKinds};

fuzz_target!(|bytes: &[u8]| {
    let kind = ServedKind {
        group: "networking.k8s.io".into(),
        version: "v1".into(),
        kind: "NetworkPolicy".into(),
        plural: "networkpolicies".into(),
        namespaced: true,
    };
    if let Ok(page) = Page::read(&kind, bytes) {
        for item in &page.items {
            assert_eq!(item.get("kind").and_then(|kind| kind.as_str()), Some("NetworkPolicy"));
            let _ = managed_fields(item);
        }
    }
    let _ = ServedKinds::default().add(bytes);
});
