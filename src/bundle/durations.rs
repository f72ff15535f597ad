//! Durations in objects of custom kinds.
//!
//! Flux, cert-manager and most other controllers decode durations with Go's `time.ParseDuration`,
//! while their CRDs check the form alone. The API server stores `9999999999999h`; then the
//! controller cannot decode its list of the kind, on the whole cluster and after every restart.

use crate::document::{TreeValue, View};
use crate::kube::ObjectId;
use crate::spec::duration::{self, DurationError};

/// The first string of an object that has the form of a duration and that Go cannot hold.
///
/// Kubernetes' own kinds have no such field; their quantities may look like one (`1000m`).
pub(super) fn out_of_range<'a, T: TreeValue>(
    id: &ObjectId,
    object: &'a T,
) -> Option<(&'a T, &'a str)> {
    let custom = id.group.contains('.') && !id.group.ends_with(".k8s.io");
    if custom { find(object) } else { None }
}

fn find<T: TreeValue>(node: &T) -> Option<(&T, &str)> {
    match node.view() {
        View::String(text) => {
            let refused = duration::parse(text) == Err(DurationError::OutOfRange);
            refused.then_some((node, text))
        }
        View::Seq(items) => items.iter().find_map(find),
        View::Map(entries) => entries.iter().find_map(|entry| find(T::split(entry).1)),
        View::Null | View::Bool(_) | View::Number(_) => None,
    }
}

/// Says what is wrong with such a duration.
pub(super) fn message(id: &ObjectId, text: &str) -> String {
    format!(
        "`{id}` has the duration `{text}`, longer than Go can hold ({}): \
         its controller could read no {} of the whole cluster",
        duration::LONGEST,
        id.kind
    )
}
