//! What rules amount to: the ways to more than they say, and what is worth naming of them.
//!
//! Source: kubernetes.io/docs/concepts/security/rbac-good-practices, and the escalation checks of
//! `pkg/registry/rbac`.

use crate::graph::rbac::{PolicyRule, Subject};
use crate::kube::kinds;
use crate::value::Text;

/// Something that rules let somebody do.
#[derive(Debug)]
pub struct Capability {
    /// What is done, after a name: `creates pods`.
    pub description: &'static str,
    /// Any of these: an API group, resources, verbs.
    pub grants: &'static [(
        &'static str,
        &'static [&'static str],
        &'static [&'static str],
    )],
}

impl Capability {
    /// The rule that gives it.
    pub fn of<'a>(&self, rules: &'a [PolicyRule]) -> Option<&'a PolicyRule> {
        rules.iter().find(|rule| {
            self.grants.iter().any(|(group, resources, verbs)| {
                resources
                    .iter()
                    .any(|resource| verbs.iter().any(|verb| rule.touches(verb, group, resource)))
            })
        })
    }
}

const WRITE: &[&str] = &["create", "update", "patch"];
const CHANGE: &[&str] = &["create", "update", "patch", "delete", "deletecollection"];
const READ: &[&str] = &["get", "list", "watch"];

/// Everything.
pub static EVERYTHING: Capability = Capability {
    description: "does everything",
    grants: &[("*", &["*"], &["*"])],
};

/// Ways to act as a service account of a namespace.
pub static BECOME_ACCOUNT: [Capability; 5] = [
    Capability {
        description: "creates pods",
        grants: &[
            ("", &["pods", "replicationcontrollers"], WRITE),
            (
                "apps",
                &["deployments", "statefulsets", "daemonsets", "replicasets"],
                WRITE,
            ),
            ("batch", &["jobs", "cronjobs"], WRITE),
        ],
    },
    Capability {
        description: "asks for tokens",
        grants: &[("", &["serviceaccounts/token"], &["create"])],
    },
    Capability {
        description: "impersonates service accounts",
        grants: &[("", &["serviceaccounts"], &["impersonate"])],
    },
    Capability {
        description: "runs commands in pods",
        grants: &[
            ("", &["pods/exec", "pods/attach"], &["create", "get"]),
            ("", &["pods/ephemeralcontainers"], &["update", "patch"]),
        ],
    },
    Capability {
        description: "applies as service accounts through Flux or its operator",
        grants: &[
            ("kustomize.toolkit.fluxcd.io", &["kustomizations"], WRITE),
            ("helm.toolkit.fluxcd.io", &["helmreleases"], WRITE),
            ("fluxcd.controlplane.io", &["resourcesets"], WRITE),
        ],
    },
];

/// What a grant is worth naming for, the worst first.
pub static NOTABLE: [Capability; 9] = [
    Capability {
        description: "does everything",
        grants: &[("*", &["*"], &["*"])],
    },
    Capability {
        description: "grants itself any role",
        grants: &[(
            "rbac.authorization.k8s.io",
            &["roles", "clusterroles"],
            &["bind", "escalate"],
        )],
    },
    Capability {
        description: BECOMES_USERS,
        grants: &[(
            "",
            &["users", "groups", "serviceaccounts"],
            &["impersonate"],
        )],
    },
    Capability {
        description: "reads secrets",
        grants: &[("", &["secrets"], READ)],
    },
    Capability {
        description: "runs what it likes as any service account",
        grants: &[
            ("", &["pods", "replicationcontrollers"], WRITE),
            (
                "apps",
                &["deployments", "statefulsets", "daemonsets", "replicasets"],
                WRITE,
            ),
            ("batch", &["jobs", "cronjobs"], WRITE),
            ("", &["serviceaccounts/token"], &["create"]),
        ],
    },
    Capability {
        description: "runs commands in pods",
        grants: &[("", &["pods/exec", "pods/attach"], &["create", "get"])],
    },
    Capability {
        description: "changes roles and bindings",
        grants: &[(
            "rbac.authorization.k8s.io",
            &["*", "roles", "rolebindings"],
            CHANGE,
        )],
    },
    Capability {
        description: "changes what is there",
        grants: &[
            ("*", &["*"], CHANGE),
            ("", &["configmaps", "services"], CHANGE),
        ],
    },
    Capability {
        description: "reads what is there",
        grants: &[
            ("", &["pods", "configmaps", "pods/log"], READ),
            ("*", &["*"], READ),
        ],
    },
];

/// What some rules are worth naming for: `reads secrets`. `everywhere` is whether they are bound in
/// the whole cluster: users and groups are impersonated nowhere else.
pub fn worst(rules: &[PolicyRule], everywhere: bool) -> String {
    let worth = NOTABLE
        .iter()
        .filter(|p| everywhere || p.description != BECOMES_USERS);
    if let Some(power) = worth.into_iter().find(|power| power.of(rules).is_some()) {
        return power.description.to_owned();
    }
    let rule = rules.iter().max_by_key(|rule| weigh(rule));
    rule.map_or_else(
        || "is granted nothing".to_owned(),
        |rule| {
            format!(
                "may {} {}",
                rule.verbs.join(", "),
                rule.resources
                    .iter()
                    .chain(&rule.urls)
                    .map(|r| r.as_str())
                    .collect::<Vec<_>>()
                    .join(", ")
            )
        },
    )
}

const BECOMES_USERS: &str = "becomes other users";

/// Powers over a cluster that are as good as all of it.
pub static TAKEOVER: [Capability; 7] = [
    Capability {
        description: "reaches every pod of a node",
        grants: &[("", &["nodes/proxy"], &["get", "create"])],
    },
    Capability {
        description: "changes webhooks and admission policies",
        grants: &[(
            "admissionregistration.k8s.io",
            &[
                "*",
                "validatingwebhookconfigurations",
                "mutatingwebhookconfigurations",
                "validatingadmissionpolicies",
                "validatingadmissionpolicybindings",
                "mutatingadmissionpolicies",
                "mutatingadmissionpolicybindings",
            ],
            CHANGE,
        )],
    },
    Capability {
        description: "approves client certificates",
        grants: &[(
            "certificates.k8s.io",
            &["certificatesigningrequests/approval", "signers"],
            &["update", "patch", "approve", "sign"],
        )],
    },
    Capability {
        description: "changes definitions of resources",
        grants: &[
            (
                "apiextensions.k8s.io",
                &["customresourcedefinitions"],
                CHANGE,
            ),
            ("apiregistration.k8s.io", &["apiservices"], CHANGE),
        ],
    },
    Capability {
        description: "makes volumes of nodes' folders",
        grants: &[("", &["persistentvolumes"], WRITE)],
    },
    Capability {
        description: "changes nodes",
        grants: &[(
            "",
            &["nodes", "nodes/status"],
            &["update", "patch", "delete"],
        )],
    },
    Capability {
        description: "changes namespaces",
        grants: &[(
            "",
            &["namespaces", "namespaces/finalize", "namespaces/status"],
            CHANGE,
        )],
    },
];

/// Whether reading a resource tells nothing that a tenant keeps to itself.
fn is_public(resource: &str) -> bool {
    const STATUS: [&str; 2] = ["namespaces/status", "nodes/status"];

    let mut public = kinds::all().filter(|(_, kind)| kind.public);
    public.any(|(_, kind)| kind.plural == resource) || STATUS.contains(&resource)
}

/// Reviews that whoever asks gets an answer about itself from.
const ABOUT_ONESELF: [&str; 4] = [
    "selfsubjectaccessreviews",
    "selfsubjectrulesreviews",
    "selfsubjectreviews",
    "tokenreviews",
];

/// How far a rule reaches that is bound in the whole cluster.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Grade {
    /// Everybody may know it.
    Nothing,
    /// It reads what belongs to no namespace.
    ClusterRead,
    /// It reaches into namespaces, or changes the cluster.
    Full,
}

/// How far rules reach that are bound in the whole cluster.
pub fn weight(rules: &[PolicyRule]) -> Grade {
    rules.iter().map(weigh).max().unwrap_or(Grade::Nothing)
}

fn weigh(rule: &PolicyRule) -> Grade {
    if rule.resources.is_empty() {
        // Version, health and discovery everybody may know; metrics, logs and profiles are the
        // control plane's.
        const OPEN: [&str; 9] = [
            "/api",
            "/apis",
            "/healthz",
            "/livez",
            "/readyz",
            "/version",
            "/openapi",
            "/openid",
            "/.well-known",
        ];
        let open = |u: &Text| {
            OPEN.iter().any(|open| {
                u.strip_prefix(open)
                    .is_some_and(|r| r.is_empty() || r.starts_with('/'))
                    || *u == format!("{open}*")
            })
        };

        return if rule.urls.iter().all(open) {
            Grade::Nothing
        } else {
            Grade::ClusterRead
        };
    }

    if rule
        .resources
        .iter()
        .all(|r| ABOUT_ONESELF.contains(&r.as_str()))
    {
        return Grade::Nothing;
    }

    let reads = rule.verbs.iter().all(|v| READ.contains(&v.as_str()));
    if reads && rule.resources.iter().all(|resource| is_public(resource)) {
        return Grade::ClusterRead;
    }
    Grade::Full
}

/// Groups that nobody decides who is in, and how each is called.
pub fn wide(subject: &Subject) -> Option<&'static str> {
    match subject {
        Subject::User(name) if name == "system:anonymous" => Some("anybody without a name"),
        Subject::Group(name) => match name.as_str() {
            "system:authenticated" => {
                Some("everybody with a name (every tenant's service accounts are)")
            }
            "system:unauthenticated" => Some("anybody without a name"),
            "system:serviceaccounts" => Some("every service account of every tenant"),
            _ => None,
        },
        _ => None,
    }
}
