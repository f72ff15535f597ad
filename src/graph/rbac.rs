//! Roles, bindings, and what they allow: the RBAC authorizer, offline.
//!
//! Source: k8s.io/kubernetes `pkg/apis/rbac/v1/evaluation_helpers.go` (matching),
//! `pkg/registry/rbac/validation/rule.go` (subjects, scopes), k8s.io/component-helpers
//! `auth/rbac/validation/policy_comparator.go` (covering), and
//! `pkg/controller/clusterroleaggregation` (aggregation).

mod aggregation;

use super::ACCOUNTS_OF;
use super::object::{InputKind, Origin};
use crate::document::TreeValue;
use crate::kube::ObjectId;
use crate::kube::labels::{Labels, Selector, items, texts};
use crate::source::Span;
use crate::value::Text;
use aggregation::Aggregation;
use std::collections::BTreeMap;
use std::collections::btree_map::Entry;
use std::fmt;
use std::ops::Deref;
use std::sync::Arc;

/// A rule of a role. Its clones share its fields, since aggregated roles hold the same rules many
/// times.
#[derive(Clone, Debug, Default, PartialEq, Eq, PartialOrd, Ord)]
pub struct PolicyRule(Arc<RuleFields>);

/// What a rule of a role says.
#[derive(Clone, Debug, Default, PartialEq, Eq, PartialOrd, Ord)]
pub struct RuleFields {
    /// Verbs; `*` is every one.
    pub verbs: Vec<Text>,
    /// API groups; `*` is every one, the empty one is the core's.
    pub groups: Vec<Text>,
    /// Resources, as `pods` or `pods/exec`; `*`, `*/scale`.
    pub resources: Vec<Text>,
    /// Names of objects; all where there is none.
    pub names: Vec<Text>,
    /// Paths that belong to no resource; a `*` at the end matches the rest.
    pub urls: Vec<Text>,
    /// Where it stands, where that is known better than its role's place.
    pub span: Option<Span>,
}

impl Deref for PolicyRule {
    type Target = RuleFields;

    fn deref(&self) -> &RuleFields {
        &self.0
    }
}

impl From<RuleFields> for PolicyRule {
    fn from(fields: RuleFields) -> Self {
        Self(Arc::new(fields))
    }
}

/// What a request asks for.
#[derive(Clone, Debug, Default, PartialEq, Eq, PartialOrd, Ord)]
pub struct AccessRequest<'a> {
    /// The verb: `get`, `create`, `impersonate` …
    pub verb: &'a str,
    /// The API group.
    pub group: &'a str,
    /// The resource.
    pub resource: &'a str,
    /// The subresource; may be empty.
    pub subresource: &'a str,
    /// The object's name; empty where the request has none (list, create by POST).
    pub name: &'a str,
    /// The namespace; empty for the cluster's own.
    pub namespace: &'a str,
}

/// Whether a list of a rule has a word, or all of them.
pub fn has(set: &[Text], wanted: &str) -> bool {
    set.iter().any(|s| s == "*" || s == wanted)
}

impl PolicyRule {
    /// Reads a `PolicyRule`.
    pub fn of<T: TreeValue>(node: &T) -> Self {
        let list = |key: &str| texts(node.member(key)).map(Text::from).collect();
        Self::from(RuleFields {
            verbs: list("verbs"),
            groups: list("apiGroups"),
            resources: list("resources"),
            names: list("resourceNames"),
            urls: list("nonResourceURLs"),
            span: node.span(),
        })
    }

    /// Whether it allows a request on a resource, in whatever namespace it is bound.
    pub fn allows(&self, request: &AccessRequest<'_>) -> bool {
        has(&self.verbs, request.verb)
            && has(&self.groups, request.group)
            && self.has_resource(request.resource, request.subresource)
            && (self.names.is_empty() || self.names.iter().any(|n| n == request.name))
    }

    fn has_resource(&self, resource: &str, subresource: &str) -> bool {
        self.resources.iter().any(|r| match r.split_once('/') {
            _ if r == "*" => true,
            None => subresource.is_empty() && r == resource,
            Some((_, sub)) if sub != subresource || subresource.is_empty() => false,
            Some((own, _)) => own == "*" || own == resource,
        })
    }

    /// Whether it allows a request on a path.
    pub fn allows_url(&self, verb: &str, path: &str) -> bool {
        has(&self.verbs, verb) && self.urls.iter().any(|own| url_covers(own, path))
    }

    /// Whether it allows the verb on some object of a resource: of these names, where there are
    /// any.
    ///
    /// See [`Self::names_no_request`] for names that nothing has.
    pub fn touches(&self, verb: &str, group: &str, resource: &str) -> bool {
        let (resource, subresource) = resource.split_once('/').unwrap_or((resource, ""));
        has(&self.verbs, verb)
            && !self.names_no_request(verb, subresource)
            && has(&self.groups, group)
            && self.has_resource(resource, subresource)
    }

    /// Whether it has names, and no request with the verb has one.
    ///
    /// A POST has no name when it is authorized, so that `create` of named objects is allowed only by
    /// server-side apply, which takes `patch` as well. A `deletecollection` never has one.
    ///
    /// Source: `RequestInfoFactory.NewRequestInfo` of `k8s.io/apiserver`.
    pub fn names_no_request(&self, verb: &str, subresource: &str) -> bool {
        let posts = || verb == "create" && subresource.is_empty() && !has(&self.verbs, "patch");
        !self.names.is_empty() && (verb == "deletecollection" || posts())
    }
}

/// Some rules without the verbs by which they allow no request.
pub fn effective(rules: &[PolicyRule]) -> Vec<PolicyRule> {
    let with_verbs = |rule: &PolicyRule, resources: Vec<Text>, subresource: &str| {
        let verbs = rule.verbs.iter();
        let verbs = verbs.filter(|verb| !rule.names_no_request(verb, subresource));
        PolicyRule::from(RuleFields {
            verbs: verbs.cloned().collect(),
            resources,
            ..RuleFields::clone(rule)
        })
    };

    let mut all = Vec::new();
    for rule in rules {
        let (subresources, whole): (Vec<Text>, Vec<Text>) = rule
            .resources
            .iter()
            .cloned()
            .partition(|own| own.contains('/'));
        if subresources.is_empty() || whole.is_empty() {
            let subresource = if whole.is_empty() { "any" } else { "" };
            all.push(with_verbs(rule, rule.resources.clone(), subresource));
        } else {
            all.push(with_verbs(rule, whole, ""));
            all.push(with_verbs(rule, subresources, "any"));
        }
    }
    all
}

/// Whether a path of a rule is or holds another.
pub fn url_covers(own: &str, path: &str) -> bool {
    own == path || own.ends_with('*') && path.starts_with(own.trim_end_matches('*'))
}

/// A rule of one verb on one resource of one group, with at most one name; or of one verb on one
/// path.
fn broken_down(rules: &[PolicyRule]) -> Vec<PolicyRule> {
    let mut all = Vec::new();
    for rule in rules {
        for group in &rule.groups {
            for resource in &rule.resources {
                for verb in &rule.verbs {
                    let one = RuleFields {
                        verbs: vec![verb.clone()],
                        groups: vec![group.clone()],
                        resources: vec![resource.clone()],
                        span: rule.span,
                        ..RuleFields::default()
                    };
                    if rule.names.is_empty() {
                        all.push(one.into());
                    } else {
                        all.extend(rule.names.iter().map(|name| {
                            PolicyRule::from(RuleFields {
                                names: vec![name.clone()],
                                ..one.clone()
                            })
                        }));
                    }
                }
            }
        }
        for url in &rule.urls {
            for verb in &rule.verbs {
                let one = RuleFields {
                    verbs: vec![verb.clone()],
                    urls: vec![url.clone()],
                    ..RuleFields::default()
                };
                all.push(one.into());
            }
        }
    }

    all
}

fn covers_one(own: &PolicyRule, asked: &PolicyRule) -> bool {
    let all = |own: &[Text], asked: &[Text]| asked.iter().all(|a| has(own, a));
    let resource = |asked: &Text| {
        has(&own.resources, asked)
            || asked
                .split_once('/')
                .is_some_and(|(_, sub)| own.resources.iter().any(|r| *r == format!("*/{sub}")))
    };

    let names = own.names.is_empty()
        || (!asked.names.is_empty()
            && asked.names.iter().all(|n| own.names.iter().any(|o| o == n)));
    all(&own.verbs, &asked.verbs)
        && all(&own.groups, &asked.groups)
        && asked.resources.iter().all(resource)
        && names
        && asked
            .urls
            .iter()
            .all(|a| own.urls.iter().any(|o| url_covers(o, a)))
}

/// What of some rules others do not grant: what whoever has those others may not hand on.
pub fn uncovered(own: &[PolicyRule], asked: &[PolicyRule]) -> Vec<PolicyRule> {
    broken_down(asked)
        .into_iter()
        .filter(|asked| !own.iter().any(|own| covers_one(own, asked)))
        .collect()
}

/// Whom a binding names.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Subject {
    /// A user.
    User(Text),
    /// A group.
    Group(Text),
    /// A service account: its namespace and its name.
    ServiceAccount(Text, Text),
}

impl Subject {
    /// Reads a subject; `None` for one that names nobody. `home` is the binding's namespace.
    pub fn of<T: TreeValue>(node: &T, home: &str) -> Option<Self> {
        let text = |key: &str| {
            node.member(key)
                .and_then(TreeValue::text)
                .unwrap_or_default()
        };

        let name = text("name");
        match text("kind") {
            "User" => Some(Self::User(name.into())),
            "Group" => Some(Self::Group(name.into())),
            "ServiceAccount" => {
                let namespace = if text("namespace").is_empty() {
                    home
                } else {
                    text("namespace")
                };
                (!namespace.is_empty()).then(|| Self::ServiceAccount(namespace.into(), name.into()))
            }
            _ => None,
        }
        .map(Self::canonical)
    }

    /// A user whose name is a service account's is that service account.
    fn canonical(self) -> Self {
        match &self {
            Self::User(name) => match name
                .strip_prefix("system:serviceaccount:")
                .and_then(|rest| rest.split_once(':'))
            {
                Some((namespace, name)) => Self::ServiceAccount(namespace.into(), name.into()),
                None => self,
            },
            _ => self,
        }
    }

    /// Reads `user:NAME`, `group:NAME`, `serviceaccount:NAMESPACE:NAME` (or `sa:`), or a user's
    /// name as it is: `alice`, `oidc:alice`, `system:admin`.
    ///
    /// # Errors
    /// A subject without a name, a service account without its two parts, and a kind in another
    /// spelling (`ServiceAccount:`, `groups:`). A user whose name begins like that is `user:NAME`.
    pub fn parse(text: &str) -> Result<Self, String> {
        let parsed = match text.split_once(':') {
            Some(("user" | "group", "")) => return Err(format!("`{text}` has no name")),
            Some(("user", name)) => Self::User(name.into()),
            Some(("group", name)) => Self::Group(name.into()),
            Some(("serviceaccount" | "sa", rest)) => {
                let parts = rest
                    .split_once([':', '/'])
                    .filter(|(ns, name)| !ns.is_empty() && !name.is_empty());
                let (namespace, name) = parts.ok_or_else(|| {
                    format!(
                        "`{text}` names no service account: write serviceaccount:NAMESPACE:NAME"
                    )
                })?;
                Self::ServiceAccount(namespace.into(), name.into())
            }
            Some((prefix, _)) if is_kind_of_subject(prefix) => {
                return Err(format!(
                    "there is no prefix `{prefix}:`: write user:, group:, serviceaccount: or sa: (for a \
                     user of this name, write user:{text})"
                ));
            }
            _ if text.is_empty() => return Err("a subject has a name".to_owned()),
            _ => Self::User(text.into()),
        };
        Ok(parsed.canonical())
    }

    /// The subject and the groups that Kubernetes puts it in.
    pub fn with_groups(&self) -> Vec<Self> {
        let groups = self.implicit_groups().into_iter().map(Self::Group);
        std::iter::once(self.clone()).chain(groups).collect()
    }

    /// The groups that it is in by itself.
    pub fn implicit_groups(&self) -> Vec<Text> {
        match self {
            Self::User(name) if name == "system:anonymous" => vec!["system:unauthenticated".into()],
            Self::User(_) => vec!["system:authenticated".into()],
            // Whoever is in a group is somebody.
            Self::Group(name) if name == "system:unauthenticated" => Vec::new(),
            Self::Group(name) if name == "system:authenticated" => Vec::new(),
            Self::Group(name) if name.starts_with(ACCOUNTS_OF) => {
                vec![
                    "system:serviceaccounts".into(),
                    "system:authenticated".into(),
                ]
            }
            Self::Group(_) => vec!["system:authenticated".into()],
            Self::ServiceAccount(namespace, _) => vec![
                "system:serviceaccounts".into(),
                format!("{ACCOUNTS_OF}{namespace}").into(),
                "system:authenticated".into(),
            ],
        }
    }
}

/// Whether a word is a kind of subject in any spelling: `ServiceAccount`, `service-accounts`, `Users`.
fn is_kind_of_subject(word: &str) -> bool {
    let letters = word.chars().filter(char::is_ascii_alphabetic);
    let word: String = letters.map(|letter| letter.to_ascii_lowercase()).collect();
    let kind = word.strip_suffix('s').unwrap_or(&word);
    [
        "user",
        "group",
        "serviceaccount",
        "sa",
        "svcacct",
        "svcaccount",
    ]
    .contains(&kind)
}

impl fmt::Display for Subject {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::User(name) => write!(f, "user {name}"),
            Self::Group(name) => write!(f, "group {name}"),
            Self::ServiceAccount(namespace, name) => {
                write!(f, "service account {namespace}/{name}")
            }
        }
    }
}

/// A Role or a ClusterRole.
#[derive(Clone, Debug)]
pub struct Role {
    /// What it is.
    pub id: ObjectId,
    /// What it grants, with what is aggregated into it; bindings share it.
    pub rules: Arc<[PolicyRule]>,
    /// Its labels, by which it is aggregated into others.
    pub labels: Labels,
    /// Whose rules it takes over; nothing where it has its own.
    pub aggregates: Option<Vec<Selector>>,
    /// Where it comes from.
    pub origin: Origin,
}

impl Role {
    /// Reads a Role or ClusterRole.
    ///
    /// # Errors
    /// Why it cannot be understood.
    pub fn of<T: TreeValue>(id: ObjectId, node: &T, origin: Origin) -> Result<Self, String> {
        let selectors = node
            .member("aggregationRule")
            .filter(|_| id.kind == "ClusterRole");
        let aggregates = match selectors.map(|a| items(a.member("clusterRoleSelectors"))) {
            None => None,
            Some([]) => return Err("its aggregationRule selects nothing".into()),
            Some(selectors) => Some(
                selectors
                    .iter()
                    .map(Selector::of)
                    .collect::<Result<Vec<_>, _>>()?,
            ),
        };

        Ok(Self {
            rules: items(node.member("rules"))
                .iter()
                .map(PolicyRule::of)
                .collect(),
            labels: Labels::of(node.member("metadata").and_then(|m| m.member("labels"))),
            aggregates,
            origin,
            id,
        })
    }

    /// Where a reader finds a rule of the role that a binding names, and what the role is called in
    /// a sentence. Kubernetes' own roles are in no file: the line that binds one stands for it.
    pub fn cite(&self, rule: Option<&PolicyRule>, binding: &Binding) -> (Span, String) {
        let rule_span = rule.and_then(|r| r.span);
        match (rule_span, self.origin.input) {
            (Some(span), _) => (span, self.id.called()),
            (None, InputKind::Builtin) => (
                binding.role_span.unwrap_or(binding.origin.span),
                called(&self.id, self.origin),
            ),
            (None, _) => (self.origin.span, self.id.called()),
        }
    }
}

/// What a role or binding is called in a sentence.
fn called(id: &ObjectId, origin: Origin) -> String {
    match origin.input {
        InputKind::Builtin => format!("Kubernetes' own {}", id.called()),
        _ => id.called(),
    }
}

/// A subject that a binding names, and where.
pub type BoundSubject = (Subject, Option<Span>);

/// A RoleBinding or a ClusterRoleBinding.
#[derive(Clone, Debug)]
pub struct Binding {
    /// What it is; its namespace is where it grants, everywhere where it has none.
    pub id: ObjectId,
    /// The namespace of the Role, empty for a ClusterRole; and its name.
    pub role: (Text, Text),
    /// Where the role is named.
    pub role_span: Option<Span>,
    /// To whom, and where each is named.
    pub subjects: Vec<BoundSubject>,
    /// Where it comes from.
    pub origin: Origin,
}

impl Binding {
    /// Reads a RoleBinding or ClusterRoleBinding.
    ///
    /// # Errors
    /// Why it cannot be understood.
    pub fn of<T: TreeValue>(id: ObjectId, node: &T, origin: Origin) -> Result<Self, String> {
        let role = node.member("roleRef").ok_or("it has no roleRef")?;
        let text = |key: &str| {
            role.member(key)
                .and_then(TreeValue::text)
                .unwrap_or_default()
        };

        let namespace = match text("kind") {
            "ClusterRole" => Text::default(),
            "Role" => id.namespace.clone(),
            other => return Err(format!("its roleRef is of kind `{other}`")),
        };

        let open = |text: &str| text.contains("${") || text.contains("{{");
        let named = items(node.member("subjects"))
            .iter()
            .flat_map(|s| ["name", "namespace"].map(|k| s.member(k).and_then(TreeValue::text)));
        if open(text("name")) || named.flatten().any(open) {
            return Err("whom or what it names is filled in later".into());
        }
        let subjects = items(node.member("subjects")).iter();
        let subjects = subjects
            .filter_map(|s| Some((Subject::of(s, &id.namespace)?, s.span())))
            .collect();

        Ok(Self {
            role: (namespace, text("name").into()),
            role_span: role.span(),
            subjects,
            origin,
            id,
        })
    }

    /// How it is called in a sentence.
    pub fn called(&self) -> String {
        called(&self.id, self.origin)
    }

    /// How its role is called in a sentence.
    pub fn role_name(&self) -> String {
        let kind = if self.role.0.is_empty() {
            "ClusterRole"
        } else {
            "Role"
        };
        format!("{kind} `{}`", self.role.1)
    }
}

/// The namespace of a role, empty for a ClusterRole, and its name.
type RoleName = (Text, Text);

/// All roles and bindings of a cluster, by what is looked for.
#[derive(Debug, Default)]
pub struct Rbac {
    /// Roles by namespace (empty for ClusterRoles) and name.
    pub roles: BTreeMap<(Text, Text), Role>,
    /// Bindings, in the order of the inputs.
    pub bindings: Vec<Binding>,
    by_subject: BTreeMap<Subject, Vec<Bound>>,
    by_namespace: BTreeMap<Text, Vec<u32>>,
}

/// A binding that names a subject.
#[derive(Clone, Copy, Debug)]
struct Bound {
    /// The index of the binding.
    binding: u32,
    /// The index of the subject in the binding, at its first place.
    subject: u32,
}

/// Why a request is allowed.
#[derive(Clone, Copy, Debug)]
pub struct Grant<'a> {
    /// The binding.
    pub binding: &'a Binding,
    /// The entry of the binding that names who asks.
    pub subject: &'a BoundSubject,
    /// The role.
    pub role: &'a Role,
    /// The rule.
    pub rule: &'a PolicyRule,
}

impl Rbac {
    /// Fills aggregated roles, and indexes the bindings: to be called once all are there.
    pub fn finish(&mut self) {
        self.aggregate();
        for (at, binding) in self.bindings.iter().enumerate() {
            let home = binding.id.namespace.clone();
            self.by_namespace.entry(home).or_default().push(at as u32);
            for (place, (subject, _)) in binding.subjects.iter().enumerate() {
                let known = self.by_subject.entry(subject.clone()).or_default();
                if known.last().map(|bound| bound.binding) != Some(at as u32) {
                    known.push(Bound {
                        binding: at as u32,
                        subject: place as u32,
                    });
                }
            }
        }
    }

    /// Each aggregated role takes over the rules of those it selects: `admin` selects `edit`, which
    /// selects `view`. The controller writes over what such a role says itself, unless there is
    /// nothing to take over: then the rules of its manifest stay.
    fn aggregate(&mut self) {
        let mut own: BTreeMap<RoleName, Arc<[PolicyRule]>> = BTreeMap::new();
        for (key, role) in self
            .roles
            .iter_mut()
            .filter(|(_, r)| r.aggregates.is_some())
        {
            own.insert(
                key.clone(),
                std::mem::replace(&mut role.rules, Arc::new([])),
            );
        }
        let mut aggregation = Aggregation::new(&self.roles);

        loop {
            aggregation.take_over();

            own.retain(|key, rules| !rules.is_empty() && !aggregation.has_rules(key));
            // A role that may still take over the rules of another one waits for it.
            let waits = |key: &RoleName| {
                let selected = aggregation.selected(key);
                selected.iter().any(|other| own.contains_key(other))
            };
            let mut kept: Vec<RoleName> = own.keys().filter(|key| !waits(key)).cloned().collect();
            if kept.is_empty() {
                // A ring of such roles: each keeps its rules.
                kept = own.keys().cloned().collect();
            }
            if kept.is_empty() {
                aggregation.fill(&mut self.roles);
                return;
            }
            for key in kept {
                if let Some(rules) = own.remove(&key) {
                    aggregation.keep(key, &rules);
                }
            }
        }
    }

    /// Adds a role. Of two with one name both count: which of them holds is not known, or
    /// Kubernetes adds its own.
    pub fn add(&mut self, role: Role) {
        match self
            .roles
            .entry((role.id.namespace.clone(), role.id.name.clone()))
        {
            Entry::Vacant(free) => {
                free.insert(role);
            }
            Entry::Occupied(mut known) => {
                let known = known.get_mut();
                let more = role.rules.iter().filter(|r| !known.rules.contains(r));
                known.rules = known.rules.iter().chain(more).cloned().collect();
                if let Some(selectors) = role.aggregates {
                    known.aggregates.get_or_insert_default().extend(selectors);
                }
                for (key, value) in role.labels.iter() {
                    known.labels.set(key.clone(), value.clone());
                }
            }
        }
    }

    /// The bindings that name a subject.
    pub fn bindings_of(&self, subject: &Subject) -> impl Iterator<Item = &Binding> {
        self.entries_of(subject).map(|(binding, _)| binding)
    }

    /// The bindings that name a subject, each with its first entry for it.
    pub fn entries_of(&self, subject: &Subject) -> impl Iterator<Item = (&Binding, &BoundSubject)> {
        let known = self.by_subject.get(subject).map_or(&[][..], Vec::as_slice);
        known.iter().map(|bound| {
            let binding = &self.bindings[bound.binding as usize];
            (binding, &binding.subjects[bound.subject as usize])
        })
    }

    /// The RoleBindings of a namespace; the ClusterRoleBindings if it is empty.
    pub fn bindings_in(&self, namespace: &str) -> impl Iterator<Item = &Binding> + use<'_> {
        let there = self.by_namespace.get(namespace);
        let there = there.map_or(&[][..], Vec::as_slice);
        there.iter().map(|at| &self.bindings[*at as usize])
    }

    /// The subjects that are bound, each once.
    pub fn subjects(&self) -> impl Iterator<Item = &Subject> {
        self.by_subject.keys()
    }

    /// The service accounts of a namespace that are bound, each once.
    pub fn accounts_of(&self, namespace: &str) -> impl Iterator<Item = &Subject> {
        let first = Subject::ServiceAccount(namespace.into(), Text::default());
        let named = self.by_subject.range(first..).map(|(subject, _)| subject);
        named.take_while(
            move |subject| matches!(subject, Subject::ServiceAccount(home, _) if home == namespace),
        )
    }

    /// The role that a binding names.
    pub fn role(&self, binding: &Binding) -> Option<&Role> {
        self.roles.get(&binding.role)
    }

    /// What allows some subjects (a user, and the groups it is in) a request; nothing where nothing
    /// does.
    pub fn authorize<'a>(
        &'a self,
        subjects: &[Subject],
        request: &AccessRequest<'_>,
    ) -> Option<Grant<'a>> {
        let of_namespace = |(binding, _): &(&Binding, _)| {
            binding.id.namespace.is_empty() || binding.id.namespace == request.namespace
        };
        for (binding, subject) in subjects
            .iter()
            .flat_map(|s| self.entries_of(s))
            .filter(of_namespace)
        {
            let Some(role) = self.role(binding) else {
                continue;
            };
            if let Some(rule) = role.rules.iter().find(|r| r.allows(request)) {
                return Some(Grant {
                    binding,
                    subject,
                    role,
                    rule,
                });
            }
        }

        None
    }

    /// The same for a path that belongs to no resource: only what is bound everywhere counts.
    pub fn authorize_url<'a>(
        &'a self,
        subjects: &[Subject],
        verb: &str,
        path: &str,
    ) -> Option<Grant<'a>> {
        let everywhere = |(binding, _): &(&Binding, _)| binding.id.namespace.is_empty();
        for (binding, subject) in subjects
            .iter()
            .flat_map(|s| self.entries_of(s))
            .filter(everywhere)
        {
            let Some(role) = self.role(binding) else {
                continue;
            };
            if let Some(rule) = role.rules.iter().find(|r| r.allows_url(verb, path)) {
                return Some(Grant {
                    binding,
                    subject,
                    role,
                    rule,
                });
            }
        }

        None
    }

    /// All rules that some subjects have in a namespace: those of the cluster too.
    pub fn rules_in(&self, subjects: &[Subject], namespace: &str) -> Vec<PolicyRule> {
        let bindings = subjects.iter().flat_map(|s| self.bindings_of(s));
        let here = bindings.filter(|b| b.id.namespace.is_empty() || b.id.namespace == namespace);
        here.filter_map(|b| self.role(b))
            .flat_map(|r| r.rules.iter().cloned())
            .collect()
    }
}
