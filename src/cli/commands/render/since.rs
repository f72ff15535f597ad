//! `render --check --since REV`: the specs over the tree of a revision, compared with the disk.

use super::{clusters_of, select, wrong};
use crate::cli::args::{Cli, RenderArgs};
use crate::cli::commands::check::summary;
use crate::cli::files::{DiskStore, Store};
use crate::cli::session::Session;
use crate::cli::workspace::Workspace;
use crate::cli::{CliError, Outcome, output};
use tenantry::tenancy::Context;

/// Runs the command.
#[cfg(feature = "git")]
pub fn run(
    cli: &Cli,
    args: &RenderArgs,
    workspace: Workspace,
    disk: &DiskStore,
    context: Context,
    revision: &str,
) -> Result<Outcome, CliError> {
    use crate::cli::git::{Revision, past_tree};
    use crate::cli::ignored;
    use crate::cli::write::snapshot;
    use crate::cli::written::{WrittenTree, files_below_tree};
    use tenantry::bundle::ObjectText;
    use tenantry::diagnostic::{Diagnostic, sort};
    use tenantry::tree::{Allowed, Behind, Change, Written, check_disk, unexplained};

    let past = past_tree(&workspace, revision)?;
    let written = WrittenTree::read(&workspace)?;
    let files = files_below_tree(&workspace)?;

    let files_then = Revision::of_tree(&workspace, revision)?;
    let over = (past.written, &files_then as &dyn Store);
    let mut session = Session::read_over(cli, workspace, disk, context, over)?;
    session.check_home()?;
    let selection = select(args, &session)?;
    let (found, faults) = written.into_lock(&mut session.sources);
    session.resolved.findings.extend(faults);

    let allowed = Allowed {
        removals: &args.allow_removal,
        clusters: &args.allow_cluster_removal,
        adoptions: &args.allow_adoption,
    };
    allowed.prepare(&mut session.resolved.lock, &found);
    let mut compiled = session.compile::<ObjectText>(selection);

    if !compiled.findings.iter().any(Diagnostic::stops_the_fleet)
        && let Some(fleet) = session.resolved.specs.fleet.as_ref()
    {
        let clusters = clusters_of(&compiled.tree);
        let base = &session.resolved.lock;
        let locks = [&found, base];
        let (disk, _) = snapshot(&session.workspace, &compiled.tree, &locks, &clusters)?;

        let more = unexplained(
            &Change {
                fleet,
                tenants: &session.resolved.tenancy.tenants,
                tree: &compiled.tree,
                past: &past.revision,
                base,
                found: &found,
                files: &files,
                folder: &session.workspace.tree,
                allowed,
            },
            &mut session.sources,
        );
        compiled.findings.extend(more);

        let written = Written {
            found: &found,
            base,
        };
        let behind = Behind::Since(&past.revision);
        let sources = &mut session.sources;
        let stale = check_disk(&compiled.tree, written, &disk, &behind, sources);
        compiled.findings.extend(stale);
        let hidden = ignored::check(&mut session, &compiled.tree);
        compiled.findings.extend(hidden);
        sort(&session.sources, &mut compiled.findings);
    }

    output::findings(cli, &session.sources, &compiled.findings, true)?;
    output::status(cli, &summary(&session, &compiled, &compiled.findings, 0));
    Ok(wrong(&compiled.findings))
}

#[cfg(not(feature = "git"))]
pub fn run(
    _: &Cli,
    _: &RenderArgs,
    _: Workspace,
    _: &DiskStore,
    _: Context,
    _: &str,
) -> Result<Outcome, CliError> {
    Err(CliError::Usage(
        "--since: built without the feature `git`".into(),
    ))
}
