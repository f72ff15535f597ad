//! How much a tenant may render: a short document can stand for many objects.

use crate::diagnostic::{Diagnostic, rule};
use crate::document::{Entry, Node};
use crate::spec::TenantDoc;
use crate::spec::tenant::{Network, SubjectSpec, TenantSpec};

rule! {
    /// A tenant would render more than one tenant may.
    ///
    /// ## What it finds
    /// Each namespace of a tenant gets what the tenant declares for all of them: quota keys, labels,
    /// peers and their ports, and a RoleBinding for each subject that has its own. The lines that
    /// they take are counted over all namespaces and clusters, before anything is rendered. A peer
    /// that is a tenant counts as its most namespaces, and 64 bytes of a long name or annotation as a
    /// line. At most 2,000,000 are rendered.
    /// ## Why it matters
    /// A file of 20 KB can stand for millions of lines: every run would take minutes, and the
    /// cluster would hold the objects.
    /// ## Fix
    /// Bind a group instead of many users, declare a range of ports instead of each port, or split
    /// the tenant.
    pub static TOO_MUCH = "tenancy/renders-too-much", Error;
}

/// The most lines that a tenant may render, on all its clusters together.
const MOST: usize = 2_000_000;

/// The lines of an object without its content.
const OBJECT: usize = 12;
/// The lines of a network rule, of each of its ports, and of one that names a tenant, whose namespaces
/// it lists.
const RULE: usize = 6;
const PORT: usize = 3;
const RULE_OF_TENANT: usize = 128;
/// The lines of a subject of a binding.
const SUBJECT: usize = 4;
/// The bytes of a long name or value that count as one more line.
const LINE: usize = 64;

/// Reports a tenant that would render too much. `specs` are its settings on a cluster; `before` are
/// the lines on other clusters. Returns the lines with those of this cluster.
pub(super) fn check(
    doc: &TenantDoc,
    spec: &TenantSpec,
    before: usize,
    out: &mut Vec<Diagnostic>,
) -> Option<usize> {
    let lines = before.saturating_add(lines(doc, spec));
    if lines <= MOST {
        return Some(lines);
    }

    let message = format!(
        "the tenant `{}` would render about {lines} lines; at most {MOST} are rendered",
        doc.name.value
    );
    let fix = "declare fewer namespaces, or less for each: subjects with bindings of their own, peers, \
               ports, quota keys";
    out.push(Diagnostic::new(&TOO_MUCH, doc.name.span, message).fix(fix));
    None
}

/// The lines that a tenant renders on a cluster, more or less.
fn lines(doc: &TenantDoc, spec: &TenantSpec) -> usize {
    let namespaces = spec.namespaces.as_deref().unwrap_or_default();
    let count = namespaces.len();

    let metadata = ["labels", "annotations"];
    let of_tenant = metadata.iter().filter_map(|field| doc.metadata.get(field));
    let of_entry = |entry: &Entry| 1 + entry.node.as_str().map_or(0, str::len) / LINE;
    let of_tenant: usize = of_tenant.flat_map(Node::entries).map(of_entry).sum();
    let shared = OBJECT
        + of_tenant
        + length(spec.quota.as_deref())
        + spec.network.as_ref().map_or(0, of_network);

    let own = namespaces.iter().map(|namespace| {
        let annotations = namespace.annotations.iter().flat_map(|all| all.values());
        let long: usize = annotations.map(|value| value.len() / LINE).sum();
        length(namespace.labels.as_deref())
            + length(namespace.annotations.as_deref())
            + long
            + length(namespace.quota.as_deref())
            + namespace.network.as_ref().map_or(0, of_network)
    });

    let subjects = spec.owners.iter().chain(&spec.members).flatten();
    let bound = subjects.map(|subject| of_subject(subject, count));
    let syncs = spec.sync.as_ref().map_or(0, Vec::len);
    let deployed = syncs.saturating_mul(count).saturating_mul(SUBJECT);

    let all = own.chain(bound).fold(deployed, usize::saturating_add);
    all.saturating_add(shared.saturating_mul(count))
}

fn length<K, V>(map: Option<&indexmap::IndexMap<K, V>>) -> usize {
    map.map_or(0, |map| map.len())
}

fn of_network(network: &Network) -> usize {
    let peers = network.egress.iter().chain(&network.ingress).flatten();
    let peers = peers.map(|peer| {
        let rule = match peer.tenant {
            Some(_) => RULE_OF_TENANT,
            None => RULE,
        };
        rule + PORT * peer.ports.as_ref().map_or(0, Vec::len)
    });
    let offers = network.provides.as_ref().map_or(0, Vec::len);
    peers.sum::<usize>() + offers * RULE_OF_TENANT
}

/// The lines of a subject in some number of namespaces.
fn of_subject(subject: &SubjectSpec, namespaces: usize) -> usize {
    let listed = subject.namespaces.as_ref().map_or(namespaces, Vec::len);
    let has_own = subject.binding.is_some() || subject.cluster_role.is_some();
    let name = subject.group.as_ref().or(subject.user.as_ref());
    let long = name.map_or(0, |name| name.value.as_str().len() / LINE);
    let each = if has_own { OBJECT } else { SUBJECT } + long;
    listed.min(namespaces) * each
}
