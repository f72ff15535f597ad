//! Linking: tenants that were resolved alone → tenants whose references to each other are resolved.

use super::model::Tenant;
use super::tenant::{ResolveContext, Resolved};
use super::{
    Context, Prior, Tenancy, capacity, claims, definitions, entries, failing, network,
    platform_namespaces,
};
use crate::diagnostic::{Diagnostic, Level, Scope, rule};
use crate::source::SourceMap;
use crate::spec::{FleetDoc, TenantDoc};
use indexmap::IndexSet;
use std::collections::BTreeSet;
use std::sync::Arc;

rule! {
    /// A checkout that the fleet names as a source was not given: its tenants are held.
    /// ## Fix
    /// Give it: `--source NAME=DIR`.
    pub static SOURCE_NOT_GIVEN = "tenancy/source-not-given", Note;
}
/// The tenants that exist, also those that cannot be read in this run.
#[derive(Debug)]
pub struct KnownTenants<'a> {
    /// Tenants whose documents are read.
    pub(super) read: IndexSet<&'a str>,
    /// Tenants that exist, but cannot be read.
    pub(super) absent: &'a BTreeSet<String>,
    /// The records of earlier runs.
    pub(super) prior: &'a Prior<'a>,
    /// Whether a file that may hold any tenant cannot be read.
    pub(super) has_unreadable_file: bool,
}

impl KnownTenants<'_> {
    /// Whether a tenant of this name exists.
    pub fn has(&self, name: &str) -> bool {
        self.read.contains(name) || self.absent.contains(name) || self.prior.knows(name)
    }

    /// Whether a tenant has rendered files only: its document was removed, and its removal is not
    /// allowed yet.
    pub fn is_removal_pending(&self, name: &str) -> bool {
        let is_declared = self.read.contains(name) || self.absent.contains(name);
        !self.has_unreadable_file && !is_declared && self.prior.knows(name)
    }
}

/// Links the tenants of a fleet.
pub struct Linker<'a> {
    /// The documents that all tenants share.
    pub resolve_context: &'a ResolveContext<'a>,
    /// The tenants' documents.
    pub docs: &'a [TenantDoc],
    /// The texts of the documents.
    pub sources: &'a SourceMap,
    /// The settings of the run.
    pub context: &'a Context,
    /// The records of earlier runs.
    pub prior: &'a Prior<'a>,
    /// The findings of earlier stages. A tenant that one of them is about exists, but cannot be
    /// read.
    pub failed: &'a [Diagnostic],
}

impl Linker<'_> {
    /// Links tenants: resolves their edges, and checks their claims and sums.
    ///
    /// `resolved` has the result of each document, in their order. `findings` are those about the
    /// documents that all share: a tenant with an invalid waiver has an error. Returns them with
    /// the new ones.
    pub fn link(
        &self,
        resolved: Vec<Resolved<'_>>,
        mut findings: Vec<Diagnostic>,
    ) -> (Tenancy, Vec<Diagnostic>) {
        let out = &mut findings;
        let ResolveContext { fleet, waivers, .. } = self.resolve_context;

        let absent = self.absent(fleet, out);
        let names = self.docs.iter().map(|doc| doc.name.value.as_str());
        let known = KnownTenants {
            read: names.collect(),
            absent: &absent,
            prior: self.prior,
            has_unreadable_file: self.has_unreadable_file(),
        };
        // A file that cannot be read may hold any tenant.
        let may_exist = |name: &str| self.has_unreadable_file() || known.has(name);
        waivers.dangling(may_exist, out);
        entries::check(&fleet.spec, may_exist, out);
        let proof_waivers = waivers.of_proof(&self.resolve_context.proof_rules);

        let mut tenants = self.defined_once(resolved, out);
        self.connect(&mut tenants, &known, out);
        capacity::check(&tenants, &fleet.spec, out);
        platform_namespaces::check(&tenants, &fleet.spec, self.prior, out);

        let broken = self.broken(out);
        let mut tenancy = Tenancy {
            tenants,
            failing: Vec::new(),
            permits: Arc::new(waivers.permits(&self.resolve_context.proof_rules)),
            proof_waivers,
            absent,
        };
        tenancy.set_aside(&broken);
        (tenancy, findings)
    }

    /// The tenants that have an error, of an earlier stage or of this one.
    fn broken(&self, findings: &[Diagnostic]) -> BTreeSet<String> {
        let mut broken = failing(findings);
        broken.extend(failing(self.failed));
        broken
    }

    fn has_unreadable_file(&self) -> bool {
        self.failed
            .iter()
            .any(|finding| finding.level == Level::Error && matches!(finding.scope, Scope::File(_)))
    }

    /// The tenants that one document defines, by name. Takes over their findings and waivers.
    fn defined_once(&self, resolved: Vec<Resolved<'_>>, out: &mut Vec<Diagnostic>) -> Vec<Tenant> {
        let fleet = self.resolve_context.fleet;
        let counts = definitions::unique(self.docs, fleet, self.sources, self.prior, out);
        let mut tenants = Vec::with_capacity(resolved.len());

        for (result, counts) in resolved.into_iter().zip(counts) {
            if counts {
                result.used.count();
                out.extend(result.findings);
                tenants.extend(result.tenant);
            }
        }

        tenants.sort_by(|a, b| a.name.value.cmp(&b.name.value));
        tenants
    }

    /// Resolves the edges between tenants, and reports claims on the same things.
    fn connect(&self, tenants: &mut [Tenant], known: &KnownTenants<'_>, out: &mut Vec<Diagnostic>) {
        let ResolveContext { fleet, waivers, .. } = self.resolve_context;
        let clusters = fleet.spec.clusters.iter();
        let clusters: Vec<String> = clusters.map(|one| one.name.value.to_string()).collect();

        // A tenant with an error keeps its last files: its edges are those of the lock, not those
        // that it asks for now.
        let broken = self.broken(out);
        let (plan, claimed_twice) = rayon::join(
            || network::plan(tenants, &fleet.spec, waivers, known, &broken),
            || {
                claims::check(
                    tenants,
                    fleet,
                    &clusters,
                    self.prior,
                    &self.context.removable,
                )
            },
        );

        out.extend(plan.assign(tenants));
        out.extend(claimed_twice);
    }

    /// The tenants that exist, but cannot be read in this run.
    fn absent(&self, fleet: &FleetDoc, out: &mut Vec<Diagnostic>) -> BTreeSet<String> {
        let mut absent = failing(self.failed);
        for source in fleet.spec.sources.iter().flatten() {
            let name = &source.name.value;
            if self
                .context
                .sources
                .iter()
                .any(|given| given == name.as_str())
            {
                continue;
            }

            let held: Vec<&str> = source
                .tenants
                .iter()
                .map(|tenant| tenant.as_str())
                .collect();
            absent.extend(held.iter().map(|tenant| (*tenant).to_owned()));
            let message = format!(
                "the source `{name}` was not given: {} held",
                held.join(", ")
            );
            out.push(
                Diagnostic::new(&SOURCE_NOT_GIVEN, source.name.span, message)
                    .fix(format!("give it: --source {name}=DIR")),
            );
        }

        for doc in self.docs {
            absent.remove(&doc.name.value);
        }
        absent
    }
}
