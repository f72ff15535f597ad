//! The controllers of Flux: how the inputs start them, and their arguments after every patch of an
//! overlay.

use super::Applier;
use crate::document::TreeValue;
use crate::graph::operator;
use crate::graph::rbac::Subject;
use crate::graph::{Cluster, MASTERS, Origin, Owner};
use crate::host::HostPattern;
use crate::kube::ObjectId;
use crate::kube::labels::{at, items};
use crate::source::Span;
use crate::value::Text;

/// Deployments of Flux whose arguments decide who applies as whom.
const CONTROLLERS: [&str; 7] = [
    "kustomize-controller",
    "helm-controller",
    "notification-controller",
    "image-automation-controller",
    "image-reflector-controller",
    "source-controller",
    "source-watcher",
];

/// The values by which a switch is off, as Go's `strconv.ParseBool` reads them.
pub const FALSE: [&str; 6] = ["0", "f", "F", "false", "False", "FALSE"];

/// A change of a list of arguments.
#[derive(Clone, Debug)]
pub enum ArgumentEdit {
    /// Inserts a value at an index, or at the end.
    Insert(Option<usize>, Text, Span),
    /// Replaces the value at an index.
    Replace(usize, Text, Span),
    /// Removes the value at an index.
    Remove(usize),
    /// Sets the whole list.
    Set(Vec<Text>, Span),
}

impl ArgumentEdit {
    /// Changes a list of arguments as kustomize would. An index beyond its end is the end.
    pub fn apply(&self, args: &mut Vec<(Text, Option<Span>)>) {
        match self {
            Self::Insert(at, value, span) => {
                let at = at.unwrap_or(args.len()).min(args.len());
                args.insert(at, (value.clone(), Some(*span)));
            }
            Self::Replace(at, value, span) => match args.get_mut(*at) {
                Some(arg) => *arg = (value.clone(), Some(*span)),
                None => args.push((value.clone(), Some(*span))),
            },
            Self::Remove(at) => {
                if *at < args.len() {
                    args.remove(*at);
                }
            }
            Self::Set(values, span) => {
                *args = values
                    .iter()
                    .map(|value| (value.clone(), Some(*span)))
                    .collect();
            }
        }
    }
}

/// How a controller of Flux is started, or how a patch of an overlay sets it to be.
#[derive(Clone, Debug)]
pub struct Controller {
    /// The Deployment; without a name for a patch.
    pub id: ObjectId,
    /// For a patch, the pattern of the names that it is for; all of Flux's controllers where the
    /// pattern is empty.
    pub patch: Option<Text>,
    /// Whether it is a FluxInstance, which starts every controller.
    pub is_instance: bool,
    /// Its arguments, each with its place; those of its own container, and not of sidecars.
    pub args: Vec<(Text, Option<Span>)>,
    /// For a patch, how it changes the arguments.
    pub edits: Vec<ArgumentEdit>,
    /// Where it comes from.
    pub origin: Origin,
}

/// Whether a Deployment's name is that of a controller whose arguments count.
pub(super) fn is_controller(name: &str) -> bool {
    CONTROLLERS
        .iter()
        .any(|controller| is_named(name, controller))
}

/// Whether a Deployment's name is a controller's, or a shard's of it.
pub fn is_named(name: &str, controller: &str) -> bool {
    name.strip_prefix(controller)
        .is_some_and(|rest| rest.is_empty() || rest.starts_with('-'))
}

impl Controller {
    /// Reads a Deployment.
    pub(super) fn of_deployment<T: TreeValue>(id: ObjectId, node: &T, origin: Origin) -> Self {
        let pod = at(node, &["spec", "template", "spec"]);
        let containers = items(pod.and_then(|pod| pod.member("containers")));
        let program = CONTROLLERS.iter().find(|name| is_named(&id.name, name));
        let own = operator::own_container(containers, program.copied().unwrap_or_default());

        Self {
            patch: None,
            is_instance: false,
            args: own.map(operator::arguments).unwrap_or_default(),
            edits: Vec::new(),
            origin,
            id,
        }
    }

    /// Whether it starts a controller: a Deployment of its name, or a FluxInstance.
    pub fn runs(&self, name: &str) -> bool {
        self.is_instance || self.patch.is_none() && is_named(&self.id.name, name)
    }

    /// Whether a patch is for a controller: its target's name is a regular expression, as `(a|b)`.
    pub fn patches(&self, name: &str) -> bool {
        let pattern = self.patch.as_ref();
        pattern.is_some_and(|pattern| is_target(pattern, name))
    }

    /// Whether a patch is for the objects of a namespace.
    fn patches_in(&self, namespace: &str) -> bool {
        is_target(&self.id.namespace, namespace)
    }
}

/// Whether a target of a patch, an anchored regular expression, is a name. An empty one is every
/// name.
///
/// Source: kubectl.docs.kubernetes.io/references/kustomize/kustomization/patches.
fn is_target(pattern: &str, name: &str) -> bool {
    if pattern.is_empty() || pattern == name {
        return true;
    }
    let anchored = HostPattern::regex(&format!("^(?:{pattern})$"));
    anchored.matcher().is_some_and(|matches| matches(name))
}

/// A controller of Flux, and the arguments that it starts with.
#[derive(Debug)]
pub struct StartedController<'a> {
    /// The Deployment or the FluxInstance; where no input holds one, the last patch for it.
    pub controller: &'a Controller,
    args: Vec<(Text, Option<Span>)>,
}

impl StartedController<'_> {
    /// The value of a flag, without dashes, and its place.
    pub fn flag(&self, flag: &str) -> Option<(&str, Option<Span>)> {
        operator::flag(&self.args, flag)
    }

    /// The value of a flag that is set, and not set to false.
    pub fn set(&self, flag: &str) -> Option<&str> {
        let (value, _) = self.flag(flag)?;
        let is_off = flag.starts_with("no-") && FALSE.contains(&value);
        (!value.is_empty() && !is_off).then_some(value)
    }

    /// Whether an input holds the object that starts it.
    pub const fn is_held(&self) -> bool {
        self.controller.patch.is_none()
    }
}

impl Cluster {
    /// The controllers of a name that the platform starts, with those of its shards. If no input starts
    /// one, the last patch for it.
    pub fn started(&self, name: &str) -> Vec<StartedController<'_>> {
        let controllers = &self.facts.gitops.controllers;
        let patches: Vec<&Controller> =
            controllers.iter().filter(|one| one.patches(name)).collect();
        let started = |controller| {
            let controller: &Controller = controller;
            let mut args = controller.args.clone();
            let of_namespace = |patch: &&&Controller| patch.patches_in(&controller.id.namespace);
            for edit in patches
                .iter()
                .filter(of_namespace)
                .flat_map(|patch| &patch.edits)
            {
                edit.apply(&mut args);
            }
            StartedController { controller, args }
        };

        let held = controllers
            .iter()
            .filter(|one| one.runs(name))
            .filter(|one| self.owner(&one.id.namespace) == Owner::Platform);
        let mut all: Vec<StartedController<'_>> = held.map(started).collect();
        if all.is_empty() {
            all.extend(patches.last().map(|patch| started(patch)));
        }
        all
    }

    /// Whom an object of Flux applies as on this cluster: the account that it names, or else the one
    /// that its controllers give it. Without either, a controller applies as an administrator.
    ///
    /// Source: fluxcd.io/flux/installation/configuration/multitenancy.
    pub fn applies_as(&self, applier: &Applier) -> Subject {
        let account =
            |name: &str| Subject::ServiceAccount(applier.id.namespace.clone(), name.into());
        if let Some(name) = &applier.account {
            return account(name);
        }

        let controller = match applier.id.kind.as_str() {
            "HelmRelease" => "helm-controller",
            _ => "kustomize-controller",
        };
        let started = self.started(controller);
        let default = |one: &StartedController<'_>| {
            let set = one.set("default-service-account");
            set.map(str::to_owned)
        };
        let first = started.first().and_then(default);
        match first {
            Some(name) if started.iter().all(|one| default(one).is_some()) => account(&name),
            _ => Subject::Group(MASTERS.into()),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_target_is_an_anchored_expression() {
        for (pattern, name, is) in [
            ("", "helm-controller", true),
            ("helm-controller", "helm-controller", true),
            ("helm", "helm-controller", false),
            ("^(kustomize|helm)-controller$", "helm-controller", true),
            (
                "(kustomize-controller|helm-controller)",
                "helm-controller",
                true,
            ),
            ("(a|(b|c)d)e", "cde", true),
            ("(a|(b|c)d)e", "ce", false),
            (".*-controller", "source-controller", true),
        ] {
            assert_eq!(is_target(pattern, name), is, "{pattern} {name}");
        }
    }
}
