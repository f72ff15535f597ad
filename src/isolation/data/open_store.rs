use super::Findings;
use crate::diagnostic::rule;
use crate::graph::facts::{SecretStore, StoreCondition};
use crate::graph::{Cluster, Owner};
use crate::isolation::capability::{Permission, giving};
use crate::isolation::{Finding, some, tenant_of};
use std::collections::BTreeSet;

rule! {
    /// A store of secrets that several tenants may use.
    ///
    /// ## What it finds
    /// A ClusterSecretStore whose conditions admit several tenants, or that has none; a
    /// ClusterGenerator that asks others for its values; a VaultAuth that admits several tenants. A
    /// tenant counts if it has an ExternalSecret, a PushSecret or a VaultStaticSecret, or may create
    /// one.
    ///
    /// ## Why it matters
    /// Its credentials read every tenant's secrets, and whoever may create an ExternalSecret names
    /// which to fetch.
    ///
    /// ## Fix
    /// `spec.conditions` with the namespaces that may use it; better, a SecretStore in each.
    ///
    /// ## References
    /// external-secrets.io/latest/guides/multi-tenancy; ISO 27001 A.8.3; SOC 2 CC6.1
    pub static OPEN_STORE = "data/open-secret-store", Error;
}

const FIX: &str = "admit one tenant's namespaces alone, or make a store in each namespace";

pub(super) fn check(cluster: &Cluster, out: &mut Findings<'_>) {
    let stores = cluster.facts.stores.iter();
    let mut stores = stores
        .filter(|store| store.id.kind != "SecretStore")
        .peekable();
    if stores.peek().is_none() {
        return;
    }

    let (of_store, of_vault) = (
        fetching(cluster, &FETCH),
        fetching(cluster, &FETCH_OF_VAULT),
    );
    for store in stores {
        let fetching = match store.id.kind.as_str() {
            "VaultAuth" => &of_vault,
            _ => &of_store,
        };
        let finding = match &store.conditions {
            None => (!fetching.is_empty()).then(|| unconditional(store)),
            Some(conditions) => conditional(cluster, store, conditions, fetching),
        };
        if let Some(finding) = finding {
            out.push(finding.fix(FIX));
        }
    }
}

/// Creates objects that fetch from a store.
const FETCH: [Permission; 1] = [Permission::new(
    "external-secrets.io",
    &["externalsecrets", "pushsecrets"],
    &["create", "update", "patch"],
)];

/// Creates objects that fetch from Vault.
const FETCH_OF_VAULT: [Permission; 1] = [Permission::new(
    "secrets.hashicorp.com",
    &[
        "vaultstaticsecrets",
        "vaultdynamicsecrets",
        "vaultpkisecrets",
    ],
    &["create", "update", "patch"],
)];

/// The tenants that have an object which fetches from a store, or may create one.
fn fetching(cluster: &Cluster, fetch: &[Permission; 1]) -> BTreeSet<u32> {
    let requests = cluster.facts.secret_requests.iter();
    let of_group = requests.filter(|request| request.id.group == fetch[0].group);
    let have = of_group.map(|request| &request.id.namespace);
    let bindings = cluster.rbac.bindings.iter().filter(|binding| {
        let role = cluster.rbac.role(binding);
        role.is_some_and(|role| giving(fetch, &role.rules).is_some())
    });
    let may = bindings.map(|binding| &binding.id.namespace);

    have.chain(may)
        .filter_map(|namespace| Some(tenant_of(cluster, namespace)?.0))
        .collect()
}

fn unconditional(store: &SecretStore) -> Finding {
    let span = store.origin.span;
    let message = format!(
        "{} may be used from every namespace: its credentials are every tenant's",
        store.id.called()
    );
    Finding::refuted(&OPEN_STORE, span, message)
        .step(
            span,
            "it states no namespaces: an object of any namespace may name it",
        )
        .through(&store.id)
}

fn conditional(
    cluster: &Cluster,
    store: &SecretStore,
    conditions: &[StoreCondition],
    fetching: &BTreeSet<u32>,
) -> Option<Finding> {
    let span = store.origin.span;
    let mut users: BTreeSet<u32> = BTreeSet::new();
    let mut has_pattern = false;

    for condition in conditions {
        has_pattern |= matches!(condition, StoreCondition::Pattern);
        let admitted = condition.namespaces(cluster);
        let owner = |at: &u32| cluster.namespaces[*at as usize].owner;
        users.extend(admitted.iter().filter_map(|at| match owner(at) {
            Owner::Tenant(tenant) => Some(tenant),
            Owner::Platform => None,
        }));
    }

    // As without conditions: a tenant that fetches has what the store holds for the others.
    if users.len() > 1 && !users.is_disjoint(fetching) {
        let names = users
            .iter()
            .map(|tenant| cluster.tenants[*tenant as usize].name.as_str());
        let message = format!(
            "{} may be used by {} tenants: {}",
            store.id.called(),
            users.len(),
            some(names)
        );
        let finding = Finding::refuted(&OPEN_STORE, span, message)
            .step(span, "its conditions admit them")
            .through(&store.id);
        return Some(finding.among(users));
    }

    (has_pattern && !fetching.is_empty()).then(|| {
        let message = format!(
            "whom {} admits by a pattern is not evaluated",
            store.id.called()
        );
        Finding::unknown(&OPEN_STORE, span, message)
    })
}
