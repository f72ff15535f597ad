//! The documents that define a tenant: each tenant has one, in a file that may define it.

use super::Prior;
use crate::diagnostic::{Diagnostic, Scope, rule};
use crate::source::SourceMap;
use crate::spec::{FleetDoc, TenantDoc};
use std::collections::BTreeMap;

rule! {
    /// Two documents define one tenant.
    /// ## Fix
    /// Keep one, or rename one.
    pub static DUPLICATE_TENANT = "tenancy/duplicate-tenant", Error;
}

rule! {
    /// A checkout defines a tenant that it may not define.
    pub static SOURCE_FOREIGN_TENANT = "tenancy/source-foreign-tenant", Error;
}

/// A tenant's document and its index.
type Indexed<'a> = (usize, &'a TenantDoc);

/// For each document, whether it is the one that defines its tenant. Reports the others.
///
/// If several documents define a tenant, the one in the file that it was rendered from before
/// counts.
pub fn unique(
    docs: &[TenantDoc],
    fleet: &FleetDoc,
    sources: &SourceMap,
    prior: &Prior<'_>,
    out: &mut Vec<Diagnostic>,
) -> Vec<bool> {
    let mut by_name: BTreeMap<&str, Vec<Indexed<'_>>> = BTreeMap::new();
    for (at, doc) in docs.iter().enumerate() {
        match foreign(doc, fleet) {
            Some(finding) => out.push(finding),
            None => by_name.entry(&doc.name.value).or_default().push((at, doc)),
        }
    }

    let mut counts = vec![false; docs.len()];
    for (name, defined) in by_name {
        if let [(at, _)] = defined.as_slice() {
            counts[*at] = true;
            continue;
        }

        let rendered_from = prior.source(name);
        let (earlier, others): (Vec<Indexed<'_>>, Vec<Indexed<'_>>) = defined
            .iter()
            .partition(|(_, doc)| rendered_from == Some(sources.path(doc.name.span)));

        if let [(at, earlier)] = earlier.as_slice() {
            counts[*at] = true;
            out.extend(others.iter().map(|(_, doc)| newcomer(doc, earlier)));
        } else {
            out.extend(contested(&defined));
        }
    }

    counts
}

/// Reports a document of a checkout that may not define its tenant.
fn foreign(doc: &TenantDoc, fleet: &FleetDoc) -> Option<Diagnostic> {
    let origin = doc.origin.as_ref()?;
    let mut sources = fleet.spec.sources.iter().flatten();
    let source = sources.find(|source| source.name.as_str() == origin);

    let is_listed = source.is_some_and(|source| {
        let mut tenants = source.tenants.iter();
        tenants.any(|tenant| tenant.as_str() == doc.name.value)
    });
    if is_listed {
        return None;
    }

    let message = format!(
        "the source `{origin}` may not define the tenant `{}`",
        doc.name.value
    );
    let finding = Diagnostic::new(&SOURCE_FOREIGN_TENANT, doc.name.span, message)
        .fix("add it to the source's tenants in the fleet, or rename it")
        .scope(Scope::File(doc.name.span.source));
    Some(finding)
}

/// Reports a second document of a tenant that was rendered from another. The fault is of its file
/// alone, so that the tenant is not held.
fn newcomer(doc: &TenantDoc, earlier: &TenantDoc) -> Diagnostic {
    let message = format!("the tenant `{}` is defined already", doc.name.value);
    Diagnostic::new(&DUPLICATE_TENANT, doc.name.span, message)
        .related(earlier.name.span, "here, where it was rendered from")
        .fix("remove this one, or rename it")
        .scope(Scope::File(doc.name.span.source))
}

/// Reports each document of a tenant that was rendered from none of them, or from several.
fn contested(docs: &[Indexed<'_>]) -> Vec<Diagnostic> {
    let finding = |(at, (_, doc)): (usize, &Indexed<'_>)| {
        let (_, other) = docs[usize::from(at == 0)];
        let name = &doc.name.value;
        let message = format!("the tenant `{name}` is defined {} times", docs.len());
        Diagnostic::new(&DUPLICATE_TENANT, doc.name.span, message)
            .related(other.name.span, "also here")
            .fix("keep one, or rename one")
            .tenant(name)
    };
    docs.iter().enumerate().map(finding).collect()
}
