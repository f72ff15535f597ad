//! `can` and `reach` render only what they ask about; the answers are those of the whole fleet.

use crate::support::{Dice, FLEET, Sandbox, emit, say, tenant};
use std::fmt::Write;
use tenantry::compile::InputFiles;
use tenantry::graph::rbac::{AccessRequest, Subject};
use tenantry::graph::{self, Cluster, ClusterObjects, ExtraFacts};
use tenantry::isolation::connection;
use tenantry::isolation::question::{self, AccessQuestion};
use tenantry::source::{Source, SourceMap};
use tenantry::spec::SpecFile;
use tenantry::tenancy;

const TENANTS: usize = 9;

/// Tenants with edges, and manifests beside them that bind service accounts across.
/// In a broken one some edges have one half, which is an error of its tenant.
fn fleet(dice: &mut Dice, broken: bool) -> Vec<(String, String)> {
    let mut edges = vec![(String::new(), String::new()); TENANTS];
    for from in 0..TENANTS {
        let to = *dice.of(&[0, 1, 2, 3, 4, 5, 6, 7, 8]);
        if from != to {
            let _ = write!(edges[from].0, "{{tenant: t{to}, ports: [{{port: 80}}]}}, ");
            if !broken || from % 2 == 0 {
                let _ = write!(edges[to].1, "{{tenant: t{from}, ports: [{{port: 80}}]}}, ");
            }
        }
    }

    let mut files = vec![("tenants/fleet.yaml".to_owned(), FLEET.to_owned())];
    for (at, (egress, ingress)) in edges.iter().enumerate() {
        let network = format!("  network:\n    egress: [{egress}]\n    ingress: [{ingress}]\n");
        files.push((
            format!("tenants/t{at}.yaml"),
            tenant(&format!("t{at}"), &network),
        ));
    }

    let mut also = String::new();
    for at in 0..12 {
        let (home, other) = (
            dice.of(&[0, 1, 2, 3, 4, 5, 6, 7, 8]).to_owned(),
            *dice.of(&[0, 1, 2, 3, 4, 5, 6, 7, 8]),
        );
        let role = *dice.of(&["view", "edit", "admin"]);
        let _ = write!(
            also,
            "---\napiVersion: rbac.authorization.k8s.io/v1\nkind: RoleBinding\nmetadata: {{name: x{at}, namespace: t{home}}}\n\
             roleRef: {{kind: ClusterRole, name: {role}}}\nsubjects: [{{kind: ServiceAccount, name: app, namespace: t{other}}}]\n"
        );
    }

    files.push(("also/x.yaml".to_owned(), also));
    files
}

/// The whole of it, at once.
fn whole(files: &[(String, String)]) -> Cluster {
    let mut sources = SourceMap::default();
    let mut all = InputFiles {
        fleet_path: "tenants/fleet.yaml".into(),
        ..InputFiles::default()
    };

    let mut beside = Vec::new();
    for (path, text) in files {
        let id = sources.add(Source::new(path.as_str(), text.as_str()));
        match path.starts_with("also/") {
            true => beside.push(id),
            false => all.inputs.push(SpecFile {
                source: id,
                origin: None,
            }),
        }
    }

    let (front, compiled) = emit(&mut sources, all);
    // A half of an edge is an error of its tenant, which is then left out; here as there.
    let reading = graph::read(&sources, &beside, false);
    let mut faults = reading.faults;
    faults.extend(
        compiled
            .findings
            .iter()
            .filter(|d| d.level == tenantry::diagnostic::Level::Error)
            .cloned(),
    );

    let beside = ExtraFacts {
        facts: reading.facts,
        faults,
        ..ExtraFacts::default()
    };

    let failing = tenancy::failing(&compiled.findings);
    let fleet = front.fleet().expect("a fleet");
    graph::cluster(
        fleet,
        &front.tenancy,
        ClusterObjects::Rendered(&compiled.bundles[0]),
        beside,
        None,
        &|name| failing.contains(name),
    )
}

#[test]
fn a_question_over_a_part_is_answered_as_over_the_whole_fleet() {
    let mut dice = Dice(3);
    let (mut asked, mut yes, mut unknown) = (0, 0, 0);

    for round in 0..6 {
        let files = fleet(&mut dice, round == 5);
        let cluster = whole(&files);
        let sandbox = Sandbox::new();
        for (path, text) in &files {
            sandbox.write(path, text);
        }
        let mut said = |ran: crate::support::Ran, expected: &str, what: &str| {
            let word = ran
                .out
                .lines()
                .next()
                .unwrap_or_default()
                .split([' ', ':'])
                .nth(2)
                .unwrap_or_default()
                .to_owned();
            assert_eq!(word, expected, "{what}: {ran:?}");
            asked += 1;
            yes += usize::from(expected == "yes");
            unknown += usize::from(expected == "unknown");
        };

        for _ in 0..25 {
            let (who, namespace) = (
                *dice.of(&[0, 1, 2, 3, 4]),
                format!("t{}", dice.of(&[0, 1, 2, 3, 4, 5, 6, 7, 8])),
            );

            let group = format!("group:t{who}-admins");
            let subject = Subject::parse(&group).expect("a subject");
            let (verb, resource) = *dice.of(&[
                ("list", "secrets"),
                ("get", "pods"),
                ("delete", "configmaps"),
            ]);

            let request = AccessRequest {
                verb,
                group: "",
                resource,
                subresource: "",
                name: "",
                namespace: &namespace,
            };

            let expected = match question::can(
                &cluster,
                &subject,
                &AccessQuestion::Resource(request),
                false,
            ) {
                Some(_) => "yes",
                None if !cluster.unread_inputs.is_empty() => "unknown",
                None => "no",
            };

            let args = [
                "can", &group, verb, resource, "-n", &namespace, "--also", "also",
            ];
            said(sandbox.run(&args), expected, &args.join(" "));
        }

        for _ in 0..25 {
            let ends = [(); 2].map(|()| format!("t{}", dice.of(&[0, 1, 2, 3, 4, 5, 6, 7, 8])));
            let Ok(answer) = connection::answer(&cluster, &ends[0], &ends[1], None) else {
                continue;
            };
            let expected = answer.word.name();

            let args = ["reach", &ends[0], &ends[1], "--also", "also"];
            said(sandbox.run(&args), expected, &args.join(" "));
        }
    }

    say(&format!(
        "questions: {asked} asked of a part, {yes} yes, {unknown} unknown, as the whole fleet says"
    ));
    assert!(
        asked > 250 && yes > 40 && asked - yes - unknown > 40,
        "{asked} {yes} {unknown}"
    );
}
