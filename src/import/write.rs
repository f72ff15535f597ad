//! The files of an imported fleet.

use super::convert::{Converted, convert};
use super::{FoundObject, ImportSurvey, Left, SurveyedNamespace};
use crate::document::emit;
use crate::kube::{Quantity, kinds};
use crate::markdown::{cell, code, literal};
use crate::spec::leaf::{self, Day, OWNER_TO_FILL_IN};
use crate::tenancy::usual_platform;
use serde_json::{Map, Value, json};
use std::collections::{BTreeMap, BTreeSet};

/// Largest file of verbatim manifests, in bytes: below what is read.
const MAX_MANIFEST: usize = 900 << 10;

/// How to write an imported fleet.
#[derive(Debug)]
pub struct Options<'a> {
    /// The label or annotation whose value names the tenant of a namespace.
    pub group_by: Option<&'a str>,
    /// The clusters to name; empty if the fleet has one.
    pub clusters: Vec<String>,
    /// The day on which waivers are approved.
    pub now: Day,
    /// The number of days for which they hold.
    pub max_days: i64,
    /// The approver of the waivers.
    pub approver: String,
    /// The owner of tenants in whose namespaces only service accounts are bound, as `group/NAME` or
    /// `user/NAME`; without one, [`OWNER_TO_FILL_IN`] stands there, which `check` refuses.
    pub owner: Option<(String, String)>,
}

/// The result of an import.
#[derive(Debug, Default)]
pub struct Output {
    /// Files by path, from the tenants folder.
    pub files: BTreeMap<String, String>,
    /// Users and groups of several tenants, as subjects.
    pub shared: Vec<Value>,
    /// Keys of labels on namespaces, as prefixes where they have one.
    pub labels: Vec<String>,
    /// Keys of annotations on namespaces, as prefixes where they have one.
    pub annotations: Vec<String>,
    /// The objects that are not carried over.
    pub left: Vec<Left>,
    /// The number of tenants.
    pub tenants: usize,
    /// The number of objects that a field says.
    pub carried: usize,
    /// The number of objects that are passed through.
    pub passed: usize,
    /// The number of objects that the waivers permit.
    pub loosenings: usize,
    /// Kinds of CRDs that are passed through, as `group/Kind`.
    pub kinds: Vec<String>,
    /// Namespaces of tenants that are usually a platform's.
    pub namespaces: Vec<String>,
    /// Secrets that are passed through and hold their data in plain text.
    pub plain_secrets: Vec<String>,
    /// Tenants whose owner has to be filled in.
    pub without_owner: Vec<String>,
}

/// Writes the files of a surveyed folder.
pub fn write(survey: &ImportSurvey, options: &Options<'_>) -> Output {
    let mut groups: BTreeMap<String, Vec<&SurveyedNamespace>> = BTreeMap::new();
    for (name, namespace) in &survey.namespaces {
        let tenant = tenant_name(name, namespace, options.group_by);
        groups.entry(tenant).or_default().push(namespace);
    }

    let mut out = Output {
        left: survey.left.clone(),
        ..Output::default()
    };
    let mut of_fleet = FleetEntries::default();

    for (tenant, namespaces) in groups {
        let is_narrow = namespaces.len() > 1;
        let mut parts: Vec<Converted> = namespaces
            .iter()
            .map(|namespace| convert(namespace, is_narrow))
            .collect();

        if parts.iter().all(|part| part.owners.is_empty()) {
            let Some(part) = parts.iter_mut().find(|part| part.binds_accounts) else {
                out.left
                    .extend(namespaces.into_iter().flat_map(without_owner));
                continue;
            };
            part.owners.push(owner(options));
            if options.owner.is_none() {
                out.without_owner.push(tenant.clone());
            }
        }
        let names = namespaces.iter().map(|found| &found.object.id.name);
        let usual = names.filter(|name| usual_platform(name).is_some());
        of_fleet.namespaces.extend(usual.map(ToString::to_string));
        for part in &parts {
            of_fleet.add(&tenant, part);
            out.count(part);
        }
        out.tenants += 1;
        tenant_files(&tenant, &parts, options, &mut out.files);
    }

    out.shared = of_fleet.shared();
    out.namespaces = of_fleet.namespaces.into_iter().collect();
    out.kinds = of_fleet.kinds.into_iter().collect();
    out.labels = of_fleet.labels.into_iter().collect();
    out.annotations = of_fleet.annotations.into_iter().collect();
    out.left.sort();
    out
}

/// Entries that the fleet's document needs for the imported tenants.
#[derive(Default)]
struct FleetEntries {
    /// The tenants of each principal.
    holders: BTreeMap<String, BTreeSet<String>>,
    labels: BTreeSet<String>,
    annotations: BTreeSet<String>,
    /// Kinds of CRDs, as `group/Kind`.
    kinds: BTreeSet<String>,
    /// Namespaces that are usually a platform's.
    namespaces: BTreeSet<String>,
}

impl FleetEntries {
    fn add(&mut self, tenant: &str, part: &Converted) {
        for principal in &part.principals {
            let holders = self.holders.entry(principal.clone()).or_default();
            holders.insert(tenant.to_owned());
        }

        self.labels
            .extend(part.label_keys.iter().map(|key| prefix(key)));
        self.annotations
            .extend(part.annotation_keys.iter().map(|key| prefix(key)));

        let foreign = part
            .others
            .iter()
            .filter(|object| !kinds::tenants_may_have(&object.id));
        self.kinds
            .extend(foreign.map(|object| format!("{}/{}", object.id.group, object.id.kind)));
    }

    /// The principals of several tenants, as entries of `sharedSubjects`.
    fn shared(&self) -> Vec<Value> {
        self.holders
            .iter()
            .filter(|(_, tenants)| tenants.len() > 1)
            .filter_map(|(principal, _)| principal.split_once('/'))
            .map(|(kind, name)| json!({kind: name}))
            .collect()
    }
}

impl Output {
    fn count(&mut self, part: &Converted) {
        self.left.extend(part.left.iter().cloned());
        self.carried += part.carried;
        self.passed += part.floor.len() + part.others.len();
        self.loosenings += part.waived.len();

        let is_plain = |object: &&FoundObject| {
            object.id.kind == "Secret" && object.value.get("sops").is_none()
        };
        let plain = part.others.iter().filter(is_plain);
        self.plain_secrets
            .extend(plain.map(|object| object.id.to_string()));
    }
}

/// An owner who is bound nowhere: the one that the options name, or one to fill in.
fn owner(options: &Options<'_>) -> Value {
    let (kind, name) = match &options.owner {
        Some((kind, name)) => (kind.as_str(), name.as_str()),
        None => ("group", OWNER_TO_FILL_IN),
    };
    json!({kind: name, "role": "none"})
}

/// The objects of a namespace that is not carried over for want of an owner.
fn without_owner(namespace: &SurveyedNamespace) -> Vec<Left> {
    let name = &namespace.object.id.name;
    let reason = format!("nobody is bound in `{name}`: a tenant has an owner");
    std::iter::once(&namespace.object)
        .chain(&namespace.objects)
        .map(|object| Left {
            place: object.place.clone(),
            what: object.id.to_string(),
            reason: reason.clone(),
        })
        .collect()
}

fn tenant_name(namespace: &str, found: &SurveyedNamespace, group_by: Option<&str>) -> String {
    let value = group_by.and_then(|key| {
        ["labels", "annotations"].iter().find_map(|field| {
            found
                .object
                .value
                .get("metadata")?
                .get(field)?
                .get(key)?
                .as_str()
        })
    });

    let mapped = value.map(|value| {
        let label: String = value
            .to_lowercase()
            .chars()
            .map(|character| {
                if character.is_ascii_alphanumeric() {
                    character
                } else {
                    '-'
                }
            })
            .collect();
        label
            .split('-')
            .filter(|word| !word.is_empty())
            .collect::<Vec<_>>()
            .join("-")
            .chars()
            .take(40)
            .collect::<String>()
    });

    mapped
        .filter(|name| leaf::reason("dns-label", name).is_none())
        .unwrap_or_else(|| namespace.to_owned())
}

/// A key's prefix with its `/`, or the key itself where it has none.
fn prefix(key: &str) -> String {
    key.split_once('/')
        .map_or_else(|| key.to_owned(), |(prefix, _)| format!("{prefix}/"))
}

fn document(kind: &str, name: &str, spec: Map<String, Value>) -> String {
    let value = json!({
        "apiVersion": "tenantry.dev/v1alpha1", "kind": kind, "metadata": {"name": name}, "spec": spec
    });
    let mut text = String::new();
    emit(&mut text, &(&value).into());
    text
}

/// Adds the files of a tenant's verbatim objects, and returns their paths.
fn manifest_files(
    name: &str,
    parts: &[Converted],
    files: &mut BTreeMap<String, String>,
) -> Vec<Value> {
    let floor: Vec<&FoundObject> = parts.iter().flat_map(|part| &part.floor).collect();
    let others: Vec<&FoundObject> = parts.iter().flat_map(|part| &part.others).collect();

    let mut paths = Vec::new();
    for (stem, objects) in [("floor", floor), ("manifests", others)] {
        for (at, text) in chunks(&objects).into_iter().enumerate() {
            let number = match at {
                0 => String::new(),
                _ => format!("-{}", at + 1),
            };
            let path = format!("manifests/{name}/{stem}{number}.yaml");
            paths.push(json!(path));
            files.insert(path, text);
        }
    }
    paths
}

fn tenant_files(
    name: &str,
    parts: &[Converted],
    options: &Options<'_>,
    files: &mut BTreeMap<String, String>,
) {
    let manifests = manifest_files(name, parts, files);
    let mut spec = Map::new();
    spec.insert("profile".into(), json!("adopted"));
    if !options.clusters.is_empty() {
        spec.insert("clusters".into(), json!(options.clusters));
    }
    let all = |pick: fn(&Converted) -> &Vec<Value>| {
        parts.iter().flat_map(pick).cloned().collect::<Vec<_>>()
    };
    spec.insert("owners".into(), Value::Array(all(|part| &part.owners)));
    let members = all(|part| &part.members);
    if !members.is_empty() {
        spec.insert("members".into(), Value::Array(members));
    }
    spec.insert(
        "namespaces".into(),
        parts
            .iter()
            .map(|part| Value::Object(part.namespace.clone()))
            .collect(),
    );

    let quota = quota_sum(parts);
    if parts.len() > 1 && !quota.is_empty() {
        spec.insert("quota".into(), Value::Object(quota));
    }
    if !manifests.is_empty() {
        spec.insert("manifests".into(), Value::Array(manifests));
    }
    let head = "# yaml-language-server: $schema=../schemas/tenant.json\n";
    files.insert(
        format!("{name}.yaml"),
        format!("{head}{}", document("Tenant", name, spec)),
    );

    let waivers = waivers(name, parts, options);
    if !waivers.is_empty() {
        let head = "# yaml-language-server: $schema=../../schemas/waiver.json\n";
        files.insert(
            format!("waivers/{name}.yaml"),
            format!("{head}{}", waivers.join("---\n")),
        );
    }
}

/// The amounts of a tenant with several namespaces: what they have together, so that a profile's
/// total does not bind.
fn quota_sum(parts: &[Converted]) -> Map<String, Value> {
    let mut sums: BTreeMap<String, (i128, bool)> = BTreeMap::new();
    for (key, amount) in parts
        .iter()
        .filter_map(|part| part.namespace.get("quota")?.as_object())
        .flatten()
    {
        if let Some(quantity) = amount.as_str().and_then(|text| Quantity::parse(text).ok()) {
            let sum = sums.entry(key.clone()).or_insert((0, true));
            sum.0 += quantity.nanos();
            sum.1 &= quantity.text().ends_with('i');
        }
    }
    sums.into_iter()
        .map(|(key, (nanos, binary))| (key, json!(Quantity::from_nanos(nanos, binary).text())))
        .collect()
}

/// Verbatim documents, in files that are small enough to be read.
fn chunks(objects: &[&FoundObject]) -> Vec<String> {
    let mut out: Vec<String> = Vec::new();
    for object in objects {
        if out
            .last()
            .is_none_or(|text| text.len() + object.raw.len() > MAX_MANIFEST)
        {
            out.push(String::new());
        }
        if let Some(text) = out.last_mut() {
            text.push_str("---\n");
            text.push_str(&object.raw);
        }
    }
    out
}

/// A dated waiver for each rule that is loosened.
fn waivers(name: &str, parts: &[Converted], options: &Options<'_>) -> Vec<String> {
    let mut by_rule: BTreeMap<&str, Vec<&str>> = BTreeMap::new();
    for waived in parts.iter().flat_map(|part| &part.waived) {
        by_rule
            .entry(waived.rule.id)
            .or_default()
            .push(&waived.object);
    }
    by_rule
        .into_iter()
        .map(|(rule, objects)| {
            let mut spec = Map::new();
            spec.insert("rule".into(), json!(rule));
            spec.insert("tenant".into(), json!(name));
            spec.insert("objects".into(), json!(objects));
            spec.insert(
                "reason".into(),
                json!("Found so when the namespace was adopted"),
            );

            spec.insert("approvedBy".into(), json!(options.approver));
            spec.insert("approvedAt".into(), json!(options.now.to_string()));
            spec.insert(
                "expires".into(),
                json!(options.now.plus(options.max_days).to_string()),
            );

            let short = rule.split('/').next_back().unwrap_or(rule);
            let id: String = format!("{name}-{short}").chars().take(63).collect();
            document("Waiver", id.trim_end_matches('-'), spec)
        })
        .collect()
}

/// The plan by which the objects change hands, and what was not carried over.
pub fn hand_over(output: &Output, from: &str) -> String {
    let from = literal(from);
    let mut text = format!(
        "# Imported from {from}

Paths are from the folder of this file.

- Tenants: {}
- Objects that a field of a spec describes: {}
- Objects that are passed through byte for byte (`manifests/`): {}
- Missing parts of a floor and roles that can change one, each with a dated waiver (`waivers/`): {}
- Things that were not carried over, listed below: {}

## How the objects change hands

1. Run `tenantry check && tenantry render`, then `tenantry diff --against {from}`. It compares the objects in the imported
   namespaces. It adds the RoleBinding `manifests` to each namespace of a tenant with `manifests`: by it, Flux applies
   these objects. Every other line is a change of a running object: find its reason before you go on.
2. Commit. Suspend what applies the folder {from} now, so that two do not prune each other's objects:
   for Flux `flux suspend kustomization NAME`; for a pipeline, its job.
3. Let the entry files (`clusters/*/tenantry.yaml` of the repository) be applied. Adopted objects are merged
   (`kustomize.toolkit.fluxcd.io/ssa: Merge`): fields that others set stay.
4. When every Kustomization of tenantry is ready: turn off the pruning of what applied the folder {from}
   (`prune: false` of its Kustomization), then delete that Kustomization or job, and the folder.
5. Tighten, tenant by tenant: set `profile: restricted`, take `manifests/TENANT/floor.yaml` out of the tenant's
   `manifests`, give its owners the role `owner` under a new `binding`, remove `floor` and the tenant's file of
   `waivers/`. `tenantry diff` shows just that.
",
        output.tenants,
        output.carried,
        output.passed,
        output.loosenings,
        output.left.len()
    );

    if !output.without_owner.is_empty() {
        text.push_str(
            "\n## Owners to fill in\n\nOnly service accounts are bound in the namespaces of these tenants. \
             Name a user or a group in `owners`, or import with `--owner group:NAME`.\n\n",
        );
        for tenant in &output.without_owner {
            text.push_str(&format!("- {}\n", code(tenant)));
        }
    }

    if !output.plain_secrets.is_empty() {
        text.push_str("\n## Secrets in plain text\n\nPassed through as they were found. Encrypt them (SOPS), or take them out of Git.\n\n");
        for secret in &output.plain_secrets {
            text.push_str(&format!("- {}\n", code(secret)));
        }
    }

    text.push_str("\n## Not carried over\n\n");
    if output.left.is_empty() {
        text.push_str("Nothing.\n");
    }

    for left in &output.left {
        text.push_str(&format!(
            "- {} {}: {}\n",
            code(&left.place),
            code(&left.what),
            cell(&left.reason)
        ));
    }

    text
}
