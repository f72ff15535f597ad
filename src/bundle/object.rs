//! A rendered object: its value and its text.

use crate::document::emit;
use crate::kube::ObjectId;
use crate::source::Span;
use crate::value::Value;
use std::borrow::Cow;

/// An object that was rendered and checked, and is not written yet.
#[derive(Debug)]
pub struct Object<'s> {
    /// The identity.
    pub id: ObjectId,
    /// The content to write.
    pub body: ObjectBody<'s>,
    /// The place in the user's file: a template of the fleet's own, or a verbatim file. `None` if a
    /// built-in template yields it.
    pub origin: Option<Span>,
}

/// The content of an object.
#[derive(Debug)]
pub enum ObjectBody<'s> {
    /// A value, to be emitted.
    Value(Value),
    /// The bytes of a verbatim file, and their value.
    Verbatim(Cow<'s, str>, Value),
}

/// The form in which a run keeps rendered objects. Ten thousand tenants have 100 MB of texts, and
/// a run that only looks for faults needs none of them.
///
/// The form is a type, so that a graph cannot be built from objects whose values were not kept.
pub trait ObjectForm: Send + Sync + Sized {
    /// Whether the text is kept: only then are the files of the tree made.
    const HAS_TEXT: bool = false;

    /// Keeps an object. `span` is the part of a spec that it is rendered from.
    fn of(object: Object<'_>, span: Span) -> Self;

    /// The identity of the object.
    fn id(&self) -> &ObjectId;

    /// Moves the text out; it is empty if no text is kept.
    fn take_text(&mut self) -> String {
        String::new()
    }
}

/// The identity alone, for a run that only looks for faults.
impl ObjectForm for ObjectId {
    fn of(object: Object<'_>, _: Span) -> Self {
        object.id
    }

    fn id(&self) -> &ObjectId {
        self
    }
}

/// A rendered object with its text, for a run that writes the tree.
#[derive(Debug)]
pub struct ObjectText {
    id: ObjectId,
    /// The YAML, after a `---` line.
    text: String,
}

impl ObjectForm for ObjectText {
    const HAS_TEXT: bool = true;

    fn of(object: Object<'_>, _: Span) -> Self {
        let mut text = "---\n".to_owned();
        match &object.body {
            ObjectBody::Value(value) => emit(&mut text, value),
            ObjectBody::Verbatim(bytes, _) => {
                text.push_str(bytes);
                if !bytes.ends_with('\n') {
                    text.push('\n');
                }
            }
        }

        Self {
            id: object.id,
            text,
        }
    }

    fn id(&self) -> &ObjectId {
        &self.id
    }

    fn take_text(&mut self) -> String {
        std::mem::take(&mut self.text)
    }
}

/// A rendered object with its value, for a run that reasons about it.
#[derive(Clone, Debug)]
pub struct RenderedObject {
    /// The identity.
    pub id: ObjectId,
    /// The whole object.
    pub value: Value,
    /// The part of a spec that it is rendered from, or the verbatim file that holds it.
    pub span: Span,
}

impl ObjectForm for RenderedObject {
    fn of(object: Object<'_>, span: Span) -> Self {
        let (value, span) = match object.body {
            ObjectBody::Value(value) => (value, span),
            ObjectBody::Verbatim(_, value) => (value, object.origin.unwrap_or(span)),
        };
        Self {
            id: object.id,
            value,
            span,
        }
    }

    fn id(&self) -> &ObjectId {
        &self.id
    }
}

/// Objects that are applied together: they become one file.
#[derive(Debug)]
pub struct ObjectSet<T> {
    /// The objects, in the order of applying.
    pub objects: Vec<T>,
}

impl<T> Default for ObjectSet<T> {
    fn default() -> Self {
        Self {
            objects: Vec::new(),
        }
    }
}

impl<T: ObjectForm> ObjectSet<T> {
    /// The identities, in the order of applying.
    pub fn ids(&self) -> impl ExactSizeIterator<Item = &ObjectId> {
        self.objects.iter().map(T::id)
    }

    /// Moves the texts out, one after the other.
    pub fn take_text(&mut self) -> String {
        self.objects.iter_mut().map(T::take_text).collect()
    }
}
