//! The rights that `verify` and `prove --live` need.

use crate::support::flux_loop::FluxLoop;
use crate::support::live_fleet::{fleet, ok, tenant};
use crate::support::{Ran, say};
use std::fs;

/// It needs the rights that it prints, and no more: it reads no Secret, and writes nothing.
#[test]
fn verify_needs_only_the_rights_that_it_prints() {
    let Some(flux) = FluxLoop::get() else { return };
    let repo = fleet(&flux);
    let plane = &flux.plane;
    let bare = flux.verify(&repo, "verifier", &["verify"]);
    assert_eq!(bare.code, 2, "{}", bare.all());
    assert!(
        bare.out.contains("live/not-listed") && bare.out.contains("--print-rbac"),
        "{}",
        bare.out
    );

    let role = flux.verify(&repo, "verifier", &["verify", "--print-rbac"]);
    ok(&role);
    assert!(!role.out.contains("- secrets\n"), "{}", role.out);
    ok(&plane.apply(&role.out));
    ok(&plane.kubectl(&[
        "create",
        "clusterrolebinding",
        "verifier",
        "--clusterrole=tenantry-verify",
        "--user=verifier",
    ]));

    let before = plane.audited().len();
    let ran = flux.verify(&repo, "verifier", &["verify", "-v"]);
    ok(&ran);
    let asked: Vec<[String; 3]> = plane.audited().split_off(before);
    assert!(!asked.is_empty());

    for [verb, resource, code] in &asked {
        let reads = verb == "list"
            || verb == "get" && ["/version", "/api", "/apis"].contains(&resource.as_str());
        let reviews = verb == "create" && resource == "subjectaccessreviews";
        assert!(
            (reads || reviews) && resource != "secrets" && code.starts_with("20"),
            "{verb} {resource} {code}"
        );
    }

    // As many for eight tenants as for two, but for the samples of access.
    let lists = |asked: &[[String; 3]]| asked.iter().filter(|a| a[0] == "list").count();
    let two = lists(&asked);

    for at in 0..6 {
        repo.write(
            &format!("tenants/more-{at}.yaml"),
            tenant(&format!("more-{at}")),
        );
    }

    let before = plane.audited().len();
    assert_eq!(flux.verify(&repo, "verifier", &["verify"]).code, 1);
    assert_eq!(lists(&plane.audited().split_off(before)), two);
    // One tenant alone: only its namespaces.
    let one = flux.verify(&repo, "verifier", &["verify", "--tenant", "blue"]);
    ok(&one);
    assert!(
        one.out.contains("blue") && !one.out.contains("green"),
        "{}",
        one.out
    );

    // The whole proof, and the snapshot, with the same rights; a snapshot proves the same.
    for at in 0..6 {
        fs::remove_file(repo.path().join(format!("tenants/more-{at}.yaml"))).expect("it was there");
    }
    let live = flux.verify(&repo, "verifier", &["prove", "--live"]);
    let taken = flux.verify(&repo, "verifier", &["verify", "--snapshot", "live.json"]);
    ok(&taken);
    let again = repo.run(&["prove", "--snapshot", "live.json"]);
    let planes = |ran: &Ran| -> Vec<String> {
        let names = [
            "api ",
            "network ",
            "gitops ",
            "admission ",
            "resources ",
            "data ",
        ];
        let of = |l: &&str| names.iter().any(|n| l.trim_start().starts_with(n));
        ran.out
            .lines()
            .filter(of)
            .map(|l| l.split_whitespace().take(2).collect::<Vec<_>>().join(" "))
            .collect()
    };

    // What the rendered objects replace in a snapshot rests on the cluster becoming so.
    let converged: Vec<String> = planes(&live)
        .iter()
        .map(|plane| plane.replace("proven", "assumed"))
        .collect();
    assert!(again.out.contains("assumes converged:"), "{}", again.all());
    assert_eq!(converged.len(), 6, "{}", live.all());
    assert_eq!(converged, planes(&again), "{}\n{}", live.all(), again.all());

    assert!(
        !live.out.contains("no-other-grants"),
        "a live cluster is whole: {}",
        live.out
    );

    say(&format!(
        "live: verify asks {} times, {two} lists among them, with the rights that it prints",
        asked.len()
    ));
}
