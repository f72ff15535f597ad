//! `render --check --since REV`: the specs over the tree of a revision, compared with the disk.

use crate::cli::args::{Cli, RenderArgs};
use crate::cli::files::DiskStore;
use crate::cli::{CliError, Outcome};

/// Runs the command.
#[cfg(feature = "git")]
pub fn run(
    cli: &Cli,
    args: &RenderArgs,
    disk: &DiskStore,
    revision: &str,
) -> Result<Outcome, CliError> {
    use super::wrong;
    use crate::cli::commands::check::summary;
    use crate::cli::output;
    use tenantry::diagnostic::sort;

    let check = |removals| SinceCheck::run(cli, args, disk, revision, removals);
    let mut checked = check(args.allow_removal.clone())?;

    // What a removal changes is no fault beside it: the tree is compared as if the removal were
    // allowed.
    let refused = checked.refused_removals();
    if !refused.is_empty() {
        let tenants = refused.iter().filter_map(Diagnostic::concerned_tenant);
        let mut removals = args.allow_removal.clone();
        removals.extend(tenants.map(str::to_owned));
        let mut as_allowed = check(removals)?;

        let sources = &mut as_allowed.session.sources;
        let carried = refused
            .into_iter()
            .map(|finding| finding.carried(&checked.session.sources, sources));
        as_allowed.compiled.findings.extend(carried);
        sort(sources, &mut as_allowed.compiled.findings);
        checked = as_allowed;
    }

    let SinceCheck {
        session, compiled, ..
    } = &checked;
    output::findings(cli, &session.sources, &compiled.findings, true)?;
    output::status(cli, &summary(session, compiled, &compiled.findings, 0));
    Ok(wrong(&compiled.findings))
}

#[cfg(feature = "git")]
use {
    super::{clusters_of, select},
    crate::cli::files::Store,
    crate::cli::git::{Revision, past_tree},
    crate::cli::ignored,
    crate::cli::session::{Selection, Session},
    crate::cli::workspace::Workspace,
    crate::cli::write::snapshot,
    crate::cli::written::{WrittenTree, files_below_tree},
    std::collections::BTreeMap,
    tenantry::bundle::ObjectText,
    tenantry::compile::Compiled,
    tenantry::diagnostic::{Diagnostic, sort},
    tenantry::tenancy::Context,
    tenantry::tree::{
        Allowed, Behind, Change, Lock, UNRETIRED_REMOVAL, Written, check_disk, unexplained,
    },
};

/// The specs over a revision, compared with the disk.
#[cfg(feature = "git")]
struct SinceCheck {
    session: Session,
    compiled: Compiled<ObjectText>,
    /// The lock and the records on disk.
    found: Lock,
}

#[cfg(feature = "git")]
impl SinceCheck {
    /// Compares them. `removals` are the tenants that may go.
    fn run(
        cli: &Cli,
        args: &RenderArgs,
        disk: &DiskStore,
        revision: &str,
        removals: Vec<String>,
    ) -> Result<Self, CliError> {
        let workspace = Workspace::find(cli, args.tree.as_deref())?;
        let past = past_tree(&workspace, revision)?;
        let written = WrittenTree::read(&workspace)?;
        let files = files_below_tree(&workspace)?;

        let files_then = Revision::of_tree(&workspace, revision)?;
        let over = (past.written, &files_then as &dyn Store);
        let context = Context {
            removable: removals.clone(),
            ..Context::default()
        };
        let mut session = Session::read_over(cli, workspace, disk, context, over)?;
        session.check_home()?;
        let selection = Selection {
            removable: removals.clone(),
            ..select(args, &session)?
        };
        let (found, faults) = written.into_lock(&mut session.sources);
        session.resolved.findings.extend(faults);

        let allowed = Allowed {
            removals: &removals,
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

        Ok(Self {
            session,
            compiled,
            found,
        })
    }

    /// The findings about removals that are not allowed, and are rendered on disk all the same.
    fn refused_removals(&self) -> Vec<Diagnostic> {
        let before = self.session.resolved.lock.tenants_namespaces();
        let now = self.found.tenants_namespaces();
        let is_rendered = |tenant: &str| {
            let namespaces = |of: &BTreeMap<&str, usize>| of.get(tenant).copied().unwrap_or(0);
            namespaces(&now) < namespaces(&before)
        };

        let findings = self.compiled.findings.iter();
        findings
            .filter(|finding| finding.rule == &UNRETIRED_REMOVAL)
            .filter(|finding| finding.concerned_tenant().is_some_and(is_rendered))
            .cloned()
            .collect()
    }
}

#[cfg(not(feature = "git"))]
pub fn run(_: &Cli, _: &RenderArgs, _: &DiskStore, _: &str) -> Result<Outcome, CliError> {
    Err(CliError::Usage(
        "--since: built without the feature `git`".into(),
    ))
}
