//! Findings that a Waiver permits: they stay findings, and decide no exit code.

use super::{ClusterProof, Finding, Verdict};
use crate::tenancy::ProofWaiver;

/// The Waiver that permits a finding.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Waived {
    /// The name of the Waiver.
    pub waiver: String,
    /// Its last day, as 2027-04-01.
    pub expires: String,
}

impl Waived {
    /// What a report says of it.
    pub fn text(&self) -> String {
        format!("waived until {} by `{}`", self.expires, self.waiver)
    }
}

/// Marks the findings that a Waiver permits. Verdicts stay: a tenant reaches another all the same.
/// Returns which of the waivers permit a finding.
pub fn waive(proof: &mut ClusterProof, waivers: &[ProofWaiver]) -> Vec<bool> {
    let mut used = vec![false; waivers.len()];

    for finding in &mut proof.findings {
        if finding.verdict.is_none() {
            continue;
        }
        let permitting = waivers.iter().position(|waiver| permits(waiver, finding));
        if let Some(at) = permitting {
            used[at] = true;
            finding.waived = Some(Waived {
                waiver: waivers[at].name.clone(),
                expires: waivers[at].expires.clone(),
            });
        }
    }

    for plane in &mut proof.planes {
        let waived = |verdict| {
            let found = proof.findings.iter().filter(|f| f.plane == plane.plane);
            found
                .filter(|f| f.waived.is_some() && f.verdict == Some(verdict))
                .count()
        };
        (plane.refuted_waived, plane.unknown_waived) =
            (waived(Verdict::Refuted), waived(Verdict::Unknown));
    }
    used
}

/// Whether a Waiver permits a finding: it is for the rule and for the tenant that gains, or is
/// reached if none gains; and for an object that the finding names, if it lists any.
fn permits(waiver: &ProofWaiver, finding: &Finding) -> bool {
    let tenant = finding.tenant.as_ref().or(finding.victim.as_ref());
    waiver.rule == finding.diagnostic.rule.id
        && tenant.is_some_and(|tenant| *tenant == waiver.tenant)
        && waiver.objects.as_ref().is_none_or(|objects| {
            let mut objects = objects.iter();
            objects.any(|object| names(finding, object))
        })
}

/// Whether a finding or one of its steps names an object, `Kind/namespace/name`, in the form of
/// [`crate::kube::ObjectId::called`].
fn names(finding: &Finding, object: &str) -> bool {
    let mut parts = object.splitn(3, '/');
    let (Some(kind), Some(namespace), Some(name)) = (parts.next(), parts.next(), parts.next())
    else {
        return false;
    };
    let kind = kind.split('.').next().unwrap_or(kind);
    let called = match namespace {
        "" => format!("{kind} {name}"),
        namespace => format!("{kind} {namespace}/{name}"),
    };

    let diagnostic = &finding.diagnostic;
    let steps = diagnostic.related.iter().map(|related| &related.label);
    std::iter::once(&diagnostic.message)
        .chain(steps)
        .any(|text| has_word(text, &called))
}

/// Whether a text has some words, and no longer name that begins or ends with them.
fn has_word(text: &str, words: &str) -> bool {
    let is_of_name = |c: char| c.is_alphanumeric() || "-_./:".contains(c);
    text.match_indices(words).any(|(at, _)| {
        let before = text[..at].chars().next_back();
        let after = text[at + words.len()..].chars().next();
        !before.is_some_and(is_of_name) && !after.is_some_and(is_of_name)
    })
}

#[cfg(test)]
mod tests {
    use super::has_word;

    #[test]
    fn a_name_is_found_as_a_whole() {
        let text = "RoleBinding red/owner binds group x to ClusterRole `edit`";
        assert!(has_word(text, "RoleBinding red/owner"));
        assert!(!has_word(text, "RoleBinding red/own"));
        assert!(!has_word(text, "Binding red/owner"));
        assert!(has_word(
            "by RoleBinding red/owner, and",
            "RoleBinding red/owner"
        ));
    }
}
