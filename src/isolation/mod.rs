//! The proof: whether any tenant can reach another, and by which chain.
//!
//! A rule is a function of a [`Cluster`] in a file of its own, in the folder of its plane. It
//! reports causes, not their consequences: a binding that gives a tenant another tenant's namespace
//! is one finding, however many objects the namespace holds.
//!
//! A new rule needs a file in a plane's folder with a `rule!` and a `check`, a line in the plane's
//! `mod.rs`, a line in `catalog.rs`, and a folder `fixtures/isolation/rules/<area>-<fault>` with `bad`
//! and `good`, which `explain` prints as its example. Its severity is a row in `severity.rs`. The
//! fields of a new kind of object are read in `graph/facts/`, one file an API group.

pub mod admission;
pub mod api;
pub mod assumptions;
pub mod escalation;
pub mod data;
pub mod delta;
pub mod gitops;
pub mod matrix;
pub mod network;
pub mod capability;
pub mod operators;
pub mod grade;
mod public;
pub mod pairs;
pub mod question;
pub mod connection;
pub mod resources;
pub mod severity;
pub mod threats;
pub mod waived;
pub mod who_can;

use crate::diagnostic::{Diagnostic, Level, Related, Rule};
use crate::graph::rbac::Subject;
use crate::graph::{Cluster, InputKind, NamespaceNode, Origin, Owner, TenantNode};
use crate::kube::ObjectId;
use crate::source::Span;
use crate::value::Text;
use assumptions::{
    Assumption, CONVERGED, Condition, POD_SECURITY_WITHOUT_EXEMPTIONS, SCOPE, ScopeCondition,
};
use fixedbitset::FixedBitSet;
use pairs::OpenedPairs;
use std::collections::{BTreeMap, BTreeSet};
use waived::Waived;

/// The version of the model of the proof. It changes if a verdict changes its meaning.
pub const MODEL: &str = "1";

/// The verdict on a plane, the best first.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Verdict {
    /// No tenant reaches another.
    Proven,
    /// No tenant reaches another if the assumptions hold.
    Assumed,
    /// An input could not be evaluated.
    Unknown,
    /// A tenant reaches another.
    Refuted,
}

impl Verdict {
    /// The name in reports.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Proven => "proven",
            Self::Assumed => "assumed",
            Self::Unknown => "unknown",
            Self::Refuted => "refuted",
        }
    }
}

/// An area in which tenants are kept apart.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Plane {
    /// The Kubernetes API: RBAC, and the access that it leads to.
    Api,
    /// Packets between pods.
    Network,
    /// The objects that GitOps engines apply, and the accounts that they use.
    Gitops,
    /// Whether a tenant can change its own floor.
    Admission,
    /// Shares of the cluster's resources.
    Resources,
    /// Secrets, identities, volumes and hosts.
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

    /// The name in reports, which is the area of its rules.
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

/// Something that a chain leads through.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum ChainNode {
    /// A tenant.
    Tenant(Text),
    /// A user, a group or a service account.
    Principal(Subject),
    /// An object: a binding, a role, a pod, a policy …
    Object(ObjectId),
}

impl From<&ObjectId> for ChainNode {
    fn from(id: &ObjectId) -> Self {
        Self::Object(id.clone())
    }
}

impl From<&Subject> for ChainNode {
    fn from(subject: &Subject) -> Self {
        Self::Principal(subject.clone())
    }
}

/// A step of a chain: what is done, and the place that allows it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Step {
    /// The place.
    pub span: Span,
    /// What is done, as a sentence without a full stop.
    pub text: String,
    /// What it leads through, in order.
    pub nodes: Vec<ChainNode>,
    /// Whether a connection ends there: at a policy that blocks it, or that is not evaluated.
    pub stops: bool,
}

impl Step {
    /// A step at a place.
    pub fn new(span: Span, text: impl Into<String>) -> Self {
        Self {
            span,
            text: text.into(),
            nodes: Vec::new(),
            stops: false,
        }
    }

    /// Says that a connection ends at the step.
    #[must_use]
    pub const fn stopping(mut self) -> Self {
        self.stops = true;
        self
    }

    /// Says that the step leads through something.
    #[must_use]
    pub fn through(mut self, node: impl Into<ChainNode>) -> Self {
        self.nodes.push(node.into());
        self
    }
}

/// One finding of a proof.
#[derive(Clone, Debug)]
pub struct Finding {
    /// The plane.
    pub plane: Plane,
    /// The verdict that the finding leads to; `None` for a warning, which changes no verdict.
    pub verdict: Option<Verdict>,
    /// The tenant that gains access, if it is one.
    pub tenant: Option<Text>,
    /// The tenant that is reached; `None` stands for every tenant.
    pub victim: Option<Text>,
    /// The tenants that gain access, by their indices, if they are several but not all.
    pub gaining: Option<FixedBitSet>,
    /// The tenants that are reached, if they are several but not all.
    pub reached: Option<FixedBitSet>,
    /// The pairs of tenants that it opens, if it opens any.
    pub opens: Option<OpenedPairs>,
    /// The rule, the place, the chain as related places, and the fix.
    pub diagnostic: Diagnostic,
    /// The steps of the chain, which the diagnostic numbers.
    pub chain: Vec<Step>,
    /// The Waiver that permits it.
    pub waived: Option<Waived>,
}

/// The verdict on one plane.
#[derive(Clone, Debug)]
pub struct PlaneResult {
    /// The plane.
    pub plane: Plane,
    /// The worst verdict of the findings.
    pub verdict: Verdict,
    /// The assumptions that the verdict depends on.
    pub assumptions: Vec<Assumption>,
    /// How many findings refute it.
    pub refuted: usize,
    /// How many questions have no answer.
    pub unknown: usize,
    /// How many of the findings that refute it a Waiver permits.
    pub refuted_waived: usize,
    /// How many of the questions without an answer a Waiver permits.
    pub unknown_waived: usize,
}

impl PlaneResult {
    /// The verdict as reports name it, with whether waivers permit all findings that lead to it.
    pub const fn verdict_name(&self) -> &'static str {
        match self.verdict {
            Verdict::Refuted if self.is_waived() => "refuted (waived)",
            Verdict::Unknown if self.is_waived() => "unknown (waived)",
            verdict => verdict.name(),
        }
    }

    /// Whether waivers permit all findings that lead to the verdict.
    pub const fn is_waived(&self) -> bool {
        match self.verdict {
            Verdict::Refuted => self.refuted == self.refuted_waived,
            Verdict::Unknown => self.unknown == self.unknown_waived,
            Verdict::Assumed | Verdict::Proven => false,
        }
    }
}

/// The size of a cluster.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ClusterSize {
    /// The number of tenants.
    pub tenants: usize,
    /// The number of namespaces that tenants own.
    pub namespaces: usize,
    /// The number of objects of the inputs, without those that Kubernetes makes in every cluster.
    pub objects: usize,
    /// The number of those that are rendered.
    pub rendered: usize,
}

/// The result of the proof for one cluster.
#[derive(Clone, Debug)]
pub struct ClusterProof {
    /// The name of the cluster.
    pub cluster: Text,
    /// The names of its tenants, by their indices.
    pub tenants: Vec<Text>,
    /// The size of the cluster.
    pub size: ClusterSize,
    /// The verdict on each plane, in order.
    pub planes: Vec<PlaneResult>,
    /// All findings.
    pub findings: Vec<Finding>,
    /// The namespaces that are taken for the platform's by their names, without a fleet.
    pub platform_by_name: Vec<Text>,
    /// The conditions that the verdicts rest on and that no input can show.
    pub scope: Vec<&'static ScopeCondition>,
    /// The number of edges between tenants that both sides declare.
    pub declared_edges: usize,
    /// Inputs that could not be read. If there are any, no plane is proven.
    pub unread_inputs: Vec<Diagnostic>,
    /// Kinds that no plane reads, and how many objects of each there are.
    pub unread: BTreeMap<String, usize>,
}

/// Collects the findings and assumptions of one plane.
pub struct Findings<'a> {
    plane: Plane,
    all: &'a mut Vec<Finding>,
    assumptions: &'a mut BTreeSet<Assumption>,
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

    /// Adds findings.
    pub fn extend(&mut self, findings: impl IntoIterator<Item = Finding>) {
        for finding in findings {
            self.push(finding);
        }
    }

    /// Adds an assumption, once.
    pub fn assume(&mut self, condition: &'static Condition) {
        self.assume_about(condition, condition.text);
    }

    /// Adds an assumption about some objects, which the text names.
    pub fn assume_about(&mut self, condition: &'static Condition, text: impl Into<String>) {
        self.assumptions.insert(condition.about(text));
    }
}

impl Finding {
    /// An error: a tenant reaches another, or more than its own.
    pub fn refuted(rule: &'static Rule, span: Span, message: impl Into<String>) -> Self {
        Self::new(
            Some(Verdict::Refuted),
            Diagnostic::new(rule, span, message).level(Level::Error),
        )
    }

    /// An error: what would keep a tenant out is missing. While a file of the inputs cannot be read,
    /// nobody knows that it is missing, and the question has no answer.
    pub fn missing(
        cluster: &Cluster,
        rule: &'static Rule,
        span: Span,
        message: impl Into<String>,
    ) -> Self {
        match cluster.has_unread_files {
            true => Self::unknown(rule, span, message),
            false => Self::refuted(rule, span, message),
        }
    }

    /// An error: a question has no answer.
    pub fn unknown(rule: &'static Rule, span: Span, message: impl Into<String>) -> Self {
        Self::new(
            Some(Verdict::Unknown),
            Diagnostic::new(rule, span, message).level(Level::Error),
        )
    }

    /// A warning, which changes no verdict.
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
            gaining: None,
            reached: None,
            opens: None,
            chain: Vec::new(),
            diagnostic,
            waived: None,
        }
    }

    /// Sets the tenant that gains access.
    #[must_use]
    pub fn by(mut self, tenant: &str) -> Self {
        self.tenant = Some(tenant.into());
        self.diagnostic = self.diagnostic.tenant(tenant);
        self
    }

    /// Sets the tenant that is reached.
    #[must_use]
    pub fn reaching(mut self, victim: &str) -> Self {
        self.victim = Some(victim.into());
        self
    }

    /// Sets the tenants that gain access, by their indices.
    #[must_use]
    pub fn by_each(self, tenants: impl IntoIterator<Item = u32>) -> Self {
        self.by_set(tenant_set(tenants))
    }

    /// Sets the tenants that gain access, by their indices. The first is named; one alone is not counted
    /// as a set.
    #[must_use]
    pub fn by_first_of(self, first: &str, tenants: impl ExactSizeIterator<Item = u32>) -> Self {
        let finding = self.by(first);
        match tenants.len() {
            1 => finding,
            _ => finding.by_each(tenants),
        }
    }

    /// Sets the tenants that gain access, as a set of their indices.
    #[must_use]
    pub fn by_set(mut self, tenants: FixedBitSet) -> Self {
        self.gaining = Some(tenants);
        self
    }

    /// Says that each of some tenants gains access and reaches the others.
    #[must_use]
    pub fn among(mut self, tenants: impl IntoIterator<Item = u32>) -> Self {
        let all = tenant_set(tenants);
        self.gaining = Some(all.clone());
        self.reached = Some(all);
        self
    }

    /// Says that some owners share something: each tenant of them reaches the others. Whoever reaches
    /// the platform reaches every tenant.
    #[must_use]
    pub fn shared_by(self, owners: impl IntoIterator<Item = Owner>) -> Self {
        let mut tenants = Vec::new();
        let mut has_platform = false;
        for owner in owners {
            match owner {
                Owner::Tenant(at) => tenants.push(at),
                Owner::Platform => has_platform = true,
            }
        }
        match has_platform {
            true => self.by_each(tenants),
            false => self.among(tenants),
        }
    }

    /// Adds a step to the chain: what is done, and the place that allows it.
    #[must_use]
    pub fn step(mut self, span: Span, text: impl Into<String>) -> Self {
        self.add(Step::new(span, text));
        self
    }

    fn add(&mut self, step: Step) {
        self.diagnostic.related.push(Related {
            span: step.span,
            label: format!("{}. {}", self.chain.len() + 1, step.text),
        });
        self.chain.push(step);
    }

    /// Says that the last step leads through something.
    #[must_use]
    pub fn through(mut self, node: impl Into<ChainNode>) -> Self {
        if let Some(last) = self.chain.last_mut() {
            last.nodes.push(node.into());
        }
        self
    }

    /// Adds steps to the chain.
    #[must_use]
    pub fn steps(mut self, steps: impl IntoIterator<Item = Step>) -> Self {
        steps.into_iter().for_each(|step| self.add(step));
        self
    }

    /// Sets the fix.
    #[must_use]
    pub fn fix(mut self, fix: impl Into<String>) -> Self {
        self.diagnostic = self.diagnostic.fix(fix);
        self
    }
}

/// Some tenants as a set of indices.
fn tenant_set(tenants: impl IntoIterator<Item = u32>) -> FixedBitSet {
    tenants.into_iter().map(|tenant| tenant as usize).collect()
}

/// The place within an object if it is known, else the place of the object.
pub fn at(span: Option<Span>, origin: Origin) -> Span {
    span.unwrap_or(origin.span)
}

/// The place of a tenant's namespace; of one that no input holds, the place of the tenant.
pub fn namespace_span(namespace: &NamespaceNode, tenant: &TenantNode) -> Span {
    namespace.origin.map_or(tenant.span, |origin| origin.span)
}

/// The index and the name of the tenant that owns a namespace.
pub fn tenant_of<'a>(cluster: &'a Cluster, namespace: &str) -> Option<(u32, &'a Text)> {
    match cluster.owner(namespace) {
        Owner::Tenant(at) => Some((at, &cluster.tenants[at as usize].name)),
        Owner::Platform => None,
    }
}

/// Most names that a sentence lists.
const MAX_NAMES: usize = 3;

/// Lists the first names for a sentence, and counts the others.
pub fn some<'a>(names: impl IntoIterator<Item = &'a str>) -> String {
    first(names.into_iter().map(|name| format!("`{name}`")))
}

/// The same for owners.
pub fn some_owners<'a>(cluster: &Cluster, owners: impl IntoIterator<Item = &'a Owner>) -> String {
    let owners = owners.into_iter();
    first(owners.map(|owner| cluster.owner_name(*owner)))
}

/// The first of some phrases with commas between them, and how many more there are.
fn first(phrases: impl Iterator<Item = String>) -> String {
    let mut shown: Vec<String> = phrases.collect();
    let more = shown.len().saturating_sub(MAX_NAMES);
    shown.truncate(MAX_NAMES);
    match more {
        0 => shown.join(", "),
        more => format!("{} and {more} more", shown.join(", ")),
    }
}

/// Checks one plane, and returns the number of edges between tenants that both sides declare; only
/// the network plane has any.
pub fn plane(
    cluster: &Cluster,
    plane: Plane,
    findings: &mut Vec<Finding>,
    assumptions: &mut BTreeSet<Assumption>,
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

/// Checks every plane of a cluster.
pub fn prove(cluster: &Cluster) -> ClusterProof {
    let mut findings = Vec::new();
    let mut planes = Vec::new();
    let mut declared_edges = 0;

    for plane in Plane::ALL {
        let before = findings.len();
        let mut assumptions = BTreeSet::new();
        declared_edges += self::plane(cluster, plane, &mut findings, &mut assumptions);
        planes.push(result(cluster, plane, &findings[before..], assumptions));
    }

    pairs::count(&cluster.tenants, &mut findings);
    let count = |counts: &dyn Fn(InputKind) -> bool| {
        let objects = cluster.facts.objects.iter();
        objects.filter(|object| counts(object.origin.input)).count()
    };
    let owned = cluster
        .namespaces
        .iter()
        .filter(|namespace| namespace.owner != Owner::Platform)
        .count();

    ClusterProof {
        cluster: cluster.name.clone(),
        tenants: cluster
            .tenants
            .iter()
            .map(|tenant| tenant.name.clone())
            .collect(),
        size: ClusterSize {
            tenants: cluster.tenants.len(),
            namespaces: owned,
            objects: count(&|input| input != InputKind::Builtin),
            rendered: count(&|input| input == InputKind::Rendered),
        },
        planes,
        findings,
        platform_by_name: cluster.platform_by_name.clone(),
        scope: scope(cluster),
        declared_edges,
        unread_inputs: cluster.unread_inputs.clone(),
        unread: cluster.facts.unread.clone(),
    }
}

/// The conditions of the scope that verdicts on planes rest on.
fn scope(cluster: &Cluster) -> Vec<&'static ScopeCondition> {
    let shows_exemptions = !cluster.facts.pod_security.is_empty();
    let counts = |condition: &&'static ScopeCondition| {
        let is_shown = condition.name == POD_SECURITY_WITHOUT_EXEMPTIONS.name && shows_exemptions;
        !condition.planes.is_empty() && !is_shown
    };
    SCOPE.iter().copied().filter(counts).collect()
}

/// The verdict on a plane, from its findings and assumptions.
fn result(
    cluster: &Cluster,
    plane: Plane,
    findings: &[Finding],
    mut assumptions: BTreeSet<Assumption>,
) -> PlaneResult {
    if cluster.snapshot_superseded {
        assumptions.insert(CONVERGED.about(CONVERGED.text));
    }

    let count = |verdict| {
        let found = findings.iter();
        found
            .filter(|finding| finding.verdict == Some(verdict))
            .count()
    };
    let refuted = count(Verdict::Refuted);
    let unknown = count(Verdict::Unknown) + cluster.unread_inputs.len();

    let verdict = match (refuted, unknown) {
        (1.., _) => Verdict::Refuted,
        (0, 1..) => Verdict::Unknown,
        (0, 0) if assumptions.is_empty() => Verdict::Proven,
        (0, 0) => Verdict::Assumed,
    };

    PlaneResult {
        plane,
        verdict,
        assumptions: assumptions.into_iter().collect(),
        refuted,
        unknown,
        refuted_waived: 0,
        unknown_waived: 0,
    }
}
