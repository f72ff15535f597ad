//! `delivery.manifests: own`: a tenant's verbatim objects lie in a unit of their own, so that what is
//! wrong with them stops neither the tenant's floor nor anybody else.

use crate::support::flux_loop::FluxLoop;
use crate::support::live_fleet::{self, ok};
use crate::support::{FLEET, Sandbox, tenant};

const CONFIG: &str =
    "apiVersion: v1\nkind: ConfigMap\nmetadata: {name: x,   namespace: NS} # kept\n";

/// A fleet whose tenant `a` has a verbatim file, and `b` has none.
fn fleet(delivery: &str) -> Sandbox {
    let fleet = format!("{FLEET}  delivery: {{{delivery}}}\n");
    let manifests = "  manifests: [m.yaml]\n";
    Sandbox::with(&[
        ("tenants/fleet.yaml", &fleet),
        ("tenants/a.yaml", &tenant("a", manifests)),
        ("tenants/b.yaml", &tenant("b", "")),
        ("tenants/m.yaml", &CONFIG.replace("NS", "a")),
    ])
}

#[test]
fn verbatim_objects_lie_in_a_unit_of_the_tenant() {
    for (unit, folder, core) in [
        ("unit: tenant", "a", "tenant-a"),
        ("unit: shard, shards: 1", "shard-00", "tenants-shard-00"),
    ] {
        let sandbox = fleet(&format!("manifests: own, {unit}"));
        sandbox.run(&["render"]).code(0);
        let config = CONFIG.replace("NS", "a");
        let floor = sandbox.read(&format!("rendered/prod/tenants/{folder}/a.yaml"));
        assert!(
            sandbox
                .read("rendered/prod/manifests/a/a.yaml")
                .contains(&config)
        );
        assert!(
            !floor.contains(&config) && floor.contains("name: sync.a.manifests"),
            "{floor}"
        );
        assert!(!sandbox.has("rendered/prod/manifests/b/b.yaml"));

        let applier = sandbox.read("rendered/prod/entry/manifests-a.yaml");
        for line in [
            "  path: \"./rendered/prod/manifests/a\"\n",
            "  serviceAccountName: sync.a.manifests\n",
            &format!("  dependsOn:\n  - name: {core}\n"),
        ] {
            assert!(applier.contains(line), "{line}: {applier}");
        }

        // The account writes what tenants may have, and nothing of the floor.
        let roles = sandbox.read("rendered/prod/platform/roles.yaml");
        let (_, role) = roles
            .split_once("name: tenantry-manifests\n")
            .expect("the role");
        let role = role.split("\n---").next().expect("its rules");
        assert!(
            role.contains("- configmaps\n") && role.contains("- deployments\n"),
            "{role}"
        );
        for kind in [
            "networkpolicies",
            "resourcequotas",
            "limitranges",
            "roles",
            "rolebindings",
            "*",
        ] {
            assert!(!role.contains(&format!("- {kind}\n")), "{kind}: {role}");
        }

        sandbox.run(&["render", "--check"]).code(0);
        sandbox.run(&["prove"]);
    }
}

/// Sets where verbatim files lie, and renders. Returns the exit code and what is said.
fn move_to(sandbox: &Sandbox, from: &str, to: &str) -> (i32, String) {
    let text = sandbox.read("tenants/fleet.yaml");
    sandbox.write(
        "tenants/fleet.yaml",
        text.replace(&format!("manifests: {from}"), &format!("manifests: {to}")),
    );
    let ran = sandbox.run(&["render"]);
    (ran.code, ran.all())
}

#[test]
fn a_move_takes_two_steps() {
    let sandbox = fleet("manifests: shared, unit: tenant");
    sandbox.run(&["render"]).code(0);
    let unit = "rendered/prod/entry/tenant-a.yaml";
    let floor = "rendered/prod/tenants/a/a.yaml";
    let apart = "rendered/prod/manifests/a/a.yaml";

    // Nothing of a move that is refused is written.
    let before = sandbox.files();
    let (code, said) = move_to(&sandbox, "shared", "own");
    assert!(code == 1 && said.contains("tree/object-moved"), "{said}");
    let mut after = sandbox.files();
    let fleet_file =
        |files: &std::collections::BTreeMap<String, Vec<u8>>| files["tenants/fleet.yaml"].clone();
    after.insert("tenants/fleet.yaml".to_owned(), fleet_file(&before));
    assert!(after == before, "{said}");

    // The run that begins the move says nothing of it. Later ones say how it ends.
    let (code, said) = move_to(&sandbox, "own", "moving");
    assert!(code == 0 && !said.contains("warning["), "{said}");
    let warned = |said: &str| {
        assert!(said.contains("tree/manifests-with-floor"), "{said}");
        assert!(said.contains("set delivery.manifests: own"), "{said}");
        assert!(!said.contains("manifests: moving, and"), "{said}");
    };
    warned(&sandbox.run(&["check"]).code(0).all());
    let stated = sandbox.read("tenants/fleet.yaml");
    let silent = stated.replace("manifests: moving, ", "");
    sandbox.write("tenants/fleet.yaml", silent);
    warned(&sandbox.run(&["check"]).code(0).all());
    sandbox.write("tenants/fleet.yaml", stated);
    assert!(sandbox.read(unit).contains("commonMetadata:") && !sandbox.has(apart));
    let config = CONFIG.replace("NS", "a");
    assert!(sandbox.read(floor).contains(&config));

    assert_eq!(move_to(&sandbox, "moving", "own").0, 0);
    assert!(!sandbox.read(unit).contains("commonMetadata:"));
    assert!(sandbox.read(apart).contains(&config) && !sandbox.read(floor).contains(&config));

    let (code, said) = move_to(&sandbox, "own", "shared");
    assert!(code == 1 && said.contains("tree/object-moved"), "{said}");
    let whole = "would move to other units in one commit";
    assert!(
        said.contains(whole) && said.contains("restore delivery.manifests: own"),
        "{said}"
    );
    assert!(!said.contains("set delivery.manifests: moving"), "{said}");
}

/// An object that goes from one tenant to another is a fault of a tenant, and not of the fleet.
#[test]
fn an_object_that_moves_by_itself_holds_up_no_move_of_the_fleet() {
    for (from, to) in [("shared", "moving"), ("moving", "own")] {
        let sandbox = fleet(&format!("manifests: {from}, unit: shard, shards: 1"));
        sandbox.run(&["render"]).code(0);

        // The record of `b` says that an object of `a` was its own.
        let path = "rendered/prod/tenants/shard-00/b.yaml";
        let text = sandbox.read(path);
        let mine = "\"objects\":[";
        let theirs = "\"objects\":[\"ConfigMap/a/x\",";
        sandbox.write(path, text.replacen(mine, theirs, 1));

        let (code, said) = move_to(&sandbox, from, to);
        assert_eq!(code, 1, "{said}");
        assert!(said.contains("would go from `b` to `a`"), "{said}");
        assert!(!said.contains("would move to other units"), "{said}");

        // The cluster has made the step.
        let lock = sandbox.read("tenantry.lock");
        assert!(lock.contains(&format!("\"manifests\":\"{to}\"")), "{lock}");
    }
}

#[test]
fn a_cluster_with_units_of_their_own_needs_no_move() {
    let sandbox = fleet("unit: tenant");
    sandbox.run(&["render"]).code(0);
    let before = sandbox.files();
    let text = sandbox.read("tenants/fleet.yaml");
    sandbox.write(
        "tenants/fleet.yaml",
        text.replace("{unit: tenant}", "{unit: tenant, manifests: moving}"),
    );
    let said = sandbox.run(&["render"]).code(0).all();
    assert!(!said.contains("warning["), "{said}");
    let lock = sandbox.read("tenantry.lock");
    assert!(lock.contains("\"manifests\":\"own\""), "{lock}");
    let after = sandbox.files();
    for (path, bytes) in before {
        let is_tree = path.starts_with("rendered/");
        assert!(!is_tree || after[&path] == bytes, "{path}: {said}");
    }
}

#[test]
fn what_a_first_render_settles_stays() {
    // A first render has units of their own, and needs no word of the fleet.
    let sandbox = fleet("unit: tenant");
    let said = sandbox.run(&["render"]).code(0).all();
    assert!(!said.contains("warning["), "{said}");
    assert!(sandbox.has("rendered/prod/manifests/a/a.yaml"));
    assert!(
        sandbox
            .read("tenantry.lock")
            .contains("\"manifests\":\"own\"")
    );

    // A cluster that is rendered with the floor stays so, and one warning says how to move.
    let sandbox = fleet("manifests: shared, unit: tenant");
    for name in ["c", "d"] {
        sandbox.write(
            &format!("tenants/{name}.yaml"),
            tenant(name, "  manifests: [n.yaml]\n"),
        );
    }
    sandbox.write("tenants/n.yaml", "");
    let warned = |sandbox: &Sandbox| {
        let all = sandbox.run(&["render"]).code(0).all();
        assert!(all.contains("delivery.manifests: moving"), "{all}");
        all.matches("tree/manifests-with-floor").count()
    };
    assert_eq!(warned(&sandbox), 1);
    let text = sandbox.read("tenants/fleet.yaml");
    sandbox.write(
        "tenants/fleet.yaml",
        text.replace("manifests: shared, ", ""),
    );
    assert_eq!(warned(&sandbox), 1);
    assert!(!sandbox.has("rendered/prod/manifests/a/a.yaml"));
    assert!(!sandbox.read("tenantry.lock").contains("manifests"));

    // Without verbatim files there is nothing to say.
    for name in ["a", "c", "d"] {
        sandbox.write(&format!("tenants/{name}.yaml"), tenant(name, ""));
    }
    let said = sandbox.run(&["render"]).code(0).all();
    assert!(!said.contains("warning["), "{said}");
}

#[test]
fn a_unit_outlives_its_last_file() {
    for unit in ["unit: tenant", "unit: shard, shards: 1"] {
        let sandbox = fleet(unit);
        sandbox.run(&["render"]).code(0);
        sandbox.write("tenants/a.yaml", tenant("a", ""));
        sandbox.run(&["render"]).code(0);
        sandbox.run(&["render", "--check"]).code(0);

        let file = "rendered/prod/manifests/a/a.yaml";
        let applier = "rendered/prod/entry/manifests-a.yaml";
        let floor = match unit {
            "unit: tenant" => "rendered/prod/tenants/a/a.yaml",
            _ => "rendered/prod/tenants/shard-00/a.yaml",
        };
        assert!(!sandbox.read(file).contains("kind:") && sandbox.has(applier));
        assert!(sandbox.read(floor).contains("sync.a.manifests"));

        // Flux has deleted what it held: the workflow says so.
        sandbox.run(&["render", "--allow-removal", "a"]).code(0);
        sandbox.run(&["render", "--check"]).code(0);
        assert!(!sandbox.has(file) && !sandbox.has(applier));
        assert!(!sandbox.read(floor).contains("sync.a.manifests"));
    }
}

#[test]
fn many_units_of_files_need_sources_of_their_own() {
    for (count, warned) in [(100, false), (101, true)] {
        let sandbox = Sandbox::with(&[("tenants/fleet.yaml", FLEET)]);
        for at in 0..count {
            let name = format!("t{at}");
            let spec = tenant(&name, &format!("  manifests: [{name}-m.yaml]\n"));
            sandbox.write(&format!("tenants/{name}.yaml"), spec);
            let file = format!("tenants/{name}-m.yaml");
            sandbox.write(&file, CONFIG.replace("NS", &name));
        }
        let all = sandbox.run(&["check"]).code(0).all();
        assert_eq!(all.contains("source: perShard"), warned, "{all}");
    }
}

#[test]
fn the_name_of_a_unit_is_bounded() {
    let long = "n".repeat(62);
    let sandbox = fleet("unit: shard, shards: 1");
    for last in ["a", "b"] {
        let name = format!("{long}{last}");
        let file = format!("{last}-m.yaml");
        let spec = tenant(&name, &format!("  manifests: [{file}]\n"));
        sandbox.write(&format!("tenants/long-{last}.yaml"), spec);
        sandbox.write(&format!("tenants/{file}"), CONFIG.replace("NS", &name));
    }
    sandbox.run(&["render"]).code(0);
    let folder = std::fs::read_dir(sandbox.path().join("rendered/prod/entry")).expect("a folder");
    let names = folder.map(|entry| {
        entry
            .expect("a file")
            .file_name()
            .into_string()
            .expect("a name")
    });
    let units: Vec<String> = names
        .filter(|name| name.starts_with("manifests-nnn"))
        .collect();
    let limit = "manifests-.yaml".len() + 53;
    assert!(
        units.len() == 2 && units.iter().all(|name| name.len() <= limit),
        "{units:?}"
    );
    sandbox.run(&["render", "--check"]).code(0);
}

/// Texts that are put into a tenant's rendered file behind tenantry's back, each after `---`.
fn poisons() -> Vec<(&'static str, &'static str, String)> {
    let config = |metadata: &str, rest: &str| {
        format!("apiVersion: v1\nkind: ConfigMap\nmetadata: {{name: p, {metadata}}}\n{rest}\n")
    };
    let here = "namespace: iris";
    let long = "x".repeat(300_000);
    let deployment = "apiVersion: apps/v1\nkind: Deployment\nmetadata: {name: p, namespace: iris}\nspec: {replicas: three, \
                      selector: {matchLabels: {a: b}}, template: {metadata: {labels: {a: b}}, spec: {containers: [{name: a, image: b}]}}}\n";
    let policy = "apiVersion: networking.k8s.io/v1\nkind: NetworkPolicy\nmetadata: {name: p, namespace: iris}\nspec: {podSelector: {}, ingress: [{}]}\n";
    let admin = "roleRef: {apiGroup: rbac.authorization.k8s.io, kind: ClusterRole, name: cluster-admin}\n\
                 subjects: [{kind: ServiceAccount, name: default, namespace: iris}]\n";
    vec![
        ("a count that is a text", "Deployment/iris/p", deployment.into()),
        ("a boolean", "ConfigMap/iris/p", config(here, "data: {a: true}")),
        ("a long annotation", "ConfigMap/iris/p", config(&format!("{here}, annotations: {{a: {long}}}"), "")),
        ("a key that is a number", "iris.yaml|ConfigMap", config(here, "data: {1: a}")),
        ("a key of 1,030 characters", "iris.yaml|ConfigMap", config(here, &format!("data: {{? {} : b}}", "k".repeat(1030)))),
        ("a tab after a dash", "iris.yaml|ConfigMap", config(here, "data:\n-\ta")),
        ("half a character", "iris.yaml|ConfigMap", config(here, "data: {a: \"\\ud800\"}")),
        ("an unknown alias", "iris.yaml|ConfigMap", config(here, "data: {a: *a}")),
        ("a kind without a CRD", "Widget/iris/p", "apiVersion: example.com/v1\nkind: Widget\nmetadata: {name: p, namespace: iris}\n".into()),
        ("an object of a neighbour", "ConfigMap/jade/p", config("namespace: jade", "data: {a: b}")),
        ("an object of the cluster", "Namespace/poison", "apiVersion: v1\nkind: Namespace\nmetadata: {name: poison}\n".into()),
        ("a policy", "NetworkPolicy/iris/p", policy.into()),
        ("a binding", "RoleBinding/iris/p", format!("apiVersion: rbac.authorization.k8s.io/v1\nkind: RoleBinding\nmetadata: {{name: p, namespace: iris}}\n{admin}")),
        ("a binding of the cluster", "ClusterRoleBinding/p", format!("apiVersion: rbac.authorization.k8s.io/v1\nkind: ClusterRoleBinding\nmetadata: {{name: p}}\n{admin}")),
        ("an object twice", "iris.yaml|ConfigMap", format!("{0}---\n{0}", config(here, "data: {a: b}"))),
        ("a port out of range", "Service/iris/p", "apiVersion: v1\nkind: Service\nmetadata: {name: p, namespace: iris}\nspec: {ports: [{port: 70000}]}\n".into()),
    ]
}

/// A committed fleet of `iris` and `jade`, each with a verbatim file, that Flux has applied.
fn live(flux: &FluxLoop, delivery: &str, file: impl Fn(&str) -> String) -> Sandbox {
    let fleet = live_fleet::FLEET.replace("delivery: {", &format!("delivery: {{{delivery}, "));
    let repo = Sandbox::with(&[("tenants/fleet.yaml", &fleet)]);
    for name in ["iris", "jade"] {
        let spec = live_fleet::tenant(name)
            .replace("spec: {", &format!("spec: {{manifests: [{name}-m.yaml], "));
        repo.write(&format!("tenants/{name}.yaml"), spec);
        repo.write(&format!("tenants/{name}-m.yaml"), file(name));
    }
    repo.git(&["init", "-q", "-b", "main"]);
    commit(&repo);
    flux.serve(&repo);
    repo
}

/// Renders and commits. Returns the commit.
fn commit(repo: &Sandbox) -> String {
    repo.run(&["render"]).code(0);
    commit_as_is(repo)
}

fn commit_as_is(repo: &Sandbox) -> String {
    repo.git(&["add", "-A"]);
    assert_eq!(repo.git(&["commit", "-q", "-m", "more"]).code, 0);
    repo.git(&["rev-parse", "HEAD"]).out.trim().to_owned()
}

fn wait_for(flux: &FluxLoop, names: &[&str], head: &str) {
    for name in names {
        flux.until(name, || {
            flux.status(name, "lastAppliedRevision").contains(head)
        });
    }
}

#[test]
fn a_poisonous_object_stops_its_own_unit_alone() {
    let Some(flux) = FluxLoop::get() else { return };
    for (unit, units) in [
        ("unit: shard, shards: 1", ["tenants-shard-00"].as_slice()),
        ("unit: tenant", &["tenant-iris", "tenant-jade"]),
    ] {
        let delivery = format!("manifests: own, {unit}");
        let repo = live(&flux, &delivery, |name| CONFIG.replace("NS", name));
        let head = repo.git(&["rev-parse", "HEAD"]).out.trim().to_owned();
        let neighbours = [units, &["manifests-jade", "tenantry", "tenantry-platform"]].concat();
        wait_for(&flux, &neighbours, &head);
        wait_for(&flux, &["manifests-iris"], &head);

        let file = "rendered/live/manifests/iris/iris.yaml";
        let good = repo.read(file);
        for (what, object, text) in poisons() {
            repo.write(file, format!("{good}---\n{text}"));
            let head = commit_as_is(&repo);
            flux.push(&repo);
            wait_for(&flux, &neighbours, &head);
            let ready = "conditions[?(@.type=='Ready')].status";
            flux.until(what, || {
                flux.status("manifests-iris", "lastAttemptedRevision")
                    .contains(&head)
                    && flux.status("manifests-iris", ready) == "False"
            });
            let applied = flux.status("manifests-iris", "lastAppliedRevision");
            assert!(!applied.contains(&head), "{what}: {applied}");
            assert_named(&flux, &repo, what, object);
            for object in ["networkpolicy/default-deny", "configmap/x"] {
                let kept = flux.plane.kubectl(&["get", object, "-n", "jade"]);
                assert_eq!(kept.code, 0, "{what}: {}", kept.all());
            }
        }
    }
}

/// Fails unless `verify` soon says that `iris` alone has not converged, and names its unit and one of
/// some objects: a text that no reader takes has none, and its file is named.
fn assert_named(flux: &FluxLoop, repo: &Sandbox, what: &str, objects: &str) {
    let mut said = Vec::new();
    for _ in 0..20 {
        let report = live_fleet::report(flux, repo);
        let why = live_fleet::found(&report, "live/not-converged");
        let names = |text: &str| why.iter().any(|(_, message)| message.contains(text));
        let is_named = names("manifests-iris") && objects.split('|').any(names);
        if is_named && why.len() == 1 && live_fleet::phase(&report, "iris") != "Active" {
            return;
        }
        said = why;
        std::thread::sleep(std::time::Duration::from_millis(300));
    }
    panic!("{what}: {said:?}");
}

/// Flux deletes the objects of the last file that goes, as the account of their unit.
#[test]
fn the_objects_of_a_last_file_are_deleted() {
    let Some(flux) = FluxLoop::get() else { return };
    let repo = live(&flux, "unit: shard, shards: 1", |name| {
        CONFIG.replace("NS", name)
    });
    let head = repo.git(&["rev-parse", "HEAD"]).out.trim().to_owned();
    wait_for(&flux, &["manifests-iris", "manifests-jade"], &head);

    repo.write("tenants/iris.yaml", live_fleet::tenant("iris"));
    let head = commit(&repo);
    flux.push(&repo);
    wait_for(&flux, &["manifests-iris", "tenants-shard-00"], &head);
    let gone = || {
        flux.plane
            .kubectl(&["get", "configmap", "x", "-n", "iris"])
            .code
            != 0
    };
    flux.until("the ConfigMap", gone);
    let kept = flux.plane.kubectl(&["get", "configmap", "x", "-n", "jade"]);
    ok(&kept);
}

/// A running fleet moves its verbatim objects in two steps, and Flux deletes none of them.
#[test]
fn a_move_in_two_steps_deletes_nothing() {
    let Some(flux) = FluxLoop::get() else { return };
    let claim = |name: &str| {
        format!(
            "apiVersion: v1\nkind: PersistentVolumeClaim\nmetadata: {{name: p, namespace: {name}}}\n\
             spec: {{accessModes: [ReadWriteOnce], resources: {{requests: {{storage: 1Gi}}}}}}\n---\n\
             apiVersion: apps/v1\nkind: Deployment\nmetadata: {{name: d, namespace: {name}}}\n\
             spec: {{replicas: 0, selector: {{matchLabels: {{a: b}}}}, template: {{metadata: {{labels: {{a: b}}}}, \
             spec: {{containers: [{{name: a, image: b}}]}}}}}}\n"
        )
    };
    let repo = live(&flux, "manifests: shared, unit: tenant", claim);
    let head = repo.git(&["rev-parse", "HEAD"]).out.trim().to_owned();
    let units = ["tenant-iris", "tenant-jade", "tenantry"];
    wait_for(&flux, &units, &head);

    let field = |path: &str| {
        let path = format!("jsonpath={{.items[*].metadata.{path}}}");
        let args = [
            "get",
            "deployments,persistentvolumeclaims",
            "-n",
            "iris",
            "-o",
            &path,
        ];
        let ran = flux.plane.kubectl(&args);
        ok(&ran);
        ran.out
    };
    let before = field("uid");
    assert_eq!(before.split_whitespace().count(), 2, "{before}");

    let prune = "annotations.kustomize\\.toolkit\\.fluxcd\\.io/prune";
    for (from, to, kept) in [("shared", "moving", 2), ("moving", "own", 0)] {
        let text = repo.read("tenants/fleet.yaml");
        let (from, to) = (format!("manifests: {from}"), format!("manifests: {to}"));
        repo.write("tenants/fleet.yaml", text.replace(&from, &to));
        let head = commit(&repo);
        flux.push(&repo);
        wait_for(&flux, &units, &head);
        if to.ends_with("own") {
            wait_for(&flux, &["manifests-iris", "manifests-jade"], &head);
        }
        flux.until("the marks", || {
            field(prune).split_whitespace().count() == kept
        });
        assert_eq!(field("uid"), before);
    }
}
