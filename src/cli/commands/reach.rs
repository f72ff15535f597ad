//! `reach`: whether pods can send to others.

use crate::cli::args::{Cli, ReachArgs, ReportFormat};
use crate::cli::concerned::Question;
use crate::cli::proof_inputs;
use crate::cli::{CliError, Outcome, output};
use tenantry::isolation::connection::{
    Connection, connections, named_namespace, names_address, together,
};
use tenantry::isolation::question::Word;
use tenantry::report::access::answer_text;
use tenantry::report::mermaid::Flowchart;

/// Runs the command.
pub fn run(cli: &Cli, args: &ReachArgs) -> Result<Outcome, CliError> {
    let beside = args.beside.in_namespace(args.namespace.as_ref());
    let ends = [args.from.as_str(), args.to.as_str()];
    // An address may be that of a pod of any tenant.
    let inputs = match ends.iter().any(|end| names_address(end)) {
        true => proof_inputs::read(cli, &beside)?,
        false => {
            let namespaces = ends.iter().filter_map(|end| named_namespace(end));
            let question = Question::Packets(namespaces.collect());
            proof_inputs::read_for(cli, &beside, &question)?
        }
    };

    let mut answered: Vec<(&str, Vec<Connection>)> = Vec::new();
    let mut missing = Vec::new();
    for cluster in &inputs.clusters {
        match connections(cluster, &args.from, &args.to, args.port.as_ref()) {
            Ok(deciding) => answered.push((&cluster.name, deciding)),
            Err(reason) => missing.push(format!("{}: {reason}", cluster.name)),
        }
    }
    if answered.is_empty() {
        return Err(CliError::Usage(missing.join("; ")));
    }

    output::each(cli, |target| {
        let answers = answered.iter();
        if target.format != ReportFormat::Mermaid {
            return answers
                .map(|(name, deciding)| answer_text(&inputs.sources, name, &together(deciding)))
                .collect();
        }
        let mut chart = Flowchart::new(&inputs.sources);
        for (name, deciding) in answers {
            chart.cluster(name);
            deciding.iter().for_each(|one| chart.add_connection(one));
        }
        chart.text()
    })?;
    for reason in missing {
        output::note(&reason);
    }

    let mut all = answered.iter().flat_map(|(_, deciding)| deciding);
    let is_open = all.any(|one| one.answer.word == Word::Yes);
    Ok(Outcome::from(!is_open))
}
