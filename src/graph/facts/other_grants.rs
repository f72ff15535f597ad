//! The reader of kinds by which other systems grant and copy: OpenShift's own bindings, Capsule,
//! Rancher, rbac-manager, Kyverno's generated objects, and programs that copy Secrets.

use super::{Facts, ObjectRef, claims};
use crate::document::{TreeValue, View};
use crate::graph::indirect::{CopiedObjects, CopySource, IndirectBinding, Reach};
use crate::graph::rbac::{Binding, Role, Subject};
use crate::kube::labels::{Selector, at, items, text, texts, texts_under};
use crate::source::Span;
use crate::value::Text;

const OPENSHIFT: &str = "authorization.openshift.io";
const KYVERNO: &str = "kyverno.io";

/// Reads an object of a system that grants or copies by itself.
///
/// # Errors
/// Why it cannot be evaluated.
pub fn read<T: TreeValue>(facts: &mut Facts, object: &ObjectRef, node: &T) -> Result<bool, String> {
    let spec = node.member("spec");

    match (&*object.id.group, &*object.id.kind) {
        (OPENSHIFT, "Role" | "ClusterRole") => {
            facts
                .roles
                .push(Role::of(object.id.clone(), node, object.origin)?);
        }
        (OPENSHIFT, "RoleBinding" | "ClusterRoleBinding") => {
            facts.bindings.push(openshift_binding(object, node));
        }
        ("capsule.clastix.io", "Tenant") => capsule(facts, object, spec),
        ("kubeflow.org", "Profile") => {
            let owner = spec.and_then(|spec| spec.member("owner"));
            let subjects = owner.and_then(|owner| {
                let name = text(Some(owner), "name")?;
                let kind = text(Some(owner), "kind").unwrap_or_default();
                Some((named(&kind, &name), owner.span()))
            });
            let reach = Reach::Names(vec![object.id.name.clone()]);
            bind(
                facts,
                object,
                "admin",
                subjects.into_iter().collect(),
                reach,
            );
        }
        ("tenantoperator.stakater.com", "Tenant") => stakater(facts, object, spec),
        ("iam.kubesphere.io", kind) => return Ok(kubesphere(facts, object, kind, node)),
        ("management.cattle.io", kind) => return rancher(facts, object, kind, node),
        ("rbacmanager.reactiveops.io", "RBACDefinition") => rbac_manager(facts, object, node)?,
        ("rbac.open-cluster-management.io", "ClusterPermission") => {
            cluster_permission(facts, object, spec);
        }
        ("hnc.x-k8s.io", "HierarchyConfiguration") => hierarchy(facts, object, spec),
        ("external-secrets.io", "ClusterExternalSecret") => external_secret(facts, object, spec),
        ("secretgen.carvel.dev", "SecretExport") => secret_export(facts, object, spec),
        ("clustersecret.io", "ClusterSecret") => cluster_secret(facts, object, node),
        ("velero.io", "Restore") => velero_restore(facts, object, spec),
        _ => return Ok(false),
    }
    Ok(true)
}

/// A kind of object whose annotations, or those of the Secret that is made from it, ask for copies.
struct Copied {
    group: &'static str,
    kind: &'static str,
    /// Where the annotations stand.
    annotations: &'static [&'static str],
}

/// The kinds whose annotations ask for copies.
///
/// Sources: the APIs of cert-manager, External Secrets and Sealed Secrets.
static COPIED: [Copied; 5] = [
    Copied {
        group: "",
        kind: "Secret",
        annotations: &["metadata", "annotations"],
    },
    Copied {
        group: "",
        kind: "ConfigMap",
        annotations: &["metadata", "annotations"],
    },
    Copied {
        group: "cert-manager.io",
        kind: "Certificate",
        annotations: &["spec", "secretTemplate", "annotations"],
    },
    Copied {
        group: "external-secrets.io",
        kind: "ExternalSecret",
        annotations: &["spec", "target", "template", "metadata", "annotations"],
    },
    Copied {
        group: "bitnami.com",
        kind: "SealedSecret",
        annotations: &["spec", "template", "metadata", "annotations"],
    },
];

/// Reads what an object of any kind has copied or generated, besides what its reader reads.
pub fn read_beside<T: TreeValue>(facts: &mut Facts, object: &ObjectRef, node: &T) {
    let group = object.id.group.as_str();
    if (group == KYVERNO || group == "policies.kyverno.io") && object.id.namespace.is_empty() {
        kyverno(facts, object, node);
    }
    let kind = object.id.kind.as_str();
    let copied = COPIED
        .iter()
        .find(|copied| (copied.group, copied.kind) == (group, kind));
    if let Some(copied) = copied {
        annotated_copies(facts, object, at(node, copied.annotations));
    }
    if (group, kind) == ("", "ServiceAccount") {
        claims::read_account(facts, object, node);
    }
}

/// Adds an indirect binding of a ClusterRole.
fn bind(
    facts: &mut Facts,
    object: &ObjectRef,
    role: &str,
    subjects: Vec<(Subject, Option<Span>)>,
    reach: Reach,
) {
    facts.indirect_bindings.push(IndirectBinding {
        id: object.id.clone(),
        role: (Text::default(), role.into()),
        subjects,
        reach,
        origin: object.origin,
    });
}

/// Adds copies of objects, which a program makes.
fn copy(
    facts: &mut Facts,
    object: &ObjectRef,
    by: &'static str,
    what: impl Into<Text>,
    (from, to): (CopySource, Reach),
) {
    facts.copied_objects.push(CopiedObjects {
        id: object.id.clone(),
        what: what.into(),
        from,
        to,
        by,
        origin: object.origin,
    });
}

/// A binding of OpenShift's own API group, which the API server stores as one of Kubernetes.
fn openshift_binding<T: TreeValue>(object: &ObjectRef, node: &T) -> Binding {
    let role = node.member("roleRef");
    let home = &object.id.namespace;
    let mut subjects: Vec<(Subject, Option<Span>)> = subjects(node.member("subjects"), home);

    // The older form names users and groups in lists of their own.
    for (list, kind) in [("userNames", "User"), ("groupNames", "Group")] {
        for item in items(node.member(list)) {
            if let Some(name) = item.text() {
                subjects.push((named(kind, name), item.span()));
            }
        }
    }
    subjects.dedup_by(|a, b| a.0 == b.0);

    Binding {
        role: (
            text(role, "namespace").unwrap_or_default(),
            text(role, "name").unwrap_or_default(),
        ),
        role_span: role.and_then(TreeValue::span),
        subjects,
        origin: object.origin,
        id: object.id.clone(),
    }
}

/// A user or group by name; a user whose name is a service account's is that account.
fn named(kind: &str, name: &str) -> Subject {
    let prefix = if kind == "Group" { "group" } else { "user" };
    Subject::parse(&format!("{prefix}:{name}")).unwrap_or_else(|_| Subject::User(name.into()))
}

/// The subjects of a list as RBAC has it. What only a variable names is left out.
fn subjects<T: TreeValue>(list: Option<&T>, home: &str) -> Vec<(Subject, Option<Span>)> {
    items(list)
        .iter()
        .filter(|subject| !text(Some(*subject), "name").is_some_and(|name| name.contains("{{")))
        .filter_map(|subject| Some((Subject::of(subject, home)?, subject.span())))
        .collect()
}

/// The owners of a Tenant of Capsule, and its other bindings.
fn capsule<T: TreeValue>(facts: &mut Facts, object: &ObjectRef, spec: Option<&T>) {
    let field = |key: &str| items(spec.and_then(|spec| spec.member(key)));
    let mut add = |role: &str, subjects| {
        let reach = Reach::CapsuleTenant(object.id.name.clone());
        bind(facts, object, role, subjects, reach);
    };

    for owner in field("owners") {
        let Some(name) = text(Some(owner), "name") else {
            continue;
        };
        let kind = text(Some(owner), "kind").unwrap_or_default();
        let subject = vec![(named(&kind, &name), owner.span())];
        let roles: Vec<&str> = texts(owner.member("clusterRoles"))
            .filter(|role| !role.starts_with("capsule-"))
            .collect();
        match roles.is_empty() {
            true => add("admin", subject),
            false => roles.iter().for_each(|role| add(role, subject.clone())),
        }
    }

    for binding in field("additionalRoleBindings") {
        let role = text(Some(binding), "clusterRoleName").unwrap_or_default();
        add(&role, subjects(binding.member("subjects"), ""));
    }
}

/// The owners, editors and viewers of a Tenant of Stakater's operator.
///
/// Source: docs.stakater.com/mto, Tenant.
fn stakater<T: TreeValue>(facts: &mut Facts, object: &ObjectRef, spec: Option<&T>) {
    let access = spec.and_then(|spec| spec.member("accessControl")).or(spec);
    for (list, role) in [
        ("owners", "admin"),
        ("editors", "edit"),
        ("viewers", "view"),
    ] {
        let people = access.and_then(|access| access.member(list));
        let mut subjects = Vec::new();
        for (key, kind) in [("users", "User"), ("groups", "Group")] {
            for item in items(people.and_then(|people| people.member(key))) {
                subjects.extend(item.text().map(|name| (named(kind, name), item.span())));
            }
        }
        let reach = Reach::Selected(Selector::equal("stakater.com/tenant", &object.id.name));
        bind(facts, object, role, subjects, reach);
    }
}

/// A binding of KubeSphere. Its roles of the platform and of clusters are those of administrators; those
/// of a namespace are named like Kubernetes' own.
fn kubesphere<T: TreeValue>(facts: &mut Facts, object: &ObjectRef, kind: &str, node: &T) -> bool {
    let role = text(node.member("roleRef"), "name").unwrap_or_default();
    let (role, reach) = match (kind, role.as_str()) {
        ("GlobalRoleBinding" | "ClusterRoleBinding", "platform-admin" | "cluster-admin") => {
            ("cluster-admin", Reach::Everywhere)
        }
        ("RoleBinding", role @ ("admin" | "operator" | "viewer")) => {
            let role = match role {
                "operator" => "edit",
                "viewer" => "view",
                _ => "admin",
            };
            (role, Reach::Names(vec![object.id.namespace.clone()]))
        }
        _ => return false,
    };
    let subjects = subjects(node.member("subjects"), "");
    bind(facts, object, role, subjects, reach);
    true
}

/// The ClusterRole that a role template of Rancher comes to. Templates of a user's own are named like
/// the ClusterRoles that Rancher makes of them.
fn rancher_role(template: &str) -> Text {
    match template {
        "cluster-owner" | "admin" | "restricted-admin" => "cluster-admin".into(),
        "project-owner" => "admin".into(),
        "project-member" => "edit".into(),
        "read-only" => "view".into(),
        other => other.into(),
    }
}

/// Role templates of Rancher that reach no namespace of others.
const RANCHER_HARMLESS: [&str; 8] = [
    "cluster-member",
    "clustercatalogs-view",
    "nodes-view",
    "projects-view",
    "storage-view",
    "user",
    "user-base",
    "navlinks-view",
];

/// A binding of a role template to a cluster or a project, or of a global role.
fn rancher<T: TreeValue>(
    facts: &mut Facts,
    object: &ObjectRef,
    kind: &str,
    node: &T,
) -> Result<bool, String> {
    let field = |key: &str| text(Some(node), key).filter(|value| !value.is_empty());
    let (template, reach) = match kind {
        "ClusterRoleTemplateBinding" => (field("roleTemplateName"), Reach::Everywhere),
        "GlobalRoleBinding" => (field("globalRoleName"), Reach::Everywhere),
        "ProjectRoleTemplateBinding" => {
            let project = field("projectName").unwrap_or_default();
            (field("roleTemplateName"), Reach::RancherProject(project))
        }
        _ => return Ok(false),
    };
    let template = template.ok_or("it names no role")?;
    if RANCHER_HARMLESS.contains(&template.as_str()) {
        return Ok(true);
    }

    let mut subjects = Vec::new();
    for (key, kind) in [
        ("groupPrincipalName", "Group"),
        ("groupName", "Group"),
        ("userPrincipalName", "User"),
        ("userName", "User"),
    ] {
        for name in field(key).iter().flat_map(|name| principal_names(name)) {
            subjects.push((
                named(kind, &name),
                node.member(key).and_then(TreeValue::span),
            ));
        }
    }

    bind(facts, object, &rancher_role(&template), subjects, reach);
    Ok(true)
}

/// The names that a principal of Rancher may stand for: itself, what follows its provider
/// (`openldap_group://red-admins`), and the first part of a distinguished name.
fn principal_names(principal: &str) -> Vec<Text> {
    let id = principal.split_once("://").map_or(principal, |(_, id)| id);
    let mut names: Vec<Text> = vec![principal.into()];
    if id != principal {
        names.push(id.into());
    }
    let first = id.split(',').next().unwrap_or(id);
    if let Some((_, name)) = first.split_once('=') {
        names.push(name.into());
    }
    names
}

/// The bindings of an RBACDefinition of rbac-manager.
///
/// Source: rbac-manager.docs.fairwinds.com/rbacdefinitions.
fn rbac_manager<T: TreeValue>(
    facts: &mut Facts,
    object: &ObjectRef,
    node: &T,
) -> Result<(), String> {
    for entry in items(node.member("rbacBindings")) {
        let subjects = subjects(entry.member("subjects"), "");
        let mut add = |role, reach| {
            facts.indirect_bindings.push(IndirectBinding {
                id: object.id.clone(),
                role,
                subjects: subjects.clone(),
                reach,
                origin: object.origin,
            });
        };

        for binding in items(entry.member("clusterRoleBindings")) {
            let role = text(Some(binding), "clusterRole").unwrap_or_default();
            add((Text::default(), role), Reach::Everywhere);
        }
        for binding in items(entry.member("roleBindings")) {
            let namespace = text(Some(binding), "namespace");
            let role = match text(Some(binding), "clusterRole") {
                Some(role) => (Text::default(), role),
                None => (
                    namespace.clone().unwrap_or_default(),
                    text(Some(binding), "role").unwrap_or_default(),
                ),
            };
            let reach = match (namespace, binding.member("namespaceSelector")) {
                (Some(namespace), _) => Reach::Names(vec![namespace]),
                (None, Some(selector)) => Reach::Selected(Selector::of(selector)?),
                (None, None) => continue,
            };
            add(role, reach);
        }
    }
    Ok(())
}

/// The bindings that Open Cluster Management makes on a managed cluster.
///
/// Source: github.com/open-cluster-management-io/cluster-permission.
fn cluster_permission<T: TreeValue>(facts: &mut Facts, object: &ObjectRef, spec: Option<&T>) {
    let field = |key: &str| spec.and_then(|spec| spec.member(key));
    let cluster = field("clusterRoleBinding").into_iter();
    let of_cluster = cluster.map(|binding| (binding, Reach::Everywhere));
    let of_namespaces = items(field("roleBindings")).iter().map(|binding| {
        let selector = binding.member("namespaceSelector").map(Selector::of);
        let reach = match (text(Some(binding), "namespace"), selector) {
            (Some(namespace), _) => Reach::Names(vec![namespace]),
            (None, Some(Ok(selector))) => Reach::Selected(selector),
            (None, _) => Reach::Everywhere,
        };
        (binding, reach)
    });

    for (binding, reach) in of_cluster.chain(of_namespaces) {
        let role = binding.member("roleRef");
        // Without a reference, it is the role that the object makes, which has its name.
        let name = text(role, "name").unwrap_or_else(|| object.id.name.clone());
        let mut bound = subjects(binding.member("subjects"), "");
        let single = binding.member("subject");
        bound.extend(single.and_then(|one| Some((Subject::of(one, "")?, one.span()))));
        bind(facts, object, &name, bound, reach);
    }
}

/// The parent of a namespace of the hierarchical namespace controller: its bindings are copied.
fn hierarchy<T: TreeValue>(facts: &mut Facts, object: &ObjectRef, spec: Option<&T>) {
    if let Some(parent) = text(spec, "parent").filter(|parent| !parent.is_empty()) {
        let to = Reach::Names(vec![object.id.namespace.clone()]);
        let way = (CopySource::Namespace(parent), to);
        let by = "the hierarchical namespace controller";
        copy(facts, object, by, "every RoleBinding", way);
    }
}

/// The secrets that a ClusterExternalSecret puts into namespaces.
fn external_secret<T: TreeValue>(facts: &mut Facts, object: &ObjectRef, spec: Option<&T>) {
    let field = |key: &str| spec.and_then(|spec| spec.member(key));
    let inner = field("externalSecretSpec");
    let list = |key: &str| items(inner.and_then(|inner| inner.member(key)));

    let keys = list("data")
        .iter()
        .filter_map(|entry| text(entry.member("remoteRef"), "key"));
    let extracted = list("dataFrom").iter().flat_map(|entry| {
        let extract = text(entry.member("extract"), "key");
        let find = entry
            .member("find")
            .and_then(|find| text(Some(find), "path"));
        extract.into_iter().chain(find)
    });
    let paths: Vec<Text> = keys.chain(extracted).collect();

    let mut reaches = Vec::new();
    let names: Vec<Text> = texts(field("namespaces")).map(Text::from).collect();
    if !names.is_empty() {
        reaches.push(Reach::Names(names));
    }
    let selectors = items(field("namespaceSelectors")).iter();
    for selector in selectors.chain(field("namespaceSelector")) {
        reaches.push(Selector::of(selector).map_or(Reach::Everywhere, Reach::Selected));
    }

    for to in reaches {
        let what = format!("the secret {}", paths.join(", "));
        let way = (CopySource::Outside(paths.clone()), to);
        copy(facts, object, "External Secrets Operator", what, way);
    }
}

/// The namespaces into which a ClusterSecret copies the Secret that it names.
///
/// Source: github.com/zakkg3/ClusterSecret.
fn cluster_secret<T: TreeValue>(facts: &mut Facts, object: &ObjectRef, node: &T) {
    let source = at(node, &["data", "valueFrom", "secretKeyRef"]);
    let Some(from) = text(source, "namespace") else {
        return;
    };
    let what = format!("Secret {}", text(source, "name").unwrap_or_default());
    let matched: Vec<&str> = texts(node.member("matchNamespace")).collect();
    let to = Reach::expressions(&matched.join(","));
    copy(
        facts,
        object,
        "ClusterSecret",
        what,
        (CopySource::Namespace(from), to),
    );
}

/// The namespaces into which Velero restores what was saved of others.
///
/// Source: velero.io/docs/main/restore-reference, namespaceMapping.
fn velero_restore<T: TreeValue>(facts: &mut Facts, object: &ObjectRef, spec: Option<&T>) {
    let mapping = spec.and_then(|spec| spec.member("namespaceMapping"));
    let Some(View::Map(entries)) = mapping.map(TreeValue::view) else {
        return;
    };
    for (from, to) in entries.iter().map(T::split) {
        let to = Reach::Names(to.text().map(Text::from).into_iter().collect());
        let from = CopySource::Namespace(from.into());
        copy(facts, object, "Velero", "every object", (from, to));
    }
}

/// The namespaces that may import an exported Secret.
///
/// Source: carvel.dev/secretgen-controller, the SecretExport's `dangerousToNamespacesSelector`.
fn secret_export<T: TreeValue>(facts: &mut Facts, object: &ObjectRef, spec: Option<&T>) {
    let mut names: Vec<Text> = texts(spec.and_then(|spec| spec.member("toNamespaces")))
        .map(Text::from)
        .collect();
    names.extend(text(spec, "toNamespace"));
    let selects = ["dangerousToNamespacesSelector", "toSelectorMatchFields"];
    let selected = selects
        .iter()
        .flat_map(|key| items(spec.and_then(|spec| spec.member(key))));
    for condition in selected {
        match (
            &*text(Some(condition), "key").unwrap_or_default(),
            &*text(Some(condition), "operator").unwrap_or_default(),
        ) {
            ("metadata.name", "In") => {
                names.extend(texts(condition.member("values")).map(Text::from));
            }
            _ => names.push("*".into()),
        }
    }

    let what = format!("Secret {}", object.id.name);
    let from = CopySource::Namespace(object.id.namespace.clone());
    let way = (from, Reach::Names(names));
    copy(facts, object, "secretgen-controller", what, way);
}

/// Copies that the annotations of a Secret or ConfigMap ask for or allow. The object is what has them
/// or what such a Secret is made from.
///
/// Source: github.com/emberstack/kubernetes-reflector, github.com/mittwald/kubernetes-replicator,
/// config-syncer.com/docs, fluxoperator.dev/docs/crd/resourceset (copyFrom).
fn annotated_copies<T: TreeValue>(facts: &mut Facts, object: &ObjectRef, annotations: Option<&T>) {
    const REFLECTOR: &str = "reflector.v1.k8s.emberstack.com";
    const REPLICATOR: &str = "replicator.v1.mittwald.de";
    const SYNCER: &str = "kubed.appscode.com/sync";
    const FLUX_COPY: &str = "fluxcd.controlplane.io/copyFrom";

    let Some(annotations) = annotations else {
        return;
    };
    let value = |key: &str| annotations.member(key).and_then(TreeValue::text);
    let is_true = |key: &str| value(key).is_some_and(|value| value == "true");

    let mut reaches: Vec<(&'static str, Reach)> = Vec::new();
    if is_true(&format!("{REFLECTOR}/reflection-allowed")) {
        let list = value(&format!("{REFLECTOR}/reflection-allowed-namespaces"));
        reaches.push(("Reflector", Reach::expressions(list.unwrap_or_default())));
    }
    if is_true(&format!("{REPLICATOR}/replication-allowed")) {
        let list = value(&format!("{REPLICATOR}/replication-allowed-namespaces"));
        reaches.push(("Replicator", Reach::expressions(list.unwrap_or_default())));
    }
    if let Some(list) = value(&format!("{REPLICATOR}/replicate-to")) {
        reaches.push(("Replicator", Reach::expressions(list)));
    }
    if value(&format!("{REPLICATOR}/replicate-to-matching")).is_some() {
        reaches.push(("Replicator", Reach::Everywhere));
    }
    if let Some(selector) = value(SYNCER) {
        reaches.push(("Config Syncer", equality(selector)));
    }

    // flux-operator fills the object itself.
    if let Some((namespace, name)) = value(FLUX_COPY).and_then(|from| from.split_once('/')) {
        let what = format!("{} {name}", object.id.kind);
        let to = Reach::Names(vec![object.id.namespace.clone()]);
        let way = (CopySource::Namespace(namespace.into()), to);
        copy(facts, object, "flux-operator", what, way);
    }

    for (by, to) in reaches {
        let what = format!("{} {}", object.id.kind, object.id.name);
        let from = CopySource::Namespace(object.id.namespace.clone());
        copy(facts, object, by, what, (from, to));
    }
}

/// The namespaces that `key=value` selects; all where it is another text.
fn equality(selector: &str) -> Reach {
    match selector.split_once('=') {
        Some((key, value)) if !selector.contains([',', '!', '(']) => Reach::Selected(
            Selector::equal(key.trim(), value.trim_start_matches('=').trim()),
        ),
        _ => Reach::Everywhere,
    }
}

/// What a policy of Kyverno for the whole cluster generates: bindings, network policies, and copies.
fn kyverno<T: TreeValue>(facts: &mut Facts, object: &ObjectRef, node: &T) {
    if object.id.kind == "GeneratingPolicy" {
        generating_policy(facts, object, node);
    }
    for rule in items(node.member("spec").and_then(|spec| spec.member("rules"))) {
        let Some(generate) = rule.member("generate") else {
            continue;
        };
        let matched = matched_namespaces(rule);
        let each = items(generate.member("foreach")).iter();
        for target in std::iter::once(generate).chain(each) {
            generated(facts, object, target, &matched);
        }
    }
}

/// The objects that a GeneratingPolicy reads by its expressions and makes others of.
///
/// Source: kyverno.io/docs/policy-types/generating-policy.
fn generating_policy<T: TreeValue>(facts: &mut Facts, object: &ObjectRef, node: &T) {
    let mut expressions = Vec::new();
    texts_under(node, &["expression"], &mut expressions);
    let reading = expressions
        .into_iter()
        .filter(|text| text.contains("resource.Get(") || text.contains("resource.List("));
    let reading: Vec<Text> = reading.map(Text::from).collect();

    if !reading.is_empty() {
        let way = (CopySource::Outside(reading), Reach::Everywhere);
        copy(facts, object, "Kyverno", "objects", way);
    }
}

/// Whether a network policy that is generated lets in or out more than the namespace's own pods and
/// DNS.
fn opens<T: TreeValue>(policy: &T) -> bool {
    let is_dns = |rule: &T| {
        let ports = items(rule.member("ports"));
        let is_53 = |port: &T| match port.member("port").map(TreeValue::view) {
            Some(View::Number(number)) => number.as_u64() == Some(53),
            _ => false,
        };
        !ports.is_empty() && ports.iter().all(is_53)
    };
    let is_own = |rule: &T, peers: &str| {
        let peers = items(rule.member(peers));
        let of_namespace = |peer: &T| {
            peer.member("namespaceSelector").is_none() && peer.member("ipBlock").is_none()
        };
        !peers.is_empty() && peers.iter().all(of_namespace)
    };
    let rules = |list: &str| items(policy.member("spec").and_then(|spec| spec.member(list)));

    rules("ingress").iter().any(|rule| !is_own(rule, "from"))
        || rules("egress")
            .iter()
            .any(|rule| !is_dns(rule) && !is_own(rule, "to"))
}

/// The namespaces whose creation, or whose objects, a rule of Kyverno is for.
fn matched_namespaces<T: TreeValue>(rule: &T) -> Reach {
    let matches = rule.member("match");
    let lists = ["any", "all"].map(|list| items(matches.and_then(|node| node.member(list))));
    let direct = matches.and_then(|node| node.member("resources"));
    let filters: Vec<&T> = lists
        .into_iter()
        .flatten()
        .filter_map(|entry| entry.member("resources"))
        .chain(direct)
        .collect();

    // Of several filters each may match: only one can be followed.
    let [filter] = filters[..] else {
        return Reach::Everywhere;
    };
    let for_namespaces = texts(filter.member("kinds")).all(|kind| kind == "Namespace");
    let names = |key: &str| -> Vec<Text> { texts(filter.member(key)).map(Text::from).collect() };
    let (named, selector) = match for_namespaces {
        true => (names("names"), filter.member("selector")),
        false => (names("namespaces"), filter.member("namespaceSelector")),
    };
    if !named.is_empty() {
        return Reach::Names(named);
    }
    match selector.map(Selector::of) {
        Some(Ok(selector)) => Reach::Selected(selector),
        _ => Reach::Everywhere,
    }
}

/// Reads one object that a rule of Kyverno generates.
fn generated<T: TreeValue>(facts: &mut Facts, object: &ObjectRef, target: &T, matched: &Reach) {
    let kind = text(Some(target), "kind").unwrap_or_default();
    let reach = match text(Some(target), "namespace") {
        Some(namespace) if !namespace.contains("{{") => Reach::Names(vec![namespace]),
        _ => matched.clone(),
    };

    if let (Some(data), "RoleBinding" | "ClusterRoleBinding") =
        (target.member("data"), kind.as_str())
    {
        let role = text(data.member("roleRef"), "name").unwrap_or_default();
        let subjects = subjects(data.member("subjects"), "");
        let reach = match kind.as_str() {
            "ClusterRoleBinding" => Reach::Everywhere,
            _ => reach.clone(),
        };
        bind(facts, object, &role, subjects, reach);
    }

    if let Some(data) = target.member("data").filter(|_| kind == "NetworkPolicy")
        && opens(data)
    {
        facts.other_policies.push(object.clone());
    }

    let mut cloned = |what: String, from: Text| {
        let way = (CopySource::Namespace(from), reach.clone());
        copy(facts, object, "Kyverno", what, way);
    };
    let literal = |node: &T| {
        text(Some(node), "namespace").filter(|name| !name.is_empty() && !name.contains("{{"))
    };
    if let Some((node, from)) = target
        .member("clone")
        .and_then(|node| Some((node, literal(node)?)))
    {
        let name = text(Some(node), "name").unwrap_or_default();
        cloned(format!("{kind} {name}"), from);
    }
    if let Some((node, from)) = target
        .member("cloneList")
        .and_then(|node| Some((node, literal(node)?)))
    {
        let kinds: Vec<&str> = texts(node.member("kinds")).collect();
        cloned(format!("each {}", kinds.join(", ")), from);
    }
}

/// The namespace of a Service of the cluster that a URL names.
pub fn service_in_url(url: &str) -> Option<Text> {
    let rest = url.split_once("://").map_or(url, |(_, rest)| rest);
    let host = rest.split(['/', ':', '?']).next()?;
    let parts: Vec<&str> = host.split('.').collect();
    match parts[..] {
        [_, namespace] => Some(namespace.into()),
        [_, namespace, "svc", ..] => Some(namespace.into()),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_url_names_a_service_of_the_cluster_or_none() {
        for (url, namespace) in [
            ("https://hook.red.svc:443/mutate", Some("red")),
            ("http://hook.red.svc.cluster.local/x", Some("red")),
            ("https://hook.red/x", Some("red")),
            ("https://hook.example.org/x", None),
            ("https://localhost/x", None),
        ] {
            assert_eq!(service_in_url(url).as_deref(), namespace, "{url}");
        }
    }

    #[test]
    fn a_principal_of_rancher_is_called_by_each_of_its_names() {
        let names = |principal: &str| -> Vec<String> {
            let all = principal_names(principal);
            all.iter().map(ToString::to_string).collect()
        };
        assert_eq!(names("red-admins"), ["red-admins"]);
        assert!(names("github_team://red-admins").contains(&"red-admins".to_owned()));
        assert!(names("openldap_group://cn=red-admins,dc=x").contains(&"red-admins".to_owned()));
    }
}
