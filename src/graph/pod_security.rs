//! The configuration of Pod Security admission, which the API server reads from a file.
//!
//! Source: kubernetes.io/docs/tasks/configure-pod-container/enforce-standards-admission-controller,
//! and `pod-security-admission/admission/api/v1`.

use crate::document::TreeValue;
use crate::kube::labels::{at, items, text, texts};
use crate::source::Span;
use crate::value::Text;

const ADMISSION_GROUP: &str = "apiserver.config.k8s.io/";
const POD_SECURITY_GROUP: &str = "pod-security.admission.config.k8s.io/";

/// What an API server's configuration says of Pod Security.
#[derive(Clone, Debug)]
pub struct PodSecurityConfiguration {
    /// The level that is enforced in namespaces without a label.
    pub default_level: Text,
    /// Namespaces in which no level is enforced.
    pub namespaces: Vec<Text>,
    /// Users for whose pods no level is enforced.
    pub usernames: Vec<Text>,
    /// Runtime classes for whose pods no level is enforced.
    pub runtime_classes: Vec<Text>,
    /// Where it is written.
    pub span: Span,
}

impl PodSecurityConfiguration {
    /// Reads a PodSecurityConfiguration, or the one of an AdmissionConfiguration; `None` for other
    /// documents, and if it is in another file.
    pub fn of<T: TreeValue>(document: &T, span: Span) -> Option<Self> {
        let version = document.member("apiVersion")?.text()?;
        let kind = document.member("kind")?.text()?;
        if kind == "PodSecurityConfiguration" && version.starts_with(POD_SECURITY_GROUP) {
            return Some(Self::read(Some(document), span));
        }
        if kind != "AdmissionConfiguration" || !version.starts_with(ADMISSION_GROUP) {
            return None;
        }

        let plugin = items(document.member("plugins"))
            .iter()
            .find(|plugin| text(Some(*plugin), "name").as_deref() == Some("PodSecurity"));
        match plugin {
            // The plugin runs with its defaults.
            None => Some(Self::read::<T>(None, span)),
            Some(plugin) => {
                let configuration = plugin.member("configuration")?;
                let span = configuration.span().unwrap_or(span);
                Some(Self::read(Some(configuration), span))
            }
        }
    }

    fn read<T: TreeValue>(configuration: Option<&T>, span: Span) -> Self {
        let exempt = |key: &str| {
            let names = configuration.and_then(|document| at(document, &["exemptions", key]));
            texts(names).map(Text::from).collect()
        };
        let defaults = configuration.and_then(|document| document.member("defaults"));
        Self {
            default_level: text(defaults, "enforce").unwrap_or_else(|| "privileged".into()),
            namespaces: exempt("namespaces"),
            usernames: exempt("usernames"),
            runtime_classes: exempt("runtimeClasses"),
            span,
        }
    }
}
