//! What reference systems say that a tenant might do, and what a proof says to each.
//!
//! Source: the threat tables, guarantees and stated limits of KubeCopilot's agent sessions, the
//! OpenBao operator, AIFactory, KubeSphere and Flux (flux2#263).

use super::{Assumption, ClusterProof, Plane, Verdict};
use std::collections::{BTreeMap, BTreeSet};

/// Something that a tenant might do.
#[derive(Debug)]
pub struct Threat {
    /// Who names it.
    pub system: &'static str,
    /// What a tenant would do.
    pub text: &'static str,
    /// The rules that would find a way, as ids or as areas that end in `/`.
    pub rules: &'static [&'static str],
    /// What the inputs cannot show, and has to hold besides.
    outside: &'static [(&'static str, &'static str)],
}

/// What a proof says to a threat.
#[derive(Clone, Debug)]
pub struct ThreatAnswer {
    /// The threat.
    pub threat: &'static Threat,
    /// What is said of it.
    pub verdict: ThreatStanding,
    /// The rules that found a way or a question, and how often; those, or the areas, that were
    /// asked, where none did.
    pub evidence: BTreeMap<&'static str, usize>,
    /// What the verdict rests on.
    pub assumptions: Vec<Assumption>,
}

/// How a threat stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ThreatStanding {
    /// As a plane's verdict.
    Is(Verdict),
    /// It is averted if several things hold together.
    Partly,
}

impl ThreatStanding {
    /// Its name.
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
const KERNEL: (&str, &str) = (
    "kernel-holds",
    "a container without privileges stays in it: no fault of the kernel lets it out",
);
const CLOUD: (&str, &str) = (
    "outside-grants",
    "clouds and stores of secrets give each service account its own tenant's data only",
);

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
        &[(
            "groups-are-theirs",
            "the identity provider puts nobody into another tenant's group",
        )],
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
        &[(
            "node-shares",
            "PIDs, node IO, connection tracking and DNS are shared",
        )],
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
        &[(
            "audit-apart",
            "audit logs are kept where only their tenant and the platform read",
        )],
    ),
    threat(
        "AIFactory",
        "sends data to an address of its choosing",
        &[
            "network/open-namespace",
            "network/unread-policy",
            "admission/floor-writable",
        ],
        &[(
            "destinations-are-trusted",
            "whoever answers at an address that egress allows is whom it was allowed for",
        )],
    ),
    threat(
        "AIFactory",
        "reads another tenant's objects in S3",
        DATA,
        &[CLOUD],
    ),
    threat(
        "AIFactory",
        "reads another tenant's secrets in Vault",
        DATA,
        &[CLOUD],
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
        &[KERNEL],
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
        &[KERNEL],
    ),
    threat(
        "KubeSphere",
        "takes more than its share",
        SHARE,
        &[(
            "node-shares",
            "PIDs, node IO, connection tracking and DNS are shared",
        )],
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
    threat("Flux", "decrypts another tenant's secrets", DATA, &[CLOUD]),
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
    outside: &'static [(&'static str, &'static str)],
) -> Threat {
    Threat {
        system,
        text,
        rules,
        outside,
    }
}

impl Threat {
    /// Whether a rule would find a way to it.
    pub fn asks(&self, rule: &str) -> bool {
        self.rules
            .iter()
            .any(|r| *r == rule || r.ends_with('/') && rule.starts_with(r))
    }
}

/// What a proof says to each threat.
pub fn answers(proof: &ClusterProof) -> Vec<ThreatAnswer> {
    THREATS.iter().map(|threat| answer(proof, threat)).collect()
}

fn answer(proof: &ClusterProof, threat: &'static Threat) -> ThreatAnswer {
    let mut found: BTreeMap<Verdict, BTreeMap<&'static str, usize>> = BTreeMap::new();
    let findings = proof
        .findings
        .iter()
        .filter_map(|f| Some((f.verdict?, f.diagnostic.rule.id)));

    for (verdict, rule) in findings.filter(|(_, rule)| threat.asks(rule)) {
        *found.entry(verdict).or_default().entry(rule).or_default() += 1;
    }
    for blind in &proof.blind {
        *found
            .entry(Verdict::Unknown)
            .or_default()
            .entry(blind.rule.id)
            .or_default() += 1;
    }

    if let Some((verdict, evidence)) = found.into_iter().next_back() {
        return ThreatAnswer {
            threat,
            verdict: ThreatStanding::Is(verdict),
            evidence,
            assumptions: Vec::new(),
        };
    }

    // What the planes of its rules rest on, and what no input shows.
    let planes: BTreeSet<Plane> = Plane::ALL
        .into_iter()
        .filter(|p| {
            threat
                .rules
                .iter()
                .any(|r| r.split('/').next() == Some(p.name()))
        })
        .collect();

    let named = proof
        .planes
        .iter()
        .filter(|p| planes.contains(&p.plane))
        .flat_map(|p| &p.assumptions);

    let outside = threat.outside.iter().map(|(name, text)| Assumption {
        name,
        text: (*text).to_owned(),
    });

    let assumptions: BTreeSet<Assumption> = named.cloned().chain(outside).collect();
    let verdict = match assumptions
        .iter()
        .map(|a| a.name)
        .collect::<BTreeSet<_>>()
        .len()
    {
        0 => ThreatStanding::Is(Verdict::Proven),
        1 => ThreatStanding::Is(Verdict::Assumed),
        _ => ThreatStanding::Partly,
    };

    let evidence = threat.rules.iter().map(|rule| (*rule, 0)).collect();
    ThreatAnswer {
        threat,
        verdict,
        evidence,
        assumptions: assumptions.into_iter().collect(),
    }
}
