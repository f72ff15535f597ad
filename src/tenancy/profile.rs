//! Profiles: their chain, what they enforce, and how high a tenant may go.

use super::merge::merge;
use crate::diagnostic::{Diagnostic, Scope, rule};
use crate::document::{Node, Spanned, Value, deserialize};
use crate::source::Span;
use crate::spec::leaf::FieldPath;
use crate::spec::schema::{self, Kind};
use crate::spec::tenant::{Resources, TenantSpec};
use crate::spec::{ProfileDoc, did_you_mean, one_of_these};
use crate::value;
use std::collections::BTreeMap;
use std::sync::OnceLock;

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
    /// A tenant's value lies over its profile's ceiling, whoever set it.
    /// ## Fix
    /// Lower it, or take another profile.
    pub static CEILING = "tenancy/ceiling", Error;
}

/// A profile with what it extends.
#[derive(Debug)]
pub struct Profile {
    /// Defaults, of the whole chain.
    pub defaults: Node,
    /// What is enforced, of the whole chain.
    pub enforced: Vec<Spanned<FieldPath>>,
    /// Ceilings, of the whole chain.
    pub ceilings: Vec<TenantSpec>,
    /// The LimitRange's item of tenants that say nothing about limits: most do not, and share it.
    pub limits: OnceLock<Option<value::Value>>,
}

/// Resolves every profile. A fault in one is the fleet's.
pub fn resolve<'a>(
    builtin: &'a BTreeMap<String, ProfileDoc>,
    own: &'a BTreeMap<String, ProfileDoc>,
    out: &mut Vec<Diagnostic>,
) -> BTreeMap<&'a str, Profile> {
    let mut resolved = BTreeMap::new();
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
        let mut chain = vec![doc];
        let mut next = &doc.spec.extends;
        while let Some(parent) = next {
            let found = own
                .get(parent.as_str())
                .or_else(|| builtin.get(parent.as_str()));
            let Some(found) = found.filter(|f| !chain.iter().any(|c| std::ptr::eq(*c, *f))) else {
                let hint =
                    did_you_mean(parent, builtin.keys().chain(own.keys()).map(String::as_str));
                let message = format!(
                    "the profile `{name}` extends `{}`, which is not defined or extends it",
                    parent.value
                );
                let fix = if hint.is_empty() {
                    "name a profile of tenants/profiles/, or a built-in one".into()
                } else {
                    hint
                };
                out.push(
                    Diagnostic::new(&UNKNOWN_PROFILE, parent.span, message)
                        .fix(fix)
                        .scope(Scope::Fleet),
                );
                break;
            };
            chain.push(found);
            next = &found.spec.extends;
        }
        let mut profile = Profile {
            defaults: Node::new(doc.name.span, Value::Map(Vec::new())),
            enforced: Vec::new(),
            ceilings: Vec::new(),
            limits: OnceLock::new(),
        };
        for link in chain.into_iter().rev() {
            if let Some(defaults) = &link.defaults {
                profile.defaults = merge(&profile.defaults, defaults);
            }
            for path in link.spec.enforced.iter().flatten() {
                if std::ptr::eq(link, doc)
                    && let Err(hint) = known_path(path)
                {
                    let message = format!("`{}` is no field of a tenant", path.value);
                    out.push(
                        Diagnostic::new(&ENFORCED, path.span, message)
                            .fix(hint)
                            .scope(Scope::Fleet),
                    );
                }
                profile.enforced.push(path.clone());
            }
            if let Some(ceiling) = &link.ceiling {
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
                profile
                    .ceilings
                    .extend(deserialize::<TenantSpec>(ceiling).ok());
            }
        }
        resolved.insert(name.as_str(), profile);
    }
    resolved
}

/// Whether a path of names is one of a tenant's spec; else the nearest name.
fn known_path(path: &str) -> Result<(), String> {
    let schema = schema::checker(Kind::Tenant).map_or(&serde_json::Value::Null, |c| &c.schema);
    let mut at = &schema["properties"]["spec"];
    for name in path.split('.') {
        while let Some(target) = at.get("$ref").and_then(|r| r.as_str()) {
            at = schema
                .pointer(target.trim_start_matches('#'))
                .unwrap_or(&serde_json::Value::Null);
        }
        let fields = at.get("properties").and_then(|p| p.as_object());
        match fields.and_then(|f| f.get(name)) {
            Some(next) => at = next,
            None => {
                return Err(one_of_these(
                    name,
                    fields
                        .into_iter()
                        .flat_map(|f| f.keys().map(String::as_str)),
                ));
            }
        }
    }
    Ok(())
}

static CEILING_FIELDS: [&str; 5] = ["quota", "limits", "podSecurity", "allow", "clusters"];

/// What a tenant's own tree sets of what is enforced.
pub fn check_enforced(profile: &Profile, tenant: &str, own: &Node, out: &mut Vec<Diagnostic>) {
    for path in &profile.enforced {
        let parts: Vec<&str> = path.split('.').collect();
        let spans = std::iter::once(own)
            .chain(own.get("namespaces").map_or(&[][..], Node::items))
            .chain(own.get("overrides").map_or(&[][..], Node::items));
        for part in spans {
            let Some((last, front)) = parts.split_last() else {
                continue;
            };
            if let Some(entry) = part.at(front).and_then(|n| n.entry(last)) {
                let message = format!("`{}` is enforced by the profile", path.value);
                out.push(
                    Diagnostic::new(&ENFORCED, entry.key_span, message)
                        .label("set here")
                        .related(path.span, "enforced here")
                        .fix("remove it, or take another profile")
                        .tenant(tenant),
                );
            }
        }
    }
}

/// What lies over a ceiling.
pub fn check_ceiling(
    profile: &Profile,
    tenant: &str,
    spec: &TenantSpec,
    out: &mut Vec<Diagnostic>,
) {
    for ceiling in &profile.ceilings {
        let mut over = |span: Span, bound: Span, message: String| {
            out.push(
                Diagnostic::new(&CEILING, span, message)
                    .related(bound, "the ceiling")
                    .fix("lower it, or take another profile")
                    .tenant(tenant),
            );
        };
        for (key, bound) in ceiling.quota.iter().flatten() {
            if let Some(value) = spec.quota.as_ref().and_then(|q| q.get(key))
                && value.value > bound.value
            {
                over(
                    value.span,
                    bound.span,
                    format!(
                        "the quota of {key} is {}, over {}",
                        value.value, bound.value
                    ),
                );
            }
        }
        if let (Some(bound), Some(limits)) = (&ceiling.limits, &spec.limits) {
            let pairs: [(&Option<Resources>, &Option<Resources>, &str); 3] = [
                (&bound.max, &limits.max, "max"),
                (&bound.default, &limits.default, "default"),
                (
                    &bound.default_request,
                    &limits.default_request,
                    "defaultRequest",
                ),
            ];
            for (bounds, values, what) in pairs {
                for (key, bound) in bounds.iter().flatten() {
                    if let Some(value) = values.as_ref().and_then(|v| v.get(key))
                        && value.value > bound.value
                    {
                        let message = format!(
                            "limits.{what} of {key} is {}, over {}",
                            value.value, bound.value
                        );
                        over(value.span, bound.span, message);
                    }
                }
            }
        }
        let level = |spec: &TenantSpec| spec.pod_security.as_ref().and_then(|p| p.level.clone());
        if let (Some(bound), Some(value)) = (level(ceiling), level(spec))
            && value.value > bound.value
        {
            over(
                value.span,
                bound.span,
                "the Pod Security level is looser than the ceiling's".into(),
            );
        }
        let hosts = |spec: &TenantSpec| spec.allow.as_ref().and_then(|a| a.ingress_hosts.clone());
        if let (Some(bound), Some(values)) = (hosts(ceiling), hosts(spec)) {
            for value in &values {
                if !bound.iter().any(|b| super::claims::host_contains(b, value)) {
                    let span = bound.first().map_or(value.span, |b| b.span);
                    over(
                        value.span,
                        span,
                        format!("the host {} is not within the ceiling's", value.value),
                    );
                }
            }
        }
        if let (Some(bound), Some(values)) = (&ceiling.clusters, &spec.clusters) {
            for value in values {
                if !bound.iter().any(|b| b.value == value.value) {
                    let span = bound.first().map_or(value.span, |b| b.span);
                    over(
                        value.span,
                        span,
                        format!("the cluster {} is not among the ceiling's", value.value),
                    );
                }
            }
        }
    }
}
