//! The checks of pods and of what makes them, as far as a manifest alone can break them.
//!
//! Source: `pkg/apis/{core,apps,batch}/validation`. Most fields of a pod are checked by their type
//! alone.

use super::field::Field;
use super::meta::{labels, selector};
use super::networking::port_number;
use super::{Checked, names};
use crate::document::{TreeValue, View};
use std::collections::BTreeSet;

/// Checks a Pod.
pub(super) fn pod<T: TreeValue>(root: &Field<'_, T>) -> Checked {
    pod_spec(&root.child("spec"))
}

/// Checks a Deployment, a StatefulSet, a DaemonSet or a ReplicaSet.
pub(super) fn selecting<T: TreeValue>(root: &Field<'_, T>) -> Checked {
    let spec = root.child("spec");
    let replicas = spec.child("replicas");
    let is_negative = replicas.number().is_some_and(|number| number < 0);
    replicas.require(!is_negative, "must not be negative")?;

    let (chosen, template) = (spec.child("selector"), spec.child("template"));
    selector(&chosen)?;
    let (equal, expressions) = (
        chosen.child("matchLabels"),
        chosen.child("matchExpressions"),
    );
    let is_empty = equal.is_empty() && expressions.is_empty();
    chosen.require(!is_empty, "must select something")?;

    let metadata = template.child("metadata");
    let own = metadata.child("labels");
    labels(&own)?;
    for (key, value) in equal.entries() {
        let has = own.child(key).text() == value.text() && own.has(key);
        value.require(has, "is not a label of the template")?;
    }
    pod_spec(&template.child("spec"))
}

/// Checks a Job.
pub(super) fn job<T: TreeValue>(root: &Field<'_, T>) -> Checked {
    job_name(root)?;
    job_spec(&root.child("spec"))
}

/// Checks the name of a Job, which its pods have in labels and, if they are indexed, in their host
/// names.
fn job_name<T: TreeValue>(root: &Field<'_, T>) -> Checked {
    let (metadata, spec) = (root.child("metadata"), root.child("spec"));
    let name = metadata.child("name");
    let has_own_selector = matches!(spec.child("manualSelector").view(), Some(View::Bool(true)));
    name.require(
        has_own_selector || names::label_value(name.text()).is_ok(),
        "must be at most 63 characters: its pods have it as a label",
    )?;

    let last = spec.child("completions").number().unwrap_or_default() - 1;
    if spec.child("completionMode").text() != "Indexed" || last < 0 {
        return Ok(());
    }
    let host = format!("{}-{last}", name.text());
    match names::dns_label(&host) {
        Ok(()) => Ok(()),
        Err(reason) => name.refuse(format!(
            "makes pods of the host name `{host}`, which {reason}"
        )),
    }
}

/// Checks a CronJob.
pub(super) fn cron_job<T: TreeValue>(root: &Field<'_, T>) -> Checked {
    let spec = root.child("spec");
    let schedule = spec.child("schedule");
    schedule.require(!schedule.text().is_empty(), "must not be empty")?;
    let has_form = is_schedule(schedule.text());
    schedule.require(has_form, "must be five fields, as `0 3 * * *`, or `@daily`")?;
    spec.child("concurrencyPolicy")
        .empty_or_one_of(&["Allow", "Forbid", "Replace"])?;
    let template = spec.child("jobTemplate");
    job_spec(&template.child("spec"))
}

/// Whether a text has the form of a schedule.
///
/// Source: `ParseStandard` of `github.com/robfig/cron/v3`. The ranges of the fields are not checked.
fn is_schedule(text: &str) -> bool {
    const DESCRIPTORS: [&str; 7] = [
        "@yearly",
        "@annually",
        "@monthly",
        "@weekly",
        "@daily",
        "@midnight",
        "@hourly",
    ];
    if text.starts_with('@') {
        return DESCRIPTORS.contains(&text) || text.starts_with("@every ");
    }
    let text = match text.starts_with("TZ=") || text.starts_with("CRON_TZ=") {
        true => text.split_once(' ').map_or("", |(_, rest)| rest),
        false => text,
    };
    let is_field = |field: &str| {
        let is_known = |letter: char| letter.is_ascii_alphanumeric() || "*?,-/".contains(letter);
        field.chars().all(is_known)
            && field.contains(|c: char| c.is_ascii_digit() || "*?".contains(c))
            || is_name(field)
    };
    text.split_whitespace().count() == 5 && text.split_whitespace().all(is_field)
}

/// Whether a field of a schedule is a list or a range of names of months or days.
fn is_name(field: &str) -> bool {
    let names = field.split([',', '-']);
    names
        .into_iter()
        .all(|name| name.len() == 3 && name.chars().all(|c| c.is_ascii_alphabetic()))
}

fn job_spec<T: TreeValue>(spec: &Field<'_, T>) -> Checked {
    let template = spec.child("template");
    let pod = template.child("spec");
    pod.child("restartPolicy").one_of(&["Never", "OnFailure"])?;
    pod_spec(&pod)
}

fn pod_spec<T: TreeValue>(spec: &Field<'_, T>) -> Checked {
    let mut volumes = BTreeSet::new();
    for volume in spec.child("volumes").items() {
        let name = volume.child("name");
        name.named(names::dns_label)?;
        name.require(volumes.insert(name.text().to_owned()), "stands twice")?;
    }

    let containers = spec.child("containers");
    containers.require(!containers.is_empty(), "must have a container")?;
    let mut taken = BTreeSet::new();
    for key in ["initContainers", "containers"] {
        for one in spec.child(key).items() {
            container(&one)?;
            let name = one.child("name");
            name.require(taken.insert(name.text().to_owned()), "stands twice")?;
        }
    }

    spec.child("restartPolicy")
        .empty_or_one_of(&["Always", "Never", "OnFailure"])?;
    spec.child("dnsPolicy").empty_or_one_of(&[
        "ClusterFirst",
        "ClusterFirstWithHostNet",
        "Default",
        "None",
    ])
}

fn container<T: TreeValue>(field: &Field<'_, T>) -> Checked {
    let (name, image) = (field.child("name"), field.child("image"));
    name.named(names::dns_label)?;
    image.require(!image.text().is_empty(), "must not be empty")?;
    field
        .child("imagePullPolicy")
        .empty_or_one_of(&["Always", "IfNotPresent", "Never"])?;

    for port in field.child("ports").items() {
        port_number(&port.child("containerPort"))?;
        let name = port.child("name");
        if !name.text().is_empty() {
            name.named(names::port_name)?;
        }
        port.child("protocol")
            .empty_or_one_of(&["TCP", "UDP", "SCTP"])?;
    }
    for mount in field.child("volumeMounts").items() {
        for key in ["name", "mountPath"] {
            let field = mount.child(key);
            field.require(!field.text().is_empty(), "must not be empty")?;
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_schedule_has_five_fields_or_a_name() {
        for text in [
            "0 3 * * *",
            "*/15 0-6,12 1 JAN MON-FRI",
            "@daily",
            "@every 1h30m",
            "TZ=UTC 0 3 * * *",
        ] {
            assert!(is_schedule(text), "{text}");
        }
        for text in ["every day", "0 3 * *", "0 0 3 * * *", "@never", "a b c d e"] {
            assert!(!is_schedule(text), "{text}");
        }
    }
}
