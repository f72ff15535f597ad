//! Verbatim objects by which an ingress controller serves, configures or reaches more than is the
//! tenant's.

use crate::document::TreeValue;
use crate::host::{self, ControllerSetting, HostPattern, HostUse, IngressPower, splits};
use crate::kube::ObjectId;
use crate::kube::labels::{items, text};
use crate::source::Span;
use crate::tenancy::forbidden_name;

/// How an object reaches beyond its tenant through an ingress controller.
#[derive(Debug)]
pub struct ControllerReach {
    /// Where it does; `None` for the whole object.
    pub span: Option<Span>,
    /// What the object does, as a predicate.
    pub reason: String,
    /// What the reader can do.
    pub fix: &'static str,
}

/// How an object reaches beyond its tenant through an ingress controller; `None` if it does not.
/// `is_own` says which namespaces are the tenant's.
pub fn through_controller<T: TreeValue>(
    id: &ObjectId,
    root: &T,
    is_own: &dyn Fn(&str) -> bool,
) -> Option<ControllerReach> {
    external_name(id, root, is_own)
        .or_else(|| setting(id, root, is_own))
        .or_else(|| unnamed_host(id, root, is_own))
        .or_else(|| unclaimable_host(id, root))
}

/// A Service that stands for a name in another namespace.
fn external_name<T: TreeValue>(
    id: &ObjectId,
    root: &T,
    is_own: &dyn Fn(&str) -> bool,
) -> Option<ControllerReach> {
    if !(id.group.is_empty() && id.kind == "Service") {
        return None;
    }
    let node = root.member("spec")?.member("externalName")?;
    let reason = forbidden_name(node.text()?, is_own)?;
    Some(ControllerReach {
        span: node.span(),
        reason: format!("stands for {reason}"),
        fix: "call the other Service by its own name, so that NetworkPolicies see who calls",
    })
}

/// An annotation or a field that configures the controller, or names an object of another namespace.
fn setting<T: TreeValue>(
    id: &ObjectId,
    root: &T,
    is_own: &dyn Fn(&str) -> bool,
) -> Option<ControllerReach> {
    let of_route = match &*id.group {
        "traefik.io" | "traefik.containo.us" => host::references_of_route(root),
        _ => Vec::new(),
    };
    let mut settings = host::controller_annotations(root)
        .into_iter()
        .chain(of_route);
    let reaches = |setting: &ControllerSetting<'_>| match &setting.power {
        IngressPower::Snippet => true,
        IngressPower::Uses(namespace, _) => !is_own(namespace),
        IngressPower::UsesJoined(joined) => !splits(joined).any(|(namespace, _)| is_own(namespace)),
        IngressPower::Calls(host) => forbidden_name(host, is_own).is_some(),
    };
    let found = settings.find(reaches)?;
    let reason = match &found.power {
        IngressPower::Snippet => {
            format!(
                "writes configuration of the ingress controller (`{}`)",
                found.key
            )
        }
        IngressPower::Uses(namespace, _) => {
            format!(
                "uses an object of the namespace `{namespace}` (`{}`)",
                found.key
            )
        }
        IngressPower::UsesJoined(joined) => format!(
            "uses `{joined}`, an object that is not of a namespace of the tenant (`{}`)",
            found.key
        ),
        IngressPower::Calls(host) => {
            let called = forbidden_name(host, is_own).unwrap_or_default();
            format!(
                "makes the controller call `{host}`, {called} (`{}`)",
                found.key
            )
        }
    };
    Some(ControllerReach {
        span: found.span,
        reason,
        fix: "remove it",
    })
}

/// An Ingress or a route that names no host, and so serves those that no other object serves.
fn unnamed_host<T: TreeValue>(
    id: &ObjectId,
    root: &T,
    is_own: &dyn Fn(&str) -> bool,
) -> Option<ControllerReach> {
    let spec = root.member("spec");
    let list = |key: &str| items(spec.and_then(|spec| spec.member(key)));
    let every = |node: &T, reason: &str| {
        Some(ControllerReach {
            span: node.span(),
            reason: reason.into(),
            fix: "name the hosts of the tenant",
        })
    };

    match (&*id.group, &*id.kind) {
        ("networking.k8s.io", "Ingress") => {
            if let Some(backend) = spec.and_then(|spec| spec.member("defaultBackend")) {
                return every(backend, "has a default backend, for the hosts of everybody");
            }
            let is_unnamed =
                |rule: &&T| text(Some(*rule), "host").is_none_or(|host| host.is_empty());
            let rule = list("rules").iter().find(is_unnamed)?;
            every(rule, "has a rule without a host, which is for every host")
        }
        ("gateway.networking.k8s.io", "HTTPRoute" | "GRPCRoute" | "TLSRoute") => {
            let is_foreign = |parent: &&T| {
                text(Some(*parent), "namespace").is_some_and(|namespace| !is_own(&namespace))
            };
            let parent = list("parentRefs").iter().find(is_foreign)?;
            let is_unnamed = list("hostnames").is_empty();
            match is_unnamed {
                true => every(
                    parent,
                    "has no host, and so takes every host of this Gateway",
                ),
                false => None,
            }
        }
        _ => None,
    }
}

/// A host that no tenant can claim.
fn unclaimable_host<T: TreeValue>(id: &ObjectId, root: &T) -> Option<ControllerReach> {
    let of_fields = host::named(id, root).into_iter().flatten();
    let mut all = of_fields.chain(host::named_by_annotations(root));
    let found = all.find(|named| {
        let is_of_mesh = matches!(named.used, HostUse::Mesh { .. });
        !is_of_mesh && !is_claimable(&named.pattern)
    })?;
    let reason = match found.used {
        HostUse::Governs => "sets something for every host of its controller".to_owned(),
        _ => format!(
            "serves `{}`, which is more than a tenant can claim",
            found.pattern
        ),
    };
    Some(ControllerReach {
        span: found.span,
        reason,
        fix: "name the hosts of the tenant, or a wildcard below a domain of its own",
    })
}

/// Whether some hosts are those of a domain, which has a dot.
fn is_claimable(pattern: &HostPattern) -> bool {
    match pattern {
        HostPattern::Name(_) => true,
        HostPattern::Below { domain, .. } => domain.contains('.'),
        HostPattern::Regex(_) => pattern.literal_end().trim_start_matches('.').contains('.'),
        HostPattern::Rest | HostPattern::Unread(_) => false,
    }
}
