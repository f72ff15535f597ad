//! `delivery.source: perShard`: an OCI artifact for each unit, what is pushed of it, and Flux that
//! applies it.

use super::commit::{recipe, script};
use crate::support::flux_loop::FluxLoop;
use crate::support::live_fleet;
use crate::support::{FLEET, Sandbox, tenant, tool_or_say};
use serde_json::Value;
use std::collections::BTreeMap;

const OWN: &str = "  delivery: {unit: shard, shards: 4, source: perShard}\n";

/// The test fleet with something more said of its cluster's Flux.
fn fleet(flux: &str) -> String {
    let (head, cluster) = FLEET.split_once("    - name: prod\n").expect("its cluster");
    format!("{head}    - name: prod\n      flux: {{{flux}}}\n{cluster}{OWN}")
}

/// The artifacts by folder: the address and the content.
fn artifacts(sandbox: &Sandbox) -> BTreeMap<String, (String, String)> {
    let ran = sandbox.run(&["status", "--artifacts"]).code(0);
    let line = |line: &str| {
        let [folder, url, content] = line.split('\t').collect::<Vec<_>>()[..] else {
            panic!("{line}")
        };
        (folder.to_owned(), (url.to_owned(), content.to_owned()))
    };
    ran.out.lines().map(line).collect()
}

#[test]
fn each_unit_reads_an_artifact_of_its_own() {
    let sandbox = Sandbox::with(&[(
        "tenants/fleet.yaml",
        &fleet(
            "artifacts: {url: \"oci://registry.example/fleet/\", provider: aws, secretRef: pull, interval: 5m, \
             verify: {cosign: {issuer: \"^https://token.example$\", subject: \"^https://ci.example/.*$\"}}}",
        ),
    )]);

    for name in ["a", "b", "c", "d", "e", "f"] {
        sandbox.write(&format!("tenants/{name}.yaml"), tenant(name, ""));
    }
    sandbox.run(&["render"]).code(0);
    let before = artifacts(&sandbox);
    assert!(before.len() > 1, "{before:?}");

    for (folder, (url, content)) in &before {
        let unit = folder
            .strip_prefix("rendered/prod/tenants/")
            .expect("a unit's folder");
        assert_eq!(
            *url,
            format!("oci://registry.example/fleet/prod/tenants/{unit}")
        );

        assert!(
            content.len() == 32 && sandbox.path().join(folder).is_dir(),
            "{content}"
        );

        let entry = sandbox.read(&format!("rendered/prod/entry/tenants-{unit}.yaml"));
        for part in [
            "kind: OCIRepository\nmetadata:\n  name: tenants-",
            &format!(
                "  interval: 5m\
                 \n  url: {url}\
                 \n  ref:\
                 \n    tag: latest\
                 \n  provider: aws\
                 \n  secretRef:\
                 \n    name: pull\n"
            ),
            "  verify:\
             \n    provider: cosign\
             \n    matchOIDCIdentity:\
             \n    - issuer: ^https://token.example$\n",
            "  path: ./\n",
            &format!("  sourceRef:\n    kind: OCIRepository\n    name: tenants-{unit}\n"),
            &format!("\"OCIRepository.source.toolkit.fluxcd.io/flux-system/tenants-{unit}\""),
        ] {
            let entry = entry.replace('"', "");
            assert!(
                entry.contains(&part.replace('"', "")),
                "{part}\n---\n{entry}"
            );
        }
    }

    for shared in [
        "clusters/prod/tenantry.yaml",
        "rendered/prod/entry/tenantry-platform.yaml",
    ] {
        assert!(
            sandbox.read(shared).contains("kind: GitRepository\n"),
            "{shared}"
        );
    }

    // A change of one tenant changes one artifact, and no Flux object; what is only said of it
    // changes none.
    let entries = |files: BTreeMap<String, Vec<u8>>| -> BTreeMap<_, _> {
        files
            .into_iter()
            .filter(|(path, _)| path.contains("/entry/"))
            .collect()
    };

    let flux = entries(sandbox.files());
    sandbox.write("tenants/a.yaml", tenant("a", "  # a remark\n"));
    sandbox.run(&["render"]).code(0);
    assert_eq!(artifacts(&sandbox), before);
    sandbox.write("tenants/a.yaml", tenant("a", "  quota: {pods: 7}\n"));
    let said = sandbox.run(&["render"]).code(0).err;
    let after = artifacts(&sandbox);
    let changed: Vec<_> = after
        .iter()
        .filter(|(folder, new)| before[*folder] != **new)
        .collect();

    assert!(
        changed.len() == 1 && said.contains(changed[0].0.as_str()),
        "{changed:?}: {said}"
    );

    assert_eq!(entries(sandbox.files()), flux);
    // What a broken tenant holds is what was rendered of it last.
    sandbox.write("tenants/a.yaml", tenant("a", "  quota: {pods: many}\n"));
    sandbox.run(&["render"]).code(1);
    assert_eq!(
        sandbox
            .run(&["status", "--artifacts"])
            .code(1)
            .out
            .lines()
            .count(),
        after.len()
    );

    sandbox.write("tenants/a.yaml", tenant("a", ""));
    sandbox.run(&["render"]).code(0);
    assert_eq!(
        artifacts(&sandbox),
        before,
        "a revert comes back to the same content"
    );

    let json = sandbox
        .run(&["status", "--artifacts", "--format", "json"])
        .code(0)
        .out;

    let json: Value = serde_json::from_str(&json).expect("JSON");
    assert_eq!(
        json["artifacts"].as_array().map(Vec::len),
        Some(before.len())
    );
}

#[test]
fn artifacts_need_a_registry() {
    let sandbox = Sandbox::with(&[
        ("tenants/fleet.yaml", &format!("{FLEET}{OWN}")),
        ("tenants/a.yaml", &tenant("a", "")),
    ]);

    let ran = sandbox.run(&["render"]).code(1);
    assert!(
        ran.err.contains("tree/no-registry") && ran.err.contains("flux.artifacts.url"),
        "{}",
        ran.err
    );

    assert!(!sandbox.has("tenantry.lock"));
    let shared = Sandbox::with(&[
        ("tenants/fleet.yaml", FLEET),
        ("tenants/a.yaml", &tenant("a", "")),
    ]);

    shared.run(&["render"]).code(0);
    let ran = shared.run(&["status", "--artifacts"]).code(0);
    assert!(
        ran.out.is_empty() && ran.err.contains("delivery.source"),
        "{}",
        ran.all()
    );
}

/// The recipe of docs/commit.md, on a real registry, with Flux's own command line and controllers.
#[test]
fn flux_applies_a_pushed_artifact() {
    let Some(cli) = tool_or_say("flux") else {
        return;
    };
    let Some(flux) = FluxLoop::get() else { return };
    let name = "clusters: [{name: live, kubernetes: \"1.36\", podCIDRs: [10.0.0.0/16]";
    let own = format!(
        "{name}, flux: {{artifacts: {{url: \"{}\", insecure: true, interval: 1s}}}}",
        flux.registry()
    );

    let repo = Sandbox::with(&[
        (
            "tenants/fleet.yaml",
            &live_fleet::FLEET
                .replace(name, &own)
                .replace("delivery: {", "delivery: {source: perShard, "),
        ),
        ("tenants/blue.yaml", &live_fleet::tenant("blue")),
        ("tenants/green.yaml", &live_fleet::tenant("green")),
    ]);

    let push = format!(
        "export PATH={}:$PATH\ntenantry render\ngit add -A\ngit commit -qm change\n{}",
        cli.parent().expect("a folder").display(),
        recipe("An artifact for each unit")
    );

    script(
        repo.path(),
        "git init -q -b main; git remote add origin https://git.example/fleet",
    )
    .code(0);

    let pushed = |text: &str| text.matches("artifact successfully pushed").count();
    assert_eq!(pushed(&script(repo.path(), &push).code(0).all()), 2);
    flux.serve(&repo);
    let verify = |more: &[&str]| {
        flux.verify(
            &repo,
            "admin",
            &[&["verify", "--skip", "live/not-enforced"], more].concat(),
        )
    };

    verify(&["--wait", "--timeout", "90"]).code(0);
    // One tenant changes: rendered, and not pushed yet.
    repo.write(
        "tenants/blue.yaml",
        live_fleet::tenant("blue").replace("spec: {", "spec: {quota: {pods: 7}, "),
    );

    repo.run(&["render"]).code(0);
    let ran = verify(&[]).code(1);
    let behind = ran
        .out
        .contains("tenant-blue has applied an artifact of the files")
        && ran.out.contains("--artifacts");

    assert!(behind && !ran.out.contains("tenant-green"), "{}", ran.all());
    // Pushed: one artifact, one tag.
    let ran = script(repo.path(), &push).code(0);
    assert_eq!(pushed(&ran.all()), 1, "{}", ran.all());
    flux.push(&repo);
    verify(&["--wait", "--timeout", "90"]).code(0);
    let quota = flux.plane.kubectl(&[
        "get",
        "resourcequota",
        "-n",
        "blue",
        "-o",
        "jsonpath={.items[*].spec.hard.pods}",
    ]);

    assert_eq!(quota.out, "7", "{}", quota.err);
    // A revert moves the tag back, and pushes nothing.
    script(repo.path(), "git revert --no-edit HEAD").code(0);
    let back = push.replace("git commit -qm change", "");
    assert_eq!(pushed(&script(repo.path(), &back).code(0).all()), 0);
    flux.push(&repo);
    verify(&["--wait", "--timeout", "90"]).code(0);

    for kind in ["ocirepositories", "kustomizations"] {
        let args = ["delete", kind, "--all", "-n", "flux-system", "--wait=false"];
        flux.plane.kubectl(&args).code(0);
    }
}
