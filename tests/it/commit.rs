//! The path of a commit: the recipes of docs/commit.md, two pull requests at once, a rebase, a
//! revert, a shallow clone.

use crate::support::{FLEET, NOW, Ran, Sandbox, root, tenant};
use std::path::Path;
use std::process::Command;

/// The code blocks of a section of docs/commit.md.
pub fn recipe(section: &str) -> String {
    let text = std::fs::read_to_string(root().join("docs/commit.md")).expect("the recipe");
    let (_, rest) = text
        .split_once(&format!("\n## {section}\n"))
        .unwrap_or_else(|| panic!("no section {section}"));
    let section = rest.split("\n## ").next().expect("a section");
    let blocks = section
        .split("```sh\n")
        .skip(1)
        .filter_map(|b| b.split("```").next());
    blocks.collect::<Vec<_>>().join("\n")
}

/// Runs a script in a folder, as a bot would: the program by its name, an author, a day.
pub fn script(folder: &Path, text: &str) -> Ran {
    let bin = Path::new(env!("CARGO_BIN_EXE_tenantry"))
        .parent()
        .expect("a folder");
    let path = format!(
        "{}:{}",
        bin.display(),
        std::env::var("PATH").unwrap_or_default()
    );

    let mut command = Command::new("bash");
    command
        .current_dir(folder)
        .args(["-ec", text])
        .env("PATH", path)
        .env("TENANTRY_NOW", NOW);

    for who in ["AUTHOR", "COMMITTER"] {
        command
            .env(format!("GIT_{who}_NAME"), "bot")
            .env(format!("GIT_{who}_EMAIL"), "bot@example");
    }

    command
        .env("FLEET_REPOSITORY", folder.join("../fleet.git"))
        .env("GIT_CONFIG_GLOBAL", "/dev/null");
    Ran::of(command.output().expect("bash starts"))
}

/// A repository `specs` with two tenants, its bare `origin.git`, and another bare `fleet.git` with
/// one commit.
fn repositories() -> Sandbox {
    let sandbox = Sandbox::with(&[
        ("specs/tenants/fleet.yaml", FLEET),
        ("specs/tenants/a.yaml", &tenant("a", "")),
        ("specs/tenants/m.yaml", &tenant("m", "")),
    ]);
    script(
        sandbox.path(),
        "git init -q --bare -b main origin.git; git init -q --bare -b main fleet.git
         git clone -q fleet.git seed 2>/dev/null; git -C seed switch -q -c main 2>/dev/null || true
         echo fleet > seed/README.md; git -C seed add -A; git -C seed commit -qm first; git -C seed push -q origin main
         cd specs; git init -q -b main; git remote add origin ../origin.git
         git add -A; git commit -qm specs; git push -q origin main",
    )
    .code(0);
    sandbox
}

#[test]
fn each_recipe_can_run_twice() {
    for (section, tree) in [
        ("Here, beside the specs", "specs"),
        ("On another branch", "rendered-branch"),
        ("In another repository", "fleet-repository"),
    ] {
        let sandbox = repositories();
        let specs = sandbox.path().join("specs");
        let text = recipe(section);
        assert!(
            text.contains("tenantry render") && text.contains("git"),
            "{text}"
        );
        script(&specs, &text).code(0);
        assert!(
            sandbox.has(&format!("{tree}/rendered/prod/tenants/a/a.yaml")),
            "{section}"
        );
        assert!(
            sandbox.has(&format!("{tree}/tenantry.lock"))
                && sandbox.has(&format!("{tree}/clusters/prod/tenantry.yaml"))
        );
        assert!(
            tree == "specs"
                || !sandbox.has("specs/rendered") && !sandbox.has("specs/tenantry.lock")
        );
        // The next change, on the next machine.
        sandbox.write("specs/tenants/b.yaml", tenant("b", ""));
        let again = if tree == "specs" {
            text
        } else {
            let after = text
                .split("git fetch origin rendered")
                .last()
                .expect("the part that is repeated")
                .to_owned();
            let fetch = if tree == "rendered-branch" {
                "git worktree remove ../rendered-branch; git fetch origin rendered"
            } else {
                "rm -rf ../fleet-repository"
            };
            format!("git add -A; git commit -qm b\n{fetch}\n{after}")
        };
        script(
            &specs,
            &again.replace("git add -A rendered", "git add -A tenants rendered"),
        )
        .code(0);
        let check = if tree == "specs" {
            "tenantry render --check".into()
        } else {
            format!("tenantry render --check --tree ../{tree}/rendered")
        };
        script(&specs, &check).code(0);
        sandbox.write("specs/tenants/b.yaml", tenant("b", "  displayName: B\n"));
        let ran = script(&specs, &check);
        assert!(
            ran.code == 1 && ran.out.contains("tree/stale"),
            "{section}: {}",
            ran.all()
        );
        let log = script(
            &sandbox.path().join(tree),
            "git status --short -- rendered; git log --oneline | wc -l",
        )
        .code(0);
        assert_eq!(
            log.out.trim().parse::<usize>().map(|n| n >= 3).ok(),
            Some(true),
            "{section}: {}",
            log.out
        );
    }
}

/// A branch from `main` with one change, rendered and committed, and green.
fn pull_request(specs: &Path, branch: &str, files: &[(&str, String)]) {
    script(specs, &format!("git switch -q -c {branch} main")).code(0);
    for (path, text) in files {
        std::fs::write(specs.join(path), text).expect("a file");
    }
    script(
        specs,
        &format!("tenantry render; git add -A; git commit -qm {branch}; tenantry render --check"),
    )
    .code(0);
}

#[test]
fn two_pull_requests_that_add_a_tenant_merge_and_the_result_is_fresh() {
    for delivery in ["", "  delivery: {unit: shard, shards: 2}\n"] {
        let sandbox = repositories();
        let specs = sandbox.path().join("specs");
        std::fs::write(
            specs.join("tenants/fleet.yaml"),
            format!("{FLEET}{delivery}"),
        )
        .expect("a file");

        script(
            &specs,
            "tenantry render; git add -A; git commit -qm rendered",
        )
        .code(0);

        // Neighbours in every list there is.
        pull_request(&specs, "one", &[("tenants/b1.yaml", tenant("b1", ""))]);
        pull_request(&specs, "two", &[("tenants/b2.yaml", tenant("b2", ""))]);
        let ran = script(
            &specs,
            "git switch -q main; git merge -q --no-edit one; git merge --no-edit two",
        );

        assert!(
            ran.code == 0 && !ran.all().contains("CONFLICT"),
            "{}",
            ran.all()
        );

        script(
            &specs,
            "tenantry render --check; tenantry render; test -z \"$(git status --short)\"",
        )
        .code(0);

        assert!(specs.join("tenants/b1.yaml").exists() && specs.join("tenants/b2.yaml").exists());

        // What no merge can see, the check of the merged state says: both took one host.
        let host = |name: &str| tenant(name, "  allow: {ingressHosts: [shop.example]}\n");
        pull_request(&specs, "three", &[("tenants/c1.yaml", host("c1"))]);
        pull_request(&specs, "four", &[("tenants/c2.yaml", host("c2"))]);
        script(
            &specs,
            "git switch -q main; git merge -q --no-edit three; git merge -q --no-edit four",
        )
        .code(0);

        let ran = script(&specs, "tenantry render --check").code(1);
        assert!(ran.out.contains("tenancy/claimed-twice"), "{}", ran.out);
        script(&specs, "git reset -q --hard HEAD~1").code(0);

        // One changes the fleet, and with it every tenant; the other adds one: stale, and said to
        // be.
        let fleet = format!("{FLEET}{delivery}  labelKeys: {{tenant: [acme.example/tenant]}}\n");
        pull_request(&specs, "five", &[("tenants/fleet.yaml", fleet)]);
        pull_request(&specs, "six", &[("tenants/d.yaml", tenant("d", ""))]);
        script(
            &specs,
            "git switch -q main; git merge -q --no-edit five; git merge -q --no-edit six",
        )
        .code(0);

        let ran = script(&specs, "tenantry render --check").code(1);
        assert!(
            ran.out.contains("tree/stale") && ran.out.contains("run: tenantry render"),
            "{}",
            ran.out
        );

        script(
            &specs,
            "tenantry render; git add -A; git commit -qm mended; tenantry render --check",
        )
        .code(0);
    }
}

#[test]
fn render_resolves_a_conflict_in_a_rendered_file() {
    let sandbox = repositories();
    let specs = sandbox.path().join("specs");
    script(
        &specs,
        "tenantry render; git add -A; git commit -qm rendered",
    )
    .code(0);

    let quota =
        |pods: &str, more: &str| tenant("a", &format!("  quota: {{pods: {pods:?}}}\n\n\n\n{more}"));
    std::fs::write(specs.join("tenants/a.yaml"), quota("5", "")).expect("a file");
    script(&specs, "tenantry render; git add -A; git commit -qm base").code(0);
    pull_request(&specs, "one", &[("tenants/a.yaml", quota("6", ""))]);
    pull_request(
        &specs,
        "two",
        &[("tenants/a.yaml", quota("5", "  displayName: A\n"))],
    );

    script(&specs, "git switch -q main; git merge -q --no-edit one").code(0);
    let ran = script(&specs, "git merge --no-edit two");
    assert!(
        ran.code != 0 && ran.out.contains("rendered/prod/tenants/a/a.yaml"),
        "the record differs: {}",
        ran.out
    );

    assert_eq!(
        ran.out.matches("CONFLICT").count(),
        1,
        "the specs merge: {}",
        ran.out
    );

    let ran = script(&specs, "tenantry render").code(1);
    assert!(
        ran.err.contains("--force"),
        "the message says what to do: {}",
        ran.err
    );

    script(
        &specs,
        "tenantry render --force; git add -A; git commit -qm merged; tenantry render --check",
    )
    .code(0);

    let text =
        std::fs::read_to_string(specs.join("rendered/prod/tenants/a/a.yaml")).expect("a text");
    assert!(
        text.contains("pods: \"6\"") && text.contains("display-name: A"),
        "{text}"
    );
}

#[test]
fn the_tree_is_fresh_after_a_rebase_a_revert_and_a_shallow_clone() {
    let sandbox = repositories();
    let specs = sandbox.path().join("specs");
    script(
        &specs,
        "tenantry render; git add -A; git commit -qm rendered",
    )
    .code(0);

    pull_request(&specs, "one", &[("tenants/b1.yaml", tenant("b1", ""))]);
    pull_request(&specs, "two", &[("tenants/b2.yaml", tenant("b2", ""))]);
    script(
        &specs,
        "git switch -q main; git merge -q --no-edit one; git switch -q two; git rebase -q main",
    )
    .code(0);

    script(
        &specs,
        "tenantry render --check; git switch -q main; git merge -q --ff-only two",
    )
    .code(0);

    // What added a tenant is taken back, before anything was let go: its files go with their
    // records.
    script(&specs, "git revert --no-edit HEAD >/dev/null; tenantry render --check; tenantry render; test -z \"$(git status --short)\"")
        .code(0);
    assert!(!specs.join("rendered/prod/tenants/b2").exists());
    // And the taking back is taken back.
    script(
        &specs,
        "git revert --no-edit HEAD >/dev/null; tenantry render --check",
    )
    .code(0);

    assert!(specs.join("rendered/prod/tenants/b2/b2.yaml").exists());
    // Only the spec is taken back: the namespace would go, and that is refused.
    let ran = script(&specs, "git rm -q tenants/b2.yaml; tenantry render").code(1);
    assert!(
        ran.err.contains("lifecycle/unretired-removal"),
        "{}",
        ran.err
    );

    script(&specs, "git reset -q --hard; git push -q origin main").code(0);

    script(
        sandbox.path(),
        "git clone -q --depth 1 file://$PWD/origin.git shallow",
    )
    .code(0);

    let shallow = sandbox.path().join("shallow");
    std::fs::write(shallow.join("tenants/c.yaml"), tenant("c", "")).expect("a file");
    script(
        &shallow,
        "tenantry check; tenantry render; tenantry diff HEAD; git add -A; git commit -qm c; tenantry render --check",
    )
    .code(0);

    let ran = script(&shallow, "tenantry diff HEAD~2").code(2);
    assert!(ran.err.contains("fetch-depth: 0"), "{}", ran.err);
}
