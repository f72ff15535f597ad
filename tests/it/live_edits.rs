//! Edits of a live cluster by hand: what `verify` finds, and how it is undone.

use crate::support::flux_loop::FluxLoop;
use crate::support::live_fleet::{fleet, found, ok, phase, report, tenant};
use crate::support::{Ran, Sandbox, documents, say};
use serde_json::Value;
use std::process::Command;

/// An edit of a live cluster by hand, of fixtures/live/edits.yaml.
struct Edit {
    name: String,
    does: Vec<String>,
    finds: String,
    level: String,
    object: String,
    says: String,
    undo: Undo,
}

/// How an edit is undone.
enum Undo {
    /// By Flux, and by these kubectl commands before it.
    Commands(Vec<String>),
    /// The Git repository is served anew.
    Serve,
}

fn edits() -> Vec<Edit> {
    let texts = |value: &Value| -> Vec<String> {
        let all = value.as_array().cloned().unwrap_or_default();
        all.iter()
            .map(|text| text.as_str().expect("a text").to_owned())
            .collect()
    };

    let edit = |document: &Value| {
        let text = |key: &str| document[key].as_str().expect("a text").to_owned();
        Edit {
            name: text("edit"),
            does: texts(&document["does"]),
            finds: text("finds"),
            level: text("level"),
            object: text("object"),
            says: text("says"),
            undo: match document["undoes"].as_str() {
                Some(_) => Undo::Serve,
                None => Undo::Commands(texts(&document["undoes"])),
            },
        }
    };

    documents("fixtures/live/edits.yaml")
        .iter()
        .map(edit)
        .collect()
}

/// Waits until nothing is found.
fn until_clean(flux: &FluxLoop, repo: &Sandbox, what: &str) {
    flux.until(what, || {
        flux.verify(repo, "admin", &["verify", "-q"]).code == 0
    });
}

#[test]
fn every_edit_by_hand_is_found() {
    let Some(flux) = FluxLoop::get() else { return };
    let repo = fleet(&flux);
    let kubectl = |command: &String| {
        let words: Vec<&str> = command.split(' ').collect();
        ok(&flux.plane.kubectl(&words));
    };

    let edits = edits();

    for edit in &edits {
        edit.does.iter().for_each(kubectl);
        let report = report(&flux, &repo);
        let name = &edit.name;

        let all = found(&report, &edit.finds);
        assert!(
            all.iter().any(|(object, message)| {
                *object == edit.object && message.contains(&edit.says)
            }),
            "{name}: {all:#?}"
        );

        let cluster = &report["clusters"][0];
        let findings = cluster["findings"].as_array().expect("findings");
        let one = findings
            .iter()
            .find(|finding| finding["rule"] == *edit.finds && finding["object"] == *edit.object)
            .expect("it was found");

        assert_eq!(one["level"], *edit.level, "{name}");
        assert_eq!(cluster["converged"], edit.level == "warning", "{name}");

        match &edit.undo {
            Undo::Commands(commands) => commands.iter().for_each(kubectl),
            Undo::Serve => flux.serve(&repo),
        }

        flux.reconcile(&["tenant-blue", "tenant-green"]);
        until_clean(&flux, &repo, name);
    }

    say(&format!(
        "live: {} edits by hand found, and undone",
        edits.len()
    ));
}

#[test]
fn a_foreign_policy_makes_its_tenant_an_error() {
    let Some(flux) = FluxLoop::get() else { return };
    let repo = fleet(&flux);
    let plane = &flux.plane;
    let policy = r#"{"apiVersion": "networking.k8s.io/v1", "kind": "NetworkPolicy", "metadata": {"name": "open", "namespace": "green"},
        "spec": {"podSelector": {}, "policyTypes": ["Ingress", "Egress"], "ingress": [{}], "egress": [{}]}}"#;
    ok(&plane.apply(policy));
    let report_now = report(&flux, &repo);
    assert!(
        found(&report_now, "live/foreign")[0]
            .1
            .contains("it lets everybody in, and everything out")
    );
    assert_eq!(phase(&report_now, "green"), "Error");
    ok(&plane.kubectl(&["delete", "networkpolicy", "open", "-n", "green"]));
}

#[test]
fn a_fix_quotes_a_name_that_a_shell_would_run() {
    let Some(flux) = FluxLoop::get() else { return };
    let repo = fleet(&flux);
    let plane = &flux.plane;
    let name = "x; touch pwned $(touch pwned) `touch pwned` 'y #";
    let evil = format!(
        "{{\"apiVersion\": \"rbac.authorization.k8s.io/v1\", \"kind\": \"RoleBinding\", \"metadata\": {{\"name\": {name:?}, \"namespace\": \"blue\"}}, \
         \"roleRef\": {{\"apiGroup\": \"rbac.authorization.k8s.io\", \"kind\": \"ClusterRole\", \"name\": \"view\"}}, \
         \"subjects\": [{{\"kind\": \"Group\", \"name\": \"g\"}}]}}"
    );

    ok(&plane.kubectl_with(&["create", "-f", "-"], &evil));
    let now = report(&flux, &repo);
    let findings = now["clusters"][0]["findings"].as_array().expect("findings");
    let one = findings
        .iter()
        .find(|f| f["rule"] == "live/foreign")
        .expect("it was found");

    let fix = one["fix"].as_str().expect("a fix");
    let command = &fix[fix.find("kubectl delete").expect("a command")..];
    let script = format!("kubectl() {{ printf '%s\\n' \"$@\"; }}\n{command}");
    let pasted = Sandbox::with(&[]);
    let mut bash = Command::new("bash");
    let ran = Ran::of(
        bash.current_dir(pasted.path())
            .args(["-ec", &script])
            .output()
            .expect("bash starts"),
    );

    assert_eq!(ran.code, 0, "{}", ran.all());
    let wanted = format!("delete\nrolebinding.rbac.authorization.k8s.io/{name}\n-n\nblue\n");
    assert!(ran.out == wanted && !pasted.has("pwned"), "{}", ran.out);

    ok(&plane.kubectl(&["delete", "rolebinding", name, "-n", "blue"]));
}

#[test]
fn the_objects_of_a_broken_spec_are_not_foreign() {
    let Some(flux) = FluxLoop::get() else { return };
    let repo = fleet(&flux);
    repo.write(
        "tenants/green.yaml",
        tenant("green").replace("owners:", "ownerz:"),
    );
    let broken = flux.verify(&repo, "admin", &["verify"]);
    assert!(
        broken.code == 1
            && !broken.out.contains("delete namespace")
            && !broken.out.contains("of the tenant `green`"),
        "{}",
        broken.all()
    );
    repo.write("tenants/green.yaml", tenant("green"));
}

#[test]
fn findings_that_are_left_out_are_counted() {
    let Some(flux) = FluxLoop::get() else { return };
    let repo = fleet(&flux);
    let plane = &flux.plane;
    ok(&plane.kubectl(&["delete", "limitrange", "limits", "-n", "blue"]));
    let some = flux.verify(&repo, "admin", &["verify", "--only", "gitops"]);
    assert!(
        some.code == 0
            && some.out.contains("not converged")
            && some.out.contains("1 error left out"),
        "{}",
        some.all()
    );

    let one = flux.verify(&repo, "admin", &["verify", "--tenant", "green"]);
    assert!(
        one.code == 0 && one.out.contains("of green alone"),
        "{}",
        one.all()
    );

    flux.reconcile(&["tenant-blue"]);
    flux.until("the LimitRange", || {
        flux.verify(&repo, "admin", &["verify", "-q"]).code == 0
    });
}
