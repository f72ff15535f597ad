//! The threats that reference systems name, and the answer of a proof to each.
//!
//! Source: the threat tables, guarantees and stated limits of KubeCopilot's agent sessions, the
//! OpenBao operator, AIFactory, KubeSphere and Flux (flux2#263).

use super::assumptions::{
    AUDIT_APART, Assumption, DESTINATIONS_ARE_TRUSTED, GROUPS_ARE_THEIRS, KERNEL_HOLDS,
    NODE_SHARES, OUTSIDE_GRANTS, ScopeCondition,
};
use super::{ClusterProof, Plane, Verdict};
use std::collections::{BTreeMap, BTreeSet};

/// An attack by a tenant that a reference system names.
#[derive(Debug)]
pub struct Threat {
    /// The system that names it.
    pub system: &'static str,
    /// What the tenant does, as a predicate.
    pub text: &'static str,
    /// The rules that find it, as ids or as areas that end in `/`.
    pub rules: &'static [&'static str],
    /// Conditions of the scope that the answer rests on.
    pub scope: &'static [&'static ScopeCondition],
}

/// The answer of a proof to a threat.
#[derive(Clone, Debug)]
pub struct ThreatAnswer {
    /// The threat.
    pub threat: &'static Threat,
    /// The answer.
    pub verdict: ThreatStanding,
    /// The rules that were raised, and how often. If none was, the rules or areas that concern the
    /// threat, each with 0.
    pub evidence: BTreeMap<&'static str, usize>,
    /// The assumptions that the answer depends on.
    pub assumptions: Vec<Assumption>,
}

/// The verdict on a threat.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ThreatStanding {
    /// The same verdict as a plane has.
    Is(Verdict),
    /// The threat is averted if several assumptions hold together.
    Partly,
}

impl ThreatStanding {
    /// The name in reports.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Is(verdict) => verdict.name(),
            Self::Partly => "partly",
        }
    }
}

const GRANTS: &[&str] = &[
    "api/cluster-binding",
    "api/cross-tenant-binding",
    "api/dangling-role",
    "api/lost-subject",
    "api/shared-subject",
    "api/wide-subject",
];
/// Ways to another tenant's data: by what it holds outside, by a grant, or by its node.
const DATA: &[&str] = &[
    "data/",
    "api/",
    "admission/pod-security-not-enforced",
    "admission/privileged-workload",
    "admission/tenant-hook",
    "gitops/",
];
const PACKETS: &[&str] = &["network/", "admission/", "api/cluster-binding"];
const SHARE: &[&str] = &[
    "resources/",
    "admission/floor-writable",
    "admission/frozen-floor",
    "api/cluster-binding",
];
const NODE: &[&str] = &[
    "admission/pod-security-not-enforced",
    "admission/privileged-workload",
    "data/host-path",
    "network/host-network",
];

/// The threats, by the system that names them.
pub static THREATS: [Threat; 25] = [
    threat(
        "KubeCopilot",
        "gets or lists what another session has, or runs commands in its pods",
        GRANTS,
        &[],
    ),
    threat(
        "KubeCopilot",
        "is in the group of another session",
        &["api/shared-subject", "api/wide-subject"],
        &[&GROUPS_ARE_THEIRS],
    ),
    threat(
        "KubeCopilot",
        "sends packets to another session's pods",
        PACKETS,
        &[],
    ),
    threat(
        "KubeCopilot",
        "reads the secrets of the operator's namespace",
        GRANTS,
        &[],
    ),
    threat(
        "OpenBao operator",
        "reads another tenant's keys",
        GRANTS,
        &[],
    ),
    threat(
        "OpenBao operator",
        "takes what the node or the cluster has",
        SHARE,
        &[&NODE_SHARES],
    ),
    threat(
        "OpenBao operator",
        "attacks another tenant's pods over the network",
        PACKETS,
        &[],
    ),
    threat(
        "OpenBao operator",
        "has the platform act on a namespace that is not its own",
        &[
            "gitops/cross-namespace-reference",
            "gitops/foreign-target",
            "gitops/no-service-account",
            "gitops/kubeconfig",
        ],
        &[],
    ),
    threat(
        "OpenBao operator",
        "uses the operator's own credentials",
        &[
            "api/cluster-binding",
            "admission/tenant-hook",
            "gitops/lockdown",
        ],
        &[],
    ),
    threat(
        "AIFactory",
        "reads another tenant's audit log",
        GRANTS,
        &[&AUDIT_APART],
    ),
    threat(
        "AIFactory",
        "sends data to an address of its choosing",
        &[
            "network/open-namespace",
            "network/unread-policy",
            "admission/floor-writable",
        ],
        &[&DESTINATIONS_ARE_TRUSTED],
    ),
    threat(
        "AIFactory",
        "reads another tenant's objects in S3",
        DATA,
        &[&OUTSIDE_GRANTS],
    ),
    threat(
        "AIFactory",
        "reads another tenant's secrets in Vault",
        DATA,
        &[&OUTSIDE_GRANTS],
    ),
    threat(
        "AIFactory",
        "has a pod scheduled into another tenant's namespace",
        &[
            "api/cross-tenant-binding",
            "api/cluster-binding",
            "api/wide-subject",
            "gitops/foreign-target",
            "gitops/no-service-account",
        ],
        &[],
    ),
    threat(
        "AIFactory",
        "breaks out of a pod that it got into from the web",
        NODE,
        &[&KERNEL_HOLDS],
    ),
    threat(
        "AIFactory",
        "profits from a fault of the reconciler",
        &[
            "gitops/lockdown",
            "gitops/no-service-account",
            "gitops/cross-namespace-reference",
        ],
        &[],
    ),
    threat(
        "KubeSphere",
        "a compromised or malicious tenant reaches beyond itself",
        &["api/", "network/", "gitops/", "admission/", "data/"],
        &[&KERNEL_HOLDS],
    ),
    threat(
        "KubeSphere",
        "takes more than its share",
        SHARE,
        &[&NODE_SHARES],
    ),
    threat(
        "KubeSphere",
        "reads secrets as one who may only view",
        GRANTS,
        &[],
    ),
    threat(
        "Flux",
        "applies into a namespace that is not its own",
        &[
            "gitops/no-service-account",
            "gitops/foreign-target",
            "gitops/lockdown",
        ],
        &[],
    ),
    threat(
        "Flux",
        "uses a source of another namespace",
        &["gitops/cross-namespace-reference"],
        &[],
    ),
    threat(
        "Flux",
        "applies to a cluster of its choosing",
        &["gitops/kubeconfig"],
        &[],
    ),
    threat(
        "Flux",
        "is reconciled as whom it is not",
        &[
            "gitops/no-service-account",
            "gitops/lockdown",
            "api/cross-tenant-binding",
        ],
        &[],
    ),
    threat(
        "Flux",
        "decrypts another tenant's secrets",
        DATA,
        &[&OUTSIDE_GRANTS],
    ),
    threat(
        "Flux",
        "has the controllers work without end by webhooks that name others' objects",
        &["gitops/cross-namespace-reference", "gitops/lockdown"],
        &[],
    ),
];

const fn threat(
    system: &'static str,
    text: &'static str,
    rules: &'static [&'static str],
    scope: &'static [&'static ScopeCondition],
) -> Threat {
    Threat {
        system,
        text,
        rules,
        scope,
    }
}

impl Threat {
    /// Whether a rule concerns it.
    pub fn asks(&self, rule: &str) -> bool {
        self.rules
            .iter()
            .any(|own| *own == rule || own.ends_with('/') && rule.starts_with(own))
    }
}

/// Answers every threat from a proof.
pub fn answers(proof: &ClusterProof) -> Vec<ThreatAnswer> {
    THREATS.iter().map(|threat| answer(proof, threat)).collect()
}

/// How often each rule was raised.
type Evidence = BTreeMap<&'static str, usize>;

fn answer(proof: &ClusterProof, threat: &'static Threat) -> ThreatAnswer {
    if let Some((verdict, evidence)) = worst_evidence(proof, threat) {
        return ThreatAnswer {
            threat,
            verdict: ThreatStanding::Is(verdict),
            evidence,
            assumptions: Vec::new(),
        };
    }

    let assumptions = assumptions(proof, threat);
    let names: BTreeSet<&str> = assumptions
        .iter()
        .map(|assumption| assumption.name)
        .collect();
    ThreatAnswer {
        threat,
        verdict: match names.len() {
            0 => ThreatStanding::Is(Verdict::Proven),
            1 => ThreatStanding::Is(Verdict::Assumed),
            _ => ThreatStanding::Partly,
        },
        evidence: threat.rules.iter().map(|rule| (*rule, 0)).collect(),
        assumptions: assumptions.into_iter().collect(),
    }
}

/// The worst verdict of the findings that concern a threat, and the rules that led to it.
fn worst_evidence(proof: &ClusterProof, threat: &Threat) -> Option<(Verdict, Evidence)> {
    let findings = proof
        .findings
        .iter()
        .filter_map(|finding| Some((finding.verdict?, finding.diagnostic.rule.id)))
        .filter(|(_, rule)| threat.asks(rule));
    let blind = proof
        .unread_inputs
        .iter()
        .map(|finding| (Verdict::Unknown, finding.rule.id));

    let mut found: BTreeMap<Verdict, Evidence> = BTreeMap::new();
    for (verdict, rule) in findings.chain(blind) {
        *found.entry(verdict).or_default().entry(rule).or_default() += 1;
    }
    found.pop_last()
}

/// The assumptions of the planes of a threat's rules, and the conditions of the scope that it names.
fn assumptions(proof: &ClusterProof, threat: &Threat) -> BTreeSet<Assumption> {
    let concerns = |plane: Plane| {
        let mut areas = threat.rules.iter().map(|rule| rule.split('/').next());
        areas.any(|area| area == Some(plane.name()))
    };
    let of_planes = proof
        .planes
        .iter()
        .filter(|result| concerns(result.plane))
        .flat_map(|result| &result.assumptions);

    let scope = threat.scope.iter();
    let of_scope = scope.map(|condition| condition.assumption());
    of_planes.cloned().chain(of_scope).collect()
}
