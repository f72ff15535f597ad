//! How an API server is configured, by files and by the flags of its pod, as far as it decides who is
//! let in.
//!
//! Source: kubernetes.io/docs/reference/access-authn-authz/authorization ("Using a configuration
//! file"), kubernetes.io/docs/reference/access-authn-authz/authentication ("Using Authentication
//! Configuration") and kubernetes.io/docs/reference/command-line-tools-reference/kube-apiserver.

use super::operator;
use crate::document::TreeValue;
use crate::kube::ObjectId;
use crate::kube::labels::{items, text, texts_under};
use crate::value::Text;

const GROUP: &str = "apiserver.config.k8s.io";

/// The kinds of files that an API server reads, but for the configuration of admission.
const KINDS: [&str; 5] = [
    "AuthenticationConfiguration",
    "AuthorizationConfiguration",
    "EgressSelectorConfiguration",
    "EncryptionConfiguration",
    "TracingConfiguration",
];

/// A file that an API server reads.
#[derive(Debug)]
pub struct ServerFile {
    /// What it is. It has no name of its own.
    pub id: ObjectId,
    /// The addresses of those whose tokens the server takes.
    pub issuers: Vec<Text>,
    /// Why RBAC does not decide alone.
    pub doubt: Option<String>,
}

impl ServerFile {
    /// Reads a document; `None` for one that is no such file.
    pub fn of<T: TreeValue>(document: &T) -> Option<Self> {
        let version = text(Some(document), "apiVersion")?;
        let kind = text(Some(document), "kind")?;
        let (group, _) = version.split_once('/')?;
        if group != GROUP || !KINDS.contains(&kind.as_str()) {
            return None;
        }

        let mut issuers = Vec::new();
        if let Some(jwt) = document.member("jwt") {
            texts_under(jwt, &["url", "discoveryURL"], &mut issuers);
        }
        let types = items(document.member("authorizers"))
            .iter()
            .filter_map(|authorizer| text(Some(authorizer), "type"));
        let others: Vec<Text> = types.filter(|one| !is_of_rbac(one)).collect();
        let doubt = (!others.is_empty()).then(|| {
            let others: Vec<&str> = others.iter().map(Text::as_str).collect();
            format!("beside RBAC, {} authorizes requests", others.join(", "))
        });

        Some(Self {
            id: ObjectId {
                group: group.into(),
                kind,
                namespace: Text::default(),
                name: "of the API server".into(),
            },
            issuers: issuers.into_iter().map(Text::from).collect(),
            doubt,
        })
    }
}

/// Whether a type of an authorizer is one whose decisions are RBAC's, or about nodes alone.
fn is_of_rbac(authorizer: &str) -> bool {
    ["Node", "RBAC"].contains(&authorizer)
}

/// A flag, the values that open the cluster, and what they do.
const OPENING: [(&str, &[&str], &str); 2] = [
    (
        "authorization-mode",
        &["AlwaysAllow", "ABAC"],
        "RBAC does not decide alone",
    ),
    (
        "disable-admission-plugins",
        &["PodSecurity"],
        "no namespace's level of Pod Security is enforced",
    ),
];

/// Why a pod of an API server opens the cluster; `None` if it runs none, or one with usual flags.
pub fn opens<T: TreeValue>(id: &ObjectId, node: &T) -> Option<String> {
    if id.kind != "Pod" || id.namespace != "kube-system" {
        return None;
    }
    let containers = items(node.member("spec")?.member("containers"));
    let own = containers
        .iter()
        .find(|container| text(Some(*container), "name").as_deref() == Some("kube-apiserver"))?;
    let args = operator::arguments(own);

    OPENING.iter().find_map(|(flag, values, what)| {
        let (value, _) = operator::flag(&args, flag)?;
        let mut set = value.split(',').map(str::trim);
        set.any(|one| values.contains(&one))
            .then(|| format!("it runs with --{flag}={value}: {what}"))
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::value::{Value, list, map};

    #[test]
    fn other_authorizers_than_rbac_are_named() {
        let file = |types: &[&str; 2]| {
            let [first, second] = types;
            let document: Value = map! {
                "apiVersion" => "apiserver.config.k8s.io/v1",
                "kind" => "AuthorizationConfiguration",
                "authorizers" => list![map! { "type" => *first }, map! { "type" => *second }],
            };
            ServerFile::of(&document).unwrap().doubt
        };
        assert_eq!(file(&["Node", "RBAC"]), None);
        assert!(file(&["RBAC", "AlwaysAllow"]).is_some_and(|doubt| doubt.contains("AlwaysAllow")));
    }

    #[test]
    fn flags_open_an_api_server() {
        let pod = |arg: &str| -> Value {
            let container: Value = map! {
                "name" => "kube-apiserver",
                "command" => list!["kube-apiserver", arg],
            };
            map! { "spec" => map! { "containers" => list![container] } }
        };
        let id = ObjectId {
            group: Text::default(),
            kind: "Pod".into(),
            namespace: "kube-system".into(),
            name: "kube-apiserver-n1".into(),
        };
        for (arg, is_open) in [
            ("--authorization-mode=Node,RBAC", false),
            ("--authorization-mode=RBAC,AlwaysAllow", true),
            ("--disable-admission-plugins=PodSecurity", true),
            ("--disable-admission-plugins=DefaultStorageClass", false),
            ("--enable-admission-plugins=NodeRestriction", false),
        ] {
            assert_eq!(opens(&id, &pod(arg)).is_some(), is_open, "{arg}");
        }
    }
}
