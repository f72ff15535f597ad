//! The reader of the groups by which the API server asks others: admission policies, webhooks,
//! aggregated APIs and conversions.

use super::other_grants::service_in_url;
use super::{Facts, ObjectRef};
use crate::document::{TreeValue, View};
use crate::graph::Origin;
use crate::graph::admission_policy::{AdmissionPolicy, AdmissionPolicyBinding, GROUP};
use crate::kube::ObjectId;
use crate::kube::kinds::Scope;
use crate::kube::labels::{Selector, at, items, text, texts, texts_under};
use crate::kube::resources;
use crate::value::Text;

/// What serves the API server from within the cluster: a webhook, an aggregated API, a conversion.
#[derive(Clone, Debug)]
pub struct WebhookService {
    /// What it is.
    pub id: ObjectId,
    /// The namespace of the Service that is asked, or of the objects that decide.
    pub namespace: Text,
    /// The namespaces about whose objects alone it is asked; `None` if there are others, or objects of
    /// the cluster.
    pub only: Option<Selector>,
    /// Where it comes from.
    pub origin: Origin,
}

/// Reads an admission policy or its binding. What the other kinds of these groups deny is not
/// evaluated; [`hooks`] reads which Services the API server asks because of them.
///
/// # Errors
/// Why the policy or the binding cannot be evaluated.
pub fn read<T: TreeValue>(facts: &mut Facts, object: &ObjectRef, node: &T) -> Result<bool, String> {
    let (id, origin) = (object.id.clone(), object.origin);

    match (&*id.group, &*id.kind) {
        (GROUP, "ValidatingAdmissionPolicy") => {
            facts
                .admission_policies
                .push(AdmissionPolicy::of(id, node, origin)?);
        }
        (GROUP, "ValidatingAdmissionPolicyBinding") => {
            let binding = AdmissionPolicyBinding::of(id, node, origin)?;
            facts.admission_bindings.push(binding);
        }
        (
            GROUP
            | "apiregistration.k8s.io"
            | "apiextensions.k8s.io"
            | "kyverno.io"
            | "policies.kyverno.io",
            _,
        ) => {}
        (group, _) if group.ends_with("gatekeeper.sh") => {}
        _ => return Ok(false),
    }

    Ok(true)
}

/// The Services within the cluster that the API server asks because of an object.
pub fn hooks<T: TreeValue>(object: &ObjectRef, node: &T) -> Vec<WebhookService> {
    let field = |key: &str| node.member("spec")?.member(key);

    let namespaces: Vec<(Text, Option<Selector>)> = match (&*object.id.group, &*object.id.kind) {
        (GROUP, "MutatingWebhookConfiguration" | "ValidatingWebhookConfiguration") => {
            items(node.member("webhooks"))
                .iter()
                .filter_map(|webhook| {
                    let namespace = client_namespace(webhook.member("clientConfig")?)?;
                    Some((namespace, asked_about(webhook)))
                })
                .collect()
        }
        (GROUP, "ValidatingAdmissionPolicyBinding" | "MutatingAdmissionPolicyBinding") => {
            let params = field("paramRef").and_then(|params| params.member("namespace")?.text());
            everywhere(params.map(Text::from))
        }
        ("apiregistration.k8s.io", "APIService") => {
            let service = node.member("spec").and_then(service_namespace);
            everywhere(service)
        }
        ("apiextensions.k8s.io", "CustomResourceDefinition") => {
            let webhook = field("conversion").and_then(|conversion| conversion.member("webhook"));
            let client = webhook.and_then(|webhook| webhook.member("clientConfig"));
            everywhere(client.and_then(client_namespace))
        }
        (
            "kyverno.io"
            | "policies.kyverno.io"
            | "externaldata.gatekeeper.sh"
            | "authentication.concierge.pinniped.dev"
            | "metacontroller.k8s.io",
            _,
        ) => {
            let mut urls = Vec::new();
            texts_under(node, &["url", "issuer", "endpoint"], &mut urls);
            let named = urls.into_iter().filter_map(service_in_url);
            let mut all: Vec<Text> = named.collect();
            all.extend(hook_services(node));
            all.extend(context_maps(node));
            everywhere(all.into_iter().filter(|name| *name != object.id.namespace))
        }
        _ => Vec::new(),
    };

    namespaces
        .into_iter()
        .map(|(namespace, only)| WebhookService {
            id: object.id.clone(),
            namespace,
            only,
            origin: object.origin,
        })
        .collect()
}

/// The namespaces of the Services that Metacontroller asks what to make.
///
/// Source: metacontroller.github.io/metacontroller/api/hook.html.
fn hook_services<T: TreeValue>(node: &T) -> Vec<Text> {
    let hooks = at(node, &["spec", "hooks"]);
    let Some(View::Map(entries)) = hooks.map(TreeValue::view) else {
        return Vec::new();
    };
    let hooks = entries.iter().map(T::split);
    hooks
        .filter_map(|(_, hook)| service_namespace(hook.member("webhook")?))
        .collect()
}

/// The namespaces of the ConfigMaps by which a policy of Kyverno for the whole cluster decides.
///
/// Source: kyverno.io/docs/policy-types/cluster-policy/external-data-sources.
fn context_maps<T: TreeValue>(node: &T) -> Vec<Text> {
    let rules = items(at(node, &["spec", "rules"])).iter();
    let entries = rules.flat_map(|rule| items(rule.member("context")));
    entries
        .filter_map(|entry| text(entry.member("configMap"), "namespace"))
        .collect()
}

/// Services that are asked about the objects of every namespace.
fn everywhere(services: impl IntoIterator<Item = Text>) -> Vec<(Text, Option<Selector>)> {
    services
        .into_iter()
        .map(|service| (service, None))
        .collect()
}

/// The namespaces about whose objects a webhook is asked. Objects of the cluster are in none, so that a
/// webhook with a rule for them is asked about more.
fn asked_about<T: TreeValue>(webhook: &T) -> Option<Selector> {
    let selector = Selector::of(webhook.member("namespaceSelector")?).ok()?;
    let rules = items(webhook.member("rules"));
    let is_namespaced = |rule: &T| {
        if text(Some(rule), "scope").as_deref() == Some("Namespaced") {
            return true;
        }
        let groups: Vec<&str> = texts(rule.member("apiGroups")).collect();
        let mut resources = texts(rule.member("resources"));
        !groups.is_empty()
            && resources.all(|resource| {
                let name = resource.split('/').next().unwrap_or(resource);
                let scope = |group: &&str| resources::find(group, name).map(|known| known.scope);
                groups
                    .iter()
                    .all(|group| scope(group) == Some(Scope::Namespaced))
            })
    };
    (!selector.is_everything() && rules.iter().all(is_namespaced)).then_some(selector)
}

/// The namespace of the Service that a client configuration of a webhook names, by reference or by a
/// URL: the API server looks up names of the cluster's Services too.
fn client_namespace<T: TreeValue>(client: &T) -> Option<Text> {
    let url = || service_in_url(client.member("url")?.text()?);
    service_namespace(client).or_else(url)
}

/// The namespace of the Service that a client configuration names.
fn service_namespace<T: TreeValue>(client: &T) -> Option<Text> {
    let namespace = client.member("service")?.member("namespace")?;
    Some(namespace.text()?.into())
}
