//! Profiles: their chain, what they enforce, and how high a tenant may go.

use super::claims::host_contains;
use super::limits::LimitItem;
use super::merge::merge;
use crate::diagnostic::{Diagnostic, Scope, rule};
use crate::document::{Node, NodeValue, Spanned, deserialize};
use crate::source::Span;
use crate::spec::leaf::{FieldPath, HostPattern, Name};
use crate::spec::schema::{self, DocumentKind};
use crate::spec::tenant::{Resources, TenantSpec};
use crate::spec::{NameIndex, ProfileDoc, one_of_these};
use std::borrow::Cow;
use std::collections::BTreeMap;
use std::sync::{Arc, OnceLock};

rule! {
    /// A profile that is nowhere defined, extends itself, or has the name of a built-in one.
    pub static UNKNOWN_PROFILE = "tenancy/unknown-profile", Error;
}
rule! {
    /// A tenant sets a field that its profile enforces.
    ///
    /// ## Why it matters
    /// The platform settled it for everybody who has this profile.
    /// ## Fix
    /// Remove the field, or take another profile.
    pub static ENFORCED = "tenancy/enforced", Error;
}
rule! {
    /// A tenant's value lies over its profile's ceiling, whoever set it. A ceiling of
    /// `allow.ingressHosts` binds the hosts of verbatim objects too.
    /// ## Fix
    /// Lower it, or take another profile.
    pub static CEILING = "tenancy/ceiling", Error;
}

/// A profile with what it extends.
#[derive(Debug)]
pub struct Profile {
    /// Defaults, of the whole chain. The places of a built-in profile that it extends are the line
    /// `extends`; those of a profile that is itself built in are replaced by [`Profile::chosen_at`].
    defaults: Node,
    /// The same with the places in built-in profiles, for `show --origin`.
    pub origins: Node,
    /// Whether tenantry holds it: the user has no file of it.
    is_built_in: bool,
    /// The enforced fields of the whole chain.
    pub enforced: Vec<Spanned<FieldPath>>,
    /// Ceilings, of the whole chain.
    pub ceilings: Vec<TenantSpec>,
    /// The hosts of each of these ceilings that bounds hosts.
    pub(super) host_ceilings: Vec<Arc<[Spanned<HostPattern>]>>,
    /// The limits of tenants that say nothing about limits: most do not, and share them.
    pub(super) limits: OnceLock<LimitItem>,
}

impl Profile {
    /// The defaults of a tenant, whose line `span` chose the profile: no place of them is in a file
    /// that the user does not have.
    pub fn chosen_at(&self, span: Span) -> Cow<'_, Node> {
        if self.is_built_in {
            Cow::Owned(self.defaults.spanned_at(span))
        } else {
            Cow::Borrowed(&self.defaults)
        }
    }
}

/// Most profiles of a chain.
const MAX_CHAIN: usize = 64;

/// A profile of a chain.
struct Link<'a> {
    doc: &'a ProfileDoc,
    /// For a built-in profile that one of the user's extends: the line `extends`.
    chosen_at: Option<Span>,
}

/// Resolves every profile. A fault in one is the fleet's.
pub fn resolve<'a>(
    builtin: &'a BTreeMap<String, ProfileDoc>,
    own: &'a BTreeMap<String, ProfileDoc>,
    out: &mut Vec<Diagnostic>,
) -> BTreeMap<&'a str, Profile> {
    let mut resolved = BTreeMap::new();
    let names = NameIndex::new(builtin.keys().chain(own.keys()).map(String::as_str));
    for (name, doc) in builtin.iter().chain(own) {
        if own.contains_key(name) && builtin.contains_key(name) {
            let message = format!("the profile `{name}` is built in");
            out.push(
                Diagnostic::new(&UNKNOWN_PROFILE, own[name].name.span, message)
                    .fix("give it another name, and `extends: ".to_owned() + name + "`")
                    .scope(Scope::Fleet),
            );
            continue;
        }

        let chain = chain(doc, builtin, own, &names, out);
        let nothing = Node::new(doc.name.span, NodeValue::Map(Vec::new()));
        let mut profile = Profile {
            defaults: nothing.clone(),
            origins: nothing,
            is_built_in: builtin.contains_key(name),
            enforced: Vec::new(),
            ceilings: Vec::new(),
            host_ceilings: Vec::new(),
            limits: OnceLock::new(),
        };

        for link in chain.iter().rev() {
            profile.add(link, std::ptr::eq(link.doc, doc), out);
        }
        resolved.insert(name.as_str(), profile);
    }

    resolved
}

/// A profile and those that it extends, one after the other, up to one that is wrong.
fn chain<'a>(
    doc: &'a ProfileDoc,
    builtin: &'a BTreeMap<String, ProfileDoc>,
    own: &'a BTreeMap<String, ProfileDoc>,
    names: &NameIndex<'_>,
    out: &mut Vec<Diagnostic>,
) -> Vec<Link<'a>> {
    let name = doc.name.value.as_str();
    let mut chain = vec![Link {
        doc,
        chosen_at: None,
    }];

    // The last `extends` in a file of the user: it chose the built-in profiles above it.
    let mut own_line = None;
    let mut next = &doc.spec.extends;

    while let Some(parent) = next {
        let found = own
            .get(parent.as_str())
            .or_else(|| builtin.get(parent.as_str()));
        let Some(found) =
            found.filter(|found| !chain.iter().any(|link| std::ptr::eq(link.doc, *found)))
        else {
            out.push(unknown_parent(name, parent, names));
            break;
        };
        if chain.len() == MAX_CHAIN {
            let message =
                format!("the profile `{name}` extends more than {MAX_CHAIN} profiles, one by one");
            out.push(
                Diagnostic::new(&UNKNOWN_PROFILE, doc.name.span, message)
                    .fix("extend a profile that is nearer to the end of the chain")
                    .scope(Scope::Fleet),
            );
            break;
        }

        let child = chain.last().map_or(name, |link| &link.doc.name.value);
        if own.contains_key(child) {
            own_line = Some(parent.span);
        }
        let is_own = own.contains_key(parent.as_str());
        chain.push(Link {
            doc: found,
            chosen_at: own_line.filter(|_| !is_own),
        });

        next = &found.spec.extends;
    }

    chain
}

fn unknown_parent(name: &str, parent: &Spanned<Name>, names: &NameIndex<'_>) -> Diagnostic {
    let message = format!(
        "the profile `{name}` extends `{}`, which is not defined or extends it",
        parent.value
    );
    let fix = names.did_you_mean_or(parent, || {
        "name a profile of tenants/profiles/, or a built-in one".into()
    });
    Diagnostic::new(&UNKNOWN_PROFILE, parent.span, message)
        .fix(fix)
        .scope(Scope::Fleet)
}

impl Profile {
    /// Adds a profile of the chain, the farthest first. `is_last`: it is the resolved one itself,
    /// so that its faults are reported.
    fn add(&mut self, link: &Link<'_>, is_last: bool, out: &mut Vec<Diagnostic>) {
        let doc = link.doc;
        let placed = |node: &Node| match link.chosen_at {
            Some(span) => node.spanned_at(span),
            None => node.clone(),
        };

        if let Some(defaults) = &doc.defaults {
            self.defaults = merge(&self.defaults, &placed(defaults));
            self.origins = merge(&self.origins, defaults);
        }

        for path in doc.spec.enforced.iter().flatten() {
            if is_last && let Err(hint) = known_path(path) {
                let message = format!("`{}` is no field of a tenant", path.value);
                out.push(
                    Diagnostic::new(&ENFORCED, path.span, message)
                        .fix(hint)
                        .scope(Scope::Fleet),
                );
            }
            self.enforced.push(Spanned {
                span: link.chosen_at.unwrap_or(path.span),
                ..path.clone()
            });
        }

        if let Some(ceiling) = &doc.ceiling {
            for entry in ceiling.entries() {
                if !CEILING_FIELDS.contains(&entry.key.as_str()) {
                    let message = format!("`{}` has no ceiling", entry.key);
                    let fix = format!("a ceiling may bound {}", CEILING_FIELDS.join(", "));
                    out.push(
                        Diagnostic::new(&CEILING, entry.key_span, message)
                            .fix(fix)
                            .scope(Scope::Fleet),
                    );
                }
            }
            let Ok(bounds) = deserialize::<TenantSpec>(&placed(ceiling)) else {
                return;
            };
            let hosts = bounds.allow.as_ref();
            let hosts = hosts.and_then(|allow| allow.ingress_hosts.clone());
            self.host_ceilings.extend(hosts.map(Arc::from));
            self.ceilings.push(bounds);
        }
    }
}

/// Whether a path of names is one of a tenant's spec; else the nearest name.
fn known_path(path: &str) -> Result<(), String> {
    let schema = schema::checker(DocumentKind::Tenant)
        .map_or(&serde_json::Value::Null, |checker| &checker.schema);
    let mut at = &schema["properties"]["spec"];

    for name in path.split('.') {
        while let Some(target) = at.get("$ref").and_then(|target| target.as_str()) {
            at = schema
                .pointer(target.trim_start_matches('#'))
                .unwrap_or(&serde_json::Value::Null);
        }

        let fields = at
            .get("properties")
            .and_then(|properties| properties.as_object());
        match fields.and_then(|fields| fields.get(name)) {
            Some(next) => at = next,
            None => {
                return Err(one_of_these(
                    name,
                    fields
                        .into_iter()
                        .flat_map(|fields| fields.keys().map(String::as_str)),
                ));
            }
        }
    }

    Ok(())
}

static CEILING_FIELDS: [&str; 5] = ["quota", "limits", "podSecurity", "allow", "clusters"];

/// Reports each enforced field that a tenant's own tree sets.
pub fn check_enforced(profile: &Profile, own: &Node, out: &mut Vec<Diagnostic>) {
    for path in &profile.enforced {
        let parts: Vec<&str> = path.split('.').collect();
        let owners = std::iter::once(own)
            .chain(own.get("namespaces").map_or(&[][..], Node::items))
            .chain(own.get("overrides").map_or(&[][..], Node::items));

        for part in owners {
            let Some((last, front)) = parts.split_last() else {
                continue;
            };
            if let Some(entry) = part.at(front).and_then(|node| node.entry(last)) {
                let message = format!("`{}` is enforced by the profile", path.value);
                out.push(
                    Diagnostic::new(&ENFORCED, entry.key_span, message)
                        .label("set here")
                        .related(path.span, "enforced here")
                        .fix("remove it, or take another profile"),
                );
            }
        }
    }
}

/// Reports each setting that is over a ceiling of the profile.
pub fn check_ceiling(profile: &Profile, spec: &TenantSpec, out: &mut Vec<Diagnostic>) {
    for ceiling in &profile.ceilings {
        let check = CeilingCheck { ceiling, spec };
        check.quota(out);
        check.limits(out);
        check.pod_security(out);
        check.hosts(out);
    }
}

/// A tenant's or a namespace's settings beside one ceiling.
struct CeilingCheck<'a> {
    ceiling: &'a TenantSpec,
    spec: &'a TenantSpec,
}

/// A value that is over its ceiling.
pub fn over_ceiling(value: Span, ceiling: Span, message: String) -> Diagnostic {
    Diagnostic::new(&CEILING, value, message)
        .related(ceiling, "the ceiling")
        .fix("lower it, or take another profile")
}

impl CeilingCheck<'_> {
    fn quota(&self, out: &mut Vec<Diagnostic>) {
        for (key, bound) in self.ceiling.quota.iter().flatten() {
            let value = self.spec.quota.as_ref().and_then(|quota| quota.get(key));
            if let Some(value) = value
                && value.value > bound.value
            {
                let message = format!(
                    "the quota of {key} is {}, over {}",
                    value.value, bound.value
                );
                out.push(over_ceiling(value.span, bound.span, message));
            }
        }
    }

    fn limits(&self, out: &mut Vec<Diagnostic>) {
        let (Some(bound), Some(limits)) = (&self.ceiling.limits, &self.spec.limits) else {
            return;
        };

        over_resources("max", &bound.max, &limits.max, out);
        over_resources("default", &bound.default, &limits.default, out);
        over_resources(
            "defaultRequest",
            &bound.default_request,
            &limits.default_request,
            out,
        );
    }

    fn pod_security(&self, out: &mut Vec<Diagnostic>) {
        let level = |spec: &TenantSpec| spec.pod_security.as_ref()?.level.clone();
        if let (Some(bound), Some(level)) = (level(self.ceiling), level(self.spec))
            && level.value > bound.value
        {
            let message = "the Pod Security level is looser than the ceiling's".to_owned();
            out.push(over_ceiling(level.span, bound.span, message));
        }
    }

    fn hosts(&self, out: &mut Vec<Diagnostic>) {
        let hosts = |spec: &TenantSpec| spec.allow.as_ref()?.ingress_hosts.clone();
        let (Some(bound), Some(hosts)) = (hosts(self.ceiling), hosts(self.spec)) else {
            return;
        };

        for host in &hosts {
            if !bound.iter().any(|outer| host_contains(outer, host)) {
                let span = bound.first().map_or(host.span, |first| first.span);
                let message = format!("the host {} is not within the ceiling's", host.value);
                out.push(over_ceiling(host.span, span, message));
            }
        }
    }
}

/// Reports a cluster of a tenant that is not among those of a ceiling. `span` is the place that
/// chose the cluster.
pub fn check_cluster(profile: &Profile, cluster: &str, span: Span, out: &mut Vec<Diagnostic>) {
    let bounds = profile.ceilings.iter();
    for bound in bounds.filter_map(|ceiling| ceiling.clusters.as_ref()) {
        if !bound.iter().any(|allowed| allowed.as_str() == cluster) {
            let ceiling = bound.first().map_or(span, |first| first.span);
            let message = format!("the cluster {cluster} is not among the ceiling's");
            let fix = "choose clusters of the ceiling, or take another profile";
            out.push(over_ceiling(span, ceiling, message).fix(fix));
        }
    }
}

/// Reports the amounts of one part of the limits that are over those of the ceiling.
fn over_resources(
    part: &str,
    ceiling: &Option<Resources>,
    amounts: &Option<Resources>,
    out: &mut Vec<Diagnostic>,
) {
    for (key, bound) in ceiling.iter().flatten() {
        let amount = amounts.as_ref().and_then(|amounts| amounts.get(key));
        if let Some(amount) = amount
            && amount.value > bound.value
        {
            let message = format!(
                "limits.{part} of {key} is {}, over {}",
                amount.value, bound.value
            );
            out.push(over_ceiling(amount.span, bound.span, message));
        }
    }
}
