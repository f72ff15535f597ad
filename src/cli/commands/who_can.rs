//! `who-can`: everybody who may do something.

use crate::cli::args::{Cli, ReportFormat, WhoCanArgs};
use crate::cli::{CliError, Outcome, output, proof_inputs};
use tenantry::graph::Cluster;
use tenantry::isolation::question::AccessQuestion;
use tenantry::isolation::who_can::{Access, WhoCan, Whose, who_can};
use tenantry::report::access::{ClusterAccess, WhoCanReport};

/// Runs the command. The exit code is 1 if the inputs do not tell of somebody but the platform.
pub fn run(cli: &Cli, args: &WhoCanArgs) -> Result<Outcome, CliError> {
    let beside = args
        .beside
        .in_namespace(args.access.manifest_namespace.as_ref());
    let inputs = proof_inputs::read(cli, &beside)?;
    let question = args.access.checked_question(&inputs.clusters)?;

    let clusters = inputs.clusters.iter();
    let report = WhoCanReport {
        sources: &inputs.sources,
        asked: question.phrase(),
        clusters: clusters
            .map(|cluster| answer(args, cluster, &question))
            .collect(),
    };
    output::each(cli, |target| match target.format {
        ReportFormat::Json => report.json(),
        ReportFormat::Mermaid => report.mermaid(),
        _ => report.text(),
    })?;

    let is_complete = report.clusters.iter().all(ClusterAccess::is_complete);
    Ok(Outcome::from(!is_complete || report.clusters.is_empty()))
}

/// The answer of one cluster.
fn answer<'a>(
    args: &WhoCanArgs,
    cluster: &'a Cluster,
    question: &AccessQuestion<'_>,
) -> ClusterAccess<'a> {
    let WhoCan { allowed, undecided } = who_can(cluster, question, args.direct);
    let listed = |all: Vec<Access>| {
        let with_whose = all.into_iter().map(|access| {
            let whose = Whose::of(cluster, &access.subject);
            (access, whose)
        });
        let mut all: Vec<_> = with_whose
            .filter(|(_, whose)| !args.tenants || !whose.is_of_no_tenant())
            .collect();
        all.sort_by_key(|(_, whose)| *whose == Whose::Kubernetes);
        all
    };

    ClusterAccess {
        cluster: &cluster.name,
        subjects: listed(allowed),
        undecided: listed(undecided),
        unread: &cluster.unread_inputs,
    }
}
