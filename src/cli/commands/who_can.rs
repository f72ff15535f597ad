//! `who-can`: everybody who may do something.

use crate::cli::args::{Cli, ReportFormat, WhoCanArgs};
use crate::cli::{CliError, Outcome, output, proof_inputs};
use tenantry::graph::Cluster;
use tenantry::isolation::question::AccessQuestion;
use tenantry::isolation::who_can::{Access, Whose, who_can};
use tenantry::report::access::{ClusterAccess, WhoCanReport};

/// Runs the command. The exit code is 1 if not everything could be read.
pub fn run(cli: &Cli, args: &WhoCanArgs) -> Result<Outcome, CliError> {
    let beside = args
        .beside
        .in_namespace(args.access.manifest_namespace.as_ref());
    let inputs = proof_inputs::read(cli, &beside)?;
    let question = args.access.question(&inputs.clusters)?;
    for note in args.access.check(&inputs.clusters)? {
        output::err(&format!("note: {note}\n"));
    }

    let clusters = inputs.clusters.iter();
    let report = WhoCanReport {
        sources: &inputs.sources,
        asked: args.access.phrase(),
        clusters: clusters
            .map(|cluster| answer(args, cluster, &question))
            .collect(),
    };
    output::each(cli, |target| match target.format {
        ReportFormat::Json => report.json(),
        ReportFormat::Mermaid => report.mermaid(),
        ReportFormat::Text
        | ReportFormat::Github
        | ReportFormat::Sarif
        | ReportFormat::Markdown
        | ReportFormat::Junit => report.text(),
    })?;

    let is_incomplete = report.clusters.iter().any(|one| !one.unread.is_empty());
    Ok(Outcome::from(is_incomplete || report.clusters.is_empty()))
}

/// The answer of one cluster.
fn answer<'a>(
    args: &WhoCanArgs,
    cluster: &'a Cluster,
    question: &AccessQuestion<'_>,
) -> ClusterAccess<'a> {
    let all = who_can(cluster, question, args.direct).into_iter();
    let with_whose = all.map(|access: Access| {
        let whose = Whose::of(cluster, &access.subject);
        (access, whose)
    });
    let is_listed = |(_, whose): &(Access, Whose<'_>)| !args.tenants || *whose != Whose::Platform;

    ClusterAccess {
        cluster: &cluster.name,
        subjects: with_whose.filter(is_listed).collect(),
        unread: &cluster.unread_inputs,
    }
}
