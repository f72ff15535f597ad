//! The bounds of quotas and limits, compared by number: what namespaces that stay may use more or
//! less of. A bound that moves from one object to another is the same bound.

use super::objects::ChangedObject;
use super::{BesideAccess, ClusterState, Comparison, Effect, Party, Topic};
use crate::kube::{ObjectId, Quantity};
use serde_json::Value;
use std::collections::{BTreeMap, BTreeSet};

/// What is bounded in a namespace: a resource of a quota, or of a limit.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
struct Bounded {
    namespace: String,
    /// `quota`, or the type of a limit.
    of: String,
    /// The resource, as a report names it.
    resource: String,
    /// Whether the number is the least that is allowed, and not the most.
    is_least: bool,
}

/// An amount; `None` for one that is not a quantity.
type Amount = Option<Quantity>;

/// The bounds that differ between two states, in namespaces that both have.
pub fn compare(
    states: Comparison<'_>,
    changed: &[ChangedObject<'_>],
) -> Vec<(Party, BesideAccess)> {
    let namespaces: BTreeSet<&str> = changed
        .iter()
        .filter(|object| is_bound(object.id))
        .map(|object| object.id.namespace.as_str())
        .filter(|namespace| states.keeps_namespace(namespace))
        .collect();
    if namespaces.is_empty() {
        return Vec::new();
    }

    let before = bounds(states.before, &namespaces);
    let after = bounds(states.after, &namespaces);
    let all: BTreeSet<&Bounded> = before.keys().chain(after.keys()).collect();

    let change = |bounded: &Bounded| {
        let change = beside(bounded, before.get(bounded), after.get(bounded))?;
        Some((states.party_of(&bounded.namespace), change))
    };
    all.into_iter().filter_map(change).collect()
}

/// Whether an object bounds what its namespace may use.
pub fn is_bound(id: &ObjectId) -> bool {
    id.group.is_empty() && ["ResourceQuota", "LimitRange"].contains(&id.kind.as_str())
}

/// The change of one bound; `None` if it is the same.
fn beside(bounded: &Bounded, old: Option<&Amount>, new: Option<&Amount>) -> Option<BesideAccess> {
    let effect = match (old, new) {
        (Some(Some(old)), Some(Some(new))) if old == new => return None,
        (Some(Some(old)), Some(Some(new))) if (old < new) != bounded.is_least => Effect::Gained,
        (Some(Some(_)), Some(Some(_))) | (None, Some(Some(_))) => Effect::Lost,
        (Some(Some(_)), None) => Effect::Gained,
        _ => Effect::Untold,
    };

    let shown = |amount: Option<&Amount>| match amount {
        None => "no bound".to_owned(),
        Some(None) => "an amount that cannot be read".to_owned(),
        Some(Some(quantity)) => quantity.to_string(),
    };
    let Bounded {
        namespace,
        of,
        resource,
        ..
    } = bounded;
    let text = format!(
        "{of} of `{namespace}`: {resource} {} -> {}",
        shown(old),
        shown(new)
    );
    Some(BesideAccess {
        topic: Topic::Bound,
        effect,
        text,
    })
}

/// The tightest bound of each thing.
fn bounds(state: ClusterState<'_>, namespaces: &BTreeSet<&str>) -> BTreeMap<Bounded, Amount> {
    let mut all = BTreeMap::new();
    let objects = state
        .objects
        .iter()
        .filter(|(id, _)| is_bound(id) && namespaces.contains(id.namespace.as_str()));

    for (id, object) in objects {
        match id.kind.as_str() {
            "ResourceQuota" => add_quota(&mut all, &id.namespace, object),
            _ => add_limits(&mut all, &id.namespace, object),
        }
    }
    all
}

fn add_quota(all: &mut BTreeMap<Bounded, Amount>, namespace: &str, object: &Value) {
    let scopes: Vec<String> = ["scopes", "scopeSelector"]
        .iter()
        .filter_map(|key| object.get("spec")?.get(key))
        .map(|scope| format!(" ({scope})"))
        .collect();

    for (resource, amount) in entries(object.pointer("/spec/hard")) {
        // Kubernetes counts the short names as requests.
        let resource = match resource {
            "cpu" | "memory" | "ephemeral-storage" => format!("requests.{resource}"),
            resource => resource.to_owned(),
        };
        let bounded = Bounded {
            namespace: namespace.to_owned(),
            of: "quota".to_owned(),
            resource: resource + &scopes.concat(),
            is_least: false,
        };
        tighten(all, bounded, quantity(amount));
    }
}

fn add_limits(all: &mut BTreeMap<Bounded, Amount>, namespace: &str, object: &Value) {
    let limits = object.pointer("/spec/limits").and_then(Value::as_array);
    for limit in limits.into_iter().flatten() {
        let of = limit.get("type").and_then(Value::as_str).unwrap_or("?");
        for (field, amounts) in entries(Some(limit)).filter(|(_, amounts)| amounts.is_object()) {
            for (resource, amount) in entries(Some(amounts)) {
                let bounded = Bounded {
                    namespace: namespace.to_owned(),
                    of: format!("limits of each {of}"),
                    resource: format!("{field}.{resource}"),
                    is_least: field == "min",
                };
                tighten(all, bounded, quantity(amount));
            }
        }
    }
}

/// Adds a bound. Of two of one thing the tighter one counts; one that cannot be read stays.
fn tighten(all: &mut BTreeMap<Bounded, Amount>, bounded: Bounded, amount: Amount) {
    let is_least = bounded.is_least;
    let known = all.entry(bounded).or_insert_with(|| amount.clone());
    let is_tighter = match (&*known, &amount) {
        (Some(known), Some(amount)) => (amount < known) != is_least && amount != known,
        (Some(_), None) => true,
        (None, _) => false,
    };
    if is_tighter {
        *known = amount;
    }
}

fn entries(map: Option<&Value>) -> impl Iterator<Item = (&str, &Value)> {
    let map = map.and_then(Value::as_object).into_iter().flatten();
    map.map(|(key, value)| (key.as_str(), value))
}

fn quantity(value: &Value) -> Amount {
    let text = match value {
        Value::String(text) => text.clone(),
        Value::Number(number) => number.to_string(),
        _ => return None,
    };
    Quantity::parse(&text).ok()
}
