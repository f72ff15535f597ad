use super::Findings;
use crate::diagnostic::rule;
use crate::graph::Cluster;
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
    /// ## Example
    /// ```yaml
    /// kind: ValidatingAdmissionPolicyBinding
    /// metadata: {name: no-privileged}
    /// spec: {policyName: no-privileged, validationActions: [Audit]}
    /// ```
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
    let mut warn = |span, message: String, fix: &str| {
        out.push(Finding::warning(&IDLE_POLICY, span, message).fix(fix))
    };

    for guard in &facts.guards {
        let bindings: Vec<_> = facts
            .guard_bindings
            .iter()
            .filter(|b| b.policy == guard.id.name)
            .collect();

        let span = bindings
            .first()
            .map_or(guard.origin.span, |b| b.origin.span);
        let name = guard.id.called();

        match bindings.iter().any(|b| b.denies) {
            true => {}
            false if bindings.is_empty() => {
                warn(
                    span,
                    format!("{name} is bound to nothing: nobody is asked to hold to it"),
                    "bind it, with `Deny`",
                );
            }
            false => warn(
                span,
                format!("{name} denies nothing: it is bound without `Deny`"),
                "add `Deny` to validationActions",
            ),
        }

        if let Some((text, why)) = guard.says.unreadable() {
            let plain = |text: &str, most| {
                text.chars()
                    .map(|c| if c.is_control() { ' ' } else { c })
                    .take(most)
                    .collect()
            };
            let (text, why): (String, String) = (plain(text, 80), plain(why, 160));
            let message = format!("{name} has an expression that cannot be read, `{text}`: {why}");
            warn(
                guard.origin.span,
                message,
                "mend it: what it denies is not known here",
            );
        }
    }

    for binding in facts
        .guard_bindings
        .iter()
        .filter(|b| !facts.guards.iter().any(|g| g.id.name == b.policy))
    {
        let message = format!(
            "{} binds `{}`, which is not among the inputs",
            binding.id.called(),
            binding.policy
        );
        warn(
            binding.origin.span,
            message,
            "add the policy, or remove its binding",
        );
    }
}
