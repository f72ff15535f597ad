//! Users, groups and service accounts, the roles they are given, and the RoleBindings that follow.

use super::model::{Deployer, TenantBinding, TenantNamespace};
use super::roles::{self, CATALOGUE, RoleLoosening, UNBOUND, UNKNOWN_ROLE, find_role, role_object};
use super::waivers::{Loosening, WaiverUse};
use crate::diagnostic::{Diagnostic, LISTED, rule};
use crate::document::Spanned;
use crate::kube::RBAC;
use crate::source::Span;
use crate::spec::fleet::FleetSpec;
use crate::spec::tenant::{ReachSpec, SubjectSpec};
use crate::spec::{did_you_mean, did_you_mean_or, one_of_these};
use crate::value::{Text, Value, map};
use std::collections::BTreeSet;

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

        let object = format!("RoleBinding/{namespace}/{name}");
        self.require_role_waiver(roles::loosening_of_own(found), role.span, &object, out);

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
        let listed: Option<BTreeSet<&str>> =
            listed.map(|listed| listed.iter().map(|name| name.as_str()).collect());

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
            let is_listed = |listed: &BTreeSet<&str>| listed.contains(namespace.id.as_str());
            if !listed.as_ref().is_none_or(is_listed) {
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

            let binding = subject
                .binding
                .as_ref()
                .map_or(&*name, |name| name.as_str());
            let object = format!("RoleBinding/{namespace}/{binding}");
            let listed = self
                .fleet
                .tenant_cluster_roles
                .as_deref()
                .unwrap_or_default();
            let loosening = roles::loosening(&name, listed);
            self.require_role_waiver(loosening, cluster_role.span, &object, out);

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

    /// Reports a binding to a role that loosens the floor, unless a waiver permits it.
    fn require_role_waiver(
        &self,
        loosening: Option<RoleLoosening>,
        span: Span,
        object: &str,
        out: &mut Vec<Diagnostic>,
    ) {
        let Some(RoleLoosening { rule, message, fix }) = loosening else {
            return;
        };
        let loosening = Loosening {
            rule,
            tenant: self.tenant,
            object,
        };
        self.waivers
            .require_waiver(&loosening, span, message, fix, out);
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
    let known: BTreeSet<&str> = namespaces.iter().map(|one| one.id.as_str()).collect();
    let listed = subject.namespaces.iter().flatten();
    let unknown = listed.filter(|wanted| !known.contains(wanted.as_str()));
    for (at, wanted) in unknown.enumerate() {
        // Further ones are not listed.
        let compared = if at < LISTED { namespaces } else { &[] };
        let fix = one_of_these(wanted, compared.iter().map(|one| one.id.as_str()));
        let message = format!("the tenant has no namespace `{}`", wanted.value);
        out.push(Diagnostic::new(&super::UNKNOWN_PEER, wanted.span, message).fix(fix));
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
