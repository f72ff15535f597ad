//! The objects of the engines that apply manifests: what is applied, from where, and as whom. One
//! file an engine.

mod argo;
pub mod controller;
pub mod flux;
mod others;
pub mod patches;
mod source;

pub use source::{ArtifactSource, SourceRef};

use super::object::Origin;
use crate::delivery::Engine;
use crate::document::TreeValue;
use crate::kube::ObjectId;
use crate::source::Span;
use crate::value::Text;
pub use argo::ArgoObject;
use controller::Controller;
pub use others::OtherSync;

/// What the objects of the engines say.
#[derive(Debug, Default)]
pub struct Gitops {
    /// Objects that apply something.
    pub appliers: Vec<Applier>,
    /// Objects that refer to others.
    pub referrers: Vec<Referrer>,
    /// Flux's controllers.
    pub controllers: Vec<Controller>,
    /// Objects that fetch what others apply.
    pub sources: Vec<ArtifactSource>,
    /// Objects of Argo CD.
    pub argo: Vec<ArgoObject>,
    /// Objects of other engines of the platform, with what they apply.
    pub others: Vec<OtherSync>,
    /// Objects of kinds that are not evaluated.
    pub unread: Vec<UnreadObject>,
    /// Whether an engine changes what it applies, by labels and patches of its own.
    pub rewritten: bool,
}

/// An object of an engine that applies something.
#[derive(Clone, Debug)]
pub struct Applier {
    /// The engine.
    pub engine: Engine,
    /// What it is.
    pub id: ObjectId,
    /// The tenant that its label names.
    pub tenant: Option<Text>,
    /// The service account that it applies as; the controller's own where it names none.
    pub account: Option<Text>,
    /// The namespace that every object is put into, where it names one.
    pub target: Option<(Text, Option<Span>)>,
    /// What it applies from.
    pub sources: Vec<Reference>,
    /// The Secret with the kubeconfig of another cluster.
    pub kube_config: Option<(Text, Option<Span>)>,
    /// The Secret with the keys that it decrypts with.
    pub decryption: Option<Text>,
    /// Where it comes from.
    pub origin: Origin,
}

/// An object of an engine that refers to others.
#[derive(Clone, Debug)]
pub struct Referrer {
    /// What it is.
    pub id: ObjectId,
    /// Sources, charts, dependencies, what it listens to or is told of.
    pub references: Vec<Reference>,
    /// Where it comes from.
    pub origin: Origin,
}

/// A reference of an object to another.
#[derive(Clone, Debug)]
pub struct Reference {
    /// The field.
    pub field: &'static str,
    /// The kind.
    pub kind: Text,
    /// The namespace that is named; the object's own where none is.
    pub namespace: Text,
    /// The name.
    pub name: Text,
    /// Where it is named.
    pub span: Option<Span>,
}

impl Reference {
    /// The source that it names.
    pub fn source(&self) -> SourceRef {
        SourceRef {
            kind: self.kind.clone(),
            namespace: self.namespace.clone(),
            name: self.name.clone(),
        }
    }
}

/// An object of an engine, of a kind that is not evaluated.
#[derive(Clone, Debug)]
pub struct UnreadObject {
    /// What it is.
    pub id: ObjectId,
    /// Where it comes from.
    pub origin: Origin,
}

impl Gitops {
    /// Reads an object, and says whether nothing else is to read it.
    pub fn read<T: TreeValue>(&mut self, id: &ObjectId, node: &T, origin: Origin) -> bool {
        self.sources.extend(ArtifactSource::of(id, node, origin));
        let is_read = Engine::ALL.into_iter().any(|engine| match engine {
            Engine::Flux => flux::read(self, id, node, origin),
        });
        is_read || argo::read(self, id, node, origin) || others::read(self, id, node, origin)
    }

    /// Reads how a controller of an engine is started, where the Deployment is one's.
    pub fn read_deployment<T: TreeValue>(&mut self, id: &ObjectId, node: &T, origin: Origin) {
        for engine in Engine::ALL {
            match engine {
                Engine::Flux if controller::is_controller(&id.name) => {
                    let controller = Controller::of_deployment(id.clone(), node, origin);
                    self.controllers.push(controller);
                }
                Engine::Flux => {}
            }
        }
    }

    /// Adds the facts of other objects.
    pub fn append(&mut self, other: Self) {
        // Without `..`: a new field does not compile until it is merged here.
        let Self {
            appliers,
            referrers,
            controllers,
            sources,
            argo,
            others,
            unread,
            rewritten,
        } = other;

        self.appliers.extend(appliers);
        self.referrers.extend(referrers);
        self.controllers.extend(controllers);
        self.sources.extend(sources);
        self.argo.extend(argo);
        self.others.extend(others);
        self.unread.extend(unread);
        self.rewritten |= rewritten;
    }

    /// Removes the facts of objects that do not stay.
    pub fn retain(&mut self, stays: impl Fn(&ObjectId, &Origin) -> bool) {
        // Without `..`: a new field does not compile until it is named here.
        let Self {
            appliers,
            referrers,
            controllers,
            sources,
            argo,
            others,
            unread,
            rewritten: _,
        } = self;

        appliers.retain(|found| stays(&found.id, &found.origin));
        referrers.retain(|found| stays(&found.id, &found.origin));
        controllers.retain(|found| stays(&found.id, &found.origin));
        sources.retain(|found| stays(&found.id, &found.origin));
        argo.retain(|found| stays(&found.id, &found.origin));
        others.retain(|found| stays(&found.id, &found.origin));
        unread.retain(|found| stays(&found.id, &found.origin));
    }
}
