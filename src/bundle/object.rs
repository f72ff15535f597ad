//! A rendered object: its value and its text.

use crate::document::emit;
use crate::kube::ObjectId;
use crate::source::Span;
use crate::value::Value;
use std::borrow::Cow;

/// An object that was made and checked, and not written yet.
#[derive(Debug)]
pub struct Object<'s> {
    /// What it is.
    pub id: ObjectId,
    /// What is written of it.
    pub body: Body<'s>,
    /// Where it comes from: a document of a template, or of a verbatim file.
    pub origin: Span,
}

/// What is written of an object.
#[derive(Debug)]
pub enum Body<'s> {
    /// A value, to be emitted.
    Value(Value),
    /// The bytes of a verbatim file, and what they say.
    Verbatim(Cow<'s, str>, Value),
}

/// What is kept of objects besides what they are. Ten thousand tenants have 100 MB of texts.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Keep {
    /// Nothing: only what is wrong with them is asked.
    Nothing,
    /// Their texts, to be written.
    Texts,
    /// Their values, to be reasoned about.
    Values,
}

/// Objects that are applied together: what becomes one file.
#[derive(Debug, Default)]
pub struct Part {
    /// What they are, in the order of applying.
    pub objects: Vec<ObjectId>,
    /// Their YAML, each after a `---` line; empty where no text was asked for.
    pub text: String,
    /// Their values, and what each is rendered from; empty where none was asked for.
    pub values: Vec<(Value, Span)>,
}

impl Part {
    /// Adds an object, and what of it is asked for. `span` is what a rendered one is rendered
    /// from.
    pub fn push(&mut self, object: Object<'_>, keep: Keep, span: Span) {
        if keep == Keep::Values {
            self.values.push(match object.body {
                Body::Value(value) => (value, span),
                Body::Verbatim(_, value) => (value, object.origin),
            });
        } else if keep == Keep::Texts {
            self.text.push_str("---\n");
            match &object.body {
                Body::Value(value) => emit(&mut self.text, value),
                Body::Verbatim(bytes, _) => {
                    self.text.push_str(bytes);
                    if !bytes.ends_with('\n') {
                        self.text.push('\n');
                    }
                }
            }
        }
        self.objects.push(object.id);
    }
}
