//! What RBAC rules let a subject do: the capabilities that findings name, and those by which a
//! subject gets more than its rules say.
//!
//! Source: kubernetes.io/docs/concepts/security/rbac-good-practices, and the escalation checks of
//! `pkg/registry/rbac`.

use crate::graph::rbac::{PolicyRule, Subject};
use crate::kube::RBAC;

/// What a capability lets a subject do. Texts are made from it; no verdict depends on a text.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Effect {
    /// Any verb on any resource.
    Everything,
    /// Creates pods, itself or by a workload of Kubernetes.
    CreatePods,
    /// Creates objects of which an operator makes pods.
    CreatePodsByOperator,
    /// Adds an ephemeral container to a pod.
    AddContainers,
    /// Runs commands in the containers of pods.
    RunCommands,
    /// Has the API server issue tokens of service accounts.
    RequestTokens,
    /// Impersonates service accounts.
    ImpersonateAccounts,
    /// Impersonates users and groups.
    ImpersonateUsers,
    /// Creates objects that Flux or its operator applies as a service account.
    ApplyByFlux,
    /// Creates objects that another engine applies as a service account.
    ApplyByEngine,
    /// Runs pods as, or gets tokens of, every service account.
    RunAsAnyAccount,
    /// Binds any role, or adds any permission to a role.
    GrantAnyRole,
    /// Writes roles and their bindings.
    ChangeRoles,
    /// Reads Secrets.
    ReadSecrets,
    /// Reads ordinary objects.
    ReadObjects,
    /// Writes ordinary objects.
    ChangeObjects,
    /// Reaches the kubelet of a node, and so every pod on it.
    ReachNodePods,
    /// Writes webhooks and admission policies.
    ChangeAdmission,
    /// Approves certificate requests.
    ApproveCertificates,
    /// Writes CustomResourceDefinitions and APIServices.
    ChangeDefinitions,
    /// Creates PersistentVolumes, which may be folders of nodes.
    CreateVolumes,
    /// Writes Nodes.
    ChangeNodes,
    /// Writes Namespaces.
    ChangeNamespaces,
}

impl Effect {
    /// The effect as a predicate that follows a subject: `creates pods`.
    pub const fn predicate(self) -> &'static str {
        match self {
            Self::Everything => "does everything",
            Self::CreatePods => "creates pods",
            Self::CreatePodsByOperator => "makes pods",
            Self::AddContainers => "adds containers",
            Self::RunCommands => "runs commands in pods",
            Self::RequestTokens => "asks for tokens",
            Self::ImpersonateAccounts => "impersonates service accounts",
            Self::ImpersonateUsers => "becomes other users",
            Self::ApplyByFlux => "applies as service accounts through Flux or its operator",
            Self::ApplyByEngine => "applies as service accounts through another engine",
            Self::RunAsAnyAccount => "runs what it likes as any service account",
            Self::GrantAnyRole => "grants itself any role",
            Self::ChangeRoles => "changes roles and bindings",
            Self::ReadSecrets => "reads secrets",
            Self::ReadObjects => "reads what is there",
            Self::ChangeObjects => "changes what is there",
            Self::ReachNodePods => "reaches every pod of a node",
            Self::ChangeAdmission => "changes webhooks and admission policies",
            Self::ApproveCertificates => "approves client certificates",
            Self::ChangeDefinitions => "changes definitions of resources",
            Self::CreateVolumes => "makes volumes of nodes' folders",
            Self::ChangeNodes => "changes nodes",
            Self::ChangeNamespaces => "changes namespaces",
        }
    }

    /// Whether the `resourceNames` of a rule that gives it are names of service accounts.
    ///
    /// The names of a rule about pods are those of the pods.
    pub const fn names_accounts(self) -> bool {
        matches!(self, Self::RequestTokens | Self::ImpersonateAccounts)
    }
}

/// Verbs on resources of one API group, any of which is enough.
#[derive(Clone, Copy, Debug)]
pub struct Permission {
    /// The API group; `*` is every group.
    pub group: &'static str,
    /// The resources, in the plural and with a subresource where one is meant.
    pub resources: &'static [&'static str],
    /// The verbs.
    pub verbs: &'static [&'static str],
}

impl Permission {
    /// Verbs on resources of an API group.
    pub const fn new(
        group: &'static str,
        resources: &'static [&'static str],
        verbs: &'static [&'static str],
    ) -> Self {
        Self {
            group,
            resources,
            verbs,
        }
    }

    /// Whether a rule gives one of its verbs on one of its resources.
    pub fn is_given_by(&self, rule: &PolicyRule) -> bool {
        self.resources.iter().any(|resource| {
            self.verbs
                .iter()
                .any(|verb| rule.touches(verb, self.group, resource))
        })
    }
}

/// The first rule that gives one of some permissions.
pub fn giving<'a>(permissions: &[Permission], rules: &'a [PolicyRule]) -> Option<&'a PolicyRule> {
    rules.iter().find(|rule| {
        permissions
            .iter()
            .any(|permission| permission.is_given_by(rule))
    })
}

/// Something that rules let a subject do, by any of several permissions.
#[derive(Debug)]
pub struct Capability {
    /// What the subject does.
    pub effect: Effect,
    /// The permissions, each of which is enough.
    pub permissions: &'static [Permission],
}

impl Capability {
    /// The first rule that gives it.
    pub fn given_by<'a>(&self, rules: &'a [PolicyRule]) -> Option<&'a PolicyRule> {
        giving(self.permissions, rules)
    }
}

/// The verbs that write an object.
pub const WRITE: &[&str] = &["create", "update", "patch"];
const CHANGE: &[&str] = &["create", "update", "patch", "delete", "deletecollection"];
/// The verbs that read an object.
pub const READ: &[&str] = &["get", "list", "watch"];

/// Any verb on any resource.
pub static EVERYTHING: Capability = Capability {
    effect: Effect::Everything,
    permissions: &[Permission::new("*", &["*"], &["*"])],
};

/// Creates pods.
pub static CREATE_PODS: Capability = Capability {
    effect: Effect::CreatePods,
    permissions: &[
        // Of a pod that is there only the image and a few other fields can be changed.
        Permission::new("", &["pods"], &["create"]),
        Permission::new("", &["replicationcontrollers"], WRITE),
        Permission::new(
            "apps",
            &["deployments", "statefulsets", "daemonsets", "replicasets"],
            WRITE,
        ),
        Permission::new("batch", &["jobs", "cronjobs"], WRITE),
    ],
};

/// Has Flux or its operator apply objects as a service account.
pub static APPLY_BY_FLUX: Capability = Capability {
    effect: Effect::ApplyByFlux,
    permissions: &[
        Permission::new("kustomize.toolkit.fluxcd.io", &["kustomizations"], WRITE),
        Permission::new("helm.toolkit.fluxcd.io", &["helmreleases"], WRITE),
        Permission::new("fluxcd.controlplane.io", &["resourcesets"], WRITE),
    ],
};

/// Has another engine apply objects as a service account that they name.
///
/// Sources: carvel.dev/kapp-controller, "Security Model"; kluctl.io, `serviceAccountName`;
/// flux-iac.github.io/tofu-controller, `serviceAccountName`; cloud.google.com, RepoSync.
pub static APPLY_BY_ENGINE: Capability = Capability {
    effect: Effect::ApplyByEngine,
    permissions: &[
        Permission::new("kappctrl.k14s.io", &["apps"], WRITE),
        Permission::new("packaging.carvel.dev", &["packageinstalls"], WRITE),
        Permission::new("gitops.kluctl.io", &["kluctldeployments"], WRITE),
        Permission::new("infra.contrib.fluxcd.io", &["terraforms"], WRITE),
        Permission::new("auto.pulumi.com", &["workspaces"], WRITE),
        Permission::new("pulumi.com", &["stacks"], WRITE),
    ],
};

static REQUEST_TOKENS: Capability = Capability {
    effect: Effect::RequestTokens,
    permissions: &[Permission::new("", &["serviceaccounts/token"], &["create"])],
};

static IMPERSONATE_ACCOUNTS: Capability = Capability {
    effect: Effect::ImpersonateAccounts,
    permissions: &[Permission::new("", &["serviceaccounts"], &["impersonate"])],
};

/// Runs commands in pods that are there, by their containers, an added one, or another image.
static RUN_COMMANDS: Capability = Capability {
    effect: Effect::RunCommands,
    permissions: &[
        Permission::new("", &["pods/exec", "pods/attach"], &["create", "get"]),
        Permission::new("", &["pods"], &["update", "patch"]),
        Permission::new("", &["pods/ephemeralcontainers"], &["update", "patch"]),
    ],
};

/// Every way to act as a service account of a namespace.
pub static BECOME_ACCOUNT: [&Capability; 6] = [
    &CREATE_PODS,
    &REQUEST_TOKENS,
    &IMPERSONATE_ACCOUNTS,
    &RUN_COMMANDS,
    &APPLY_BY_FLUX,
    &APPLY_BY_ENGINE,
];

/// What a grant is named after, the worst first.
static NOTABLE: [&Capability; 9] = [
    &EVERYTHING,
    &Capability {
        effect: Effect::GrantAnyRole,
        permissions: &[Permission::new(
            RBAC,
            &["roles", "clusterroles"],
            &["bind", "escalate"],
        )],
    },
    &Capability {
        effect: Effect::ImpersonateUsers,
        permissions: &[Permission::new(
            "",
            &["users", "groups", "serviceaccounts"],
            &["impersonate"],
        )],
    },
    &Capability {
        effect: Effect::ReadSecrets,
        permissions: &[Permission::new("", &["secrets"], READ)],
    },
    &Capability {
        effect: Effect::RunAsAnyAccount,
        permissions: &[
            Permission::new("", &["pods", "replicationcontrollers"], WRITE),
            Permission::new(
                "apps",
                &["deployments", "statefulsets", "daemonsets", "replicasets"],
                WRITE,
            ),
            Permission::new("batch", &["jobs", "cronjobs"], WRITE),
            Permission::new("", &["serviceaccounts/token"], &["create"]),
        ],
    },
    &Capability {
        effect: Effect::RunCommands,
        permissions: &[Permission::new(
            "",
            &["pods/exec", "pods/attach"],
            &["create", "get"],
        )],
    },
    &Capability {
        effect: Effect::ChangeRoles,
        permissions: &[Permission::new(
            RBAC,
            &["*", "roles", "rolebindings"],
            CHANGE,
        )],
    },
    &Capability {
        effect: Effect::ChangeObjects,
        permissions: &[
            Permission::new("*", &["*"], CHANGE),
            Permission::new("", &["configmaps", "services"], CHANGE),
        ],
    },
    &Capability {
        effect: Effect::ReadObjects,
        permissions: &[
            Permission::new("", &["pods", "configmaps", "pods/log"], READ),
            Permission::new("*", &["*"], READ),
        ],
    },
];

/// The worst that some rules allow, as a predicate: `reads secrets`.
///
/// `everywhere` tells whether the rules are bound in the whole cluster. Only there do they let a
/// subject impersonate users and groups.
pub fn worst(rules: &[PolicyRule], everywhere: bool) -> String {
    let notable = NOTABLE
        .iter()
        .filter(|capability| everywhere || capability.effect != Effect::ImpersonateUsers)
        .find(|capability| capability.given_by(rules).is_some());
    if let Some(capability) = notable {
        return capability.effect.predicate().to_owned();
    }

    match rules.first() {
        None => "is granted nothing".to_owned(),
        Some(rule) => {
            let objects: Vec<&str> = rule
                .resources
                .iter()
                .chain(&rule.urls)
                .map(|object| object.as_str())
                .collect();
            format!("may {} {}", rule.verbs.join(", "), objects.join(", "))
        }
    }
}

/// Capabilities by which a subject can take over the whole cluster.
pub static TAKEOVER: [Capability; 7] = [
    Capability {
        effect: Effect::ReachNodePods,
        permissions: &[Permission::new("", &["nodes/proxy"], &["get", "create"])],
    },
    Capability {
        effect: Effect::ChangeAdmission,
        permissions: &[Permission::new(
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
        effect: Effect::ApproveCertificates,
        permissions: &[Permission::new(
            "certificates.k8s.io",
            &["certificatesigningrequests/approval", "signers"],
            &["update", "patch", "approve", "sign"],
        )],
    },
    Capability {
        effect: Effect::ChangeDefinitions,
        permissions: &[
            Permission::new(
                "apiextensions.k8s.io",
                &["customresourcedefinitions"],
                CHANGE,
            ),
            Permission::new("apiregistration.k8s.io", &["apiservices"], CHANGE),
        ],
    },
    Capability {
        effect: Effect::CreateVolumes,
        permissions: &[Permission::new("", &["persistentvolumes"], WRITE)],
    },
    Capability {
        effect: Effect::ChangeNodes,
        permissions: &[Permission::new(
            "",
            &["nodes", "nodes/status"],
            &["update", "patch", "delete"],
        )],
    },
    Capability {
        effect: Effect::ChangeNamespaces,
        permissions: &[Permission::new(
            "",
            &["namespaces", "namespaces/finalize", "namespaces/status"],
            CHANGE,
        )],
    },
];

/// What a user or group is called that Kubernetes itself fills: `None` for all others.
pub fn system_group(subject: &Subject) -> Option<&'static str> {
    match subject {
        Subject::User(name) if name == "system:anonymous" => Some("anybody without a name"),
        Subject::Group(name) => match name.as_str() {
            "system:authenticated" => {
                Some("everybody with a name (every tenant's service accounts are)")
            }
            "system:unauthenticated" => Some("anybody without a name"),
            "system:serviceaccounts" => Some("every service account of every tenant"),
            // OpenShift, Rancher, Capsule: whoever logs in, or owns any tenant.
            "system:authenticated:oauth" | "system:cattle:authenticated" | "loft:authenticated" => {
                Some("everybody who has logged in")
            }
            "capsule.clastix.io" | "projectcapsule.dev" => Some("every owner of a tenant"),
            _ => None,
        },
        _ => None,
    }
}
