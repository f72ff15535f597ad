//! What rules amount to: the ways to more than they say, and what is worth naming of them.
//!
//! Source: kubernetes.io/docs/concepts/security/rbac-good-practices, and the escalation checks of
//! `pkg/registry/rbac`.

use crate::graph::rbac::{Rule, Subject};
use crate::kube::kinds;
use crate::value::Text;

/// Something that rules let somebody do.
#[derive(Debug)]
pub struct Power {
    /// What is done, after a name: `creates pods`.
    pub says: &'static str,
    /// Any of these: an API group, resources, verbs.
    pub asks: &'static [(
        &'static str,
        &'static [&'static str],
        &'static [&'static str],
    )],
}

impl Power {
    /// The rule that gives it.
    pub fn of<'a>(&self, rules: &'a [Rule]) -> Option<&'a Rule> {
        rules.iter().find(|rule| {
            self.asks.iter().any(|(group, resources, verbs)| {
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
pub static EVERYTHING: Power = Power {
    says: "does everything",
    asks: &[("*", &["*"], &["*"])],
};

/// Ways to act as a service account of a namespace.
pub static BECOME_ACCOUNT: [Power; 5] = [
    Power {
        says: "creates pods",
        asks: &[
            ("", &["pods", "replicationcontrollers"], WRITE),
            (
                "apps",
                &["deployments", "statefulsets", "daemonsets", "replicasets"],
                WRITE,
            ),
            ("batch", &["jobs", "cronjobs"], WRITE),
        ],
    },
    Power {
        says: "asks for tokens",
        asks: &[("", &["serviceaccounts/token"], &["create"])],
    },
    Power {
        says: "impersonates service accounts",
        asks: &[("", &["serviceaccounts"], &["impersonate"])],
    },
    Power {
        says: "runs commands in pods",
        asks: &[
            ("", &["pods/exec", "pods/attach"], &["create", "get"]),
            ("", &["pods/ephemeralcontainers"], &["update", "patch"]),
        ],
    },
    Power {
        says: "applies as service accounts through Flux or its operator",
        asks: &[
            ("kustomize.toolkit.fluxcd.io", &["kustomizations"], WRITE),
            ("helm.toolkit.fluxcd.io", &["helmreleases"], WRITE),
            ("fluxcd.controlplane.io", &["resourcesets"], WRITE),
        ],
    },
];

/// What a grant is worth naming for, the worst first.
pub static WORTH: [Power; 9] = [
    Power {
        says: "does everything",
        asks: &[("*", &["*"], &["*"])],
    },
    Power {
        says: "grants itself any role",
        asks: &[(
            "rbac.authorization.k8s.io",
            &["roles", "clusterroles"],
            &["bind", "escalate"],
        )],
    },
    Power {
        says: BECOMES_USERS,
        asks: &[(
            "",
            &["users", "groups", "serviceaccounts"],
            &["impersonate"],
        )],
    },
    Power {
        says: "reads secrets",
        asks: &[("", &["secrets"], READ)],
    },
    Power {
        says: "runs what it likes as any service account",
        asks: &[
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
    Power {
        says: "runs commands in pods",
        asks: &[("", &["pods/exec", "pods/attach"], &["create", "get"])],
    },
    Power {
        says: "changes roles and bindings",
        asks: &[(
            "rbac.authorization.k8s.io",
            &["*", "roles", "rolebindings"],
            CHANGE,
        )],
    },
    Power {
        says: "changes what is there",
        asks: &[
            ("*", &["*"], CHANGE),
            ("", &["configmaps", "services"], CHANGE),
        ],
    },
    Power {
        says: "reads what is there",
        asks: &[
            ("", &["pods", "configmaps", "pods/log"], READ),
            ("*", &["*"], READ),
        ],
    },
];

/// What some rules are worth naming for: `reads secrets`. `everywhere` is whether they are bound in
/// the whole cluster: users and groups are impersonated nowhere else.
pub fn worst(rules: &[Rule], everywhere: bool) -> String {
    let worth = WORTH
        .iter()
        .filter(|p| everywhere || p.says != BECOMES_USERS);
    if let Some(power) = worth.into_iter().find(|power| power.of(rules).is_some()) {
        return power.says.to_owned();
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
pub static TAKEOVER: [Power; 7] = [
    Power {
        says: "reaches every pod of a node",
        asks: &[("", &["nodes/proxy"], &["get", "create"])],
    },
    Power {
        says: "changes webhooks and admission policies",
        asks: &[(
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
    Power {
        says: "approves client certificates",
        asks: &[(
            "certificates.k8s.io",
            &["certificatesigningrequests/approval", "signers"],
            &["update", "patch", "approve", "sign"],
        )],
    },
    Power {
        says: "changes definitions of resources",
        asks: &[
            (
                "apiextensions.k8s.io",
                &["customresourcedefinitions"],
                CHANGE,
            ),
            ("apiregistration.k8s.io", &["apiservices"], CHANGE),
        ],
    },
    Power {
        says: "makes volumes of nodes' folders",
        asks: &[("", &["persistentvolumes"], WRITE)],
    },
    Power {
        says: "changes nodes",
        asks: &[(
            "",
            &["nodes", "nodes/status"],
            &["update", "patch", "delete"],
        )],
    },
    Power {
        says: "changes namespaces",
        asks: &[(
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
pub enum Weight {
    /// Everybody may know it.
    Nothing,
    /// It reads what belongs to no namespace.
    Sees,
    /// It reaches into namespaces, or changes the cluster.
    Reaches,
}

/// How far rules reach that are bound in the whole cluster.
pub fn weight(rules: &[Rule]) -> Weight {
    rules.iter().map(weigh).max().unwrap_or(Weight::Nothing)
}

fn weigh(rule: &Rule) -> Weight {
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
            Weight::Nothing
        } else {
            Weight::Sees
        };
    }
    if rule
        .resources
        .iter()
        .all(|r| ABOUT_ONESELF.contains(&r.as_str()))
    {
        return Weight::Nothing;
    }
    let reads = rule.verbs.iter().all(|v| READ.contains(&v.as_str()));
    if reads && rule.resources.iter().all(|resource| is_public(resource)) {
        return Weight::Sees;
    }
    Weight::Reaches
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
