//! The syncs of a tenant on a cluster, and the service accounts they act as.

use super::model::{Deployer, Namespace, Sync, Tenant};
use super::subjects::{Binder, bind_deployer};
use super::tenant::Resolver;
use super::{DERIVED_NAME, UNKNOWN_PEER};
use crate::diagnostic::{Diagnostic, rule};
use crate::document::Spanned;
use crate::spec::fleet::Cluster;
use crate::spec::tenant as spec;
use crate::spec::tenant::{Placement, Reach, TenantSpec};
use crate::spec::{leaf, one_of_these};
use crate::value::{Value, list, map};

rule! {
    /// A sync contradicts itself: two of one name, a namespace that is not the tenant's, a
    /// targetNamespace for a tenant with several namespaces.
    pub static SYNC = "gitops/sync", Error;
}

impl Resolver<'_> {
    pub(super) fn syncs(
        &self,
        binder: &Binder<'_, '_>,
        tenant: &Tenant,
        spec: &TenantSpec,
        cluster: &Cluster,
        namespaces: &mut [Namespace],
        out: &mut Vec<Diagnostic>,
    ) -> (Vec<Sync>, Vec<Deployer>) {
        let flux = cluster
            .flux
            .as_ref()
            .and_then(|f| f.namespace.as_ref())
            .map_or("flux-system", |n| n.as_str());
        let gotk = spec
            .compat
            .as_ref()
            .and_then(|c| c.gotk_user.as_ref())
            .is_some_and(|g| g.value);
        let mut syncs: Vec<Sync> = Vec::new();
        let mut deployers: Vec<Deployer> = Vec::new();
        for sync in spec.sync.iter().flatten() {
            let home = match &sync.namespace {
                None => namespaces[0].name.clone(),
                Some(wanted) => match namespaces.iter().find(|n| n.id == wanted.as_str()) {
                    Some(found) => found.name.clone(),
                    None => {
                        let hint = one_of_these(wanted, namespaces.iter().map(|n| n.id.as_str()));
                        let message = format!("the tenant has no namespace `{}`", wanted.value);
                        out.push(Diagnostic::new(&UNKNOWN_PEER, wanted.span, message).fix(hint));
                        continue;
                    }
                },
            };
            let role_name = sync
                .role
                .as_ref()
                .map_or("deployer", |r| r.as_str())
                .to_owned();
            let cluster_role = match &sync.role {
                None => super::role_object("deployer"),
                Some(role) => match binder.cluster_role(role, Reach::Tenant, &home, out) {
                    Some(found) => found,
                    None => continue,
                },
            };
            let system = sync.placement == Some(Placement::System);
            let (namespace, name, account) = if system {
                // Dots stand in no tenant's and no sync's name: no two tenants can come to one.
                let name = format!("sync.{}.{}", tenant.name.value, sync.name.value);
                (
                    flux.to_owned(),
                    name,
                    format!("sync.{}.{role_name}", tenant.name.value),
                )
            } else {
                (home.clone(), sync.name.value.to_string(), role_name.clone())
            };
            if system {
                self.platform_secrets(tenant, sync, out);
            }
            for (field, duration) in [("interval", &sync.interval), ("timeout", &sync.timeout)] {
                if duration.as_ref().is_some_and(|d| leaf::seconds(d) < 30.0) {
                    let message = format!(
                        "{field} is under 30s: one tenant's sync would keep the shared controllers busy"
                    );
                    out.push(
                        Diagnostic::new(&SYNC, sync.name.span, message).fix("write 30s or more"),
                    );
                }
            }
            if name.len() > 63 {
                let message = format!(
                    "the sync's name `{name}`, of the tenant's and its own, has {} characters, of 63",
                    name.len()
                );
                out.push(
                    Diagnostic::new(&DERIVED_NAME, sync.name.span, message)
                        .fix("shorten the sync's name"),
                );
            }
            if let Some(target) = &sync.target_namespace {
                let own = namespaces.iter().any(|n| n.id == target.as_str());
                if !own || namespaces.len() > 1 {
                    let message = "targetNamespace puts every object into one namespace: only a tenant with that one may set it";
                    out.push(Diagnostic::new(&SYNC, target.span, message).fix("remove it"));
                }
            }
            let target = sync.target_namespace.as_ref().map(|_| home.clone());
            let deployer = Deployer {
                namespace: namespace.clone(),
                name: account.clone(),
            };
            bind_deployer(&deployer, &role_name, &cluster_role, gotk, namespaces);
            if !deployers.contains(&deployer) {
                deployers.push(deployer);
            }
            syncs.push(make_sync(sync, name, namespace, home, target, account));
        }
        (syncs, deployers)
    }
}

impl Resolver<'_> {
    /// In Flux's namespace lie the platform's Secrets: a tenant names only those that bear its
    /// name.
    fn platform_secrets(
        &self,
        tenant: &Tenant,
        sync: &Spanned<spec::Sync>,
        out: &mut Vec<Diagnostic>,
    ) {
        let notified = sync.notifications.iter().flatten().map(|n| &n.secret_ref);
        let named = sync
            .auth
            .iter()
            .chain(&sync.decryption)
            .map(|s| &s.secret_ref)
            .chain(notified);
        let prefix = format!("{}.", tenant.name.value);
        for secret in named.filter(|name| !name.starts_with(&prefix)) {
            let message = format!("the Secret `{secret}` of Flux's namespace is not the tenant's");
            let fix =
                format!("call it {prefix}{secret}, or place the sync in the tenant's namespace");
            out.push(Diagnostic::new(&SYNC, sync.name.span, message).fix(fix));
        }
    }
}

fn make_sync(
    sync: &Spanned<spec::Sync>,
    name: String,
    namespace: String,
    home: String,
    target_namespace: Option<String>,
    service_account: String,
) -> Sync {
    let secret = |holder: &Option<spec::SecretHolder>| {
        holder
            .as_ref()
            .map_or(Value::Null, |s| map! { "name" => s.secret_ref.as_str() })
    };
    let git = sync.git.as_ref().map_or(Value::Null, |git| {
        let choice = [("tag", &git.tag), ("semver", &git.semver), ("commit", &git.commit), ("branch", &git.branch)];
        let chosen = choice.iter().find_map(|(k, v)| v.as_ref().map(|v| map! { *k => v.as_str() }));
        map! { "url" => git.url.as_str(), "ref" => chosen.unwrap_or_else(|| map! { "branch" => "main" }) }
    });
    let oci = sync.oci.as_ref().map_or(Value::Null, |oci| {
        let choice = [("tag", &oci.tag), ("semver", &oci.semver), ("digest", &oci.digest)];
        let chosen = choice.iter().find_map(|(k, v)| v.as_ref().map(|v| map! { *k => v.as_str() }));
        map! { "url" => oci.url.as_str(), "ref" => chosen.unwrap_or_else(|| map! { "tag" => "latest" }) }
    });
    let helm = sync.helm.as_ref().map_or(Value::Null, |helm| {
        let kind = helm.url.starts_with("oci://").then_some("oci");
        map! {
            "url" => helm.url.as_str(), "type" => kind, "chart" => helm.chart.as_str(), "targetNamespace" => home,
            "version" => helm.version.as_ref().map(|v| v.as_str())
        }
    });
    let bucket = sync.bucket.as_ref().map_or(Value::Null, |bucket| {
        map! {
            "endpoint" => bucket.endpoint.as_str(), "bucketName" => bucket.name.as_str(),
            "region" => bucket.region.as_ref().map(|r| r.as_str())
        }
    });
    let source_kind = [
        (&git, "GitRepository"),
        (&oci, "OCIRepository"),
        (&bucket, "Bucket"),
    ]
    .into_iter()
    .find_map(|(v, kind)| (!v.is_null()).then_some(kind));
    let verify = sync.verify.as_ref().map_or(Value::Null, |v| {
        map! {
            "provider" => "cosign",
            "matchOIDCIdentity" => list![map! { "issuer" => v.cosign.issuer.as_str(), "subject" => v.cosign.subject.as_str() }]
        }
    });
    let decryption = match secret(&sync.decryption) {
        Value::Null => Value::Null,
        secret => map! { "provider" => "sops", "secretRef" => secret },
    };
    let notifications = sync
        .notifications
        .iter()
        .flatten()
        .enumerate()
        .map(|(i, n)| {
            let suffix = if i == 0 {
                String::new()
            } else {
                format!("-{}", i + 1)
            };
            map! {
                "name" => format!("{name}-{}{suffix}", n.kind), "type" => n.kind.as_str(),
                "secretRef" => map! { "name" => n.secret_ref.as_str() }
            }
        });
    let text = |d: &Option<leaf::Duration>, default: &str| {
        d.as_ref()
            .map_or_else(|| default.to_owned(), |d| d.to_string())
    };
    Sync {
        notifications: notifications.collect(),
        span: sync.name.span,
        git,
        oci,
        helm,
        bucket,
        source_kind,
        path: sync
            .path
            .as_ref()
            .map_or_else(|| "./".to_owned(), |p| p.to_string()),
        interval: text(&sync.interval, "10m"),
        timeout: text(&sync.timeout, "5m"),
        prune: sync.prune.unwrap_or(true),
        wait: sync.wait.unwrap_or(false),
        target_namespace,
        service_account,
        verify,
        secret_ref: secret(&sync.auth),
        decryption,
        name,
        namespace,
    }
}
