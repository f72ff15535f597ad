use super::Findings;
use crate::diagnostic::rule;
use crate::graph::Cluster;
use crate::graph::admission_policy::AdmissionPolicy;
use crate::isolation::Finding;

rule! {
    /// An admission policy denies nothing.
    ///
    /// ## What it finds
    /// A ValidatingAdmissionPolicy that no binding binds, or that only bindings without `Deny` do;
    /// a binding of a policy that the inputs do not hold; an expression that cannot be parsed.
    ///
    /// ## Why it matters
    /// A policy without a binding is never asked; with `Warn` or `Audit` alone it writes a line and
    /// lets the request pass. It is how a policy is tried out, and how it is forgotten.
    ///
    /// ## Fix
    /// Bind it with `validationActions: [Deny]`, or remove it.
    ///
    /// ## References
    /// kubernetes.io/docs/reference/access-authn-authz/validating-admission-policy (Validation
    /// enforcement); ISO 27001 A.8.9
    pub static IDLE_POLICY = "admission/idle-policy", Warning;
}

pub(super) fn check(cluster: &Cluster, out: &mut Findings<'_>) {
    let facts = &cluster.facts;
    for policy in &facts.admission_policies {
        if let Some(finding) = without_denial(cluster, policy) {
            out.push(finding);
        }
        if let Some((text, reason)) = policy.spec.unreadable() {
            let message = format!(
                "{} has an expression that cannot be read, `{}`: {}",
                policy.id.called(),
                printable(text, MAX_EXPRESSION),
                printable(reason, MAX_REASON)
            );
            out.push(
                Finding::warning(&IDLE_POLICY, policy.origin.span, message)
                    .fix("mend it: what it denies is not known here"),
            );
        }
    }

    for binding in &facts.admission_bindings {
        if facts
            .admission_policies
            .iter()
            .any(|policy| policy.id.name == binding.policy)
        {
            continue;
        }
        let message = format!(
            "{} binds `{}`, which is not among the inputs",
            binding.id.called(),
            binding.policy
        );
        out.push(
            Finding::warning(&IDLE_POLICY, binding.origin.span, message)
                .fix("add the policy, or remove its binding"),
        );
    }
}

/// The finding about a policy that no binding makes deny anything.
fn without_denial(cluster: &Cluster, policy: &AdmissionPolicy) -> Option<Finding> {
    let bindings: Vec<_> = cluster
        .facts
        .admission_bindings
        .iter()
        .filter(|binding| binding.policy == policy.id.name)
        .collect();
    if bindings.iter().any(|binding| binding.denies) {
        return None;
    }

    let name = policy.id.called();
    Some(match bindings.first() {
        None => {
            let message = format!("{name} is bound to nothing: nobody is asked to hold to it");
            Finding::warning(&IDLE_POLICY, policy.origin.span, message).fix("bind it, with `Deny`")
        }
        Some(first) => {
            let message = format!("{name} denies nothing: it is bound without `Deny`");
            Finding::warning(&IDLE_POLICY, first.origin.span, message)
                .fix("add `Deny` to validationActions")
        }
    })
}

/// Most characters of an expression, and of the reason why it cannot be read, that a message shows.
const MAX_EXPRESSION: usize = 80;
const MAX_REASON: usize = 160;

/// The start of a text, without control characters.
fn printable(text: &str, max_chars: usize) -> String {
    text.chars()
        .map(|char| if char.is_control() { ' ' } else { char })
        .take(max_chars)
        .collect()
}
