//! `compat.fluxCreateTenant` against flux 2.9.5: what it printed once (fixtures/flux-create-tenant,
//! the command in line one), and what it prints now.

use crate::support::{FLEET, Ran, compile, root, tool_or_say, waiver};
use serde_json::Value;
use std::collections::BTreeMap;
use std::process::Command;
use tenantry::document::parse_foreign;
use tenantry::source::{Source, SourceId};

fn objects(text: &str) -> BTreeMap<String, Value> {
    let (documents, faults) = parse_foreign(SourceId(0), &Source::new("t", text));
    assert!(faults.is_empty(), "{faults:?}");
    let values = documents
        .iter()
        .map(|d| d.root.to_json())
        .filter(|v| !v.is_null());

    values
        .map(|v| {
            (
                format!(
                    "{} {} {}",
                    v["kind"], v["metadata"]["namespace"], v["metadata"]["name"]
                ),
                v,
            )
        })
        .collect()
}

/// The tenant that a command line stands for.
fn spec_of(command: &str) -> String {
    let words: Vec<&str> = command.split_whitespace().collect();
    let name = words[4];
    let values = |flag: &str| {
        words
            .iter()
            .filter_map(|w| w.strip_prefix(flag)?.strip_prefix('='))
            .collect::<Vec<_>>()
    };

    let namespaces: Vec<String> = values("--with-namespace")
        .iter()
        .map(|n| format!("{{name: {n}}}"))
        .collect();

    let labels: Vec<String> = values("--label")
        .iter()
        .flat_map(|l| l.split(','))
        .filter_map(|pair| pair.split_once('='))
        .map(|(k, v)| format!("{k}: {v:?}"))
        .collect();

    let role = values("--cluster-role")
        .first()
        .map_or(String::new(), |r| format!(", clusterRole: {r}"));
    format!(
        "apiVersion: tenantry.dev/v1alpha1\
         \nkind: Tenant\
         \nmetadata: {{name: {name}, labels: {{{}}}}}\
         \nspec:\
         \n  owners: [{{group: {name}-admins}}]\
         \n  namespaces: [{}]\
         \n  compat: {{fluxCreateTenant: true{role}}}\
         \n---\n",
        labels.join(", "),
        namespaces.join(", ")
    )
}

/// Holds what is rendered for a command line against what the command printed, and counts the
/// objects.
fn same(command: &str, printed: &str) -> usize {
    let name = command.split_whitespace().nth(4).expect("a name");
    let waiver = waiver(name, "bundle/flux-create-tenant", "2026-12-31");
    let fleet = FLEET.replace(
        "spec:\n",
        "spec:\n  tenantMetadata: {labels: [team, env, example.com/]}\n",
    );

    let tenant = spec_of(command);
    let (_, compiled) = compile(&[
        ("tenants/fleet.yaml", &fleet),
        ("tenants/t.yaml", &tenant),
        ("tenants/waivers/w.yaml", &waiver),
    ]);

    let rendered: String = compiled
        .tree
        .files
        .values()
        .filter(|d| d.entry.tenant.is_some())
        .map(|d| d.text())
        .collect();

    assert_eq!(
        objects(&rendered),
        objects(printed),
        "{command}: {:?}",
        compiled.findings
    );

    objects(printed).len()
}

#[test]
fn the_recorded_objects_of_flux_create_tenant_are_rendered() {
    let mut count = 0;
    for entry in
        std::fs::read_dir(root().join("fixtures/flux-create-tenant")).expect("the fixtures")
    {
        let recorded = std::fs::read_to_string(entry.expect("an entry").path()).expect("a text");
        count += same(recorded.lines().next().expect("a line"), &recorded);
    }
    assert!(count >= 15, "{count}");
}

#[test]
fn the_current_objects_of_flux_create_tenant_are_rendered() {
    let Some(flux) = tool_or_say("flux") else {
        return;
    };
    let names = [
        "dev",
        "ab",
        "team-1",
        "x-0123456789-0123456789-0123456789-0123456789",
    ];

    let namespaces: [&[&str]; 3] = [&[""], &["", "-apps"], &["-z", "-a", "-m"]];
    let labels: [&[&str]; 4] = [
        &[],
        &["--label=team=x"],
        &["--label=team=x", "--label=env=prod"],
        &["--label=example.com/z=1,env=y"],
    ];

    let roles = [
        "",
        "--cluster-role=cluster-admin",
        "--cluster-role=flux-edit",
        "--cluster-role=acme:deployer",
    ];

    let (mut count, mut commands) = (0, 0);
    for name in names {
        for suffixes in namespaces {
            for labels in labels {
                for role in roles {
                    let mut words = vec![
                        "flux".to_owned(),
                        "create".to_owned(),
                        "tenant".to_owned(),
                        name.to_owned(),
                    ];

                    words.extend(
                        suffixes
                            .iter()
                            .map(|s| format!("--with-namespace={name}{s}")),
                    );

                    words.extend(labels.iter().map(|l| (*l).to_owned()));
                    words.extend((!role.is_empty()).then(|| role.to_owned()));
                    let mut command = Command::new(&flux);
                    command
                        .env("KUBECONFIG", "/dev/null")
                        .env("HOME", "/nonexistent");
                    let ran = Ran::of(
                        command
                            .args(&words[1..])
                            .arg("--export")
                            .output()
                            .expect("flux starts"),
                    )
                    .code(0);

                    count += same(&format!("# {}", words.join(" ")), &ran.out);
                    commands += 1;
                }
            }
        }
    }

    println!("{count} objects of {commands} commands");
    assert_eq!(commands, 192);
}
