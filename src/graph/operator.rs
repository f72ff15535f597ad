//! Programs that act on objects of their own kinds, as manifests start them.

use super::object::Origin;
use crate::document::TreeValue;
use crate::kube::ObjectId;
use crate::kube::labels::items;
use crate::source::Span;
use crate::value::Text;

/// Programs whose flags, or whose presence, decide what their kinds open. A program is recognized by
/// the name of its workload or by the last part of its image's name.
pub static PROGRAMS: &[&str] = &[
    "flux-operator",
    "source-watcher",
    "olm-operator",
    "catalog-operator",
    "hnc-manager",
    "hnc-controller-manager",
    "external-dns",
    "tofu-controller",
    "tf-controller",
    "prometheus-operator",
    "kube-prometheus-operator",
    "vela-core",
    "kubevela-vela-core",
    "helm-operator",
    "eck-operator",
    "elastic-operator",
    "kluctl-controller",
];

/// A workload that runs one of [`PROGRAMS`].
#[derive(Clone, Debug)]
pub struct Operator {
    /// The workload.
    pub id: ObjectId,
    /// The program.
    pub program: &'static str,
    /// The service account that it runs as.
    pub account: Text,
    /// The arguments of the program's own container, each with its span.
    pub args: Vec<(Text, Option<Span>)>,
    /// Where it comes from.
    pub origin: Origin,
}

impl Operator {
    /// Reads a Deployment, a StatefulSet or a DaemonSet; `None` if it runs no such program.
    pub fn of<T: TreeValue>(id: &ObjectId, node: &T, origin: Origin) -> Option<Self> {
        if id.group != "apps" {
            return None;
        }
        let pod = node.member("spec")?.member("template")?.member("spec")?;
        let containers = items(pod.member("containers"));

        let by_image = containers.iter().find_map(|container| {
            let image = image_name(container.member("image")?.text()?);
            Some((
                *PROGRAMS.iter().find(|program| **program == image)?,
                container,
            ))
        });
        let by_name = || {
            let program = PROGRAMS.iter().find(|program| id.name == **program)?;
            Some((*program, own_container(containers, program)?))
        };
        let (program, container) = by_image.or_else(by_name)?;

        Some(Self {
            id: id.clone(),
            program,
            account: pod
                .member("serviceAccountName")
                .and_then(TreeValue::text)
                .unwrap_or("default")
                .into(),
            args: arguments(container),
            origin,
        })
    }

    /// The value of a flag. See [`flag`].
    pub fn flag(&self, name: &str) -> Option<(&str, Option<Span>)> {
        flag(&self.args, name)
    }
}

/// The container of a program among those of a pod: the one with its image, else the one named
/// `manager`, else the first. The others are sidecars.
pub fn own_container<'t, T: TreeValue>(containers: &'t [T], program: &str) -> Option<&'t T> {
    let text = |container: &'t T, key: &str| container.member(key).and_then(TreeValue::text);
    let has_image = |container: &&'t T| {
        text(container, "image").is_some_and(|image| image_name(image) == program)
    };
    let is_manager = |container: &&'t T| text(container, "name") == Some("manager");

    let mut all = containers.iter();
    all.clone()
        .find(has_image)
        .or_else(|| all.clone().find(is_manager))
        .or_else(|| all.next())
}

/// The command and the arguments of a container, each with its span.
pub fn arguments<T: TreeValue>(container: &T) -> Vec<(Text, Option<Span>)> {
    ["command", "args"]
        .iter()
        .flat_map(|list| items(container.member(list)))
        .filter_map(|arg| Some((arg.text()?.into(), arg.span())))
        .collect()
}

/// The value of a flag among arguments; `true` if it stands alone. The last one counts. A value may
/// also be the next argument.
pub fn flag<'a>(args: &'a [(Text, Option<Span>)], name: &str) -> Option<(&'a str, Option<Span>)> {
    flags(args, name).next_back()
}

/// The values of each occurrence of a flag: those of a list add up.
pub fn flags<'a>(
    args: &'a [(Text, Option<Span>)],
    name: &str,
) -> impl DoubleEndedIterator<Item = (&'a str, Option<Span>)> {
    args.iter()
        .enumerate()
        .filter_map(move |(at, (arg, span))| {
            let rest = arg.strip_prefix('-')?.trim_start_matches('-');
            let rest = rest.strip_prefix(name)?;
            if let Some(value) = rest.strip_prefix('=') {
                return Some((value, *span));
            }
            if !rest.is_empty() {
                return None;
            }

            // A switch takes its value after `=` alone.
            let takes_next = !name.starts_with("no-");
            let next = args
                .get(at + 1)
                .filter(|(next, _)| takes_next && !next.starts_with('-'));
            Some(next.map_or(("true", *span), |(value, span)| (value.as_str(), *span)))
        })
}

/// The last part of an image's name, without its tag and its digest.
pub fn image_name(image: &str) -> &str {
    let name = image.rsplit('/').next().unwrap_or(image);
    name.split([':', '@']).next().unwrap_or(name)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_image_is_named_by_its_last_part() {
        for image in [
            "ghcr.io/controlplaneio-fluxcd/flux-operator:v0.30.0",
            "registry:5000/flux-operator@sha256:00",
            "flux-operator",
        ] {
            assert_eq!(image_name(image), "flux-operator", "{image}");
        }
    }

    #[test]
    fn the_last_flag_counts() {
        let args: Vec<(Text, Option<Span>)> = ["--a=1", "-a=2", "--b", "--c", "x", "--ab=3"]
            .map(|arg| (arg.into(), None))
            .to_vec();
        let value = |name| flag(&args, name).map(|(value, _)| value);

        assert_eq!(value("a"), Some("2"));
        assert_eq!(value("b"), Some("true"));
        assert_eq!(value("c"), Some("x"));
        assert_eq!(value("d"), None);

        let args: Vec<(Text, Option<Span>)> = vec![("--no-x".into(), None), ("false".into(), None)];
        assert_eq!(flag(&args, "no-x").map(|(value, _)| value), Some("true"));
    }
}
