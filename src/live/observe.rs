//! What a server answered: each object is compared as it comes, and only what is said of it is
//! kept.

use super::desired::Desired;
use super::drift::{FieldDifference, Manager, differences};
use super::listing::{Listing, id_of};
use super::page::managed_fields;
use super::status::{ObjectStatus, Stage, conditions, text};
use crate::delivery::{all_marks, argo};
use crate::graph::{Facts, InputKind, Origin};
use crate::kube::names::{OWNER_LABEL, TENANT_LABEL};
use crate::kube::{ObjectId, kinds};
use crate::source::Span;
use crate::value::{Text, Value};
use fixedbitset::FixedBitSet;
use jiff::Timestamp;
use std::collections::{BTreeMap, BTreeSet};

/// What is said of an object that was rendered.
#[derive(Debug)]
pub struct Observed {
    /// What its own status says.
    pub status: ObjectStatus,
    /// How it differs.
    pub differences: Vec<FieldDifference>,
    /// By what Flux leaves it as it is, or leaves it behind.
    pub marks: Vec<FoundMark>,
    /// How far Flux has come, of a Kustomization.
    pub applied: Option<ApplierState>,
}

/// An annotation or label by which Flux leaves an object as it is, or leaves it behind.
#[derive(Clone, Debug)]
pub struct FoundMark {
    /// Its key.
    pub key: &'static str,
    /// Its value.
    pub value: Text,
    /// What takes it off: `annotate` or `label`.
    pub verb: &'static str,
    /// Who set it.
    pub by: Option<Manager>,
}

/// How far Flux has come with a Kustomization.
#[derive(Clone, Debug, Default)]
pub struct ApplierState {
    /// Whether it is suspended.
    pub suspended: bool,
    /// The revision that was applied last; may be empty.
    pub revision: Text,
    /// Its Ready condition: the status, the reason, the message and since when.
    pub ready: [Text; 4],
    /// What its labels say that applies it, as `namespace/name`.
    pub by: Option<String>,
}

/// The annotation by which an artifact says of what files it is made.
const CONTENT: &str = "tenantry.dev/content";

/// What Flux has fetched of a source.
#[derive(Clone, Debug)]
pub struct ObservedSource {
    /// Its kind.
    pub kind: Text,
    /// Its name.
    pub name: Text,
    /// The revision that it holds; may be empty.
    pub revision: Text,
    /// The digest of the files that it says it is made of, for a unit's own; may be empty.
    pub content: Text,
    /// The revision of the Git repository that an artifact says it is made of; may be empty.
    pub origin: Text,
    /// Why it is not ready; may be empty.
    pub wrong: String,
}

/// An object that is being deleted, and is still there.
#[derive(Debug)]
pub struct Ending {
    /// What it is.
    pub id: ObjectId,
    /// The tenant.
    pub tenant: Option<u32>,
    /// Since when, as RFC 3339.
    pub since: Text,
    /// What holds it.
    pub finalizers: Vec<Text>,
    /// What its conditions say, of a namespace.
    pub conditions: Vec<String>,
}

/// An object that was not rendered.
#[derive(Debug)]
pub struct Stray {
    /// What it is.
    pub id: ObjectId,
    /// Why it is named.
    pub why: Why,
    /// Who made or changed it last.
    pub by: Option<Manager>,
    /// The Kustomization or HelmRelease that applies it, as `namespace/name`, where its labels say
    /// so.
    pub applied_by: Option<String>,
}

/// Why an object that was not rendered is named.
#[derive(Debug)]
pub enum Why {
    /// It gives a tenant more than was rendered: what it gives.
    Widens(u32, String),
    /// It gives service accounts of a namespace a Role of the same, as operators do: what it gives.
    Within(u32, String),
    /// A policy of the whole cluster, of the network plugin or the platform.
    Beside,
    /// It has our label, and no spec.
    Orphaned(Option<Text>),
    /// A volume whose claim is gone: the claim, as `namespace/name`.
    Released(String),
}

/// What is said of a live namespace that a spec declares.
#[derive(Debug)]
pub struct LiveNamespace {
    /// The fleet that it says it is of; nothing without our label.
    pub owner: Option<Text>,
    /// When it was made, as RFC 3339.
    pub made: Text,
}

/// What a server answered.
#[derive(Debug, Default)]
pub struct Observations {
    /// What was rendered, and is there, by its place in what is wanted.
    pub there: FixedBitSet,
    /// What is said of it, where it is not just as it was rendered; of Kustomizations always.
    pub seen: BTreeMap<usize, Observed>,
    /// What is being deleted.
    pub endings: Vec<Ending>,
    /// What was not rendered, and is named.
    pub strays: Vec<Stray>,
    /// Live namespaces of declared names.
    pub homes: BTreeMap<Text, LiveNamespace>,
    /// Names of CRDs.
    pub definitions: Vec<Text>,
    /// Names of DaemonSets, by namespace.
    pub daemon_sets: Vec<(Text, Text)>,
    /// Containers' images of the controllers of Flux and Argo CD: the namespace, the controller,
    /// the image.
    pub images: Vec<[Text; 3]>,
    /// Argo CD's Applications that have not come where they should, and the tenant whose namespace
    /// that is.
    pub applications: Vec<(ObjectId, u32, ObjectStatus)>,
    /// Sources in Flux's namespace.
    pub sources: Vec<ObservedSource>,
    /// Kustomizations in Flux's namespace that are suspended.
    pub suspended: BTreeSet<Text>,
    /// Objects that cannot be read.
    pub unread: Vec<ObjectId>,
    /// What is said to the proof.
    pub facts: Facts,
    /// How many objects were looked at.
    pub count: usize,
}

impl Observations {
    /// Adds what another said.
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
        self.sources.extend(more.sources);
        self.suspended.extend(more.suspended);
        self.unread.extend(more.unread);
        self.facts.append(more.facts);
        self.count += more.count;
    }

    /// Nothing yet. `facts` takes what is said to the proof.
    pub fn of(facts: Facts) -> Self {
        Self {
            facts,
            ..Self::default()
        }
    }

    /// Looks at the objects of a page. `span` is what they are from, for the proof.
    pub fn look_at(
        &mut self,
        wanted: &Desired,
        listing: &Listing,
        items: &[Value],
        span: Span,
        now: Timestamp,
    ) {
        self.count += items.len();
        for item in items {
            self.look(wanted, listing, item, span, now);
        }
    }

    fn look(
        &mut self,
        wanted: &Desired,
        listing: &Listing,
        object: &Value,
        span: Span,
        now: Timestamp,
    ) {
        let id = id_of(&listing.kind, object);
        let home = if id.group.is_empty() && id.kind == "Namespace" {
            &id.name
        } else {
            &id.namespace
        };

        let tenant = wanted.home(home);
        let labels = object.at(&["metadata", "labels"]);
        let label = |key: &str| labels.at(&[key]).as_str();
        let ending = text(object, &["metadata", "deletionTimestamp"]);

        if !ending.is_empty()
            && wanted.asks(tenant)
            && (tenant.is_some() || label(OWNER_LABEL) == Some(&wanted.owner))
        {
            self.endings.push(Ending {
                id: id.clone(),
                tenant,
                since: ending.into(),
                finalizers: finalizers(object),
                conditions: conditions(object)
                    .filter(|c| c.status == "True")
                    .map(|c| format!("{}: {}", c.kind, c.message))
                    .collect(),
            });
        }

        let metadata_only = listing.detail == super::listing::Detail::Metadata;
        match (id.group.as_str(), id.kind.as_str()) {
            ("", "Namespace") if tenant.is_some() => {
                let owner = label(OWNER_LABEL).map(Text::from);
                let made = text(object, &["metadata", "creationTimestamp"]).into();
                self.homes
                    .insert(id.name.clone(), LiveNamespace { owner, made });
            }
            ("kustomize.toolkit.fluxcd.io", "Kustomization")
                if id.namespace == wanted.engine_namespace
                    && matches!(object.at(&["spec", "suspend"]), Value::Bool(true)) =>
            {
                self.suspended.insert(id.name.clone());
            }
            ("apiextensions.k8s.io", "CustomResourceDefinition") => {
                self.definitions.push(id.name.clone())
            }
            // What a tenant calls its own says nothing of the cluster.
            ("apps", "DaemonSet") if tenant.is_none() => self
                .daemon_sets
                .push((id.namespace.clone(), id.name.clone())),
            ("apps", "Deployment")
                if id.namespace == wanted.engine_namespace || id.namespace == argo::NAMESPACE =>
            {
                let containers = object
                    .at(&["spec", "template", "spec", "containers"])
                    .items();
                let image = |c: &Value| {
                    [
                        id.namespace.clone(),
                        id.name.clone(),
                        text(c, &["image"]).into(),
                    ]
                };
                self.images.extend(containers.iter().map(image));
            }
            (argo::GROUP, argo::APPLICATION) => {
                // A hub has Applications of other clusters too.
                let to = |field: &str| text(object, &["spec", "destination", field]);
                let here =
                    to("server") == "https://kubernetes.default.svc" || to("name") == "in-cluster";
                let to = wanted.home(to("namespace")).filter(|_| here).or(tenant);
                let status = ObjectStatus::of(&id.group, &id.kind, object, now);
                if let Some(to) =
                    to.filter(|to| wanted.asks(Some(*to)) && status.stage != Stage::Current)
                {
                    self.applications.push((id.clone(), to, status));
                }
            }
            ("source.toolkit.fluxcd.io", kind) if id.namespace == wanted.engine_namespace => {
                let artifact = object.at(&["status", "artifact"]);
                self.sources.push(ObservedSource {
                    kind: kind.into(),
                    name: id.name.clone(),
                    revision: text(artifact, &["revision"]).into(),
                    content: text(artifact, &["metadata", CONTENT]).into(),
                    origin: text(artifact, &["metadata", "org.opencontainers.image.revision"])
                        .into(),
                    wrong: source_fault(&ObjectStatus::of(&id.group, kind, object, now), object),
                });
            }
            _ => {}
        }

        let mut origin = Origin {
            input: InputKind::Snapshot,
            span,
        };

        match wanted.objects.get_full(&id) {
            Some((at, _, want)) if !metadata_only => {
                let status = ObjectStatus::of(&id.group, &id.kind, object, now)
                    .between_turns(&id.group, object);
                let seen = Observed {
                    status,
                    differences: differences(&id, &want.value, object, managed_fields),
                    marks: marks(&want.value, object),
                    applied: wanted.is_applier(&id).then(|| applied(object)),
                };

                let as_rendered = seen.differences.is_empty() && seen.marks.is_empty();
                if as_rendered {
                    origin = Origin {
                        input: InputKind::Applied,
                        span: want.span,
                    };
                }

                self.there.grow_and_insert(at);
                if !as_rendered || seen.status.stage != Stage::Current || seen.applied.is_some() {
                    self.seen.insert(at, seen);
                } else {
                    // Listed twice, it is what it was last.
                    self.seen.remove(&at);
                }
            }
            Some(_) => {}
            None if ending.is_empty() => {
                if let Some(why) = stray(wanted, &id, tenant, object) {
                    self.strays.push(Stray {
                        by: last(object),
                        applied_by: applied_by(object),
                        id: id.clone(),
                        why,
                    });
                }
            }
            None => {}
        }

        if !metadata_only && wanted.only.is_none() {
            self.facts.add(id, object, origin);
        }
    }
}

/// What holds an object that is being deleted.
fn finalizers(object: &Value) -> Vec<Text> {
    let listed = ["metadata", "spec"].map(|at| object.at(&[at, "finalizers"]).items());
    listed
        .into_iter()
        .flatten()
        .filter_map(|f| f.as_str().map(Text::from))
        .collect()
}

/// Annotations and labels by which Flux does not mend an object, or does not remove it: those that
/// were not rendered.
fn marks(wanted: &Value, object: &Value) -> Vec<FoundMark> {
    let mut found = Vec::new();
    for (at, verb) in [("annotations", "annotate"), ("labels", "label")] {
        for mark in all_marks().filter(|mark| mark.effect.hinders()) {
            let value = text(object, &["metadata", at, mark.key]);
            if value.eq_ignore_ascii_case(mark.value)
                && text(wanted, &["metadata", at, mark.key]) != value
            {
                found.push(FoundMark {
                    key: mark.key,
                    value: value.into(),
                    verb,
                    by: last(object),
                });
            }
        }
    }

    found
}

/// Why a source brings nothing new; empty where it does.
fn source_fault(status: &ObjectStatus, object: &Value) -> String {
    if matches!(object.at(&["spec", "suspend"]), Value::Bool(true)) {
        return "it is suspended".to_owned();
    }
    if let Some(ready) = conditions(object).find(|c| c.kind == "Ready" && c.status == "False") {
        return format!("{}: {}", ready.reason, ready.message);
    }
    match (status.stage, status.reason.as_str()) {
        (Stage::Failed | Stage::Terminating, _) | (_, "LatestGenerationNotObserved") => {
            format!("{}: {}", status.reason, status.message)
        }
        _ => String::new(),
    }
}

fn applied(object: &Value) -> ApplierState {
    let ready = conditions(object).find(|c| c.kind == "Ready");
    let ready = ready.map_or_else(Default::default, |c| {
        [c.status, c.reason, c.message, c.since].map(Text::from)
    });
    ApplierState {
        suspended: matches!(object.at(&["spec", "suspend"]), Value::Bool(true)),
        revision: text(object, &["status", "lastAppliedRevision"]).into(),
        ready,
        by: applied_by(object),
    }
}

/// Who changed an object last, by its own account.
fn last(object: &Value) -> Option<Manager> {
    Manager::last(Manager::all(managed_fields(object).items()).map(|(manager, _)| manager))
}

/// What applies an object, by the labels that Flux sets.
fn applied_by(object: &Value) -> Option<String> {
    ["kustomize", "helm"].into_iter().find_map(|engine| {
        let label = |part: &str| {
            let key = format!("{engine}.toolkit.fluxcd.io/{part}");
            Some(
                object
                    .at(&["metadata", "labels", &key])
                    .as_str()?
                    .to_owned(),
            )
        };
        Some(format!("{}/{}", label("namespace")?, label("name")?))
    })
}

/// Whether an object that was not rendered is named, and why.
fn stray(wanted: &Desired, id: &ObjectId, tenant: Option<u32>, object: &Value) -> Option<Why> {
    let widens = widens(wanted, id, tenant, object);
    let ours = !wanted.owner.is_empty()
        && text(object, &["metadata", "labels", OWNER_LABEL]) == wanted.owner;
    let whose = object.at(&["metadata", "labels", TENANT_LABEL]).as_str();
    // Who may make a binding may label it. Of a tenant with an error nothing is known of what is
    // rendered.
    let orphaned =
        ours && wanted.only.is_none() && whose.is_none_or(|t| !wanted.broken.contains(t));
    widens.or_else(|| orphaned.then(|| Why::Orphaned(whose.map(Text::from))))
}

/// Whether an object that was not rendered gives a tenant more, or is left behind.
fn widens(wanted: &Desired, id: &ObjectId, tenant: Option<u32>, object: &Value) -> Option<Why> {
    let asked = |tenant: u32| wanted.asks(Some(tenant)).then_some(tenant);
    let subjects = || object.at(&["subjects"]).items().iter();
    let role = || {
        format!(
            "{} {}",
            text(object, &["roleRef", "kind"]),
            text(object, &["roleRef", "name"])
        )
    };

    match (id.group.as_str(), id.kind.as_str()) {
        ("rbac.authorization.k8s.io", "RoleBinding") => {
            let tenant = asked(tenant?)?;
            let who: Vec<String> = subjects().map(called).collect();
            let what = || format!("it gives {} to {}", role(), some(&who));
            let account = |s: &Value| {
                text(s, &["kind"]) == "ServiceAccount" && text(s, &["namespace"]) == id.namespace
            };
            // As operators do for what they run there.
            let within = text(object, &["roleRef", "kind"]) == "Role" && subjects().all(account);
            (!who.is_empty()).then(|| {
                if within {
                    Why::Within(tenant, what())
                } else {
                    Why::Widens(tenant, what())
                }
            })
        }
        ("rbac.authorization.k8s.io", "ClusterRoleBinding") => {
            let (tenant, who) =
                subjects().find_map(|s| Some((asked(holder(wanted, s)?)?, called(s))))?;
            Some(Why::Widens(
                tenant,
                format!("it gives {} to {who}, in every namespace", role()),
            ))
        }
        (_, kind) if kinds::governs_network(kind) && id.namespace.is_empty() => {
            wanted.only.is_none().then_some(Why::Beside)
        }
        (_, kind) if kinds::governs_network(kind) => {
            let tenant = asked(tenant?)?;
            if id.group != "networking.k8s.io" {
                return Some(Why::Widens(
                    tenant,
                    "a policy of the network plugin's own kind adds to ours, or overrides it"
                        .into(),
                ));
            }

            let ways: Vec<&str> = ["ingress", "egress"]
                .into_iter()
                .filter(|way| !object.at(&["spec", way]).items().is_empty())
                .collect();

            let open = |way: &&&str| {
                object
                    .at(&["spec", way])
                    .items()
                    .iter()
                    .any(|r| r.at(&["from"]).is_null() && r.at(&["to"]).is_null())
            };

            let anywhere: Vec<&str> = ways.iter().filter(open).copied().collect();
            let text = match anywhere.as_slice() {
                [] => format!("it allows {}", ways.join(" and ")),
                ["ingress"] => "it lets everybody in".to_owned(),
                ["egress"] => "it lets everything out".to_owned(),
                _ => "it lets everybody in, and everything out".to_owned(),
            };

            (!ways.is_empty()).then_some(Why::Widens(tenant, text))
        }
        ("", "PersistentVolume") if text(object, &["status", "phase"]) == "Released" => {
            let claim = object.at(&["spec", "claimRef"]);
            let namespace = text(claim, &["namespace"]);
            let gone = || wanted.only.is_none() && wanted.gone.contains(namespace);
            let ours = wanted
                .home(namespace)
                .map_or_else(gone, |t| wanted.asks(Some(t)));
            ours.then(|| Why::Released(format!("{namespace}/{}", text(claim, &["name"]))))
        }
        _ => None,
    }
}

/// The tenant that a binding's subject is of.
fn holder(wanted: &Desired, subject: &Value) -> Option<u32> {
    let name = text(subject, &["name"]);
    let own = |kind: &str| wanted.holder(&format!("{kind}/{name}"));

    match text(subject, &["kind"]) {
        "ServiceAccount" => wanted.home(text(subject, &["namespace"])),
        "Group" => {
            own("group").or_else(|| wanted.home(name.strip_prefix("system:serviceaccounts:")?))
        }
        "User" => own("user").or_else(|| {
            wanted.home(
                name.strip_prefix("system:serviceaccount:")?
                    .split(':')
                    .next()?,
            )
        }),
        _ => None,
    }
}

fn called(subject: &Value) -> String {
    // Names of subjects may be as long as an object may be.
    let name: String = text(subject, &["name"]).chars().take(120).collect();
    match text(subject, &["namespace"]) {
        "" => format!("{} {name}", text(subject, &["kind"])),
        namespace => format!("{} {namespace}/{name}", text(subject, &["kind"])),
    }
}

/// The first few of some names.
fn some(names: &[String]) -> String {
    match names {
        [first, second, third, _, ..] => {
            format!("{first}, {second}, {third} and {} more", names.len() - 3)
        }
        all => all.join(", "),
    }
}
