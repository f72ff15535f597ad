//! The syncs of a tenant on a cluster, and the service accounts they act as.

use super::model::{Deployer, Tenant, TenantNamespace, TenantSync};
use super::subjects::{Binder, bind_deployer};
use super::tenant::TenantDraft;
use super::{DERIVED_NAME, UNKNOWN_PEER};
use crate::delivery::{self, ClusterEngine};
use crate::diagnostic::{Diagnostic, rule};
use crate::document::Spanned;
use crate::spec::fleet::ClusterSpec;
use crate::spec::tenant as spec;
use crate::spec::tenant::{Placement, ReachSpec, TenantSpec};
use crate::spec::{leaf, one_of_these};

rule! {
    /// A sync contradicts itself: two of one name, a namespace that is not the tenant's, a
    /// targetNamespace for a tenant with several namespaces.
    pub static SYNC = "gitops/sync", Error;
}

/// The place of a sync's objects, and the account that it applies as.
struct SyncPlace {
    /// The namespace of its objects.
    namespace: String,
    /// The name of its objects.
    name: String,
    /// The name of its service account, in that namespace.
    account: String,
}

impl TenantDraft<'_, '_> {
    /// The syncs of a tenant, and the service accounts they act as, which it binds to their roles.
    pub(super) fn syncs(
        &self,
        binder: &Binder<'_, '_>,
        spec: &TenantSpec,
        cluster: &ClusterSpec,
        namespaces: &mut [TenantNamespace],
        out: &mut Vec<Diagnostic>,
    ) -> (Vec<TenantSync>, Vec<Deployer>) {
        let engine = ClusterEngine::new(&self.resolver.fleet.spec, cluster);
        let gotk = spec
            .compat
            .as_ref()
            .and_then(|compat| compat.gotk_user.as_ref())
            .is_some_and(|gotk| gotk.value);

        let mut syncs: Vec<TenantSync> = Vec::new();
        let mut deployers: Vec<Deployer> = Vec::new();

        for sync in spec.sync.iter().flatten() {
            let Some(home) = home(sync, namespaces, out) else {
                continue;
            };
            let role_name = sync.role.as_ref().map_or("deployer", |role| role.as_str());
            let cluster_role = match &sync.role {
                None => super::role_object("deployer"),
                Some(role) => match binder.cluster_role(role, ReachSpec::Tenant, &home, out) {
                    Some(found) => found,
                    None => continue,
                },
            };

            let placed = place(&engine, self.tenant, sync, &home, role_name);
            if sync.placement == Some(Placement::System) {
                check_secrets(self.tenant, sync, out);
            }
            check_durations(&engine, sync, out);
            check_name(&engine, sync, &placed.name, out);
            check_target(sync, namespaces, out);

            let deployer = Deployer {
                namespace: placed.namespace.clone(),
                name: placed.account.clone(),
            };

            bind_deployer(
                &deployer,
                role_name,
                &cluster_role,
                sync.role.as_ref().map(|role| role.span),
                gotk,
                namespaces,
            );

            if !deployers.contains(&deployer) {
                deployers.push(deployer);
            }
            syncs.push(make_sync(&engine, sync, placed, home));
        }

        (syncs, deployers)
    }
}

/// The name of the namespace that a sync is in; reports one that the tenant does not have.
fn home(
    sync: &spec::SyncSpec,
    namespaces: &[TenantNamespace],
    out: &mut Vec<Diagnostic>,
) -> Option<String> {
    let Some(stated) = &sync.namespace else {
        return Some(namespaces[0].name.clone());
    };
    let found = namespaces.iter().find(|own| own.id == stated.as_str());
    if found.is_none() {
        let hint = one_of_these(stated, namespaces.iter().map(|own| own.id.as_str()));
        let message = format!("the tenant has no namespace `{}`", stated.value);
        out.push(Diagnostic::new(&UNKNOWN_PEER, stated.span, message).fix(hint));
    }
    found.map(|own| own.name.clone())
}

fn place(
    engine: &ClusterEngine<'_>,
    tenant: &Tenant,
    sync: &spec::SyncSpec,
    home: &str,
    role_name: &str,
) -> SyncPlace {
    match sync.placement {
        Some(Placement::System) => SyncPlace {
            namespace: engine.namespace().to_owned(),
            name: delivery::system_name(&tenant.name.value, sync.name.as_str()),
            account: delivery::system_name(&tenant.name.value, role_name),
        },
        Some(Placement::Tenant) | None => SyncPlace {
            namespace: home.to_owned(),
            name: sync.name.value.to_string(),
            account: role_name.to_owned(),
        },
    }
}

/// In the engine's namespace lie the platform's Secrets: a tenant names only those that bear its
/// name.
fn check_secrets(tenant: &Tenant, sync: &Spanned<spec::SyncSpec>, out: &mut Vec<Diagnostic>) {
    let of_notifications = sync
        .notifications
        .iter()
        .flatten()
        .map(|notification| &notification.secret_ref);

    let named = sync
        .auth
        .iter()
        .chain(&sync.decryption)
        .map(|holder| &holder.secret_ref)
        .chain(of_notifications);

    let prefix = format!("{}.", tenant.name.value);
    for secret in named.filter(|name| !name.starts_with(&prefix)) {
        let message = format!("the Secret `{secret}` of Flux's namespace is not the tenant's");
        let fix = format!("call it {prefix}{secret}, or place the sync in the tenant's namespace");
        out.push(Diagnostic::new(&SYNC, sync.name.span, message).fix(fix));
    }
}

fn check_durations(engine: &ClusterEngine<'_>, sync: &spec::SyncSpec, out: &mut Vec<Diagnostic>) {
    let least = engine.conventions().least_interval;
    for (field, duration) in [("interval", &sync.interval), ("timeout", &sync.timeout)] {
        let is_short = |duration: &leaf::Duration| leaf::seconds(duration) < f64::from(least);
        if duration.as_ref().is_some_and(is_short) {
            let message = format!(
                "{field} is under {least}s: one tenant's sync would keep the shared controllers busy"
            );
            let fix = format!("write {least}s or more");
            out.push(Diagnostic::new(&SYNC, sync.name.span, message).fix(fix));
        }
    }
}

fn check_name(
    engine: &ClusterEngine<'_>,
    sync: &spec::SyncSpec,
    name: &str,
    out: &mut Vec<Diagnostic>,
) {
    let limit = engine.conventions().name_limit;
    if name.len() > limit {
        let message = format!(
            "the sync's name `{name}`, of the tenant's and its own, has {} characters, of {limit}",
            name.len()
        );
        let finding = Diagnostic::new(&DERIVED_NAME, sync.name.span, message);
        out.push(finding.fix("shorten the sync's name"));
    }
}

fn check_target(sync: &spec::SyncSpec, namespaces: &[TenantNamespace], out: &mut Vec<Diagnostic>) {
    if let Some(target) = &sync.target_namespace {
        let is_own = namespaces.iter().any(|own| own.id == target.as_str());
        if !is_own || namespaces.len() > 1 {
            let message = "targetNamespace puts every object into one namespace: only a tenant \
                           with that one may set it";
            out.push(Diagnostic::new(&SYNC, target.span, message).fix("remove it"));
        }
    }
}

fn make_sync(
    engine: &ClusterEngine<'_>,
    sync: &Spanned<spec::SyncSpec>,
    placed: SyncPlace,
    home: String,
) -> TenantSync {
    let text = |duration: &Option<leaf::Duration>, default: &str| {
        duration
            .as_ref()
            .map_or_else(|| default.to_owned(), ToString::to_string)
    };
    TenantSync {
        span: sync.name.span,
        values: engine.sync_values(sync, &placed.name, &home),
        path: sync
            .path
            .as_ref()
            .map_or_else(|| "./".to_owned(), ToString::to_string),
        interval: text(&sync.interval, "10m"),
        timeout: text(&sync.timeout, "5m"),
        prune: sync.prune.unwrap_or(true),
        wait: sync.wait.unwrap_or(false),
        target_namespace: sync.target_namespace.as_ref().map(|_| home),
        service_account: placed.account,
        name: placed.name,
        namespace: placed.namespace,
    }
}
