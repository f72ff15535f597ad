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
use crate::source::Span;
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
        let types: Vec<Text> = types.collect();
        let doubt = beside_rbac(types.iter().map(Text::as_str));

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

/// Says that others than RBAC authorize requests; `None` if RBAC does alone.
fn beside_rbac<'t>(authorizers: impl Iterator<Item = &'t str>) -> Option<String> {
    let others: Vec<&str> = authorizers.filter(|one| !is_of_rbac(one)).collect();
    let others = (!others.is_empty()).then(|| others.join(", "))?;
    Some(format!("beside RBAC, {others} authorizes requests"))
}

/// Whether a type of an authorizer is one whose decisions are RBAC's, or about nodes alone, or that
/// allows nothing.
fn is_of_rbac(authorizer: &str) -> bool {
    ["Node", "RBAC", "AlwaysDeny"].contains(&authorizer)
}

/// The flag that lists authorizers, and the one that names a file with them.
const MODE: &str = "authorization-mode";
const CONFIG: &str = "authorization-config";

/// A flag without which no API server runs: a pod that has it is given as it is applied.
const REQUIRED: &str = "etcd-servers";

/// Why a pod of an API server opens the cluster; `None` if it runs none, or one with usual flags.
pub fn opens<T: TreeValue>(id: &ObjectId, node: &T) -> Option<String> {
    if id.kind != "Pod" || id.namespace != "kube-system" {
        return None;
    }
    let containers = items(node.member("spec")?.member("containers"));
    let own = containers
        .iter()
        .find(|container| text(Some(*container), "name").as_deref() == Some("kube-apiserver"))?;
    let args = with_dashes(operator::arguments(own));

    let reasons: Vec<String> = [authorizers(&args), disabled(&args)]
        .into_iter()
        .flatten()
        .collect();
    (!reasons.is_empty()).then(|| reasons.join("; "))
}

type Arguments = Vec<(Text, Option<Span>)>;

/// Arguments with `-` for each `_` in the names of their flags, which mean the same.
fn with_dashes(mut args: Arguments) -> Arguments {
    for (arg, _) in &mut args {
        if arg.starts_with('-') {
            let name = arg.split('=').next().unwrap_or_default();
            let value = &arg[name.len()..];
            *arg = format!("{}{value}", name.replace('_', "-")).into();
        }
    }
    args
}

/// The values of a flag that is a list. Each occurrence adds some.
fn listed<'a>(args: &'a Arguments, flag: &str) -> Vec<&'a str> {
    let values = operator::flags(args, flag).flat_map(|(value, _)| value.split(','));
    let values = values.map(str::trim);
    values.filter(|value| !value.is_empty()).collect()
}

/// Why RBAC does not decide alone.
fn authorizers(args: &Arguments) -> Option<String> {
    let modes = listed(args, MODE);
    let from_variable =
        |(arg, _): &(Text, Option<Span>)| !arg.starts_with('-') && arg.contains('$');
    let is_complete = operator::flag(args, REQUIRED).is_some() && !args.iter().any(from_variable);
    if modes.is_empty() && is_complete && operator::flag(args, CONFIG).is_none() {
        let reason = format!(
            "it runs without --{MODE} and --{CONFIG}, and so allows every request (AlwaysAllow)"
        );
        return Some(reason);
    }
    let doubt = beside_rbac(modes.iter().copied())?;
    Some(format!(
        "it runs with --{MODE}={}: {doubt}",
        modes.join(",")
    ))
}

/// Why no level of Pod Security is enforced.
fn disabled(args: &Arguments) -> Option<String> {
    const FLAG: &str = "disable-admission-plugins";
    let is_disabled = listed(args, FLAG).contains(&"PodSecurity");
    is_disabled.then(|| {
        format!(
            "it runs with --{FLAG}=PodSecurity: no namespace's level of Pod Security is enforced"
        )
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

    /// A pod of an API server with some arguments.
    fn reason(args: &[&str]) -> Option<String> {
        let command = ["kube-apiserver"].iter().chain(args);
        let command: Vec<Value> = command.map(|arg| Value::from(*arg)).collect();
        let container: Value = map! {
            "name" => "kube-apiserver",
            "command" => command,
        };
        let pod: Value = map! { "spec" => map! { "containers" => list![container] } };
        let id = ObjectId {
            group: Text::default(),
            kind: "Pod".into(),
            namespace: "kube-system".into(),
            name: "kube-apiserver-n1".into(),
        };
        opens(&id, &pod)
    }

    const ETCD: &str = "--etcd-servers=https://127.0.0.1:2379";

    #[test]
    fn flags_open_an_api_server() {
        for (arg, is_open) in [
            ("--authorization-mode=Node,RBAC", false),
            ("--authorization-mode=RBAC,AlwaysDeny", false),
            ("--authorization_mode=Node,RBAC", false),
            ("--authorization-config=/etc/kubernetes/authz.yaml", false),
            ("--authorization-mode=RBAC,AlwaysAllow", true),
            ("--authorization-mode=Node,RBAC,ABAC", true),
            ("--authorization-mode=Node,RBAC,Webhook", true),
            ("--authorization_mode=AlwaysAllow", true),
            ("--anonymous-auth=false", true),
        ] {
            assert_eq!(reason(&[ETCD, arg]).is_some(), is_open, "{arg}");
        }
        for (arg, is_open) in [
            ("--disable-admission-plugins=PodSecurity", true),
            ("--disable-admission-plugins=DefaultStorageClass", false),
            ("--enable-admission-plugins=NodeRestriction", false),
        ] {
            let args = ["--authorization-mode=Node,RBAC", arg];
            assert_eq!(reason(&args).is_some(), is_open, "{arg}");
        }
    }

    #[test]
    fn each_flag_that_opens_is_named() {
        let found = reason(&[
            "--authorization-mode=Node,RBAC",
            "--authorization-mode",
            "Webhook",
            "--disable-admission-plugins=PodSecurity",
        ]);
        let found = found.unwrap();
        assert!(
            found.contains("--authorization-mode=Node,RBAC,Webhook"),
            "{found}"
        );
        assert!(
            found.contains("--disable-admission-plugins=PodSecurity"),
            "{found}"
        );
    }

    #[test]
    fn an_api_server_whose_flags_are_not_all_given_is_not_judged_by_a_default() {
        assert_eq!(reason(&[]), None);
        assert_eq!(reason(&["--anonymous-auth=false"]), None);
        assert_eq!(reason(&[ETCD, "$(MORE_FLAGS)"]), None);
        assert!(reason(&[ETCD]).is_some_and(|reason| reason.contains("AlwaysAllow")));
    }
}
