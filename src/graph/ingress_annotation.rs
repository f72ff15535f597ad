//! The annotations and fields by which ingress objects reach into their controller.

use super::object::Origin;
use crate::document::TreeValue;
use crate::host::{self, ControllerSetting, IngressPower};
use crate::kube::ObjectId;
use crate::source::Span;
use crate::value::Text;

/// An annotation of an Ingress that reaches into the controller.
#[derive(Clone, Debug)]
pub struct IngressAnnotation {
    /// The object.
    pub id: ObjectId,
    /// The key.
    pub key: Text,
    /// What it does.
    pub power: IngressPower,
    /// Where it stands.
    pub span: Option<Span>,
    /// Where the object comes from.
    pub origin: Origin,
}

impl IngressAnnotation {
    /// The references to other namespaces that an IngressRoute of Traefik makes.
    pub fn of_route<T: TreeValue>(id: &ObjectId, node: &T, origin: Origin) -> Vec<Self> {
        let settings = host::references_of_route(node).into_iter();
        settings
            .map(|setting| Self::new(id, setting, origin))
            .collect()
    }

    /// The annotations of an object that reach into the controller.
    pub fn of<T: TreeValue>(id: &ObjectId, node: &T, origin: Origin) -> Vec<Self> {
        let settings = host::controller_annotations(node).into_iter();
        settings
            .map(|setting| Self::new(id, setting, origin))
            .collect()
    }

    fn new(id: &ObjectId, setting: ControllerSetting<'_>, origin: Origin) -> Self {
        Self {
            id: id.clone(),
            key: setting.key.into(),
            power: setting.power,
            span: setting.span,
            origin,
        }
    }
}
