//! The severity of each rule of the proof, by what an attacker gains through the way that it finds.

use super::{admission, api, data, gitops, network, resources};
use crate::diagnostic::{Diagnostic, Level, Rule};
use crate::graph::NOT_READ;

/// How much an attacker gains, the least first.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Severity {
    /// A step towards another tenant that is open only together with something else.
    Low,
    /// Packets, traffic or shares of another tenant, or an answer that is missing.
    Medium,
    /// The objects, secrets or identities of another tenant, or the removal of a tenant's own floor.
    High,
    /// A node, the identity of a controller, or all tenants at once.
    Critical,
}

impl Severity {
    /// Every severity, the gravest first.
    pub const ALL: [Self; 4] = [Self::Critical, Self::High, Self::Medium, Self::Low];

    /// The name in reports.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Critical => "critical",
            Self::High => "high",
            Self::Medium => "medium",
            Self::Low => "low",
        }
    }

    /// The number that code scanning sorts by, as `security-severity`.
    ///
    /// Source: docs.github.com, "SARIF support for code scanning": critical is over 9.0, high from
    /// 7.0, medium from 4.0, low from 0.1.
    pub const fn score(self) -> &'static str {
        match self {
            Self::Critical => "9.5",
            Self::High => "8.0",
            Self::Medium => "5.5",
            Self::Low => "2.0",
        }
    }
}

/// A rule of the proof, and its severity.
#[derive(Clone, Copy, Debug)]
pub struct RatedRule {
    /// The rule.
    pub rule: &'static Rule,
    /// The severity of what it finds.
    pub severity: Severity,
}

const fn rated(rule: &'static Rule, severity: Severity) -> RatedRule {
    RatedRule { rule, severity }
}

/// Every rule of the proof. A test finds one that is missing.
pub static RATED_RULES: &[RatedRule] = &[
    rated(&admission::DEVICE_ADMIN_ACCESS, Severity::High),
    rated(&admission::FLOOR_WRITABLE, Severity::High),
    rated(&admission::FROZEN_FLOOR, Severity::Medium),
    rated(&admission::IDLE_POLICY, Severity::Medium),
    rated(&admission::POD_SECURITY_NOT_ENFORCED, Severity::Critical),
    rated(&admission::PRIVILEGED_WORKLOAD, Severity::Critical),
    rated(&admission::TENANT_HOOK, Severity::Critical),
    rated(&api::ARGO_CD_POLICY, Severity::Critical),
    rated(&api::CLUSTER_BINDING, Severity::Critical),
    rated(&api::CROSS_TENANT_BINDING, Severity::High),
    rated(&api::DANGLING_ROLE, Severity::Medium),
    rated(&api::LOST_SUBJECT, Severity::Low),
    rated(&api::OPERATOR_KIND, Severity::High),
    rated(&api::SHARED_MEMBERSHIP, Severity::High),
    rated(&api::SHARED_SUBJECT, Severity::High),
    rated(&api::WIDE_SUBJECT, Severity::Critical),
    rated(&data::BORROWED_IDENTITY, Severity::High),
    rated(&data::COPIED_OBJECT, Severity::High),
    rated(&data::EXTERNAL_TRAFFIC, Severity::Medium),
    rated(&data::HOST_CLAIMED_TWICE, Severity::Medium),
    rated(&data::HOST_PATH, Severity::Critical),
    rated(&data::OPEN_STORE, Severity::High),
    rated(&data::REFERENCE_GRANT, Severity::High),
    rated(&data::SHARED_CLASS, Severity::High),
    rated(&data::SHARED_IDENTITY, Severity::High),
    rated(&data::SHARED_VOLUME, Severity::High),
    rated(&gitops::CONTROLLER_IDENTITY, Severity::High),
    rated(&gitops::CROSS_NAMESPACE, Severity::High),
    rated(&gitops::FOREIGN_TARGET, Severity::High),
    rated(&gitops::KUBE_CONFIG, Severity::High),
    rated(&gitops::LOCKDOWN, Severity::Critical),
    rated(&gitops::NO_SERVICE_ACCOUNT, Severity::Critical),
    rated(&gitops::OTHER_ENGINE, Severity::Critical),
    rated(&gitops::SECOND_DEFINITION, Severity::Medium),
    rated(&gitops::SHARED_DECRYPTION, Severity::High),
    rated(&gitops::UNREAD_KIND, Severity::Medium),
    rated(&network::CROSS_TENANT, Severity::Medium),
    rated(&network::DANGLING_SELECTOR, Severity::Low),
    rated(&network::DIVERTED_TRAFFIC, Severity::Medium),
    rated(&network::HALF_OPEN, Severity::Low),
    rated(&network::HOST_NETWORK, Severity::Medium),
    rated(&network::OPEN_CONTROLLER, Severity::High),
    rated(&network::OPEN_NAMESPACE, Severity::Medium),
    rated(&network::UNREAD_POLICY, Severity::Medium),
    rated(&resources::EXEMPT_FLOW, Severity::Medium),
    rated(&resources::NO_QUOTA, Severity::Medium),
    rated(&resources::UNBOUNDED_QUOTA, Severity::Medium),
    rated(&NOT_READ, Severity::Medium),
];

/// The severity of a rule; `None` if it is not a rule of the proof.
pub fn severity(rule: &Rule) -> Option<Severity> {
    let rated = RATED_RULES.iter().find(|rated| rated.rule == rule)?;
    Some(rated.severity)
}

/// The severity of a finding: its rule's, or low if it is a warning, since nobody gains anything
/// yet. `None` if its rule is not one of the proof.
pub fn of(finding: &Diagnostic) -> Option<Severity> {
    let of_rule = severity(finding.rule)?;
    Some(match finding.level {
        Level::Warning => Severity::Low,
        Level::Error | Level::Note => of_rule,
    })
}
