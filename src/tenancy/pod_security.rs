//! The Pod Security level of a namespace: the waivers that a looser one needs, and its labels.

use super::model::Tenant;
use super::waivers::{Loosening, WaiverUse};
use crate::diagnostic::{Diagnostic, rule};
use crate::kube::names::{
    AUDIT_LABEL, AUDIT_VERSION_LABEL, ENFORCE_LABEL, ENFORCE_VERSION_LABEL, WARN_LABEL,
    WARN_VERSION_LABEL,
};
use crate::source::Span;
use crate::spec::tenant::{Management, PodSecurity, PodSecurityLevel, PodSecurityMode};
use crate::value::Text;

rule! {
    /// A namespace's pods may do more than the Pod Security level `restricted` lets them.
    ///
    /// ## What it finds
    /// `privileged` wherever it is set, and `baseline` where a tenant sets it itself, or chooses
    /// the built-in profile: a profile of the fleet's own may set it.
    pub static POD_SECURITY = "admission/pod-security-loosened", Error;
}

/// The modes of a namespace that lists none.
static ALL_MODES: [PodSecurityMode; 3] = [
    PodSecurityMode::Enforce,
    PodSecurityMode::Audit,
    PodSecurityMode::Warn,
];

/// The Pod Security settings of one namespace.
pub struct NamespaceSecurity<'a, 'w> {
    /// The waivers that the tenant uses.
    pub waivers: &'a WaiverUse<'w>,
    /// The tenant.
    pub tenant: &'a Tenant,
    /// The namespace's name in the cluster.
    pub namespace: &'a str,
    /// The line that declares the namespace.
    pub declared_at: Span,
    /// The merged settings.
    pub settings: &'a PodSecurity,
}

impl NamespaceSecurity<'_, '_> {
    /// Reports each setting that is looser than `restricted`, unless a waiver permits it.
    pub fn require_waivers(&self, out: &mut Vec<Diagnostic>) {
        let namespace = self.namespace;
        self.check_level(out);

        let management = self.settings.management.as_ref();
        if let Some(management) = management
            && management.value == Management::External
            && self.is_set_by_tenant(management.span)
        {
            let message = format!("tenantry sets no Pod Security level for `{namespace}`");
            let fix = "leave podSecurity.management to the platform's profile";
            self.require_waiver(management.span, message, fix, out);
        }

        if let Some(version) = &self.settings.version
            && version.value != "latest"
            && self.is_set_by_tenant(version.span)
        {
            let message = format!(
                "`{namespace}` enforces the Pod Security standard of {} instead of the latest",
                version.value
            );
            let fix = "set podSecurity.version: latest, or leave it to a profile";
            self.require_waiver(version.span, message, fix, out);
        }

        if let Some(level) = &self.settings.level
            && level.value != PodSecurityLevel::Privileged
            && !self.is_external()
            && !self.modes().contains(&PodSecurityMode::Enforce)
        {
            let message = format!("the Pod Security level of `{namespace}` is not enforced");
            let fix = "add `enforce` to podSecurity.modes";
            self.require_waiver(level.span, message, fix, out);
        }
    }

    /// Reports `privileged`, and `baseline` if the tenant chose it itself. A namespace without a
    /// level counts as privileged.
    fn check_level(&self, out: &mut Vec<Diagnostic>) {
        let stated = self.settings.level.as_ref();
        let level = stated.map_or(PodSecurityLevel::Privileged, |level| level.value);
        let span = stated.map_or(self.declared_at, |level| level.span);

        let is_allowed = match level {
            PodSecurityLevel::Restricted => true,
            PodSecurityLevel::Baseline => {
                !self.tenant.chose_builtin && !self.is_set_by_tenant(span)
            }
            PodSecurityLevel::Privileged => false,
        };
        if !is_allowed {
            let message = format!(
                "namespace `{}` enforces Pod Security `{}`; `restricted` is required",
                self.namespace,
                level.name()
            );
            let fix = "set podSecurity.level: restricted";
            self.require_waiver(span, message, fix, out);
        }
    }

    /// Whether a value stands in the tenant's own file, and is not one of its profile.
    fn is_set_by_tenant(&self, span: Span) -> bool {
        span.source == self.tenant.name.span.source && span != self.tenant.profile_span
    }

    fn is_external(&self) -> bool {
        let management = self.settings.management.as_ref();
        management.is_some_and(|management| management.value == Management::External)
    }

    fn modes(&self) -> &[PodSecurityMode] {
        self.settings.modes.as_deref().unwrap_or(&ALL_MODES)
    }

    fn require_waiver(&self, span: Span, message: String, fix: &str, out: &mut Vec<Diagnostic>) {
        let object = format!("Namespace/{}", self.namespace);
        let loosening = Loosening {
            rule: &POD_SECURITY,
            tenant: &self.tenant.name.value,
            object: &object,
        };
        self.waivers
            .require_waiver(&loosening, span, message, fix, out);
    }

    /// The labels of the Namespace that set the level, for each mode. Empty if tenantry does not
    /// manage them.
    pub fn labels(&self) -> Vec<(Text, Text)> {
        let Some(level) = self.settings.level.as_ref().filter(|_| !self.is_external()) else {
            return Vec::new();
        };

        let mut labels = Vec::with_capacity(2 * self.modes().len());
        for mode in self.modes() {
            let keys = label_keys(*mode);
            labels.push((
                Text::new_static(keys.level),
                Text::new_static(level.value.name()),
            ));
            if let Some(version) = &self.settings.version {
                labels.push((Text::new_static(keys.version), version.as_str().into()));
            }
        }

        labels
    }
}

/// The keys of the labels of one mode.
struct ModeKeys {
    level: &'static str,
    version: &'static str,
}

const fn label_keys(mode: PodSecurityMode) -> ModeKeys {
    match mode {
        PodSecurityMode::Enforce => ModeKeys {
            level: ENFORCE_LABEL,
            version: ENFORCE_VERSION_LABEL,
        },
        PodSecurityMode::Audit => ModeKeys {
            level: AUDIT_LABEL,
            version: AUDIT_VERSION_LABEL,
        },
        PodSecurityMode::Warn => ModeKeys {
            level: WARN_LABEL,
            version: WARN_VERSION_LABEL,
        },
    }
}
