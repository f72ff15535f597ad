//! How far the rules of a role reach where they are bound: into other tenants, over the cluster, or
//! nowhere.
//!
//! A rule is taken apart into single permissions, and the worst one counts. A permission counts only
//! as far as the API server would serve it: a resource that no API has, a resource of the cluster
//! that a RoleBinding grants, and a `create` that is limited to names give nothing. A permission that
//! needs a second one is half of a power.
//!
//! Source: k8s.io/kubernetes `pkg/apis/rbac/v1/evaluation_helpers.go`, `pkg/registry/rbac`
//! (bind, escalate), `plugin/pkg/admission/certificates/approval`, and
//! k8s.io/apiserver `pkg/endpoints/filters/impersonation.go`.

use super::capability::{Permission, READ, WRITE};
use super::public;
use crate::graph::rbac::{PolicyRule, Subject};
use crate::graph::{ACCOUNTS_OF, Cluster, Owner};
use crate::kube::{RBAC, resources};
use crate::value::Text;
use std::cell::OnceCell;

/// How far a permission reaches.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Grade {
    /// Nowhere, or everybody may do it.
    Nothing,
    /// Nowhere without another permission that nothing gives.
    Half,
    /// It reads objects of no namespace.
    ClusterRead,
    /// It reaches into namespaces, or changes the cluster.
    Full,
}

/// Where rules are bound.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Place<'a> {
    /// In the whole cluster.
    Cluster,
    /// In a namespace.
    Namespace(&'a str, Owner),
}

impl<'a> Place<'a> {
    /// The place of a binding in a namespace; the empty name stands for the cluster.
    pub fn of(cluster: &Cluster, namespace: &'a str) -> Self {
        match namespace {
            "" => Self::Cluster,
            name => Self::Namespace(name, cluster.owner(name)),
        }
    }

    const fn namespace(self) -> &'a str {
        match self {
            Self::Cluster => "",
            Self::Namespace(name, _) => name,
        }
    }
}

/// Everything that a subject, or the tenant that holds it, may do at a place: what halves of powers
/// are completed by.
pub struct HeldRules<'a> {
    cluster: &'a Cluster,
    subject: &'a Subject,
    place: Place<'a>,
    rules: OnceCell<Vec<PolicyRule>>,
}

impl<'a> HeldRules<'a> {
    /// The rules that a subject holds at a place. They are collected when they are needed first.
    pub const fn new(cluster: &'a Cluster, subject: &'a Subject, place: Place<'a>) -> Self {
        Self {
            cluster,
            subject,
            place,
            rules: OnceCell::new(),
        }
    }

    fn rules(&self) -> &[PolicyRule] {
        self.rules.get_or_init(|| {
            let mut subjects = vec![self.subject.clone()];
            subjects.extend(
                self.subject
                    .implicit_groups()
                    .into_iter()
                    .map(Subject::Group),
            );
            if let Some(tenant) = self.cluster.holder(self.subject) {
                subjects.extend(subjects_of(self.cluster, tenant));
            }
            subjects.sort();
            subjects.dedup();

            let namespace = self.place.namespace();
            self.cluster.rbac.rules_in(&subjects, namespace)
        })
    }

    /// Whether it has a permission.
    pub fn has(&self, permission: &Permission) -> bool {
        let mut rules = self.rules().iter();
        rules.any(|rule| permission.is_given_by(rule) && !is_for_other_signers(rule))
    }
}

/// Whether a rule is for signers alone whose certificates the API server does not trust: those that
/// are not Kubernetes' own.
///
/// Source: kubernetes.io/docs/reference/access-authn-authz/certificate-signing-requests, "Signers".
fn is_for_other_signers(rule: &PolicyRule) -> bool {
    let is_other = |name: &Text| !name.starts_with("kubernetes.io/");
    rule.resources.iter().all(|resource| resource == "signers")
        && !rule.names.is_empty()
        && rule.names.iter().all(is_other)
}

/// The subjects of a tenant: its people, and the accounts of its namespaces.
fn subjects_of(cluster: &Cluster, tenant: u32) -> Vec<Subject> {
    let tenant = &cluster.tenants[tenant as usize];
    let mut subjects = tenant.subjects.clone();
    for namespace in &tenant.namespaces {
        subjects.push(Subject::Group(format!("{ACCOUNTS_OF}{namespace}").into()));
        subjects.extend(cluster.rbac.accounts_of(namespace).cloned());
    }
    subjects
}

/// A permission that gives nothing without others.
struct HalfPower {
    half: Permission,
    /// What else it needs: one of each.
    needs: &'static [Permission],
}

const CERTIFICATES: &str = "certificates.k8s.io";
const UPDATE: &[&str] = &["update", "patch"];

const APPROVAL: Permission = Permission::new(
    CERTIFICATES,
    &["certificatesigningrequests/approval"],
    UPDATE,
);
const APPROVE: Permission = Permission::new(CERTIFICATES, &["signers"], &["approve"]);
const REQUEST: Permission =
    Permission::new(CERTIFICATES, &["certificatesigningrequests"], &["create"]);

static HALVES: [HalfPower; 9] = [
    // With it, the controller manager approves requests for certificates of nodes by itself. Source:
    // kubernetes.io/docs/reference/access-authn-authz/kubelet-tls-bootstrapping.
    HalfPower {
        half: Permission::new(
            CERTIFICATES,
            &["certificatesigningrequests/nodeclient"],
            &["create"],
        ),
        needs: &[REQUEST],
    },
    HalfPower {
        half: Permission::new(RBAC, &["roles", "clusterroles"], &["bind"]),
        needs: &[Permission::new(
            RBAC,
            &["rolebindings", "clusterrolebindings"],
            WRITE,
        )],
    },
    HalfPower {
        half: Permission::new(RBAC, &["roles", "clusterroles"], &["escalate"]),
        needs: &[Permission::new(RBAC, &["roles", "clusterroles"], WRITE)],
    },
    HalfPower {
        half: APPROVE,
        needs: &[APPROVAL, REQUEST],
    },
    HalfPower {
        half: APPROVAL,
        needs: &[APPROVE, REQUEST],
    },
    HalfPower {
        half: Permission::new(CERTIFICATES, &["signers"], &["sign", "attest"]),
        needs: &[Permission::new(
            CERTIFICATES,
            &["certificatesigningrequests/status", "clustertrustbundles"],
            WRITE,
        )],
    },
    HalfPower {
        half: Permission::new(CERTIFICATES, &["certificatesigningrequests/status"], UPDATE),
        needs: &[Permission::new(CERTIFICATES, &["signers"], &["sign"])],
    },
    HalfPower {
        half: Permission::new("", &["groups"], &["impersonate"]),
        needs: &[Permission::new(
            "",
            &["users", "serviceaccounts"],
            &["impersonate"],
        )],
    },
    HalfPower {
        half: Permission::new(
            "authentication.k8s.io",
            &["uids", "userextras"],
            &["impersonate"],
        ),
        needs: &[Permission::new(
            "",
            &["users", "serviceaccounts"],
            &["impersonate"],
        )],
    },
];

/// How far rules reach at a place.
pub fn grade(rules: &[PolicyRule], place: Place<'_>, held: &HeldRules<'_>) -> Grade {
    rules
        .iter()
        .map(|rule| grade_of(rule, place, held))
        .max()
        .unwrap_or(Grade::Nothing)
}

/// Whether rules that are bound to a subject in the whole cluster reach into namespaces, or change the
/// cluster.
pub fn is_full(cluster: &Cluster, subject: &Subject, rules: &[PolicyRule]) -> bool {
    let held = HeldRules::new(cluster, subject, Place::Cluster);
    grade(rules, Place::Cluster, &held) == Grade::Full
}

/// The rules that reach as far as a grade, or further.
pub fn reaching(
    rules: &[PolicyRule],
    place: Place<'_>,
    held: &HeldRules<'_>,
    grade: Grade,
) -> Vec<PolicyRule> {
    rules
        .iter()
        .filter(|rule| grade_of(rule, place, held) >= grade)
        .cloned()
        .collect()
}

fn grade_of(rule: &PolicyRule, place: Place<'_>, held: &HeldRules<'_>) -> Grade {
    let of_paths = match place {
        Place::Cluster if !rule.urls.is_empty() && !rule.verbs.is_empty() => {
            match rule.urls.iter().all(|path| public::is_path(path)) {
                true => Grade::Nothing,
                false => Grade::ClusterRead,
            }
        }
        _ => Grade::Nothing,
    };

    let mut worst = of_paths;
    for group in &rule.groups {
        for resource in &rule.resources {
            let (resource, subresource) = resource.split_once('/').unwrap_or((resource, ""));
            for verb in &rule.verbs {
                let one = OnePermission {
                    verb,
                    group,
                    resource,
                    subresource,
                    rule,
                };
                worst = worst.max(one.grade(place, held));
                if worst == Grade::Full {
                    return worst;
                }
            }
        }
    }
    worst
}

/// A verb of a rule on one of its resources.
struct OnePermission<'a> {
    verb: &'a str,
    group: &'a str,
    resource: &'a str,
    subresource: &'a str,
    rule: &'a PolicyRule,
}

impl OnePermission<'_> {
    fn grade(&self, place: Place<'_>, held: &HeldRules<'_>) -> Grade {
        if !self.is_served() || self.names_no_request() || self.is_review() || self.is_own() {
            return Grade::Nothing;
        }
        if self.group == CERTIFICATES && is_for_other_signers(self.rule) {
            return Grade::Nothing;
        }
        if let Some(half) = self.half() {
            return match half.needs.iter().all(|needed| held.has(needed)) {
                true => Grade::Full,
                false => Grade::Half,
            };
        }
        match place {
            Place::Cluster => self.in_cluster(),
            Place::Namespace(name, owner) => self.in_namespace(name, owner),
        }
    }

    /// Whether a request can match: RBAC knows no patterns but `*`, the groups of Kubernetes have no
    /// resources but their own, and verbs of requests are in lower case.
    fn is_served(&self) -> bool {
        if self
            .verb
            .contains(|letter: char| letter.is_ascii_uppercase())
        {
            return false;
        }
        let is_pattern = |text: &str| text.contains('*') && text != "*";
        if is_pattern(self.group) || is_pattern(self.resource) || self.subresource == "*" {
            return false;
        }
        if self.group == "*" || self.resource == "*" {
            return true;
        }
        resources::may_be_served(self.group, self.resource, self.subresource)
    }

    /// Whether it names objects, and no request with its verb has a name.
    fn names_no_request(&self) -> bool {
        self.rule.names_no_request(self.verb, self.subresource)
    }

    /// Whether it asks the API server a question, or asks for a certificate that somebody else has to
    /// approve.
    fn is_review(&self) -> bool {
        const REVIEWS: [(&str, &[&str]); 4] = [
            (
                "authentication.k8s.io",
                &["tokenreviews", "selfsubjectreviews"],
            ),
            (
                "authorization.k8s.io",
                &[
                    "subjectaccessreviews",
                    "localsubjectaccessreviews",
                    "selfsubjectaccessreviews",
                    "selfsubjectrulesreviews",
                ],
            ),
            (
                "authorization.openshift.io",
                &[
                    "subjectaccessreviews",
                    "localsubjectaccessreviews",
                    "selfsubjectrulesreviews",
                    "subjectrulesreviews",
                    "resourceaccessreviews",
                    "localresourceaccessreviews",
                ],
            ),
            (CERTIFICATES, &["certificatesigningrequests"]),
        ];

        let is_asked = REVIEWS
            .iter()
            .any(|(group, resources)| *group == self.group && resources.contains(&self.resource));
        let asks = match self.group {
            CERTIFICATES => self.verb == "create",
            _ => true,
        };
        // `selfnodeclient` lets a node renew its own certificate only.
        let renews = self.group == CERTIFICATES && self.subresource == "selfnodeclient";
        is_asked && asks && (self.subresource.is_empty() || renews)
    }

    /// Whether it gets the requester what is the requester's own.
    fn is_own(&self) -> bool {
        let resource = self.with_subresource();
        public::is_own_request(self.group, &resource, self.verb, &self.rule.names)
    }

    /// The resource as rules name it.
    fn with_subresource(&self) -> String {
        match self.subresource {
            "" => self.resource.to_owned(),
            sub => format!("{}/{sub}", self.resource),
        }
    }

    /// The power of which it is a half.
    fn half(&self) -> Option<&'static HalfPower> {
        let own = self.with_subresource();
        let is_of = |half: &Permission| {
            // The subresource of `userextras` is the key.
            half.resources.contains(&own.as_str())
                || self.resource == "userextras" && half.resources.contains(&self.resource)
        };
        HALVES.iter().find(|power| {
            let half = &power.half;
            half.group == self.group
                && is_of(half)
                && match self.verb {
                    // Every verb on a role also writes it.
                    "*" => !own.ends_with("roles"),
                    verb => half.verbs.contains(&verb),
                }
        })
    }

    fn reads(&self) -> bool {
        READ.contains(&self.verb)
    }

    fn in_cluster(&self) -> Grade {
        let holds_nothing = self.reads()
            && ["", "status"].contains(&self.subresource)
            && public::is_cluster_kind(self.group, self.resource);
        match holds_nothing {
            true => Grade::ClusterRead,
            false => Grade::Full,
        }
    }

    fn in_namespace(&self, namespace: &str, owner: Owner) -> Grade {
        let is_named = |name: &str| self.rule.names.iter().any(|own| own == name);
        if self.group.is_empty() && self.resource == "namespaces" {
            // A request for a Namespace is one of the namespace that it names.
            let of_this = self.rule.names.is_empty() || is_named(namespace);
            let changes = !self.reads() && !["create", "deletecollection"].contains(&self.verb);
            return match of_this && changes {
                true => Grade::Full,
                false => Grade::Nothing,
            };
        }

        if public::is_cluster_kind(self.group, self.resource) {
            return Grade::Nothing;
        }

        let handed_out = owner == Owner::Platform
            && self.reads()
            && (public::is_shown_in(namespace, self.group, self.resource)
                || self.reads_one_object());
        match handed_out {
            true => Grade::Nothing,
            false => Grade::Full,
        }
    }

    /// Whether it reads objects that it names, and that hold no credentials and lead nowhere.
    fn reads_one_object(&self) -> bool {
        let leads_nowhere = ["", "status", "scale"].contains(&self.subresource);
        let all = self.resource == "*" || self.group == "*";
        let is_secret = self.group.is_empty() && self.resource == "secrets";
        !self.rule.names.is_empty() && leads_nowhere && !all && !is_secret
    }
}

/// The texts of the rules that are halves of a power, for a sentence.
pub fn halves(rules: &[PolicyRule]) -> String {
    let of = |list: &[Text]| {
        let texts: Vec<&str> = list.iter().map(Text::as_str).collect();
        texts.join(", ")
    };
    let phrases: Vec<String> = rules
        .iter()
        .map(|rule| format!("{} {}", of(&rule.verbs), of(&rule.resources)))
        .collect();
    phrases.join("; ")
}
