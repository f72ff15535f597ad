//! The objects that the floor of a namespace is made of.

use super::DEFAULT_DENY;
use super::model::{LimitsObject, QuotaObject, TenantNamespace};
use crate::kube::{ObjectId, RBAC};
use crate::netpol::{Dialect, Policy};
use crate::value::Text;

/// An object of the floor: every template must render it as the spec says.
#[derive(Clone, Copy, Debug)]
pub enum FloorObject<'a> {
    /// The Namespace.
    Namespace,
    /// The `default` ServiceAccount.
    ServiceAccount,
    /// The network policy that denies by default, in a dialect.
    DefaultDeny(Dialect, &'a Policy),
    /// The ResourceQuota.
    Quota(&'a QuotaObject),
    /// The LimitRange.
    Limits(&'a LimitsObject),
    /// A RoleBinding of this name.
    Binding(&'a str),
}

impl<'a> FloorObject<'a> {
    /// The API group; empty for the core's.
    pub const fn group(self) -> &'static str {
        match self {
            Self::DefaultDeny(dialect, _) => dialect.group(),
            Self::Binding(_) => RBAC,
            _ => "",
        }
    }

    /// The kind.
    pub const fn kind(self) -> &'static str {
        match self {
            Self::Namespace => "Namespace",
            Self::ServiceAccount => "ServiceAccount",
            Self::DefaultDeny(dialect, _) => dialect.kind(),
            Self::Quota(_) => "ResourceQuota",
            Self::Limits(_) => "LimitRange",
            Self::Binding(_) => "RoleBinding",
        }
    }

    /// The name, in a namespace of this name.
    pub fn name(self, namespace: &'a str) -> &'a str {
        match self {
            Self::Namespace => namespace,
            Self::ServiceAccount => "default",
            Self::DefaultDeny(..) => DEFAULT_DENY,
            Self::Quota(quota) => &quota.name,
            Self::Limits(limits) => &limits.name,
            Self::Binding(name) => name,
        }
    }

    /// Whether an object has the identity that this one has in a namespace.
    pub fn is(self, id: &ObjectId, namespace: &str) -> bool {
        let home = match self {
            Self::Namespace => "",
            _ => namespace,
        };
        id.kind == self.kind()
            && id.group == self.group()
            && id.namespace == home
            && id.name == self.name(namespace)
    }

    /// Its identity in a namespace.
    pub fn id(self, namespace: &'a str) -> ObjectId {
        ObjectId {
            group: self.group().into(),
            kind: self.kind().into(),
            namespace: match self {
                Self::Namespace => Text::default(),
                _ => namespace.into(),
            },
            name: self.name(namespace).into(),
        }
    }

    /// Whether the object keeps the tenant in. It then stays when it leaves the tree, until teardown.
    pub const fn closes(self) -> bool {
        !matches!(self, Self::Binding(_))
    }
}

impl TenantNamespace {
    /// The objects of the floor that are rendered.
    pub fn floor(&self) -> impl Iterator<Item = FloorObject<'_>> {
        let account = self.service_account.then_some(FloorObject::ServiceAccount);
        let dialect = self.network.dialect;
        let deny = self.network.get(DEFAULT_DENY);
        let bindings = self.bindings.iter();

        std::iter::once(FloorObject::Namespace)
            .chain(account)
            .chain(deny.map(|policy| FloorObject::DefaultDeny(dialect, policy)))
            .chain(self.quota.as_ref().map(FloorObject::Quota))
            .chain(self.limits.as_ref().map(FloorObject::Limits))
            .chain(bindings.map(|binding| FloorObject::Binding(&binding.name)))
    }

    /// The object of the floor that has this identity.
    pub fn floor_object(&self, id: &ObjectId) -> Option<FloorObject<'_>> {
        if id.kind == "RoleBinding" {
            let is_here = id.group == RBAC && id.namespace == self.name.as_str();
            let mut bindings = self.bindings.iter();
            let found = bindings.find(|binding| is_here && binding.name == id.name)?;
            return Some(FloorObject::Binding(&found.name));
        }
        self.floor().find(|object| object.is(id, &self.name))
    }
}
