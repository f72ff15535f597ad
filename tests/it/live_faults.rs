//! `verify` against a server that fails: each fault ends in a report of what could be seen, or in
//! the reason why nothing could, and never in a wait without end.

use crate::support::Ran;
use crate::support::fake_server::{Answer, FakeServer, POLICIES, SERVED, group, small_fleet};
use std::net::TcpListener;
use std::time::{Duration, Instant};

/// Verifies a small fleet against a server with a fault: what came of it, what was asked, and how
/// long it took.
fn verify(
    fault: impl Fn(&str, usize) -> Option<Answer> + Send + Sync + 'static,
) -> (Ran, Vec<String>, Duration) {
    verify_with(&[], fault)
}

fn verify_with(
    more: &[&str],
    fault: impl Fn(&str, usize) -> Option<Answer> + Send + Sync + 'static,
) -> (Ran, Vec<String>, Duration) {
    let server = FakeServer::start(fault);
    let started = Instant::now();
    let ran = against(&server.url, more);
    (ran, server.asked(), started.elapsed())
}

fn against(url: &str, more: &[&str]) -> Ran {
    let sandbox = small_fleet(url, "{}");
    let mut command = sandbox.command(&["verify"]);
    command.args(more);
    Ran::of(
        command
            .env("KUBECONFIG", sandbox.path().join("kubeconfig"))
            .output()
            .expect("the program starts"),
    )
}

fn of_policies(asked: &[String]) -> usize {
    asked.iter().filter(|p| p.starts_with(POLICIES)).count()
}

/// What could be seen is said, and that it is not all.
fn partial(ran: &Ran, why: &str) {
    assert_eq!(ran.code, 2, "{}", ran.all());
    assert!(
        ran.out.contains("live/not-listed") && ran.out.contains(why),
        "{why}: {}",
        ran.all()
    );
    assert!(ran.out.contains("not known to be converged"), "{}", ran.out);
    assert!(ran.err.contains("could not be fetched"), "{}", ran.err);
}

#[test]
fn a_busy_server_is_asked_again() {
    let busy = |body: &str| {
        Some(Answer::Says(
            429,
            "Retry-After: 1\r\n",
            format!(r#"{{"message": "{body}"}}"#),
        ))
    };

    let (ran, asked, took) = verify(move |path, nth| {
        if path.starts_with(POLICIES) && nth < 3 {
            busy("slow down")
        } else {
            None
        }
    });

    assert!(!ran.out.contains("live/not-listed"), "{}", ran.all());
    assert!(
        of_policies(&asked) == 3 && took >= Duration::from_secs(2),
        "{asked:?} {took:?}"
    );

    let (ran, asked, _) = verify(move |path, _| {
        if path.starts_with(POLICIES) {
            busy("slow down")
        } else {
            None
        }
    });

    partial(&ran, "slow down (tried 5 times)");
    assert_eq!(of_policies(&asked), 5);
}

#[test]
fn a_list_whose_continuation_expires_starts_again() {
    let page = || {
        Some(Answer::Says(
            200,
            "",
            r#"{"kind": "List", "metadata": {"continue": "next", "remainingItemCount": 1}, "items": []}"#.into(),
        ))
    };

    let gone = || {
        Some(Answer::Says(
            410,
            "",
            r#"{"message": "the continue parameter is too old"}"#.into(),
        ))
    };

    let (ran, asked, _) = verify(move |path, nth| match path.starts_with(POLICIES) {
        true if path.contains("continue=next") => {
            if nth == 2 {
                gone()
            } else {
                None
            }
        }
        true => page(),
        false => None,
    });

    assert!(!ran.out.contains("live/not-listed"), "{}", ran.all());
    assert_eq!(of_policies(&asked), 4, "{asked:?}");
    let (ran, _, _) = verify(move |path, _| match path.starts_with(POLICIES) {
        true if path.contains("continue=next") => gone(),
        true => page(),
        false => None,
    });

    partial(&ran, "too old");
}

#[test]
fn a_server_that_stalls_or_breaks_off_times_out() {
    let (ran, asked, took) = verify_with(&["--request-timeout", "3"], |path, _| {
        path.starts_with(POLICIES)
            .then_some(Answer::Stalls("{\"items\": [", 300))
    });

    partial(&ran, "NetworkPolicy.networking.k8s.io could not be listed");
    assert!(
        of_policies(&asked) == 3 && took < Duration::from_secs(60),
        "{asked:?} {took:?}"
    );

    let (ran, asked, _) = verify(|path, _| path.starts_with(POLICIES).then_some(Answer::Cut));
    partial(&ran, "(tried 3 times)");
    assert_eq!(of_policies(&asked), 3);
    let (ran, ..) = verify(|path, _| {
        path.starts_with(POLICIES)
            .then_some(Answer::Says(200, "", "<html>".into()))
    });

    partial(&ran, "the answer is no list");
}

#[test]
fn a_refused_list_is_named_with_the_missing_right() {
    let refused = || {
        Some(Answer::Says(
            403,
            "",
            r#"{"message": "networkpolicies is forbidden: User x cannot list"}"#.into(),
        ))
    };

    let (ran, asked, _) = verify(move |path, _| {
        if path.starts_with(POLICIES) {
            refused()
        } else {
            None
        }
    });

    partial(&ran, "is forbidden: User x cannot list");
    assert!(
        ran.out.contains("tenantry verify --print-rbac") && of_policies(&asked) == 1,
        "{}",
        ran.out
    );

    // An aggregated API that does not answer is not served; the rest is.
    let (ran, ..) = verify(|path, _| {
        let stale = r#"{"metadata": {"name": "cilium.io"}, "versions": [{"version": "v2", "freshness": "Stale", "resources": []}]}"#;
        (path == "/apis").then(|| Answer::Says(200, "", SERVED.replace("GROUPS", stale)))
    });

    partial(&ran, "its aggregated API does not answer");
    assert!(
        ran.out.contains("kubectl describe apiservice v2.cilium.io"),
        "{}",
        ran.out
    );

    // One that nothing is asked of hides nothing.
    let (ran, ..) = verify(|path, _| {
        let stale = r#"{"metadata": {"name": "metrics.k8s.io"}, "versions": [{"version": "v1beta1", "freshness": "Stale", "resources": []}]}"#;
        (path == "/apis").then(|| Answer::Says(200, "", SERVED.replace("GROUPS", stale)))
    });

    assert!(
        ran.code == 1 && !ran.out.contains("does not answer"),
        "{}",
        ran.all()
    );
}

/// What is no list is not an empty one, and one object that cannot be read is not the whole list.
#[test]
fn a_broken_list_is_not_an_empty_list() {
    for (body, why) in [
        ("{}", "the answer is no list: it has no kind"),
        (
            r#"{"kind": "Status", "status": "Failure"}"#,
            "the answer is no list, but `Status`",
        ),
        (
            r#"{"kind": "NetworkPolicyList", "metadata": {}}"#,
            "the answer is a list without items",
        ),
        (
            r#"{"kind": "List", "metadata": {"continue": "same"}, "items": []}"#,
            "the server repeats a continue token",
        ),
    ] {
        let (ran, ..) = verify(move |path, _| {
            path.starts_with(POLICIES)
                .then(|| Answer::Says(200, "", body.into()))
        });
        partial(&ran, why);
    }

    // Neither is one that goes round and round.
    let (ran, asked, _) = verify(|path, _| {
        let next = if path.contains("continue=a") {
            "b"
        } else {
            "a"
        };
        let page =
            format!(r#"{{"kind": "List", "metadata": {{"continue": "{next}"}}, "items": []}}"#);
        path.starts_with(POLICIES)
            .then_some(Answer::Says(200, "", page))
    });

    partial(&ran, "the server repeats a continue token");
    assert_eq!(of_policies(&asked), 3);
    // What cannot be read has its name, however deep the rest of its metadata is.
    let deep = format!("{}1{}", "[".repeat(200), "]".repeat(200));
    let item = format!(
        r#"{{"metadata": {{"name": "deep", "namespace": "blue", "managedFields": {deep}}}, "spec": {deep}}}"#
    );
    let page = format!(r#"{{"kind": "NetworkPolicyList", "metadata": {{}}, "items": [{item}]}}"#);
    let (ran, ..) = verify(move |path, _| {
        path.starts_with(POLICIES)
            .then(|| Answer::Says(200, "", page.clone()))
    });

    let named = ran.out.contains("NetworkPolicy blue/deep cannot be read");
    assert!(
        ran.code == 1 && named && !ran.out.contains("could not be listed"),
        "{}",
        ran.all()
    );

    // What a server says moves no cursor, and is no command of a forge.
    let hostile = r#"{"message": "no \u001b[31mred\n::error::x"}"#;
    let (ran, ..) =
        verify(move |path, _| (path == "/version").then(|| Answer::Says(403, "", hostile.into())));
    assert!(
        ran.code == 2 && ran.err.contains("red") && !ran.err.contains('\u{1b}'),
        "{}",
        ran.err
    );

    assert!(!ran.err.contains("\n::error"), "{}", ran.err);
}

#[test]
fn a_server_that_cannot_be_asked_has_exit_code_2() {
    let expired = || {
        Some(Answer::Says(
            401,
            "",
            r#"{"message": "Unauthorized"}"#.into(),
        ))
    };

    let (ran, ..) = verify(move |_, _| expired());
    assert!(
        ran.code == 2 && ran.err.contains("Unauthorized") && ran.out.is_empty(),
        "{}",
        ran.all()
    );

    let (ran, ..) = verify(|_, _| Some(Answer::Says(200, "", "<html>".into())));
    assert!(
        ran.code == 2 && ran.err.contains("is no Kubernetes API server"),
        "{}",
        ran.all()
    );

    let (ran, ..) = verify(|path, _| {
        (path == "/apis").then(|| Answer::Says(200, "", r#"{"kind": "APIGroupList"}"#.into()))
    });
    assert!(
        ran.code == 2 && ran.err.contains("does not aggregate its discovery"),
        "{}",
        ran.all()
    );

    let free = TcpListener::bind("127.0.0.1:0")
        .expect("a port")
        .local_addr()
        .expect("an address");

    let ran = against(&format!("http://{free}"), &[]);
    assert!(ran.code == 2 && ran.err.contains("onnect"), "{}", ran.all());
}

/// A server that allows what no role or binding that it lists grants has another authorizer.
#[test]
fn a_server_that_allows_more_than_it_lists_is_found() {
    let (ran, ..) = verify(|path, _| {
        let allowed = || Answer::Says(201, "", r#"{"status": {"allowed": true}}"#.into());
        path.ends_with("subjectaccessreviews").then(allowed)
    });

    assert_eq!(ran.code, 1, "{}", ran.all());
    let says = "the API server allows group blue-admins to get secrets in `blue`, and what its roles and bindings grant does not";
    assert!(
        ran.out.contains("live/access-differs") && ran.out.contains(says),
        "{}",
        ran.all()
    );

    let (ran, ..) = verify(|_, _| None);
    assert!(
        ran.code == 1 && !ran.out.contains("live/access-differs"),
        "{}",
        ran.all()
    );
}

/// A resource: its name in paths, its kind, its scope.
type Resource = (&'static str, &'static str, &'static str);

const MANY: [(&str, &[Resource]); 3] = [
    (
        "",
        &[
            ("namespaces", "Namespace", "Cluster"),
            ("serviceaccounts", "ServiceAccount", "Namespaced"),
            ("resourcequotas", "ResourceQuota", "Namespaced"),
            ("limitranges", "LimitRange", "Namespaced"),
            ("persistentvolumes", "PersistentVolume", "Cluster"),
        ],
    ),
    (
        "rbac.authorization.k8s.io",
        &[
            ("roles", "Role", "Namespaced"),
            ("rolebindings", "RoleBinding", "Namespaced"),
            ("clusterroles", "ClusterRole", "Cluster"),
            ("clusterrolebindings", "ClusterRoleBinding", "Cluster"),
        ],
    ),
    (
        "networking.k8s.io",
        &[("networkpolicies", "NetworkPolicy", "Namespaced")],
    ),
];
const LONG: usize = 40;

/// Ten lists of many large pages, far more than may wait: a page of one object, and where the next
/// one begins.
fn many(path: &str) -> Option<Answer> {
    let groups: Vec<String> = MANY
        .iter()
        .map(|(name, kinds)| group(name, kinds))
        .collect();

    let body = match path.split('?').next().unwrap_or_default() {
        "/version" => return None,
        "/api" => SERVED.replace("GROUPS", &groups[0]),
        "/apis" => SERVED.replace("GROUPS", &groups[1..].join(",")),
        path if path.ends_with("subjectaccessreviews") => return None,
        _ => {
            let at = path
                .split("continue=")
                .nth(1)
                .map_or(0, |n| n.parse::<usize>().expect("a number"));
            let next = if at + 1 < LONG {
                (at + 1).to_string()
            } else {
                String::new()
            };
            format!(
                r#"{{"kind": "List", "metadata": {{"continue": "{next}"}}, "items": [{{"metadata": {{"name": "x{at}", "annotations": {{"a": "{}"}}}}}}]}}"#,
                "x".repeat(150_000)
            )
        }
    };

    Some(Answer::Says(200, "", body))
}

fn looked_at(ran: &Ran) -> usize {
    let count = ran
        .out
        .split(" objects looked at")
        .next()
        .and_then(|t| t.rsplit(' ').next()?.parse().ok());
    count.unwrap_or_else(|| panic!("{}", ran.all()))
}

#[test]
fn one_failing_list_does_not_block_the_others() {
    let (ran, asked, _) = verify(|path, _| many(path));
    assert!(!ran.out.contains("live/not-listed"), "{}", ran.all());
    assert_eq!(looked_at(&ran), 10 * LONG);
    let lists = |asked: &[String]| asked.iter().filter(|p| p.contains("limit=")).count();
    assert_eq!(lists(&asked), 10 * LONG);

    // One whose continuation expires near its end is taken again, whole.
    let gone = r#"{"message": "the continue parameter is too old"}"#;
    let (ran, asked, _) =
        verify(
            move |path, nth| match path.contains("/rolebindings") && nth == 35 {
                true => Some(Answer::Says(410, "", gone.into())),
                false => many(path),
            },
        );

    assert!(!ran.out.contains("live/not-listed"), "{}", ran.all());
    assert_eq!(
        (looked_at(&ran), lists(&asked)),
        (10 * LONG, 10 * LONG + 35)
    );

    // One that cannot be read on its first page is not taken to its end by whoever looks at it, and
    // holds up no other.
    let broken = r#"{"kind": "List", "metadata": {"continue": "1"}, "items": [{]}"#;
    let (ran, _, _) = verify(
        move |path, nth| match path.contains("/rolebindings") && nth == 1 {
            true => Some(Answer::Says(200, "", broken.into())),
            false => many(path),
        },
    );

    partial(&ran, "the answer is no list");
    assert_eq!(looked_at(&ran), 9 * LONG);
}

#[test]
fn an_endless_answer_is_given_up() {
    let (ran, ..) = verify(|path, _| path.starts_with(POLICIES).then_some(Answer::Flood));
    partial(&ran, "the answer is longer than 48 MiB");
}

/// What could not be read is not there in a snapshot, and a proof over it would take the world for
/// closed.
#[test]
fn no_snapshot_is_written_of_incomplete_lists() {
    let snapshot = ["--snapshot", "live.json"];
    let refused = || Answer::Says(403, "", r#"{"message": "no"}"#.into());
    let (ran, ..) = verify_with(&snapshot, move |path, _| {
        path.starts_with(POLICIES).then(refused)
    });
    assert!(
        ran.code == 2 && ran.err.contains("live.json is not written"),
        "{}",
        ran.all()
    );
    let (ran, ..) = verify_with(&snapshot, |_, _| None);
    assert!(!ran.err.contains("not written"), "{}", ran.all());
}

/// Whether roles and bindings grant what the server allows is not known where they could not be
/// listed.
#[test]
fn access_is_not_compared_if_bindings_were_not_listed() {
    let (ran, asked, _) = verify(|path, _| match path {
        path if path.contains("/rolebindings") => {
            Some(Answer::Says(403, "", r#"{"message": "no"}"#.into()))
        }
        path if path.ends_with("subjectaccessreviews") => Some(Answer::Says(
            201,
            "",
            r#"{"status": {"allowed": true}}"#.into(),
        )),
        "/apis" => many(path),
        _ => None,
    });

    partial(&ran, "403");
    assert!(!ran.out.contains("live/access-differs"), "{}", ran.all());
    assert!(
        !asked.iter().any(|p| p.ends_with("subjectaccessreviews")),
        "{asked:?}"
    );
}

/// What has not converged is in no baseline, and fails its tenant; another finding may be known.
#[test]
fn a_baseline_knows_findings_but_not_what_has_not_converged() {
    let allow_more = |path: &str, _: usize| {
        let allowed = || Answer::Says(201, "", r#"{"status": {"allowed": true}}"#.into());
        path.ends_with("subjectaccessreviews").then(allowed)
    };
    let folder = tempfile::tempdir().expect("a folder");
    let file = folder.path().join("known.json").display().to_string();

    let (ran, ..) = verify_with(&["--write-baseline", &file], allow_more);
    assert_eq!(ran.code, 1, "it has not converged: {}", ran.all());
    let written = std::fs::read_to_string(&file).expect("a file");
    assert!(written.contains("live/access-differs"), "{written}");
    assert!(!written.contains("live/not-converged"), "{written}");
    assert!(!written.contains("live/missing"), "{written}");

    let only = ["--baseline", &file, "--only", "live/access-differs"];
    let (ran, ..) = verify_with(&only, allow_more);
    assert!(ran.code == 0 && ran.out.contains(" known"), "{}", ran.all());
    let (ran, ..) = verify_with(&only, |_, _| None);
    assert!(
        ran.err
            .contains("stale entry of the baseline: live/access-differs"),
        "{}",
        ran.all()
    );

    let (ran, ..) = verify_with(&["--format", "junit", "--baseline", &file], allow_more);
    assert!(
        ran.code == 1 && ran.out.contains("name=\"blue\">\n      <failure message="),
        "{}",
        ran.all()
    );
    let (ran, ..) = verify_with(&["-q"], allow_more);
    assert!(!ran.out.contains("converged:"), "{}", ran.out);
}

/// Lists that failed are an error of the run, in a report that is whole.
#[test]
fn junit_tells_a_list_that_failed_from_a_fault_of_a_tenant() {
    let (ran, ..) = verify_with(&["--format", "junit"], |path, _| {
        let refused = || Answer::Says(403, "", r#"{"message": "no"}"#.into());
        path.starts_with(POLICIES).then(refused)
    });
    assert_eq!(ran.code, 2, "{}", ran.all());
    assert!(
        ran.out
            .contains("name=\"(cluster)\">\n      <error message="),
        "{}",
        ran.out
    );
    assert!(ran.out.ends_with("</testsuites>\n"), "{}", ran.out);
}

/// A verbatim object has no label of the fleet, so that only a list of the whole kind has it.
#[test]
fn kinds_of_verbatim_objects_are_listed_whole() {
    let server = FakeServer::start(|path, _| {
        let core = group(
            "",
            &[
                ("configmaps", "ConfigMap", "Namespaced"),
                ("services", "Service", "Namespaced"),
            ],
        );
        (path == "/api").then(|| Answer::Says(200, "", SERVED.replace("GROUPS", &core)))
    });
    let sandbox = small_fleet(&server.url, "{}");
    let tenant = sandbox.read("tenants/blue.yaml");
    let spec = tenant.replace("spec: {", "spec: {manifests: [m.yaml], ");
    sandbox.write("tenants/blue.yaml", spec);
    sandbox.write(
        "tenants/m.yaml",
        "apiVersion: v1\nkind: ConfigMap\nmetadata: {name: own, namespace: blue}\n",
    );

    let ran = Ran::of(
        sandbox
            .command(&["verify"])
            .env("KUBECONFIG", sandbox.path().join("kubeconfig"))
            .output()
            .expect("the program starts"),
    );
    let lists: Vec<String> = server.asked();
    let lists: Vec<&str> = lists
        .iter()
        .filter_map(|path| path.strip_prefix("/api/v1/configmaps"))
        .collect();
    assert_eq!(lists, ["?limit=500"], "{}", ran.all());
}

/// Of many findings of one rule, text and JUnit list the first, and say how many more there are; the
/// report for programs has all of them.
#[test]
fn many_foreign_objects_are_counted_and_not_all_listed() {
    const FOREIGN: usize = 250;
    let foreign = |path: &str, _: usize| {
        let policy = |at: usize| {
            format!(
                r#"{{"metadata": {{"name": "p{at}", "namespace": "blue"}}, "spec": {{"podSelector": {{}}, "ingress": [{{}}]}}}}"#
            )
        };
        let items: Vec<String> = (0..FOREIGN).map(policy).collect();
        let body = format!(
            r#"{{"kind": "NetworkPolicyList", "metadata": {{}}, "items": [{}]}}"#,
            items.join(",")
        );
        path.starts_with(POLICIES)
            .then_some(Answer::Says(200, "", body))
    };

    let (text, ..) = verify_with(&[], foreign);
    assert_eq!(text.code, 1, "{}", text.all());
    let rule = "error[live/foreign]";
    let listed = text.out.matches(rule).count();
    assert_eq!(listed, 101, "{}", text.out);
    let says = format!("{} more findings of live/foreign", FOREIGN - 100);
    assert!(text.out.contains(&says), "{}", text.out);

    let (json, ..) = verify_with(&["--format", "json"], foreign);
    let report = crate::support::json(&json.out);
    let found = report["clusters"][0]["findings"]
        .as_array()
        .expect("a list");
    let of_rule = found.iter().filter(|one| one["rule"] == "live/foreign");
    assert_eq!(of_rule.count(), FOREIGN);

    let (junit, ..) = verify_with(&["--format", "junit"], foreign);
    assert!(
        junit.out.matches("/p").count() < FOREIGN && junit.out.contains("more findings"),
        "{}",
        junit.out
    );
}

/// A cluster that says nothing takes its share of the time, and nothing of the others'.
#[test]
fn each_cluster_has_its_share_of_the_time() {
    let hanging = FakeServer::start(|_, _| Some(Answer::Stalls("", 100)));
    let healthy = FakeServer::start(|_, _| None);
    let sandbox = small_fleet(&hanging.url, "{}");
    let fleet = sandbox
        .read("tenants/fleet.yaml")
        .replace("[{name: live}]", "[{name: first}, {name: second}]");
    sandbox.write("tenants/fleet.yaml", fleet);
    let tenant = sandbox.read("tenants/blue.yaml");
    let tenant = tenant.replace("spec: {", "spec: {clusters: [first, second], ");
    sandbox.write("tenants/blue.yaml", tenant);
    sandbox.write(
        "kubeconfig",
        format!(
            "{{apiVersion: v1, kind: Config, contexts: [{{name: first, context: {{cluster: first, user: a}}}}, \
             {{name: second, context: {{cluster: second, user: a}}}}], \
             clusters: [{{name: first, cluster: {{server: \"{}\"}}}}, {{name: second, cluster: {{server: \"{}\"}}}}], \
             users: [{{name: a, user: {{}}}}]}}",
            hanging.url, healthy.url
        ),
    );

    let run = |command: &str, timeout: u64| {
        let args = format!("{command} --context first --context second --timeout {timeout}");
        let mut command = sandbox.command(&args.split(' ').collect::<Vec<_>>());
        command.env("KUBECONFIG", sandbox.path().join("kubeconfig"));
        let ran = Ran::of(command.output().expect("the program starts"));
        assert_eq!(ran.code, 2, "{args}: {}", ran.all());
        ran
    };

    let of_policies = || of_policies(&healthy.asked());
    let ran = run("prove --live", 6);
    assert!(
        of_policies() > 0 && ran.out.contains("first"),
        "{}",
        ran.all()
    );
    assert!(ran.out.contains("live/not-listed"), "{}", ran.all());

    let ran = run("verify --print-capabilities", 6);
    assert!(ran.out.contains("name: second"), "{}", ran.all());
    assert!(ran.err.contains("first: "), "{}", ran.all());

    let ran = run("verify", 16);
    let share = "share of the time of the run is over (--timeout 16)";
    assert!(ran.out.contains(share), "{}", ran.all());
    let second = ran.out.split("second (second").nth(1);
    assert!(
        second.is_some_and(|row| row.contains("v1.36.3")),
        "{}",
        ran.all()
    );
}
