//! The checks of `admissionregistration.k8s.io`: policies, bindings and webhooks. Whether an
//! expression compiles is not checked here.
//!
//! Source: `pkg/apis/admissionregistration/validation` and `pkg/apis/admissionregistration/v1/defaults.go`.

use super::field::Field;
use super::meta::selector;
use super::networking::port_number;
use super::{Checked, names};
use crate::document::{TreeValue, View};
use std::collections::BTreeSet;

const OPERATIONS: [&str; 5] = ["*", "CREATE", "UPDATE", "DELETE", "CONNECT"];

/// Checks an object of the group.
pub(super) fn check<T: TreeValue>(kind: &str, root: &Field<'_, T>) -> Checked {
    match kind {
        "ValidatingAdmissionPolicy" => policy(root),
        "ValidatingAdmissionPolicyBinding" => binding(root),
        "ValidatingWebhookConfiguration" | "MutatingWebhookConfiguration" => webhooks(root),
        _ => Ok(()),
    }
}

fn policy<T: TreeValue>(root: &Field<'_, T>) -> Checked {
    let spec = root.child("spec");
    spec.child("failurePolicy")
        .unset_or_one_of(&["Fail", "Ignore"])?;

    let kind = spec.child("paramKind");
    if kind.is_set() {
        for key in ["apiVersion", "kind"] {
            let field = kind.child(key);
            field.require(!field.text().is_empty(), "must not be empty")?;
        }
    }

    let matches = spec.child("matchConstraints");
    matches.require(matches.is_set(), "must be set")?;
    match_resources(&matches)?;
    let rules = matches.child("resourceRules");
    rules.require(!rules.is_empty(), "must have a rule")?;
    match_conditions(&spec.child("matchConditions"))?;

    let (validations, annotations) = (spec.child("validations"), spec.child("auditAnnotations"));
    let has_any = !validations.is_empty() || !annotations.is_empty();
    validations.require(has_any, "must have an item, or auditAnnotations must")?;
    for one in validations.items() {
        validation(&one)?;
    }
    Ok(())
}

fn validation<T: TreeValue>(field: &Field<'_, T>) -> Checked {
    let expression = field.child("expression");
    expression.require(!expression.text().trim().is_empty(), "must not be empty")?;

    for key in ["message", "messageExpression"] {
        let message = field.child(key);
        let is_blank = !message.text().is_empty() && message.text().trim().is_empty();
        message.require(!is_blank, "must not be blank")?;
    }
    let message = field.child("message");
    let has_breaks = message.text().trim().contains(['\n', '\r']);
    message.require(!has_breaks, "must not contain line breaks")?;

    field.child("reason").unset_or_one_of(&[
        "Forbidden",
        "Invalid",
        "RequestEntityTooLarge",
        "Unauthorized",
    ])
}

fn binding<T: TreeValue>(root: &Field<'_, T>) -> Checked {
    let spec = root.child("spec");
    spec.child("policyName").named(names::dns_subdomain)?;
    param_ref(&spec.child("paramRef"))?;
    match_resources(&spec.child("matchResources"))?;

    let actions = spec.child("validationActions");
    actions.require(!actions.is_empty(), "must have an action")?;
    let mut seen = BTreeSet::new();
    for action in actions.items() {
        action.one_of(&["Audit", "Deny", "Warn"])?;
        action.require(seen.insert(action.text().to_owned()), "stands twice")?;
    }
    let both = seen.contains("Deny") && seen.contains("Warn");
    actions.require(!both, "has both Deny and Warn")
}

fn param_ref<T: TreeValue>(params: &Field<'_, T>) -> Checked {
    if !params.is_set() {
        return Ok(());
    }
    let (name, labels) = (params.child("name"), params.child("selector"));
    let has_name = !name.text().is_empty();
    params.require(
        has_name != labels.is_set(),
        "must have a name or a selector, and not both",
    )?;
    if has_name {
        name.named(names::path_segment)?;
    }
    selector(&labels)?;
    params
        .child("parameterNotFoundAction")
        .one_of(&["Allow", "Deny"])
}

fn match_resources<T: TreeValue>(field: &Field<'_, T>) -> Checked {
    field
        .child("matchPolicy")
        .unset_or_one_of(&["Equivalent", "Exact"])?;
    selector(&field.child("namespaceSelector"))?;
    selector(&field.child("objectSelector"))?;

    for key in ["resourceRules", "excludeResourceRules"] {
        for one in field.child(key).items() {
            rule(&one)?;
            for name in one.child("resourceNames").items() {
                name.named(names::path_segment)?;
            }
        }
    }
    Ok(())
}

fn rule<T: TreeValue>(field: &Field<'_, T>) -> Checked {
    let operations = field.child("operations");
    for key in ["operations", "apiGroups", "apiVersions", "resources"] {
        let list = field.child(key);
        list.require(!list.is_empty(), "must have an item")?;
    }
    for operation in operations.items() {
        operation.one_of(&OPERATIONS)?;
    }

    for key in ["operations", "apiGroups", "apiVersions"] {
        let list = field.child(key);
        let is_mixed = list.len() > 1 && list.texts().any(|text| text == "*");
        list.require(!is_mixed, "has `*` beside others")?;
    }
    for key in ["apiVersions", "resources"] {
        for one in field.child(key).items() {
            one.require(!one.text().is_empty(), "must not be empty")?;
        }
    }
    field
        .child("scope")
        .unset_or_one_of(&["*", "Cluster", "Namespaced"])?;
    rule_resources(&field.child("resources"))
}

fn rule_resources<T: TreeValue>(resources: &Field<'_, T>) -> Checked {
    let all: Vec<&str> = resources.texts().collect();
    let is_mixed = all.len() > 1 && all.contains(&"*/*");
    resources.require(!is_mixed, "has `*/*` beside others")?;

    // As the server, which forgets a resource without a subresource when `*` follows it.
    let last_plain = all.iter().rev().find(|name| !name.contains('/'));
    let has_plain = last_plain.is_some_and(|name| *name != "*");
    let is_mixed = all.contains(&"*") && has_plain;
    resources.require(!is_mixed, "has `*` beside other resources")
}

fn match_conditions<T: TreeValue>(conditions: &Field<'_, T>) -> Checked {
    conditions.require(conditions.len() <= 64, "has more than 64 items")?;
    let mut seen = BTreeSet::new();
    for condition in conditions.items() {
        let (name, expression) = (condition.child("name"), condition.child("expression"));
        expression.require(!expression.text().trim().is_empty(), "must not be empty")?;
        name.named(names::qualified_name)?;
        name.require(seen.insert(name.text().to_owned()), "stands twice")?;
    }
    Ok(())
}

fn webhooks<T: TreeValue>(root: &Field<'_, T>) -> Checked {
    let mut seen = BTreeSet::new();
    for hook in root.child("webhooks").items() {
        let name = hook.child("name");
        name.named(names::fully_qualified)?;
        name.require(seen.insert(name.text().to_owned()), "stands twice")?;
        webhook(&hook)?;
    }
    Ok(())
}

fn webhook<T: TreeValue>(hook: &Field<'_, T>) -> Checked {
    for one in hook.child("rules").items() {
        rule(&one)?;
    }
    hook.child("failurePolicy")
        .unset_or_one_of(&["Fail", "Ignore"])?;
    hook.child("matchPolicy")
        .unset_or_one_of(&["Equivalent", "Exact"])?;
    hook.child("reinvocationPolicy")
        .unset_or_one_of(&["IfNeeded", "Never"])?;
    hook.child("sideEffects")
        .one_of(&["None", "NoneOnDryRun"])?;
    selector(&hook.child("namespaceSelector"))?;
    selector(&hook.child("objectSelector"))?;
    match_conditions(&hook.child("matchConditions"))?;

    let timeout = hook.child("timeoutSeconds");
    if let Some(View::Number(_)) = timeout.view() {
        let fits = timeout.number().is_some_and(|n| (1..=30).contains(&n));
        timeout.require(fits, "must be from 1 to 30")?;
    }

    review_versions(&hook.child("admissionReviewVersions"))?;
    client(&hook.child("clientConfig"))
}

fn review_versions<T: TreeValue>(versions: &Field<'_, T>) -> Checked {
    let mut seen = BTreeSet::new();
    for version in versions.items() {
        version.named(names::dns_1035_label)?;
        version.require(seen.insert(version.text().to_owned()), "stands twice")?;
    }
    let is_known = ["v1", "v1beta1"].iter().any(|known| seen.contains(*known));
    versions.require(is_known, "must have v1 or v1beta1")
}

fn client<T: TreeValue>(client: &Field<'_, T>) -> Checked {
    let (url, service) = (client.child("url"), client.child("service"));
    client.require(
        url.is_set() != service.is_set(),
        "must have a url or a service, and not both",
    )?;
    if url.is_set() {
        return url.require(
            url.text().starts_with("https://"),
            "must begin with https://",
        );
    }
    for key in ["name", "namespace"] {
        let field = service.child(key);
        field.require(!field.text().is_empty(), "must not be empty")?;
    }
    let port = service.child("port");
    if port.is_set() {
        port_number(&port)?;
    }
    service_path(&service.child("path"))
}

/// Checks the path of a webhook's Service: names between slashes.
fn service_path<T: TreeValue>(path: &Field<'_, T>) -> Checked {
    let text = path.text();
    if text.is_empty() || text == "/" {
        return Ok(());
    }
    path.require(text.starts_with('/'), "must begin with `/`")?;

    let segments = text[1..].strip_suffix('/').unwrap_or(&text[1..]);
    for segment in segments.split('/') {
        let is_name = names::dns_subdomain(segment).is_ok();
        path.require(
            is_name,
            "must have names of a-z, 0-9, `-` and `.` between slashes",
        )?;
    }
    Ok(())
}
