//! The proof: can any tenant reach another, and by which chain.
//!
//! A rule is a function of a [`Cluster`] in a file of its own, in the folder of its plane. It
//! reports causes, not what follows from them: a binding that hands a tenant another's namespace is
//! one finding, however much is in there.
//!
//! To add a rule: a file in a plane's folder with a `rule!` and a `check`, a line in the plane's
//! `mod.rs`, one in `catalog.rs`, and a folder `fixtures/isolation/<area>-<fault>` with `bad` and
//! `good`. To add a mechanism: what its objects say goes into `graph/facts.rs`.

pub mod admission;
pub mod api;
pub mod data;
pub mod delta;
pub mod gitops;
pub mod matrix;
pub mod network;
pub mod capability;
pub mod question;
pub mod resources;
pub mod threats;

use crate::diagnostic::{Diagnostic, Level, Rule};
use crate::graph::{Cluster, Origin, Owner};
use crate::source::Span;
use crate::value::Text;
use std::collections::BTreeMap;

/// What the proof is made with: a change in what a verdict means changes it.
pub const MODEL: &str = "1";

/// What can be said of a plane, the best first.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Verdict {
    /// Nothing that a tenant may do reaches another.
    Proven,
    /// The same, if what is assumed holds.
    Assumed,
    /// Something could not be evaluated.
    Unknown,
    /// There is a way.
    Refuted,
}

impl Verdict {
    /// Its name.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Proven => "proven",
            Self::Assumed => "assumed",
            Self::Unknown => "unknown",
            Self::Refuted => "refuted",
        }
    }
}

/// What tenants are apart in.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Plane {
    /// Kubernetes' API: RBAC, and what it leads to.
    Api,
    /// Packets between pods.
    Network,
    /// What applies what, as whom.
    Gitops,
    /// Whether the floor survives its own tenant.
    Admission,
    /// Shares of the cluster.
    Resources,
    /// Secrets, identities, volumes, hosts.
    Data,
}

impl Plane {
    /// Every plane, in the order of a report.
    pub const ALL: [Self; 6] = [
        Self::Api,
        Self::Network,
        Self::Gitops,
        Self::Admission,
        Self::Resources,
        Self::Data,
    ];

    /// Its name; the area of its rules.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Api => "api",
            Self::Network => "network",
            Self::Gitops => "gitops",
            Self::Admission => "admission",
            Self::Resources => "resources",
            Self::Data => "data",
        }
    }
}

/// Something that a verdict rests on, which the inputs do not show.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Assumption {
    /// Its name.
    pub name: &'static str,
    /// What has to hold.
    pub text: String,
}

/// One finding of a proof.
#[derive(Clone, Debug)]
pub struct Finding {
    /// The plane.
    pub plane: Plane,
    /// What it makes of the plane; nothing where it is a warning about what may come.
    pub verdict: Option<Verdict>,
    /// Who could.
    pub tenant: Option<Text>,
    /// Whom it would reach; nothing for everybody.
    pub victim: Option<Text>,
    /// The rule, the place, the chain as its related places, and the fix.
    pub diagnostic: Diagnostic,
}

/// What was found of a plane.
#[derive(Clone, Debug)]
pub struct PlaneResult {
    /// The plane.
    pub plane: Plane,
    /// The worst of what was found.
    pub verdict: Verdict,
    /// What the verdict rests on.
    pub assumptions: Vec<Assumption>,
    /// How many findings refute it.
    pub refuted: usize,
    /// How many questions stayed open.
    pub unknown: usize,
}

/// What was found of a cluster.
#[derive(Clone, Debug)]
pub struct ClusterProof {
    /// The cluster's name.
    pub cluster: Text,
    /// How many tenants, namespaces and objects it was made of.
    pub counts: [usize; 3],
    /// Each plane, in order.
    pub planes: Vec<PlaneResult>,
    /// What was found.
    pub findings: Vec<Finding>,
    /// Edges between tenants that both sides declare.
    pub declared_edges: usize,
    /// What could not be read: nothing is proven beside it.
    pub blind: Vec<Diagnostic>,
    /// Kinds that no plane reads, and how many objects of each there are.
    pub unread: BTreeMap<String, usize>,
}

/// Collects what the rules of a plane find.
pub struct Findings<'a> {
    plane: Plane,
    all: &'a mut Vec<Finding>,
    assumptions: &'a mut Vec<Assumption>,
}

impl Findings<'_> {
    /// Adds a finding.
    pub fn push(&mut self, finding: impl Into<Finding>) {
        let finding = finding.into();
        self.all.push(Finding {
            plane: self.plane,
            ..finding
        });
    }

    /// Names what the plane's verdict rests on.
    pub fn assume(&mut self, name: &'static str, text: impl Into<String>) {
        let text = text.into();
        if !self
            .assumptions
            .iter()
            .any(|a| a.name == name && a.text == text)
        {
            self.assumptions.push(Assumption { name, text });
        }
    }
}

impl Finding {
    /// A way that a tenant has: an error.
    pub fn refuted(rule: &'static Rule, span: Span, message: impl Into<String>) -> Self {
        Self::new(
            Some(Verdict::Refuted),
            Diagnostic::new(rule, span, message).level(Level::Error),
        )
    }

    /// A question that could not be answered: an error, since nobody knows.
    pub fn unknown(rule: &'static Rule, span: Span, message: impl Into<String>) -> Self {
        Self::new(
            Some(Verdict::Unknown),
            Diagnostic::new(rule, span, message).level(Level::Error),
        )
    }

    /// Something that is no way yet: a warning, which changes no verdict.
    pub fn warning(rule: &'static Rule, span: Span, message: impl Into<String>) -> Self {
        Self::new(
            None,
            Diagnostic::new(rule, span, message).level(Level::Warning),
        )
    }

    fn new(verdict: Option<Verdict>, diagnostic: Diagnostic) -> Self {
        let diagnostic = diagnostic.scope(crate::diagnostic::Scope::Fleet);
        Self {
            plane: Plane::Api,
            verdict,
            tenant: None,
            victim: None,
            diagnostic,
        }
    }

    /// Says who could.
    #[must_use]
    pub fn by(mut self, tenant: &str) -> Self {
        self.tenant = Some(tenant.into());
        self.diagnostic = self.diagnostic.tenant(tenant);
        self
    }

    /// Says whom it would reach.
    #[must_use]
    pub fn reaching(mut self, victim: &str) -> Self {
        self.victim = Some(victim.into());
        self
    }

    /// Adds a step of the chain: what is done, and the object and place that allow it.
    #[must_use]
    pub fn step(mut self, span: Span, text: impl Into<String>) -> Self {
        let number = self.diagnostic.related.len() + 1;
        self.diagnostic = self
            .diagnostic
            .related(span, format!("{number}. {}", text.into()));
        self
    }

    /// Says what mends it.
    #[must_use]
    pub fn fix(mut self, fix: impl Into<String>) -> Self {
        self.diagnostic = self.diagnostic.fix(fix);
        self
    }
}

/// A place within an object where it is known, else the object's.
pub fn at(span: Option<Span>, origin: Origin) -> Span {
    span.unwrap_or(origin.span)
}

/// The tenant that owns a namespace.
pub fn tenant_of<'a>(cluster: &'a Cluster, namespace: &str) -> Option<(u32, &'a Text)> {
    match cluster.owner(namespace) {
        Owner::Tenant(at) => Some((at, &cluster.tenants[at as usize].name)),
        Owner::Platform => None,
    }
}

/// Some names for a sentence: the first few, and how many more there are.
pub fn some<'a>(names: impl IntoIterator<Item = &'a str>) -> String {
    let names: Vec<&str> = names.into_iter().collect();
    let shown: Vec<String> = names.iter().take(3).map(|n| format!("`{n}`")).collect();
    match names.len().saturating_sub(3) {
        0 => shown.join(", "),
        more => format!("{} and {more} more", shown.join(", ")),
    }
}

/// Asks the rules of one plane; how many edges both sides declare, where it is the network's.
pub fn plane(
    cluster: &Cluster,
    plane: Plane,
    findings: &mut Vec<Finding>,
    assumptions: &mut Vec<Assumption>,
) -> usize {
    let mut out = Findings {
        plane,
        all: findings,
        assumptions,
    };
    match plane {
        Plane::Api => api::check(cluster, &mut out),
        Plane::Network => return network::check(cluster, &mut out),
        Plane::Gitops => gitops::check(cluster, &mut out),
        Plane::Admission => admission::check(cluster, &mut out),
        Plane::Resources => resources::check(cluster, &mut out),
        Plane::Data => data::check(cluster, &mut out),
    }
    0
}

/// Proves what can be proven of a cluster.
pub fn prove(cluster: &Cluster) -> ClusterProof {
    let mut findings = Vec::new();
    let mut planes = Vec::new();
    let mut declared_edges = 0;

    for plane in Plane::ALL {
        let before = findings.len();
        let mut assumptions = Vec::new();
        declared_edges += self::plane(cluster, plane, &mut findings, &mut assumptions);

        if cluster.snapshot_superseded {
            let text = "what the other inputs say of objects of the snapshot is how they will be"
                .to_owned();
            assumptions.push(Assumption {
                name: "converged",
                text,
            });
        }

        let of = |verdict| {
            findings[before..]
                .iter()
                .filter(|f| f.verdict == Some(verdict))
                .count()
        };

        let (refuted, unknown) = (
            of(Verdict::Refuted),
            of(Verdict::Unknown) + cluster.blind.len(),
        );

        let verdict = match (refuted, unknown) {
            (1.., _) => Verdict::Refuted,
            (0, 1..) => Verdict::Unknown,
            (0, 0) if assumptions.is_empty() => Verdict::Proven,
            (0, 0) => Verdict::Assumed,
        };

        assumptions.sort();
        planes.push(PlaneResult {
            plane,
            verdict,
            assumptions,
            refuted,
            unknown,
        });
    }

    let owned = cluster
        .namespaces
        .iter()
        .filter(|n| n.owner != Owner::Platform)
        .count();

    ClusterProof {
        cluster: cluster.name.clone(),
        counts: [cluster.tenants.len(), owned, cluster.facts.objects.len()],
        planes,
        findings,
        declared_edges,
        blind: cluster.blind.clone(),
        unread: cluster.facts.unread.clone(),
    }
}
