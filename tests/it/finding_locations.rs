//! Every place that output names is in a file that the user has: never in a built-in profile or
//! template, nor in Kubernetes' own roles.

use crate::support::{FLEET, Ran, Sandbox, compile, files_of, root, tenant, waiver};
use std::fs;
use tenantry::report;

/// A text of a format, with the paths of its places where a program reads them.
struct Output<'a> {
    sandbox: &'a Sandbox,
    name: String,
    ran: Ran,
}

/// The paths that stand below `key` anywhere in a JSON text.
fn paths(value: &serde_json::Value, key: &str, out: &mut Vec<String>) {
    match value {
        serde_json::Value::Object(entries) => {
            for (name, below) in entries {
                match below.as_str() {
                    Some(path) if name == key => out.push(path.to_owned()),
                    _ => paths(below, key, out),
                }
            }
        }
        serde_json::Value::Array(items) => items.iter().for_each(|item| paths(item, key, out)),
        _ => {}
    }
}

impl Output<'_> {
    /// The built-in paths of a text; URLs of the manual have a `/` before them.
    fn built_in(text: &str) -> Option<&str> {
        text.lines().find(|line| {
            ["builtin/", "kubernetes/"].iter().any(|folder| {
                line.match_indices(folder).any(|(at, _)| {
                    let before = line[..at].chars().next_back();
                    before.is_none_or(|c| !c.is_alphanumeric() && !"/.-_".contains(c))
                })
            })
        })
    }

    fn check(&self, format: &str) {
        let text = self.ran.all();
        let is_bug = text.contains("panicked") || text.contains("this is a bug");
        assert!(!is_bug, "{}: {text}", self.name);
        assert_eq!(Self::built_in(&text), None, "{}", self.name);

        let mut named = Vec::new();
        match format {
            "json" | "sarif" => {
                let value = serde_json::from_str(&self.ran.out)
                    .unwrap_or_else(|e| panic!("{}: {e}: {text}", self.name));
                let key = if format == "json" { "path" } else { "uri" };
                paths(&value, key, &mut named);
            }
            "github" => {
                let files = self.ran.out.lines().filter_map(|line| {
                    let (_, rest) = line.split_once(" file=")?;
                    Some(rest.split_once(',')?.0.to_owned())
                });
                named.extend(files);
            }
            _ => {}
        }

        for path in named {
            assert!(
                self.sandbox.has(&path),
                "{}: there is no file {path}: {text}",
                self.name
            );
        }
    }
}

/// Asks a folder everything, in every format.
fn ask(name: &str, sandbox: &Sandbox) -> usize {
    let mut asked = 0;
    let mut run = |args: &[&str], format: &str| {
        let output = Output {
            sandbox,
            name: format!("{name}: {}", args.join(" ")),
            ran: sandbox.run(args),
        };
        output.check(format);
        asked += 1;
    };

    let also: &[&str] = match sandbox.has("also") {
        true => &["--also", "also"],
        false => &[],
    };

    for format in ["text", "json", "github", "sarif"] {
        run(&["check", "--format", format], format);
        run(&[&["prove", "--format", format], also].concat(), format);
    }

    run(
        &[&["prove", "--format", "markdown"], also].concat(),
        "markdown",
    );

    for subject in ["group:extra", "group:system:masters"] {
        let question = ["can", subject, "create", "networkpolicies", "-n", "a"];
        run(&[&question[..], also].concat(), "text");
    }

    run(&[&["reach", "a", "b"], also].concat(), "text");
    run(&["show", "a", "--origin"], "text");
    run(&["diff"], "text");

    asked
}

/// Paths and texts.
type Files = Vec<(&'static str, String)>;
/// What is provoked, and by which files.
type Case = (&'static str, Files);

/// A profile that narrows `parent` below its own values.
fn narrow(name: &str, parent: &str) -> String {
    format!(
        "apiVersion: tenantry.dev/v1alpha1\nkind: Profile\nmetadata: {{name: {name}}}\nspec:\n  \
         extends: {parent}\n  ceiling: {{quota: {{pods: \"1\"}}, podSecurity: {{level: restricted}}, \
         limits: {{default: {{cpu: 1m}}}}}}\n"
    )
}

/// A fleet with less room than a built-in profile promises to a tenant.
fn small(default_profile: &str) -> String {
    let spec = match default_profile {
        "" => "spec:\n".to_owned(),
        name => format!("spec:\n  defaultProfile: {name}\n"),
    };
    FLEET.replace("spec:\n", &spec) + "      capacity: {pods: \"4\", cpu: \"1\", memory: 1Mi}\n"
}

/// Two tenants of a fleet, the first with more lines for its spec, and another file.
fn files(fleet: &str, more: &str, other: Option<(&'static str, String)>) -> Files {
    let mut files = vec![
        ("tenants/fleet.yaml", fleet.to_owned()),
        ("tenants/a.yaml", tenant("a", more)),
        ("tenants/b.yaml", tenant("b", "")),
    ];
    files.extend(other);
    files
}

/// Fleets whose values come from a built-in profile that a tenant or the fleet chooses.
fn of_built_in_profiles() -> Vec<Case> {
    let mut over_quota = files(FLEET, "", None);
    over_quota[1].1 = tenant("a", "").replace("{name: a}]", "{name: a, quota: {pods: \"70\"}}]");
    let limits = "  limits: {defaultRequest: {cpu: \"2\"}, max: {memory: 1Mi}}\n";
    [
        ("the default of all", files(&small(""), "", None)),
        ("the fleet's default", files(&small("baseline"), "", None)),
        ("baseline", files(&small(""), "  profile: baseline\n", None)),
        ("adopted", files(&small(""), "  profile: adopted\n", None)),
        (
            "limits that contradict the profile's",
            files(FLEET, limits, None),
        ),
        ("a namespace's quota over the profile's", over_quota),
    ]
    .into()
}

/// Fleets whose values come from a built-in profile that one of the user's extends.
fn of_own_profiles() -> Vec<Case> {
    let own = |parent: &str| Some(("tenants/profiles/own.yaml", narrow("own", parent)));
    let same = (
        "tenants/profiles/baseline.yaml",
        narrow("baseline", "restricted"),
    );

    let chosen = "  profile: own\n";
    [
        (
            "a profile that extends one",
            files(&small(""), chosen, own("restricted")),
        ),
        (
            "a default that extends two",
            files(&small("own"), "", own("baseline")),
        ),
        (
            "a profile that extends itself",
            files(FLEET, chosen, own("own")),
        ),
        (
            "a built-in profile's name",
            files(FLEET, "  profile: baseline\n", Some(same)),
        ),
    ]
    .into()
}

/// Fleets with a template of their own beside the built-in ones.
fn of_templates() -> Vec<Case> {
    let beside = |text: &str| Some(("templates/namespace/zz.yaml", text.to_owned()));
    let over = |text: &str| Some(("templates/namespace/network.yaml", text.to_owned()));
    let twice = "apiVersion: v1\nkind: ServiceAccount\nmetadata: {name: default, namespace: \"{{ \
                 namespace.name }}\"}\nautomountServiceAccountToken: false\n";
    let undefined = "apiVersion: v1\nkind: ConfigMap\nmetadata: {name: x, namespace: other}\n\
                     data: {x: \"{{ nope }}\"}\n";
    let undeclared = "apiVersion: x.example/v1\nkind: Other\nmetadata: {name: x, namespace: \"{{ \
                      namespace.name }}\"}\n";
    let bare = FLEET.to_owned() + "      apis: []\n";

    [
        (
            "an object of a built-in template again",
            files(FLEET, "", beside(twice)),
        ),
        (
            "a template over a built-in one",
            files(FLEET, "", over(undefined)),
        ),
        (
            "a kind that the cluster lacks",
            files(&bare, "", beside(undeclared)),
        ),
    ]
    .into()
}

/// A binding of the group `extra`.
fn binding(kind: &str, namespace: &str, role: &str) -> String {
    format!(
        "apiVersion: rbac.authorization.k8s.io/v1\nkind: {kind}\nmetadata: {{name: \
         more{namespace}}}\nroleRef: {{apiGroup: rbac.authorization.k8s.io, kind: ClusterRole, \
         name: {role}}}\nsubjects: [{{kind: Group, name: extra, apiGroup: \
         rbac.authorization.k8s.io}}]\n"
    )
}

/// A ClusterRole with a rule.
fn cluster_role(metadata: &str, rule: &str) -> String {
    format!(
        "---\napiVersion: rbac.authorization.k8s.io/v1\nkind: ClusterRole\nmetadata: \
         {{{metadata}}}\nrules: [{{{rule}}}]\n"
    )
}

/// Fleets whose tenants are bound to roles that Kubernetes makes, and other manifests that are.
fn of_roles() -> Vec<Case> {
    let bound = |role: &str| {
        let member = format!("  members: [{{group: extra, clusterRole: {role}}}]\n");
        files(FLEET, &member, None)
    };

    let beside = |text: String| files(FLEET, "", Some(("also/more.yaml", text)));
    let everybody =
        binding("ClusterRoleBinding", "", "edit").replace("extra", "system:authenticated");
    let of_view = binding("RoleBinding", ", namespace: b", "view");
    let same_name = cluster_role(
        "name: view",
        "apiGroups: [\"*\"], resources: [\"*\"], verbs: [\"*\"]",
    );

    let aggregated = cluster_role(
        "name: add, labels: {rbac.authorization.k8s.io/aggregate-to-view: \"true\"}",
        "apiGroups: [networking.k8s.io], resources: [networkpolicies], verbs: [create]",
    );

    [
        ("admin", bound("admin")),
        ("edit", bound("edit")),
        ("cluster-admin", bound("cluster-admin")),
        ("a role that is not there", bound("nope")),
        (
            "a binding",
            beside(binding("RoleBinding", ", namespace: a", "admin")),
        ),
        (
            "a binding of all",
            beside(binding("ClusterRoleBinding", "", "admin")),
        ),
        ("a binding of everybody", beside(everybody)),
        (
            "a role of the same name",
            beside(of_view.clone() + &same_name),
        ),
        ("a role that is aggregated", beside(of_view + &aggregated)),
    ]
    .into()
}

fn sandbox(files: &[(&str, String)]) -> Sandbox {
    let sandbox = Sandbox::new();
    for (path, text) in files {
        sandbox.write(path, text);
    }
    sandbox.git(&["init", "-q"]).code(0);
    sandbox.git(&["add", "-A"]).code(0);
    sandbox.git(&["commit", "-q", "-m", "base"]).code(0);
    sandbox
}

#[test]
fn no_output_names_a_file_that_the_user_does_not_have() {
    let mut asked = 0;
    let cases = [
        of_built_in_profiles(),
        of_own_profiles(),
        of_templates(),
        of_roles(),
    ];
    for (name, files) in cases.into_iter().flatten() {
        asked += ask(name, &sandbox(&files));
    }
    crate::support::say(&format!("places: {asked} outputs"));
    assert!(asked >= 280);
}

#[test]
fn findings_without_a_fleet_point_at_the_manifests() {
    let sandbox = Sandbox::new();
    let namespace =
        |name: &str| format!("---\napiVersion: v1\nkind: Namespace\nmetadata: {{name: {name}}}\n");
    sandbox.write("also/namespaces.yaml", namespace("a") + &namespace("b"));
    let also = of_roles().into_iter().flat_map(|(_, files)| files);

    for (path, text) in also.filter(|(path, _)| path.starts_with("also/")) {
        sandbox.write(path, text);
        for format in ["text", "json", "github", "sarif"] {
            let args = ["prove", "--also", "also", "--format", format];
            let ran = sandbox.run(&args);
            Output {
                sandbox: &sandbox,
                name: args.join(" "),
                ran,
            }
            .check(format);
        }

        for subject in ["group:extra", "group:system:masters"] {
            let args = ["can", subject, "create", "pods", "--also", "also"];
            let ran = sandbox.run(&args);
            assert_eq!(Output::built_in(&ran.all()), None, "{}", args.join(" "));
        }
    }
}

#[test]
fn the_findings_of_each_fixture_point_at_its_own_files() {
    let mut count = 0;
    for folder in ["fixtures/spec/invalid", "fixtures/spec/valid"] {
        for entry in fs::read_dir(root().join(folder)).expect("the fixtures") {
            let path = entry.expect("an entry").path();
            let name = path.file_stem().expect("a name").to_string_lossy();
            let files = files_of(&name, &fs::read_to_string(&path).expect("a text"));
            let texts: Vec<(&str, &str)> = files
                .iter()
                .map(|(path, text)| (path.as_str(), text.as_str()))
                .collect();

            let (sources, compiled) = compile(&texts);

            let findings = &compiled.findings;
            for text in [
                report::text(&sources, findings, false, 120),
                report::github(&sources, findings),
                report::json(&sources, findings),
                report::sarif(&sources, findings, "0"),
            ] {
                assert_eq!(Output::built_in(&text), None, "{name}");
            }

            count += 1;
        }
    }

    assert!(count >= 90);
}

#[test]
fn a_value_of_a_built_in_profile_points_at_the_line_that_chose_it() {
    let small = FLEET.to_owned() + "      capacity: {pods: \"4\"}\n";
    let placed = |fleet: &str, more: &str, profile: &str| {
        let (sources, compiled) = compile(&[
            ("tenants/fleet.yaml", fleet),
            ("tenants/profiles/own.yaml", profile),
            ("tenants/a.yaml", &tenant("a", more)),
        ]);
        let found = compiled
            .findings
            .iter()
            .find(|d| d.rule.id == "resources/over-capacity")
            .expect("the finding");
        sources.get(found.span.source).slice(found.span).to_owned()
    };

    let own = "apiVersion: tenantry.dev/v1alpha1\n\
               kind: Profile\n\
               metadata: {name: own}\n\
               spec: {extends: baseline}\n";
    let by_default = small.replace("spec:\n", "spec:\n  defaultProfile: baseline\n");

    assert_eq!(placed(&small, "", own), "a");
    assert_eq!(placed(&small, "  profile: restricted\n", own), "restricted");
    assert_eq!(placed(&by_default, "", own), "baseline");

    assert_eq!(placed(&small, "  profile: own\n", own), "baseline");
}

#[test]
fn a_role_of_kubernetes_points_at_the_line_that_binds_it() {
    let files = [
        ("tenants/fleet.yaml", FLEET.to_owned()),
        (
            "tenants/a.yaml",
            tenant("a", "  members: [{group: extra, clusterRole: admin}]\n"),
        ),
        (
            "tenants/waivers/a.yaml",
            waiver("a", "api/floor-writing-role", "2026-12-30"),
        ),
    ];
    let ran = sandbox(&files)
        .run(&["can", "group:extra", "create", "pods", "-n", "a"])
        .code(0);
    let line = "  2. Kubernetes' own ClusterRole admin allows it\n     tenants/a.yaml:7:41\n";
    assert!(ran.out.contains(line), "{}", ran.out);
}

/// Without this, a change to a built-in profile could bring a place back that the user does not
/// have: `enforced` and `ceiling` of a profile that a tenant chooses keep their own places.
#[test]
fn built_in_profiles_enforce_nothing_and_have_no_ceiling() {
    for entry in fs::read_dir(root().join("src/spec/builtin")).expect("the profiles") {
        let path = entry.expect("an entry").path();
        let text = fs::read_to_string(&path).expect("a text");
        for field in ["enforced:", "ceiling:"] {
            assert!(!text.contains(field), "{}: {field}", path.display());
        }
    }
}
