//! What a server answered: each object is compared as it comes, and only what is said of it is
//! kept.

use super::desired::{Desired, DesiredObject};
use super::drift::{FieldDifference, Manager, differences};
use super::engine::{self, ApplierState, EngineObservations};
use super::listing::{Detail, Listing, id_of};
use super::page::managed_fields;
use super::status::{ObjectStatus, Stage, conditions, text};
use super::stray::{Stray, stray_reason};
use crate::delivery::{all_marks, argo};
use crate::graph::{Facts, InputKind, Origin};
use crate::kube::ObjectId;
use crate::kube::names::OWNER_LABEL;
use crate::source::Span;
use crate::value::{Text, Value};
use fixedbitset::FixedBitSet;
use jiff::Timestamp;
use std::collections::BTreeMap;

/// The live state of a rendered object.
#[derive(Debug)]
pub struct Observed {
    /// What its own status says.
    pub status: ObjectStatus,
    /// How it differs.
    pub differences: Vec<FieldDifference>,
    /// Marks by which the engine leaves it as it is, or leaves it behind.
    pub marks: Vec<FoundMark>,
    /// How far the engine has come, if the object applies a folder.
    pub applied: Option<ApplierState>,
}

/// An annotation or label by which the engine leaves an object as it is, or leaves it behind.
#[derive(Clone, Debug)]
pub struct FoundMark {
    /// The key.
    pub key: &'static str,
    /// The value.
    pub value: Text,
    /// The verb of kubectl that takes it off: `annotate` or `label`.
    pub verb: &'static str,
    /// The manager that changed the object last.
    pub by: Option<Manager>,
}

/// An object that is being deleted, and is still there.
#[derive(Debug)]
pub struct Ending {
    /// The object.
    pub id: ObjectId,
    /// The tenant.
    pub tenant: Option<u32>,
    /// Since when, as RFC 3339.
    pub since: Text,
    /// The finalizers that hold it.
    pub finalizers: Vec<Text>,
    /// What the conditions of a namespace say.
    pub conditions: Vec<String>,
}

/// A live namespace that a spec declares.
#[derive(Debug)]
pub struct LiveNamespace {
    /// The fleet that its label names; `None` without the label.
    pub owner: Option<Text>,
    /// When it was made, as RFC 3339.
    pub made: Text,
}

/// A container's image of a controller of Flux or Argo CD.
#[derive(Debug)]
pub struct ControllerImage {
    /// The namespace of the Deployment.
    pub namespace: Text,
    /// The name of the Deployment.
    pub deployment: Text,
    /// The image.
    pub image: Text,
}

/// An Application of Argo CD that has not come where it should.
#[derive(Debug)]
pub struct LateApplication {
    /// The Application.
    pub id: ObjectId,
    /// The tenant whose namespace it is for.
    pub tenant: u32,
    /// What its status says.
    pub status: ObjectStatus,
}

/// What a server answered.
#[derive(Debug, Default)]
pub struct Observations {
    /// The rendered objects that are there, by their index in [`Desired::objects`].
    pub there: FixedBitSet,
    /// The state of each rendered object that is not just as it was rendered, and of each object that
    /// applies a folder; by the same index.
    pub seen: BTreeMap<usize, Observed>,
    /// What is being deleted.
    pub endings: Vec<Ending>,
    /// What was not rendered, and is reported.
    pub strays: Vec<Stray>,
    /// Live namespaces of declared names.
    pub homes: BTreeMap<Text, LiveNamespace>,
    /// Names of CRDs.
    pub definitions: Vec<Text>,
    /// Names of DaemonSets outside the tenants' namespaces.
    pub daemon_sets: Vec<Text>,
    /// The images of the controllers of Flux and Argo CD.
    pub images: Vec<ControllerImage>,
    /// The Applications of Argo CD that have not come where they should.
    pub applications: Vec<LateApplication>,
    /// What the engine's own objects say.
    pub engine: EngineObservations,
    /// Objects that cannot be read.
    pub unread: Vec<ObjectId>,
    /// The facts for the proof.
    pub facts: Facts,
    /// How many objects were looked at.
    pub count: usize,
}

/// What holds for every object of a page.
struct PageContext<'a> {
    wanted: &'a Desired,
    listing: &'a Listing,
    /// Where the objects are from, for the proof.
    span: Span,
    now: Timestamp,
}

/// An object of a page.
struct LiveObject<'a> {
    id: ObjectId,
    value: &'a Value,
    /// The tenant of its namespace.
    tenant: Option<u32>,
    /// When its deletion was asked for, as RFC 3339; may be empty.
    deleted: &'a str,
}

impl<'a> LiveObject<'a> {
    fn new(page: &PageContext<'_>, value: &'a Value) -> Self {
        let id = id_of(&page.listing.kind, value);
        let is_namespace = id.group.is_empty() && id.kind == "Namespace";
        let home = if is_namespace {
            &id.name
        } else {
            &id.namespace
        };

        Self {
            tenant: page.wanted.home(home),
            deleted: text(value, &["metadata", "deletionTimestamp"]),
            id,
            value,
        }
    }

    fn label(&self, key: &str) -> Option<&'a str> {
        self.value.at(&["metadata", "labels", key]).as_str()
    }
}

impl Observations {
    /// Adds the observations of another page.
    pub fn append(&mut self, more: Self) {
        self.seen.retain(|at, _| !more.there.contains(*at));
        self.there.union_with(&more.there);
        self.seen.extend(more.seen);
        self.endings.extend(more.endings);
        self.strays.extend(more.strays);
        self.homes.extend(more.homes);
        self.definitions.extend(more.definitions);
        self.daemon_sets.extend(more.daemon_sets);
        self.images.extend(more.images);
        self.applications.extend(more.applications);
        self.engine.append(more.engine);
        self.unread.extend(more.unread);
        self.facts.append(more.facts);
        self.count += more.count;
    }

    /// No observation yet; the facts for the proof are added to `facts`.
    pub fn of(facts: Facts) -> Self {
        Self {
            facts,
            ..Self::default()
        }
    }

    /// Looks at the objects of a page. `span` is where they are from, for the proof.
    pub fn look_at(
        &mut self,
        wanted: &Desired,
        listing: &Listing,
        items: &[Value],
        span: Span,
        now: Timestamp,
    ) {
        let page = PageContext {
            wanted,
            listing,
            span,
            now,
        };

        self.count += items.len();
        for item in items {
            self.look(&page, &LiveObject::new(&page, item));
        }
    }

    fn look(&mut self, page: &PageContext<'_>, live: &LiveObject<'_>) {
        let (wanted, id) = (page.wanted, &live.id);

        self.note_ending(wanted, live);
        self.note_cluster(page, live);
        engine::observe(wanted, id, live.value, page.now, &mut self.engine);

        let is_whole = page.listing.detail == Detail::Whole;
        let mut origin = Origin {
            input: InputKind::Snapshot,
            span: page.span,
        };

        match wanted.objects.get_full(id) {
            Some((at, _, want)) if is_whole => {
                let is_as_rendered = self.compare(page, live, at, want);
                if is_as_rendered {
                    origin = Origin {
                        input: InputKind::Applied,
                        span: want.span,
                    };
                }
            }
            Some(_) => {}
            None if live.deleted.is_empty() => self.note_stray(wanted, live),
            None => {}
        }

        if is_whole && wanted.only.is_none() {
            self.facts.add(id.clone(), live.value, origin);
        }
    }

    /// Notes an object of the fleet that is being deleted.
    fn note_ending(&mut self, wanted: &Desired, live: &LiveObject<'_>) {
        let is_ours =
            live.tenant.is_some() || live.label(OWNER_LABEL) == Some(wanted.owner.as_str());
        if live.deleted.is_empty() || !wanted.asks(live.tenant) || !is_ours {
            return;
        }

        self.endings.push(Ending {
            id: live.id.clone(),
            tenant: live.tenant,
            since: live.deleted.into(),
            finalizers: finalizers(live.value),
            conditions: conditions(live.value)
                .filter(|c| c.status == "True")
                .map(|c| format!("{}: {}", c.kind, c.message))
                .collect(),
        });
    }

    /// Notes what an object says of the cluster, whether or not it was rendered.
    fn note_cluster(&mut self, page: &PageContext<'_>, live: &LiveObject<'_>) {
        let (wanted, id) = (page.wanted, &live.id);

        match (id.group.as_str(), id.kind.as_str()) {
            ("", "Namespace") if live.tenant.is_some() => {
                let owner = live.label(OWNER_LABEL).map(Text::from);
                let made = text(live.value, &["metadata", "creationTimestamp"]).into();
                let namespace = LiveNamespace { owner, made };
                self.homes.insert(id.name.clone(), namespace);
            }
            ("apiextensions.k8s.io", "CustomResourceDefinition") => {
                self.definitions.push(id.name.clone());
            }
            // A tenant may call its own DaemonSet anything.
            ("apps", "DaemonSet") if live.tenant.is_none() => {
                self.daemon_sets.push(id.name.clone());
            }
            ("apps", "Deployment")
                if id.namespace == wanted.engine_namespace || id.namespace == argo::NAMESPACE =>
            {
                self.images.extend(controller_images(live));
            }
            (argo::GROUP, argo::APPLICATION) => {
                self.applications.extend(late_application(page, live));
            }
            _ => {}
        }
    }

    /// Compares an object with its rendered one. Returns whether it is as rendered.
    fn compare(
        &mut self,
        page: &PageContext<'_>,
        live: &LiveObject<'_>,
        at: usize,
        want: &DesiredObject,
    ) -> bool {
        let (wanted, id, value) = (page.wanted, &live.id, live.value);
        let status = ObjectStatus::of(&id.group, &id.kind, value, page.now);
        let is_applier = wanted.is_applier(id);

        let seen = Observed {
            status: engine::between_turns(wanted, id, value, status),
            differences: differences(id, &want.value, value, managed_fields),
            marks: found_marks(&want.value, value),
            applied: is_applier.then(|| engine::applier_state(wanted, value)),
        };

        let is_as_rendered = seen.differences.is_empty() && seen.marks.is_empty();

        self.there.grow_and_insert(at);
        if !is_as_rendered || seen.status.stage != Stage::Current || is_applier {
            self.seen.insert(at, seen);
        } else {
            // If an object is listed twice, the last state counts.
            self.seen.remove(&at);
        }

        is_as_rendered
    }

    /// Notes an object that was not rendered, if it gives a tenant more or is left behind.
    fn note_stray(&mut self, wanted: &Desired, live: &LiveObject<'_>) {
        let Some(reason) = stray_reason(wanted, &live.id, live.tenant, live.value) else {
            return;
        };

        self.strays.push(Stray {
            id: live.id.clone(),
            reason,
            by: last_manager(live.value),
            applied_by: engine::applied_by(wanted, live.value),
        });
    }
}

/// The images of a Deployment.
fn controller_images(live: &LiveObject<'_>) -> impl Iterator<Item = ControllerImage> {
    let pod = live.value.at(&["spec", "template", "spec"]);
    let containers = pod.at(&["containers"]).items().iter();

    containers.map(|container| ControllerImage {
        namespace: live.id.namespace.clone(),
        deployment: live.id.name.clone(),
        image: text(container, &["image"]).into(),
    })
}

/// An Application of Argo CD for a tenant of this cluster, if it is not current. A hub has
/// Applications of other clusters too.
fn late_application(page: &PageContext<'_>, live: &LiveObject<'_>) -> Option<LateApplication> {
    let destination = |field: &str| text(live.value, &["spec", "destination", field]);
    let is_here = destination("server") == "https://kubernetes.default.svc"
        || destination("name") == "in-cluster";

    let target = page.wanted.home(destination("namespace"));
    let tenant = target.filter(|_| is_here).or(live.tenant)?;
    let status = ObjectStatus::of(&live.id.group, &live.id.kind, live.value, page.now);

    (page.wanted.asks(Some(tenant)) && status.stage != Stage::Current).then(|| LateApplication {
        id: live.id.clone(),
        tenant,
        status,
    })
}

/// The finalizers of an object, and those of a namespace's spec.
fn finalizers(object: &Value) -> Vec<Text> {
    ["metadata", "spec"]
        .into_iter()
        .flat_map(|part| object.at(&[part, "finalizers"]).items())
        .filter_map(|finalizer| finalizer.as_str().map(Text::from))
        .collect()
}

/// Annotations and labels by which the engine does not set an object back, or does not remove it:
/// those that were not rendered.
fn found_marks(wanted: &Value, object: &Value) -> Vec<FoundMark> {
    let mut found = Vec::new();
    for (part, verb) in [("annotations", "annotate"), ("labels", "label")] {
        for mark in all_marks().filter(|mark| mark.effect.hinders()) {
            let value = text(object, &["metadata", part, mark.key]);
            if value.eq_ignore_ascii_case(mark.value)
                && text(wanted, &["metadata", part, mark.key]) != value
            {
                found.push(FoundMark {
                    key: mark.key,
                    value: value.into(),
                    verb,
                    by: last_manager(object),
                });
            }
        }
    }

    found
}

/// The manager that changed an object last, by the object's own account.
fn last_manager(object: &Value) -> Option<Manager> {
    Manager::last(Manager::all(managed_fields(object).items()).map(|(manager, _)| manager))
}
