//! `render --check --since REV`: the specs over the tree of a revision, compared with the disk.

use super::{add_hidden, clusters_of, report_comparison, select};
use crate::cli::CliError;
use crate::cli::Outcome;
use crate::cli::args::{Cli, RenderArgs};
use crate::cli::files::{DiskStore, Store};
use crate::cli::git::{PastTree, Revision, past_tree};
use crate::cli::session::{Selection, Session};
use crate::cli::workspace::Workspace;
use crate::cli::write::snapshot;
use crate::cli::written::{WrittenTree, files_below_tree};
use std::collections::BTreeSet;
use tenantry::bundle::ObjectText;
use tenantry::compile::Compiled;
use tenantry::diagnostic::{Diagnostic, into_sources, sort};
use tenantry::tenancy::Context;
use tenantry::tree::{
    Allowed, Behind, Change, Lock, TreeRevision, UNRETIRED_REMOVAL, Written, check_disk,
    unexplained,
};

/// Runs the command.
pub fn run(
    cli: &Cli,
    args: &RenderArgs,
    disk: &DiskStore,
    revision: &str,
) -> Result<Outcome, CliError> {
    let check = |removals| SinceCheck::run(cli, args, disk, revision, removals);
    let mut checked = check(args.allow_removal.clone())?;

    // What a removal changes is no fault beside it: the tree is compared as if the removal were
    // allowed.
    let mut refused = checked.refused_removals();
    if !refused.is_empty() {
        let tenants = refused.iter().filter_map(Diagnostic::concerned_tenant);
        let mut removals = args.allow_removal.clone();
        removals.extend(tenants.map(str::to_owned));
        let mut as_allowed = check(removals)?;

        let sources = &mut as_allowed.session.sources;
        into_sources(&mut refused, &checked.session.sources, sources);
        as_allowed.compiled.findings.extend(refused);
        sort(sources, &mut as_allowed.compiled.findings);
        checked = as_allowed;
    }

    report_comparison(cli, &checked.session, &checked.compiled)
}

/// The specs over a revision, compared with the disk.
struct SinceCheck {
    session: Session,
    compiled: Compiled<ObjectText>,
    /// The lock and the records on disk.
    found: Lock,
}

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
        let PastTree {
            written: written_then,
            revision: past,
        } = past_tree(&workspace, revision)?;
        let written = WrittenTree::read(&workspace)?;
        let files = files_below_tree(&workspace)?;

        let files_then = Revision::of_tree(&workspace, revision)?;
        let over = (written_then, &files_then as &dyn Store);
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
        let compiled = session.compile::<ObjectText>(selection);

        let mut check = Self {
            session,
            compiled,
            found,
        };
        if !check
            .compiled
            .findings
            .iter()
            .any(Diagnostic::stops_the_fleet)
        {
            check.add_differences(&past, &files, allowed)?;
        }
        Ok(check)
    }

    /// Adds how the disk differs from the specs over the revision. `files` is the path of each file
    /// below the tree on disk.
    fn add_differences(
        &mut self,
        past: &TreeRevision,
        files: &BTreeSet<String>,
        allowed: Allowed<'_>,
    ) -> Result<(), CliError> {
        let (session, compiled) = (&mut self.session, &mut self.compiled);
        let Some(fleet) = session.resolved.specs.fleet.as_ref() else {
            return Ok(());
        };
        let (base, found) = (&session.resolved.lock, &self.found);
        let clusters = clusters_of(&compiled.tree);
        let locks = [found, base];
        let (disk, _) = snapshot(&session.workspace, &compiled.tree, &locks, &clusters)?;

        let change = Change {
            fleet,
            tenants: &session.resolved.tenancy.tenants,
            tree: &compiled.tree,
            past,
            base,
            found,
            files,
            folder: &session.workspace.tree,
            allowed,
        };
        let sources = &mut session.sources;
        compiled.findings.extend(unexplained(&change, sources));

        let written = Written { found, base };
        let behind = Behind::Since(past);
        let stale = check_disk(&compiled.tree, written, &disk, &behind, sources);
        compiled.findings.extend(stale);
        add_hidden(session, compiled);
        Ok(())
    }

    /// The findings about removals that are not allowed, and are rendered on disk all the same.
    fn refused_removals(&self) -> Vec<Diagnostic> {
        let before = self.session.resolved.lock.namespaces_of_tenants();
        let now = self.found.namespaces_of_tenants();
        let is_rendered = |tenant: &str| {
            let now = now.get(tenant);
            before.get(tenant).is_some_and(|before| {
                let mut gone = before.iter();
                gone.any(|one| now.is_none_or(|now| !now.contains(one)))
            })
        };

        let findings = self.compiled.findings.iter();
        findings
            .filter(|finding| finding.rule == &UNRETIRED_REMOVAL)
            .filter(|finding| finding.concerned_tenant().is_some_and(is_rendered))
            .cloned()
            .collect()
    }
}
