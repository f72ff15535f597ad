//! Who is in which groups, and what Argo CD lets them do, as objects of the cluster say it.

use super::object::Origin;
use super::rbac::Subject;
use crate::kube::ObjectId;
use crate::source::Span;
use crate::value::Text;

/// An object that makes somebody outside the cluster a user of it: with groups, or with access of its
/// own.
#[derive(Clone, Debug)]
pub struct Membership {
    /// The object.
    pub id: ObjectId,
    /// Who: the ARN of an IAM identity, the name of a user, or whoever has a role of Teleport.
    pub person: Text,
    /// The user and the groups that they are in the cluster.
    pub subjects: Vec<Subject>,
    /// Where they have access by the object itself; an empty name is the whole cluster.
    pub access: Vec<Text>,
    /// Where that is said.
    pub span: Option<Span>,
    /// Where the object comes from.
    pub origin: Origin,
}

/// What the ConfigMaps of an Argo CD say about who may do what.
#[derive(Clone, Debug)]
pub struct ArgoPolicy {
    /// The ConfigMap.
    pub id: ObjectId,
    /// The role of everybody who has logged in.
    pub default_role: Option<(Text, Option<Span>)>,
    /// Whether whoever has not logged in has the default role.
    pub anonymous: Option<Option<Span>>,
    /// The permissions.
    pub permissions: Vec<ArgoPermission>,
    /// The roles of users, groups and roles: the member, and its role.
    pub roles: Vec<(Text, Text)>,
    /// A line that is neither.
    pub unread: Option<Text>,
    /// Where the policy stands.
    pub span: Option<Span>,
    /// Where the ConfigMap comes from.
    pub origin: Origin,
}

/// A line `p, SUBJECT, RESOURCE, ACTION, OBJECT, EFFECT` of Argo CD's policy.
#[derive(Clone, Debug)]
pub struct ArgoPermission {
    /// The user, group or role.
    pub subject: Text,
    /// The kind of thing.
    pub resource: Text,
    /// The action.
    pub action: Text,
    /// The thing: `PROJECT/NAME` for most kinds.
    pub object: Text,
    /// Whether it allows, or denies.
    pub allows: bool,
}

impl ArgoPolicy {
    /// Reads the lines of a policy.
    ///
    /// Source: argo-cd.readthedocs.io/en/stable/operator-manual/rbac.
    pub fn read_lines(&mut self, policy: &str) {
        for line in policy.lines().map(str::trim) {
            if line.is_empty() || line.starts_with('#') {
                continue;
            }
            let fields: Vec<&str> = line
                .split(',')
                .map(|field| field.trim().trim_matches('"'))
                .collect();
            match fields[..] {
                ["g", member, role] => self.roles.push((member.into(), role.into())),
                [
                    "p",
                    subject,
                    resource,
                    action,
                    object,
                    effect @ ("allow" | "deny"),
                ] => {
                    self.permissions.push(ArgoPermission {
                        subject: subject.into(),
                        resource: resource.into(),
                        action: action.into(),
                        object: object.into(),
                        allows: effect == "allow",
                    });
                }
                _ => self.unread = Some(line.into()),
            }
        }
    }

    /// The roles that a subject has, with those of its roles.
    pub fn roles_of<'a>(&'a self, subject: &'a str) -> Vec<&'a str> {
        let mut all = vec![subject];
        let mut at = 0;
        while at < all.len() {
            let name = all[at];
            for (_, role) in self.roles.iter().filter(|(member, _)| member == name) {
                if !all.contains(&role.as_str()) {
                    all.push(role);
                }
            }
            at += 1;
        }
        all
    }
}
