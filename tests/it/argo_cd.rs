//! Real Argo CD, which applies as the account that a project names.

use crate::support::argo_cd::ArgoCd;
use crate::support::{Sandbox, fixture};

const CONFIG_MAP: &str = "apiVersion: v1\nkind: ConfigMap\nmetadata: {name: hello}\ndata: {a: b}\n";
const SERVICE: &str =
    "apiVersion: v1\nkind: Service\nmetadata: {name: web}\nspec: {ports: [{port: 80}]}\n";

/// Commits a file of a tenant's repository, pushes it, and returns the commit.
fn commit(argo: &ArgoCd, repo: &Sandbox, path: &str, text: &str) -> String {
    repo.write(path, text);
    repo.git(&["add", "-A"]).code(0);
    repo.git(&["commit", "-qm", path]).code(0);
    argo.push("red", repo);
    let head = repo.git(&["rev-parse", "HEAD"]).code(0);
    head.out.trim().to_owned()
}

#[test]
fn a_sync_is_applied_as_the_account_that_its_project_names() {
    let Some(argo) = ArgoCd::get() else {
        return;
    };
    let repo = Sandbox::new();
    repo.git(&["init", "-q"]).code(0);
    let allowed = commit(&argo, &repo, "deploy/hello.yaml", CONFIG_MAP);

    let address = argo.address("red");
    let objects = fixture("argocd/impersonated.yaml").replace("REPOSITORY", &address);
    argo.plane
        .kubectl_with(&["apply", "-f", "-"], &objects)
        .code(0);
    argo.until_synced("red.apps", &allowed);
    argo.plane
        .kubectl(&["get", "configmap", "hello", "-n", "red"])
        .code(0);

    // The project permits a Service; the account's role does not.
    commit(&argo, &repo, "deploy/web.yaml", SERVICE);
    let refused = r#"User "system:serviceaccount:red:deployer" cannot get resource "services""#;
    argo.until("the Service is refused", || {
        let state = &argo.application("red.apps")["status"]["operationState"];
        let resources = state["syncResult"]["resources"].as_array();
        let mut messages = resources
            .into_iter()
            .flatten()
            .filter_map(|resource| resource["message"].as_str());
        messages.any(|message| message.contains(refused))
    });
}

#[test]
fn a_group_sees_the_applications_of_its_project_alone() {
    let Some(argo) = ArgoCd::get() else {
        return;
    };
    let objects = fixture("argocd/impersonated.yaml").replace("REPOSITORY", &argo.address("red"));
    argo.plane
        .kubectl_with(&["apply", "-f", "-"], &objects)
        .code(0);

    let list = ["app", "list", "-o", "name"];
    argo.until("the group's applications are listed", || {
        let listed = argo.command("somebody", &["red-admins"], &list).code(0);
        listed.out == "argocd/red.apps\n"
    });
    let listed = argo.command("somebody", &["blue-admins"], &list).code(0);
    assert_eq!(listed.out.trim(), "");
}
