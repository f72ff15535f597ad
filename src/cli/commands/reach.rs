//! `reach`: whether pods can send to others.

use crate::cli::args::{Cli, ReachArgs};
use crate::cli::concerned::Question;
use crate::cli::proof_inputs;
use crate::cli::{CliError, Outcome, output};
use tenantry::isolation::connection::{self, named_namespace, names_address};
use tenantry::isolation::question::Word;
use tenantry::report::access::answer_text;

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

    let mut any = false;
    let mut missing = Vec::new();
    for cluster in &inputs.clusters {
        let answer = connection::answer(cluster, &args.from, &args.to, args.port.as_ref());
        let answer = match answer {
            Ok(answer) => answer,
            Err(reason) => {
                missing.push(format!("{}: {reason}", cluster.name));
                continue;
            }
        };
        any |= answer.word == Word::Yes;
        output::data(&answer_text(&inputs.sources, &cluster.name, &answer))?;
    }

    if missing.len() == inputs.clusters.len() {
        return Err(CliError::Usage(missing.join("; ")));
    }
    for reason in missing {
        output::note(&reason);
    }
    Ok(Outcome::from(!any))
}
