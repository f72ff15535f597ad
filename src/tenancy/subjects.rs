//! Users, groups and service accounts, the roles they are given, and the RoleBindings that follow.

use super::model::{Deployer, TenantBinding, TenantNamespace};
use super::waivers::{Loosening, WaiverUse};
use crate::diagnostic::{Diagnostic, Scope, rule};
use crate::document::Spanned;
use crate::kube::RBAC;
use crate::source::Span;
use crate::spec::fleet::{FleetSpec, RoleSpec};
use crate::spec::tenant::{ReachSpec, SubjectSpec};
use crate::spec::{did_you_mean, did_you_mean_or, one_of_these};
use crate::value::{Text, Value, map};
use std::collections::BTreeSet;

rule! {
    /// A role that is neither in the catalogue nor among the fleet's, or that is given at a level
    /// it does not have.
    pub static UNKNOWN_ROLE = "tenancy/unknown-role", Error;
}
rule! {
    /// A subject of a tenant is bound to `cluster-admin`.
    ///
    /// ## Why it matters
    /// In its namespace it can do everything: delete the network policies and quotas, relabel the
    /// namespace, read every Secret, bind others.
    /// ## Fix
    /// Give the role `owner`, or a role of the fleet with the rules that are needed.
    pub static CLUSTER_ADMIN = "api/cluster-admin", Error;
}
rule! {
    /// A role of the fleet with `*` in its groups, resources or verbs.
    ///
    /// ## Why it matters
    /// It grants what does not exist yet: the next CRD, the next verb, `escalate`, `bind` and
    /// `impersonate` with it.
    pub static WILDCARD_ROLE = "api/wildcard-role", Error;
}

rule! {
    /// An owner or a member is a service account of a namespace that is not the tenant's.
    ///
    /// ## Why it matters
    /// Whoever has the other namespace would own the tenant. An account of `kube-system` runs parts of
    /// the cluster.
    /// ## Fix
    /// Name an account of one of the tenant's own namespaces, or a group of people.
    pub static FOREIGN_ACCOUNT = "tenancy/foreign-account", Error;
}

/// The built-in roles: ClusterRoles `tenantry-NAME`.
pub static CATALOGUE: [&str; 7] = [
    "owner",
    "operator",
    "developer",
    "viewer",
    "secrets-viewer",
    "pod-reader",
    "deployer",
];
/// The role of an owner who is bound elsewhere.
const UNBOUND: &str = "none";

/// The ClusterRole of a role of the catalogue or the fleet.
pub fn role_object(role: &str) -> String {
    format!("tenantry-{role}")
}

/// Reports roles of the fleet that cannot be.
pub fn check_roles(fleet: &FleetSpec, out: &mut Vec<Diagnostic>) {
    let mut seen = BTreeSet::new();
    for role in fleet.roles.iter().flatten() {
        let name = role.name.as_str();
        if CATALOGUE.contains(&name) || name == UNBOUND || !seen.insert(name) {
            let message =
                format!("the role `{name}` is in the catalogue already, or defined twice");
            out.push(
                Diagnostic::new(&super::FLEET, role.name.span, message)
                    .fix("rename it")
                    .scope(Scope::Fleet),
            );
        }
    }
}

fn find_role<'a>(fleet: &'a FleetSpec, name: &str) -> Option<&'a RoleSpec> {
    fleet
        .roles
        .iter()
        .flatten()
        .find(|role| role.name.as_str() == name)
}

fn is_wild(role: &RoleSpec) -> bool {
    role.rules.iter().any(|rule| {
        [&rule.api_groups, &rule.resources, &rule.verbs]
            .iter()
            .any(|list| list.iter().any(|word| word.contains('*')))
    })
}

/// Resolves subjects into RoleBindings of a tenant's namespaces on a cluster.
pub struct Binder<'a, 'w> {
    /// The fleet.
    pub fleet: &'a FleetSpec,
    /// The waivers that the tenant uses.
    pub waivers: &'a WaiverUse<'w>,
    /// The tenant's name.
    pub tenant: &'a str,
}

impl Binder<'_, '_> {
    /// The ClusterRole that a role's name stands for; a fault where there is none, or where it
    /// takes a waiver.
    pub fn cluster_role(
        &self,
        role: &Spanned<crate::spec::leaf::Name>,
        reach: ReachSpec,
        namespace: &str,
        out: &mut Vec<Diagnostic>,
    ) -> Option<String> {
        let name = role.as_str();
        if CATALOGUE.contains(&name) {
            return Some(role_object(name));
        }
        let Some(found) = find_role(self.fleet, name) else {
            let own = self
                .fleet
                .roles
                .iter()
                .flatten()
                .map(|role| role.name.as_str());
            let fix = did_you_mean_or(name, CATALOGUE.iter().copied().chain(own), || {
                format!("roles: {}, or one of fleet.roles", CATALOGUE.join(", "))
            });
            out.push(
                Diagnostic::new(
                    &UNKNOWN_ROLE,
                    role.span,
                    format!("there is no role `{name}`"),
                )
                .fix(fix),
            );
            return None;
        };

        if found.level == Some(ReachSpec::Namespace) && reach == ReachSpec::Tenant {
            let message = format!("the role `{name}` is given for listed namespaces only");
            out.push(
                Diagnostic::new(&UNKNOWN_ROLE, role.span, message)
                    .related(found.name.span, "level: namespace")
                    .fix("add `level: namespace` and `namespaces`"),
            );
            return None;
        }

        if is_wild(found) {
            let object = format!("RoleBinding/{namespace}/{name}");
            let message = format!("the role `{name}` holds `*`");
            self.waivers.require_waiver(
                &Loosening {
                    rule: &WILDCARD_ROLE,
                    tenant: self.tenant,
                    object: &object,
                },
                role.span,
                message,
                "name what it needs",
                out,
            );
        }

        Some(role_object(name))
    }

    /// Adds a subject to the bindings of the namespaces it reaches.
    pub fn bind(
        &self,
        subject: &Spanned<SubjectSpec>,
        default_role: Option<&str>,
        namespaces: &mut [TenantNamespace],
        out: &mut Vec<Diagnostic>,
    ) {
        let reach = subject
            .level
            .as_ref()
            .map_or(ReachSpec::Tenant, |level| level.value);
        let listed = subject.namespaces.as_ref();

        check_namespaces(subject, namespaces, out);
        let Some(rbac) = self.rbac_subject(subject, namespaces, out) else {
            return;
        };
        let key = key_of(&rbac);
        let role_span = match (&subject.cluster_role, &subject.role) {
            (Some(cluster_role), _) => Some(cluster_role.span),
            (None, role) => role.as_ref().map(|role| role.span),
        };

        for namespace in namespaces {
            if listed.is_some_and(|listed| !listed.iter().any(|name| name.as_str() == namespace.id))
            {
                continue;
            }
            let grant = self.grant(subject, default_role, reach, &namespace.name, out);
            let Some((default_name, cluster_role)) = grant else {
                continue;
            };
            let name = subject
                .binding
                .as_ref()
                .map_or(default_name, |name| name.as_str().into());

            let of = Bound {
                subject: &rbac,
                key: &key,
                role_span,
            };

            if let Err(other) = add(&mut namespace.bindings, &name, cluster_role, of) {
                let message =
                    format!("the binding `{name}` stands for the ClusterRole `{other}` already");
                let fix = "give it another name by `binding`";
                out.push(Diagnostic::new(&UNKNOWN_ROLE, subject.span, message).fix(fix));
                break;
            }
        }
    }

    fn grant(
        &self,
        subject: &Spanned<SubjectSpec>,
        default_role: Option<&str>,
        reach: ReachSpec,
        namespace: &str,
        out: &mut Vec<Diagnostic>,
    ) -> Option<(Text, Text)> {
        if let Some(cluster_role) = &subject.cluster_role {
            let name = Text::from(cluster_role.as_str());
            if name.starts_with("tenantry-") || name.starts_with("system:") {
                let message = format!("`{name}` is not for a tenant to name");
                let fix = "give a role of the catalogue or the fleet by `role`";
                out.push(Diagnostic::new(&UNKNOWN_ROLE, cluster_role.span, message).fix(fix));
                return None;
            }

            if name == "cluster-admin" {
                let object = format!(
                    "RoleBinding/{namespace}/{}",
                    subject
                        .binding
                        .as_ref()
                        .map_or(name.as_str(), |name| name.as_str())
                );

                let message = "bound to cluster-admin: it can remove its own floor";
                self.waivers.require_waiver(
                    &Loosening {
                        rule: &CLUSTER_ADMIN,
                        tenant: self.tenant,
                        object: &object,
                    },
                    cluster_role.span,
                    message,
                    "give the role `owner`",
                    out,
                );
            }

            return Some((name.clone(), name));
        }
        match (&subject.role, default_role) {
            (Some(role), _) if role.as_str() == UNBOUND => None,
            (Some(role), _) => Some((
                role.as_str().into(),
                self.cluster_role(role, reach, namespace, out)?.into(),
            )),
            (None, Some(role)) => Some((role.into(), role_object(role).into())),
            (None, None) => None,
        }
    }

    fn rbac_subject(
        &self,
        subject: &Spanned<SubjectSpec>,
        namespaces: &[TenantNamespace],
        out: &mut Vec<Diagnostic>,
    ) -> Option<Value> {
        if let Some(group) = &subject.group {
            return Some(map! { "kind" => "Group", "name" => group.as_str(), "apiGroup" => RBAC });
        }
        if let Some(user) = &subject.user {
            return Some(map! { "kind" => "User", "name" => user.as_str(), "apiGroup" => RBAC });
        }
        let account = subject.service_account.as_ref()?;

        match namespaces
            .iter()
            .find(|one| one.id == account.namespace.as_str())
        {
            Some(own) => Some(
                map! { "kind" => "ServiceAccount", "name" => account.name.as_str(), "namespace" => &own.name },
            ),
            None => {
                let message = format!(
                    "the service account {}/{} cannot have a role of the tenant: its namespace is \
                     not the tenant's",
                    account.namespace, account.name
                );

                let fix = did_you_mean(
                    &account.namespace,
                    namespaces.iter().map(|one| one.id.as_str()),
                );
                let fix = if fix.is_empty() {
                    "name one of the tenant's own namespaces".into()
                } else {
                    fix
                };

                out.push(Diagnostic::new(&FOREIGN_ACCOUNT, account.span, message).fix(fix));

                None
            }
        }
    }
}

/// Reports each namespace of a subject's list that the tenant does not have.
fn check_namespaces(
    subject: &SubjectSpec,
    namespaces: &[TenantNamespace],
    out: &mut Vec<Diagnostic>,
) {
    for wanted in subject.namespaces.iter().flatten() {
        if !namespaces.iter().any(|one| one.id == wanted.as_str()) {
            let fix = one_of_these(wanted, namespaces.iter().map(|one| one.id.as_str()));
            let message = format!("the tenant has no namespace `{}`", wanted.value);
            out.push(Diagnostic::new(&super::UNKNOWN_PEER, wanted.span, message).fix(fix));
        }
    }
}

/// Adds the service account of a sync to the bindings of every namespace. `role_span` is the line
/// that chose the role.
pub fn bind_deployer(
    deployer: &Deployer,
    role: &str,
    cluster_role: &str,
    role_span: Option<Span>,
    gotk_user: bool,
    namespaces: &mut [TenantNamespace],
) {
    let (role, cluster_role) = (Text::from(role), Text::from(cluster_role));
    for namespace in namespaces {
        let account = map! { "kind" => "ServiceAccount", "name" => &deployer.name, "namespace" => &deployer.namespace };
        // The name of a sync's role stands for that role alone: a clash is reported where a subject
        // names it.
        let _ = add(
            &mut namespace.bindings,
            &role,
            cluster_role.clone(),
            Bound {
                subject: &account,
                key: &key_of(&account),
                role_span,
            },
        );

        if gotk_user {
            let name = format!("gotk:{}:reconciler", namespace.name);
            let user = map! { "kind" => "User", "name" => name, "apiGroup" => RBAC };
            let _ = add(
                &mut namespace.bindings,
                &role,
                cluster_role.clone(),
                Bound {
                    subject: &user,
                    key: &key_of(&user),
                    role_span,
                },
            );
        }
    }
}

/// The identity of a subject, as one text.
fn key_of(subject: &Value) -> Text {
    let part = |field| {
        subject
            .get(field)
            .and_then(Value::as_str)
            .unwrap_or_default()
    };
    format!("{}/{}/{}", part("kind"), part("namespace"), part("name")).into()
}

/// A subject that is bound.
struct Bound<'a> {
    subject: &'a Value,
    key: &'a Text,
    role_span: Option<Span>,
}

/// Adds a subject, by its key, to the binding of a name. The roleRef of a binding cannot change, so
/// one name stands for one ClusterRole.
///
/// # Errors
/// The other ClusterRole that the name stands for.
fn add(
    bindings: &mut Vec<TenantBinding>,
    name: &Text,
    cluster_role: Text,
    bound: Bound<'_>,
) -> Result<(), Text> {
    let Bound {
        subject,
        key,
        role_span,
    } = bound;
    match bindings.iter_mut().find(|binding| binding.name == *name) {
        Some(binding) if binding.cluster_role != cluster_role => Err(binding.cluster_role.clone()),
        Some(binding) => {
            if let Err(at) = binding.keys.binary_search(key) {
                binding.keys.insert(at, key.clone());
                binding.subjects.push(subject.clone());
            }
            Ok(())
        }
        None => {
            let (subjects, keys) = (vec![subject.clone()], vec![key.clone()]);
            bindings.push(TenantBinding {
                name: name.clone(),
                cluster_role,
                subjects,
                keys,
                role_span,
            });
            Ok(())
        }
    }
}
