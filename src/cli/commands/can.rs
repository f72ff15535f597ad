//! `can`: whether a subject may do something.

use crate::cli::args::{CanArgs, Cli, ReportFormat};
use crate::cli::concerned::Question;
use crate::cli::proof_inputs;
use crate::cli::{CliError, Outcome, output};
use tenantry::isolation::question::{self, Answer, Word};
use tenantry::report::access::answer_text;
use tenantry::report::mermaid::{Flowchart, Vertex};

/// Runs the command.
pub fn run(cli: &Cli, args: &CanArgs) -> Result<Outcome, CliError> {
    let subject = &args.subject;
    let beside = args
        .beside
        .in_namespace(args.access.manifest_namespace.as_ref());
    // Without a namespace, the grants of every tenant can decide.
    let inputs = match &args.access.namespace {
        Some(namespace) => {
            let question = Question::Grants { namespace, subject };
            proof_inputs::read_for(cli, &beside, &question)?
        }
        None => proof_inputs::read(cli, &beside)?,
    };

    let question = args.access.checked_question(&inputs.clusters)?;

    let clusters = inputs.clusters.iter();
    let answers: Vec<Answer> = clusters
        .map(|cluster| question::answer(cluster, subject, &question, args.direct))
        .collect();
    let is_allowed = answers.iter().any(|answer| answer.word == Word::Yes);

    output::each(cli, |target| {
        let answered = inputs.clusters.iter().zip(&answers);
        if target.format != ReportFormat::Mermaid {
            return answered
                .map(|(cluster, answer)| answer_text(&inputs.sources, &cluster.name, answer))
                .collect();
        }
        let mut chart = Flowchart::new(&inputs.sources);
        for (cluster, answer) in answered {
            chart.cluster(&cluster.name);
            if answer.word == Word::Yes {
                let goal = Vertex::goal(&question.phrase());
                chart.add(Vertex::principal(subject), &answer.steps, goal, "");
            }
        }
        chart.text()
    })?;
    Ok(Outcome::from(!is_allowed))
}
