//! `can`: whether a subject may do something.

use crate::cli::args::{CanArgs, Cli, ReportFormat};
use crate::cli::proof_inputs::{self, Question};
use crate::cli::{CliError, Outcome, output};
use tenantry::graph::Cluster;
use tenantry::graph::rbac::Subject;
use tenantry::isolation::Step;
use tenantry::isolation::question::{self, AccessChain};
use tenantry::report::mermaid::{Flowchart, Vertex};
use tenantry::source::SourceMap;

/// Runs the command.
pub fn run(cli: &Cli, args: &CanArgs) -> Result<Outcome, CliError> {
    // Without a namespace, the grants of every tenant can decide.
    let inputs = match &args.access.namespace {
        Some(namespace) => proof_inputs::read_for(cli, &args.beside, &Question::Grants(namespace))?,
        None => proof_inputs::read(cli, &args.beside)?,
    };

    let subject = Subject::parse(&args.subject).map_err(CliError::Usage)?;
    let question = args.access.question()?;
    args.access.check(&inputs.clusters)?;

    let clusters = inputs.clusters.iter();
    let answers: Vec<Option<AccessChain>> = clusters
        .map(|cluster| question::can(cluster, &subject, &question, args.direct))
        .collect();
    let is_allowed = answers.iter().any(Option::is_some);

    output::each(cli, |target| {
        let answered = inputs.clusters.iter().zip(&answers);
        match target.format {
            ReportFormat::Mermaid => {
                let mut chart = Flowchart::new(&inputs.sources);
                for (cluster, chain) in answered {
                    chart.cluster(&cluster.name);
                    let steps = chain.iter().map(|chain| &chain.steps[..]);
                    steps.for_each(|steps| {
                        let goal = Vertex::goal(&args.access.phrase());
                        chart.add(Vertex::principal(&subject), steps, goal, "");
                    });
                }
                chart.text()
            }
            ReportFormat::Text
            | ReportFormat::Json
            | ReportFormat::Github
            | ReportFormat::Sarif
            | ReportFormat::Markdown
            | ReportFormat::Junit => answered
                .map(|(cluster, chain)| text(&inputs.sources, cluster, &subject, chain.as_ref()))
                .collect(),
        }
    })?;
    Ok(Outcome::from(!is_allowed))
}

/// The answer of one cluster, with its steps.
fn text(
    sources: &SourceMap,
    cluster: &Cluster,
    subject: &Subject,
    chain: Option<&AccessChain>,
) -> String {
    let said = |word: &str| format!("{}: {word}\n", cluster.name);

    match chain {
        Some(chain) => said("yes") + &proof_inputs::steps_text(sources, &chain.steps),
        None if !cluster.unread_inputs.is_empty() => {
            let unread = cluster.unread_inputs.iter().take(5);
            let unread: Vec<_> = unread
                .map(|finding| Step::new(finding.span, finding.message.clone()))
                .collect();
            said("unknown: nothing that was read allows it, and not everything could be read")
                + &proof_inputs::steps_text(sources, &unread)
        }
        None => said(&format!(
            "no: nothing that {subject} is bound to allows that"
        )),
    }
}
