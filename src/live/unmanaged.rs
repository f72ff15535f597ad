//! Objects beside the rendered ones: namespaces of others, strays, Applications of Argo CD, objects
//! that cannot be read, and deletions that last for long.

use super::deletion::{ERROR_AFTER, WARNING_AFTER, age, held_by, length};
use super::desired::{Desired, DesiredNamespace};
use super::engine::BehindReasons;
use super::finding::LiveFinding;
use super::observe::{LiveNamespace, Observations};
use super::rules::{FOREIGN, NOT_ADOPTED, NOT_CONVERGED, NOT_LISTED, ORPHANED, STUCK_DELETION};
use super::stray::{Stray, StrayReason};
use crate::diagnostic::Level;
use crate::kube::ObjectId;
use crate::value::Text;
use jiff::Timestamp;

/// Reports the objects beside the rendered ones.
pub fn check(
    wanted: &Desired,
    seen: &Observations,
    behind: &BehindReasons,
    now: Timestamp,
) -> Vec<LiveFinding> {
    let mut all = Vec::new();
    namespaces(wanted, seen, &mut all);
    all.extend(
        seen.strays
            .iter()
            .filter_map(|stray| stray_finding(wanted, stray, behind)),
    );
    all.extend(cluster_policies(wanted, &seen.strays));
    unread(wanted, seen, &mut all);
    applications(wanted, seen, &mut all);
    deletions(wanted, seen, now, &mut all);
    all
}

/// Reports declared namespaces that were there before, and that no spec takes over.
fn namespaces(wanted: &Desired, seen: &Observations, out: &mut Vec<LiveFinding>) {
    for (index, tenant) in wanted.asked() {
        for namespace in &tenant.namespaces {
            if let Some(home) = seen.homes.get(&namespace.name) {
                let found = not_adopted(wanted, namespace, home);
                let found = found.map(|found| found.of_tenant(wanted, Some(index)));
                out.extend(found.map(|found| found.at(namespace.span)));
            }
        }
    }
}

fn not_adopted(
    wanted: &Desired,
    namespace: &DesiredNamespace,
    home: &LiveNamespace,
) -> Option<LiveFinding> {
    if namespace.adopt || home.owner.as_ref() == Some(&wanted.owner) {
        return None;
    }

    let whose = match &home.owner {
        Some(other) => format!("belongs to the fleet `{other}`"),
        None => "was there before, without our label".to_owned(),
    };

    let name = &namespace.name;
    let message = format!("the namespace `{name}` {whose}");
    let found = LiveFinding::new(wanted, &NOT_ADOPTED, message)
        .about(wanted, &ObjectId::of_namespace(name.clone()))
        .with_since(home.made.clone())
        .with_fix("say `adopt: true` at the namespace to take it over, or choose another name");
    Some(found)
}

/// The finding about a stray. Policies of the whole cluster are reported together.
fn stray_finding(wanted: &Desired, stray: &Stray, behind: &BehindReasons) -> Option<LiveFinding> {
    match &stray.reason {
        StrayReason::Widens(tenant, gives) => Some(foreign(wanted, stray, *tenant, gives)),
        StrayReason::Within(tenant, gives) => {
            let found = foreign(wanted, stray, *tenant, gives);
            Some(found.with_level(Level::Warning))
        }
        StrayReason::ClusterPolicy => None,
        StrayReason::Orphaned(tenant) => {
            let applied_by = stray.applied_by.as_deref();
            let unit = applied_by.and_then(|by| wanted.unit_of(by));
            // The engine will prune it once it has come so far.
            let is_pruned_later = unit.is_some_and(|unit| behind.contains_key(unit));
            (!is_pruned_later).then(|| orphaned(wanted, stray, tenant.as_ref()))
        }
        StrayReason::Released(claim) => {
            let message = format!(
                "{} was of the claim {claim}, which is gone: its data is still there",
                stray.id.called()
            );
            let found = LiveFinding::new(wanted, &ORPHANED, message).about(wanted, &stray.id);
            Some(found.with_fix(
                "whoever owned the data says whether it is deleted: kubectl delete pv, and what \
                 it stands for",
            ))
        }
    }
}

/// An object that gives a tenant more than was rendered.
fn foreign(wanted: &Desired, stray: &Stray, tenant: u32, gives: &str) -> LiveFinding {
    // The labels are a hint: whoever makes an object may label it.
    let applied = match &stray.applied_by {
        Some(by) => format!("; its labels say that {by} applies it"),
        None => String::new(),
    };

    let message = format!(
        "{} was not rendered, and {gives}{applied}{}",
        stray.id.called(),
        last_changed_by(stray)
    );

    let since = stray.by.as_ref().map(|manager| manager.time.clone());
    let delete = wanted.kubectl("delete", &stray.id, "");

    LiveFinding::new(wanted, &FOREIGN, message)
        .of_tenant(wanted, Some(tenant))
        .about(wanted, &stray.id)
        .with_since(since.unwrap_or_default())
        .with_fix(format!(
            "declare it in the spec, or take it away where it comes from, or: {delete}"
        ))
}

/// An object with the fleet's label that no spec renders.
fn orphaned(wanted: &Desired, stray: &Stray, tenant: Option<&Text>) -> LiveFinding {
    let of = tenant.map_or_else(String::new, |name| format!(" (of the tenant `{name}`)"));
    let message = format!(
        "{}{of} has our label, and nothing renders it{}",
        stray.id.called(),
        last_changed_by(stray)
    );

    let fix = match stray.id.kind.as_str() {
        "Namespace" => {
            "ask its former owner before you delete it: everything in it goes too".to_owned()
        }
        _ => {
            let delete = wanted.kubectl("delete", &stray.id, "");
            format!("see that nobody uses it, then: {delete}")
        }
    };

    LiveFinding::new(wanted, &ORPHANED, message)
        .about(wanted, &stray.id)
        .with_fix(fix)
}

fn last_changed_by(stray: &Stray) -> String {
    let by = stray.by.as_ref();
    by.map_or_else(String::new, |by| format!("; last changed by {by}"))
}

/// One finding for all policies of the whole cluster that were not rendered.
fn cluster_policies(wanted: &Desired, strays: &[Stray]) -> Option<LiveFinding> {
    let mut policies = strays
        .iter()
        .filter(|stray| matches!(stray.reason, StrayReason::ClusterPolicy));

    let first = policies.next()?.id.called();
    let more = match policies.count() {
        0 => String::new(),
        more => format!(" and {more} more"),
    };

    let message = format!(
        "{first}{more} stand over every namespace, and were not rendered: they may let through \
         what ours hold"
    );
    let found = LiveFinding::new(wanted, &FOREIGN, message).with_level(Level::Warning);
    Some(
        found
            .with_fix("see what they allow; what the proof can say of them: tenantry prove --live"),
    )
}

/// Reports the Applications of Argo CD that have not come where they should. They are the tenants'
/// own, and were not rendered.
fn applications(wanted: &Desired, seen: &Observations, out: &mut Vec<LiveFinding>) {
    out.extend(seen.applications.iter().map(|application| {
        let (id, status) = (&application.id, &application.status);
        let message = format!("{} is {}: {}", id.called(), status.reason, status.message);

        LiveFinding::new(wanted, &NOT_CONVERGED, message)
            .of_tenant(wanted, Some(application.tenant))
            .about(wanted, id)
            .with_level(Level::Warning)
            .with_fix("mend what its message names; Argo CD tries again by itself")
    }));
}

/// Reports the objects that were listed, and cannot be read.
fn unread(wanted: &Desired, seen: &Observations, out: &mut Vec<LiveFinding>) {
    out.extend(seen.unread.iter().map(|id| {
        let message = format!(
            "{} cannot be read (it is nested too deeply): nothing is known of it",
            id.called()
        );

        LiveFinding::new(wanted, &NOT_LISTED, message)
            .of_tenant(wanted, wanted.home(&id.namespace))
            .about(wanted, id)
            .with_fix("see what it is for; no rendered object needs to be so deep")
    }));
}

/// Reports the deletions that last for long.
fn deletions(wanted: &Desired, seen: &Observations, now: Timestamp, out: &mut Vec<LiveFinding>) {
    for ending in &seen.endings {
        let age = age(ending, now);
        if age <= WARNING_AFTER {
            continue;
        }

        let message = format!(
            "{} has been Terminating for {}: {}",
            ending.id.called(),
            length(age),
            held_by(ending)
        );

        // A rendered object is missing all that time.
        let is_rendered = wanted.objects.contains_key(&ending.id);
        let level = if is_rendered || age > ERROR_AFTER {
            Level::Error
        } else {
            STUCK_DELETION.level
        };

        let found = LiveFinding::new(wanted, &STUCK_DELETION, message)
            .of_tenant(wanted, ending.tenant)
            .about(wanted, &ending.id)
            .with_since(ending.since.clone())
            .with_level(level)
            .with_fix(
                "let whoever set the finalizer finish: see its logs, its rights, whether it still \
                 runs; taking a finalizer off leaves behind what it would have cleaned up",
            );
        out.push(found);
    }
}
