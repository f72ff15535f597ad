//! The controllers of Flux as they start: their arguments after every patch of an overlay.

use super::Applier;
use super::flux::Controller;
use crate::graph::operator;
use crate::graph::rbac::Subject;
use crate::graph::{Cluster, MASTERS, Owner};
use crate::source::Span;
use crate::value::Text;

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
        (!value.is_empty() && value != "false").then_some(value)
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
            for edit in patches.iter().flat_map(|patch| &patch.edits) {
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
