//! What five reference systems promise, point by point: the test that shows each, what it waits
//! for, or why a compiler has nothing to show.

use crate::support::{root, say, shared};
use Row::{Nothing, Pending, Shown};
use std::collections::BTreeSet;
use std::fs;

enum Row {
    /// Tests, as `module::function` in tests/it, or files of fixtures that a test goes through.
    Shown(&'static [&'static str]),
    /// What it waits for.
    Pending(&'static str),
    /// Why there is nothing to show.
    Nothing(&'static str),
}

const CLOUD: Row = Pending("cloud and Vault identity");
const GUARDS: Row = Pending("admission guardrails");
const TEARDOWN: Row = Pending("teardown");

static ROWS: &[(&str, Row)] = &[
    (
        "S0-1",
        Shown(&[
            "init::init_new_and_render_make_a_tree",
            "render::the_floor_is_on_by_default",
        ]),
    ),
    ("S0-2", Shown(&["fixtures/spec/invalid/derived-name.yaml"])),
    (
        "S0-3",
        Shown(&[
            "render::the_floor_is_on_by_default",
            "fixtures/spec/invalid/reserved-label.yaml",
        ]),
    ),
    ("S0-4", Shown(&["render::the_floor_is_on_by_default"])),
    ("S0-5", Shown(&["fixtures/spec/invalid/bad-name.yaml"])),
    ("S0-6", Shown(&["fixtures/spec/invalid/requires.yaml"])),
    (
        "S0-7",
        Shown(&[
            "render::isolation_none_keeps_the_object",
            "fixtures/spec/invalid/isolation-none.yaml",
        ]),
    ),
    ("S0-8", Shown(&["render::the_floor_is_on_by_default"])),
    (
        "S0-9",
        Shown(&[
            "conformance::every_network_verdict",
            "differential::network_policies_between_pods_that_may_come",
        ]),
    ),
    (
        "S0-10",
        Pending("a role crds-only in the catalogue; a fleet's own `roles` say it today"),
    ),
    (
        "S0-11",
        Shown(&[
            "fixtures/spec/invalid/system-subject.yaml",
            "fixtures/spec/invalid/subject-shared.yaml",
        ]),
    ),
    (
        "S0-12",
        Shown(&[
            "fixtures/spec/invalid/subject-shared.yaml",
            "isolation::each_rule_is_raised_by_its_bad_case_and_by_no_good_one",
        ]),
    ),
    (
        "S0-13",
        Pending("lifecycle: renames against an earlier revision"),
    ),
    ("S0-14", Shown(&["live::a_commit_is_applied_and_verified"])),
    ("S0-15", TEARDOWN),
    ("S0-16", TEARDOWN),
    (
        "S0-17",
        Shown(&["live::an_existing_namespace_is_not_adopted"]),
    ),
    ("S0-18", Shown(&["live_edits::every_edit_by_hand_is_found"])),
    (
        "S0-19",
        Shown(&[
            "can_reach::can_prints_the_chain_of_grants",
            "authorizer::subject_access_reviews_say_the_same",
        ]),
    ),
    ("S0-20", Nothing("the names of another project's tests")),
    (
        "S0-21",
        Shown(&["isolation::every_hole_is_found_alone_and_in_pairs"]),
    ),
    (
        "S0-22",
        Shown(&["prove::a_clean_proof_states_its_assumptions"]),
    ),
    ("S0-23", Shown(&["render::the_floor_is_on_by_default"])),
    (
        "S1-1",
        Shown(&["render::roles_of_the_catalogue_cannot_edit_the_floor"]),
    ),
    ("S1-2", GUARDS),
    ("S1-3", Shown(&["render::the_floor_is_on_by_default"])),
    ("S1-4", Pending("onboarding by the tenants themselves")),
    (
        "S1-5",
        Shown(&["spec::each_invalid_document_is_refused_where_it_is_marked"]),
    ),
    (
        "S1-6",
        Shown(&["isolation::every_hole_is_found_alone_and_in_pairs"]),
    ),
    (
        "S1-7",
        Pending("a list of the platform's own powerful service accounts"),
    ),
    (
        "S1-8",
        Shown(&[
            "render::the_floor_is_on_by_default",
            "isolation::each_rule_is_raised_by_its_bad_case_and_by_no_good_one",
        ]),
    ),
    (
        "S1-9",
        Shown(&["prove::a_clean_proof_states_its_assumptions"]),
    ),
    ("S1-10", CLOUD),
    ("S1-11", Pending("import of OpenBaoTenant")),
    (
        "S1-12",
        Pending("lifecycle: immutable fields against an earlier revision"),
    ),
    ("S1-13", TEARDOWN),
    ("S1-14", Shown(&["live_edits::every_edit_by_hand_is_found"])),
    (
        "S1-15",
        Pending("a role secrets-named in the catalogue; a fleet's own `roles` say it today"),
    ),
    (
        "S1-16",
        Pending("a default quota; tenants and profiles say theirs today"),
    ),
    ("S1-17", Shown(&["render::the_floor_is_on_by_default"])),
    ("S1-18", Shown(&["render::the_floor_is_on_by_default"])),
    ("S1-19", GUARDS),
    ("S1-20", GUARDS),
    ("S1-21", GUARDS),
    ("S1-22", GUARDS),
    ("S1-23", GUARDS),
    ("S1-24", GUARDS),
    (
        "S1-25",
        Shown(&[
            "isolation::every_hole_is_found_alone_and_in_pairs",
            "prove_also::the_counts_of_the_case_study_hold",
        ]),
    ),
    (
        "S1-26",
        Shown(&["tables::each_threat_is_answered_by_rules_that_there_are"]),
    ),
    (
        "S1-27",
        Shown(&[
            "render::roles_of_the_catalogue_cannot_edit_the_floor",
            "fixtures/spec/invalid/wildcard-role.yaml",
        ]),
    ),
    (
        "S2-1",
        Shown(&["render::a_tenant_without_a_feature_renders_as_if_there_were_none"]),
    ),
    (
        "S2-2",
        Pending("teardown's grace; the prefix is fleet.naming"),
    ),
    ("S2-3", Pending("policies of other plugins")),
    ("S2-4", Shown(&["render::the_floor_is_on_by_default"])),
    ("S2-5", Shown(&["fixtures/spec/invalid/bad-quota-key.yaml"])),
    ("S2-6", GUARDS),
    ("S2-7", TEARDOWN),
    ("S2-8", Shown(&["fixtures/spec/invalid/derived-name.yaml"])),
    ("S2-9", Shown(&["render::the_committed_tree_is_fresh"])),
    ("S2-10", CLOUD),
    ("S2-11", Shown(&["render::the_floor_is_on_by_default"])),
    ("S2-12", Pending("policies of other plugins")),
    ("S2-13", Shown(&["fixtures/spec/invalid/fqdn.yaml"])),
    (
        "S2-14",
        Shown(&["fixtures/spec/invalid/quota-without-defaults.yaml"]),
    ),
    (
        "S2-15",
        Shown(&[
            "fixtures/spec/invalid/one-sided-edge.yaml",
            "fixtures/spec/invalid/one-sided-ingress.yaml",
        ]),
    ),
    ("S2-16", CLOUD),
    ("S2-17", CLOUD),
    ("S2-18", CLOUD),
    ("S2-19", CLOUD),
    ("S2-20", CLOUD),
    ("S2-21", CLOUD),
    ("S2-22", CLOUD),
    ("S2-23", CLOUD),
    ("S2-24", CLOUD),
    ("S2-25", CLOUD),
    ("S2-26", CLOUD),
    (
        "S2-27",
        Shown(&["live_platform::a_network_plugin_that_does_not_enforce_is_found"]),
    ),
    (
        "S2-28",
        Shown(&["live_platform::a_network_plugin_that_does_not_enforce_is_found"]),
    ),
    (
        "S2-29",
        Shown(&["live_platform::a_network_plugin_that_does_not_enforce_is_found"]),
    ),
    ("S2-30", GUARDS),
    ("S2-31", GUARDS),
    (
        "S2-32",
        Shown(&["isolation::every_hole_is_found_alone_and_in_pairs"]),
    ),
    ("S2-33", Pending("runtime classes for hostile tenants")),
    ("S2-34", TEARDOWN),
    ("S2-35", TEARDOWN),
    ("S2-36", TEARDOWN),
    ("S2-37", Pending("evidence")),
    ("S2-38", TEARDOWN),
    ("S2-39", TEARDOWN),
    (
        "S2-40",
        Shown(&["live::a_stuck_namespace_deletion_is_reported"]),
    ),
    (
        "S2-41",
        Shown(&["live::a_stuck_namespace_deletion_is_reported"]),
    ),
    (
        "S2-42",
        Pending("lifecycle: renames against an earlier revision"),
    ),
    ("S2-43", TEARDOWN),
    ("S2-44", TEARDOWN),
    (
        "S2-45",
        Shown(&["fleets::a_production_fleet_is_taken_over_without_a_change"]),
    ),
    (
        "S2-46",
        Shown(&["tables::each_threat_is_answered_by_rules_that_there_are"]),
    ),
    (
        "S2-47",
        Shown(&["held::an_error_holds_only_its_own_tenant"]),
    ),
    (
        "S2-48",
        Nothing("a compiler takes no lock on a tenant; runs of it on one tree exclude each other"),
    ),
    ("S2-49", Nothing("a compiler calls no cloud")),
    ("S2-50", Shown(&["isolation::every_rule_maps_to_a_control"])),
    ("S2-51", Pending("evidence")),
    (
        "S2-52",
        Shown(&["prove::a_clean_proof_states_its_assumptions"]),
    ),
    ("S2-53", Pending("adversary class and residency")),
    (
        "S2-54",
        Shown(&["isolation::every_hole_is_found_alone_and_in_pairs"]),
    ),
    (
        "S3-1",
        Shown(&["prove::a_clean_proof_states_its_assumptions"]),
    ),
    ("S3-2", Shown(&["render::the_committed_tree_is_fresh"])),
    ("S3-3", Pending("audit policies")),
    ("S3-4", Shown(&["render::the_floor_is_on_by_default"])),
    ("S3-5", Shown(&["render::the_committed_tree_is_fresh"])),
    ("S3-6", Shown(&["render::the_committed_tree_is_fresh"])),
    (
        "S3-7",
        Pending("KubeSphere's three levels in the catalogue; a fleet's own `roles` say them today"),
    ),
    (
        "S3-8",
        Pending("KubeSphere's three levels in the catalogue; a fleet's own `roles` say them today"),
    ),
    (
        "S3-9",
        Shown(&[
            "authorizer::subject_access_reviews_say_the_same",
            "differential::rbac_requests",
        ]),
    ),
    (
        "S3-10",
        Shown(&["render::roles_of_the_catalogue_cannot_edit_the_floor"]),
    ),
    (
        "S3-11",
        Shown(&[
            "fixtures/spec/invalid/quota-over-tenant.yaml",
            "fixtures/spec/invalid/over-capacity.yaml",
        ]),
    ),
    ("S3-12", Shown(&["render::isolation_none_keeps_the_object"])),
    ("S3-13", Shown(&["render::the_committed_tree_is_fresh"])),
    ("S3-14", Pending("audit policies")),
    ("S3-15", GUARDS),
    (
        "S3-16",
        Shown(&["isolation::every_hole_is_found_alone_and_in_pairs"]),
    ),
    (
        "S3-17",
        Shown(&[
            "fixtures/spec/invalid/no-cluster-matches.yaml",
            "render::the_committed_tree_is_fresh",
        ]),
    ),
    ("S3-18", Shown(&["render::isolation_none_keeps_the_object"])),
    (
        "S4-1",
        Shown(&["refused::manifests_hold_only_kinds_that_tenants_may_have"]),
    ),
    (
        "S4-2",
        Shown(&["render::a_sync_runs_as_the_tenants_own_identity"]),
    ),
    (
        "S4-3",
        Shown(&["render::a_sync_runs_as_the_tenants_own_identity"]),
    ),
    (
        "S4-4",
        Shown(&["flux::what_flux_create_tenant_printed_is_rendered_object_for_object"]),
    ),
    (
        "S4-5",
        Pending("cluster-scoped objects of a tenant, by name"),
    ),
    (
        "S4-6",
        Shown(&["prove_also::a_fleet_without_the_lockdown_of_flux_is_refuted"]),
    ),
    (
        "S4-7",
        Shown(&[
            "fixtures/spec/invalid/sync-target.yaml",
            "isolation::every_hole_is_found_alone_and_in_pairs",
        ]),
    ),
    (
        "S4-8",
        Shown(&["flux::what_flux_create_tenant_prints_now_is_rendered_object_for_object"]),
    ),
    (
        "S4-9",
        Shown(&["render::a_sync_runs_as_the_tenants_own_identity"]),
    ),
    (
        "S4-10",
        Pending(
            "a tenant that may edit its own Kustomization, as a finding by itself; today an assumption",
        ),
    ),
    ("S4-11", Nothing("a note about startup costs of Flux")),
    (
        "S4-12",
        Shown(&["render::a_sync_runs_as_the_tenants_own_identity"]),
    ),
    (
        "S4-13",
        Shown(&["isolation::every_hole_is_found_alone_and_in_pairs"]),
    ),
    (
        "S4-14",
        Shown(&["readme::every_command_in_the_pages_exists"]),
    ),
];

#[test]
fn every_row_is_accounted_for() {
    let (mut shown, mut pending, mut nothing) = (0, 0, 0);
    for (id, row) in ROWS {
        match row {
            Shown(tests) => {
                shown += 1;
                assert!(!tests.is_empty(), "{id}");
                tests
                    .iter()
                    .for_each(|test| assert!(exists(test), "{id}: there is no {test}"));
            }
            Pending(what) | Nothing(what) => {
                assert!(!what.is_empty(), "{id}");
                if matches!(row, Pending(_)) {
                    pending += 1
                } else {
                    nothing += 1
                }
            }
        }
    }
    say(&format!(
        "parity: {shown} rows shown by tests, {pending} pending, {nothing} with nothing to show"
    ));
    let listed: Vec<&str> = ROWS.iter().map(|(id, _)| *id).collect();
    assert_eq!(
        listed.iter().collect::<BTreeSet<_>>().len(),
        listed.len(),
        "a row stands twice"
    );
    let Some(file) = shared("design/PARITY.md") else {
        return;
    };
    let text = fs::read_to_string(file).expect("PARITY.md");
    let rows: BTreeSet<&str> = text
        .lines()
        .filter_map(|l| l.strip_prefix("| ")?.split(" |").next())
        .filter(|id| id.starts_with('S') && id.contains('-'))
        .collect();
    let listed: BTreeSet<&str> = listed.into_iter().collect();
    assert_eq!(listed, rows);
}

/// Whether a test or a fixture of this name is there.
fn exists(name: &str) -> bool {
    match name.split_once("::") {
        Some((module, function)) => {
            let text = fs::read_to_string(root().join(format!("tests/it/{module}.rs")))
                .unwrap_or_default();
            text.contains(&format!("#[test]\nfn {function}()"))
        }
        None => root().join(name).is_file(),
    }
}
