//! The ways by which an identity acts as others. A way leads to one subject, or to a group of
//! subjects that are not listed one by one: there may be many ways to all accounts.

use super::held::{HeldGrant, HeldGrants, HeldRule, Level, Reach};
use super::people::{acts_as, argo_cd_subjects};
use super::powers::{Powers, Whom};
use super::{
    APPROVAL, APPROVE, CLIENT_SIGNERS, CREATE_SECRETS, IMPERSONATE_ACCOUNTS, IMPERSONATE_GROUPS,
    IMPERSONATE_USERS, READ_SECRETS, REQUEST,
};
use crate::graph::builtin::is_controller;
use crate::graph::facts::TokenSecret;
use crate::graph::rbac::{PolicyRule, Subject};
use crate::graph::{Cluster, MASTERS};
use crate::isolation::admission::pods::CREATE_PODS_BY_OPERATOR;
use crate::isolation::capability::{BECOME_ACCOUNT, Capability, Effect};
use crate::isolation::{ChainNode, Step};
use crate::value::Text;
use std::collections::{BTreeMap, BTreeSet};

/// Whom a way leads to.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Target {
    /// One subject.
    One(Subject),
    /// Every service account of a namespace.
    AccountsOf(Text),
    /// The service accounts of this name, in every namespace.
    AccountsNamed(Text),
    /// Every service account.
    Accounts,
    /// Every service account that pods run as.
    PodAccounts,
    /// Every user that is bound.
    Users,
    /// Every group that is bound.
    Groups,
}

/// A way by which an identity acts as others.
#[derive(Clone, Debug)]
pub struct Way<'g, 'a> {
    /// Whom it leads to.
    pub target: Target,
    by: Means<'g, 'a>,
}

/// What an identity acts as others by.
#[derive(Clone, Debug)]
enum Means<'g, 'a> {
    /// A grant.
    Grant {
        grant: &'g HeldGrant<'a>,
        /// What the identity does, as a predicate.
        what: String,
        /// Whether it does so in the namespace of an account.
        in_namespace: bool,
    },
    /// An object that says that it is the other.
    Object(Step),
}

impl Way<'_, '_> {
    /// The steps by which the identity acts as one of the targets.
    pub fn steps(&self, taken: &Subject) -> Vec<Step> {
        let (grant, what, in_namespace) = match &self.by {
            Means::Object(step) => return acting_as(vec![step.clone()], ",", taken),
            Means::Grant {
                grant,
                what,
                in_namespace,
            } => (grant, what, *in_namespace),
        };
        let what = match taken {
            Subject::ServiceAccount(namespace, _) if in_namespace => {
                format!("{what} in `{namespace}`")
            }
            _ => what.clone(),
        };
        acting_as(grant.how(&what), ",", taken)
    }
}

/// Says of the last step that somebody acts as a subject by it.
pub fn acting_as(mut steps: Vec<Step>, by: &str, taken: &Subject) -> Vec<Step> {
    if let Some(last) = steps.last_mut() {
        last.text = format!("{}{by} and so acts as {taken}", last.text);
        last.nodes.push(ChainNode::from(taken));
    }
    steps
}

/// The subjects of a cluster that somebody can come to act as.
pub struct Directory<'a> {
    cluster: &'a Cluster,
    /// The names of the service accounts, by namespace: those that the inputs hold, those that a binding
    /// names, and `default` of each namespace.
    accounts: BTreeMap<Text, BTreeSet<Text>>,
    /// The Secrets that hold tokens, by namespace.
    tokens: BTreeMap<&'a Text, Vec<&'a TokenSecret>>,
    powers: Powers<'a>,
}

impl<'a> Directory<'a> {
    /// Lists the subjects of a cluster.
    pub fn new(cluster: &'a Cluster) -> Self {
        let present = cluster.facts.accounts.iter();
        let present =
            present.map(|account| (account.id.namespace.clone(), account.id.name.clone()));
        let bound = cluster.rbac.subjects().filter_map(|subject| match subject {
            Subject::ServiceAccount(namespace, name) => Some((namespace.clone(), name.clone())),
            _ => None,
        });

        // Every namespace has an account of this name, which a controller makes.
        let namespaces = cluster.namespaces.iter();
        let default = namespaces.map(|namespace| (namespace.name.clone(), "default".into()));

        let mut accounts: BTreeMap<Text, BTreeSet<Text>> = BTreeMap::new();
        for (namespace, name) in present.chain(bound).chain(default) {
            accounts.entry(namespace).or_default().insert(name);
        }

        let mut tokens: BTreeMap<&Text, Vec<&TokenSecret>> = BTreeMap::new();
        for secret in &cluster.facts.token_secrets {
            tokens.entry(&secret.id.namespace).or_default().push(secret);
        }
        Self {
            cluster,
            accounts,
            tokens,
            powers: Powers::new(cluster),
        }
    }

    /// What decides which powers a right gives.
    pub const fn powers(&self) -> &Powers<'a> {
        &self.powers
    }

    /// Every subject that is bound, is a service account, is one of a tenant's, or is named by an object
    /// by which somebody acts as it or it acts as somebody: a role, a Secret, an applier, a membership, a
    /// policy of Argo CD.
    pub fn everybody(&self) -> BTreeSet<Subject> {
        let tenants = self.cluster.tenants.iter();
        let own = tenants.flat_map(|tenant| &tenant.subjects);
        let mut all: BTreeSet<Subject> = self.cluster.rbac.subjects().chain(own).cloned().collect();
        all.extend(self.subjects(&Target::Accounts));

        all.insert(Subject::Group(MASTERS.into()));
        let secrets = self.tokens.values().flatten();
        all.extend(secrets.map(|secret| account_of(secret)));
        let people = self.powers.members().keys();
        let is_named =
            |person: &&Subject| !matches!(person, Subject::User(name) if name.is_empty());
        all.extend(people.filter(is_named).cloned());
        let memberships = self.cluster.facts.memberships.iter();
        all.extend(memberships.flat_map(|one| one.subjects.iter().cloned()));
        all.extend(argo_cd_subjects(self.cluster));
        let appliers = self.cluster.facts.gitops.appliers.iter();
        all.extend(appliers.map(|applier| self.cluster.applies_as(applier)));
        for role in self.cluster.rbac.roles.values() {
            for rule in role.rules.iter() {
                if IMPERSONATE_USERS.is_given_by(rule) {
                    all.extend(rule.names.iter().cloned().map(Subject::User));
                }
                if IMPERSONATE_GROUPS.is_given_by(rule) {
                    all.extend(rule.names.iter().cloned().map(Subject::Group));
                }
            }
        }
        all
    }

    /// The subjects that a client certificate can name: all that are bound, but for the group for
    /// which none is issued.
    pub fn certifiable(&self) -> impl Iterator<Item = &'a Subject> {
        let bound = self.cluster.rbac.subjects();
        bound.filter(|subject| !matches!(subject, Subject::Group(name) if name == MASTERS))
    }

    /// The subjects of a target, in order.
    pub fn subjects(&self, target: &Target) -> Vec<Subject> {
        let account = |(namespace, name): (&Text, &Text)| {
            Subject::ServiceAccount(namespace.clone(), name.clone())
        };
        let all = || {
            let named = self.accounts.iter();
            named.flat_map(|(namespace, names)| names.iter().map(move |name| (namespace, name)))
        };

        match target {
            Target::One(subject) => vec![subject.clone()],
            Target::AccountsOf(home) => all_of(&self.accounts, home).map(account).collect(),
            Target::AccountsNamed(wanted) => all()
                .filter(|(_, name)| *name == wanted)
                .map(account)
                .collect(),
            Target::Accounts => all().map(account).collect(),
            Target::PodAccounts => all()
                .map(account)
                .filter(|account| !is_controller(account))
                .collect(),
            Target::Users => self.bound(|subject| matches!(subject, Subject::User(_))),
            Target::Groups => self.bound(|subject| matches!(subject, Subject::Group(_))),
        }
    }

    fn bound(&self, is_one: impl Fn(&Subject) -> bool) -> Vec<Subject> {
        let bound = self.cluster.rbac.subjects();
        bound.filter(|subject| is_one(subject)).cloned().collect()
    }

    fn has_account(&self, namespace: &str, name: &Text) -> bool {
        let names = self.accounts.get(namespace);
        names.is_some_and(|names| names.contains(name))
    }

    /// The targets that a subject is one of, but for itself.
    pub fn targets_with(&self, subject: &Subject) -> Vec<Target> {
        let is_bound = || self.cluster.rbac.bindings_of(subject).next().is_some();
        match subject {
            Subject::ServiceAccount(namespace, name) if self.has_account(namespace, name) => {
                let mut targets = vec![
                    Target::AccountsOf(namespace.clone()),
                    Target::AccountsNamed(name.clone()),
                    Target::Accounts,
                ];
                if !is_controller(subject) {
                    targets.push(Target::PodAccounts);
                }
                targets
            }
            Subject::User(_) if is_bound() => vec![Target::Users],
            Subject::Group(_) if is_bound() => vec![Target::Groups],
            _ => Vec::new(),
        }
    }
}

/// The account whose token a Secret holds.
fn account_of(secret: &TokenSecret) -> Subject {
    Subject::ServiceAccount(secret.id.namespace.clone(), secret.account.clone())
}

/// The service accounts of a namespace.
fn all_of<'d>(
    accounts: &'d BTreeMap<Text, BTreeSet<Text>>,
    home: &Text,
) -> impl Iterator<Item = (&'d Text, &'d Text)> {
    let found = accounts.get_key_value(home).into_iter();
    found.flat_map(|(namespace, names)| names.iter().map(move |name| (namespace, name)))
}

/// What an identity can do about client certificates: the steps of each.
#[derive(Debug, Default)]
pub struct CertificatePowers {
    /// Asks for one.
    pub asks: Option<Vec<Step>>,
    /// Approves one, for any name.
    pub approves: Option<Vec<Step>>,
}

impl CertificatePowers {
    /// What some grants let an identity do.
    pub fn of(grants: &HeldGrants<'_>) -> Self {
        let mut powers = Self::default();
        let levels = grants.levels();
        let Some(level) = levels.iter().find(|level| level.reach == Reach::Cluster) else {
            return powers;
        };
        let how = |held: &HeldRule<'_>, what: &str| grants.all[held.grant].how(what);

        if let Some(held) = level.giving(&REQUEST) {
            let what = "asks for a client certificate (certificatesigningrequests)";
            powers.asks = Some(how(held, what));
        }
        let signs = level.rules.iter().find(|held| signs_clients(held.rule));
        if let (Some(_), Some(held)) = (level.giving(&APPROVAL), signs) {
            let what = "approves client certificates (certificatesigningrequests/approval)";
            powers.approves = Some(how(held, what));
        }
        powers
    }
}

/// Whether a rule lets one approve for a signer of client certificates.
fn signs_clients(rule: &PolicyRule) -> bool {
    let names = &rule.names;
    let is_client = |name: &Text| CLIENT_SIGNERS.contains(&name.as_str());
    APPROVE.is_given_by(rule) && (names.is_empty() || names.iter().any(is_client))
}

/// Joins the steps of asking for a certificate and of approving it.
pub fn certified(asks: &[Step], approves: &[Step], taken: &Subject) -> Vec<Step> {
    let mut steps = asks.to_vec();
    let more = approves.iter().filter(|step| !asks.contains(step));
    steps.extend(more.cloned());
    acting_as(steps, ", has a certificate for any name,", taken)
}

/// Lists the ways that some grants give an identity, but for client certificates. Of several ways to
/// one target only the first counts.
pub fn ways<'g, 'a>(
    directory: &Directory<'a>,
    subject: &Subject,
    grants: &'g HeldGrants<'a>,
) -> Vec<Way<'g, 'a>> {
    let mut ways = Ways {
        directory,
        grants,
        known: BTreeSet::new(),
        all: Vec::new(),
    };
    for level in grants.levels() {
        ways.become_accounts(&level);
        ways.read_tokens(&level);
        ways.impersonate(&level);
    }
    for power in directory.powers.of(subject, grants) {
        let target = match power.whom {
            Whom::Accounts => Target::Accounts,
            Whom::PodAccounts => Target::PodAccounts,
            Whom::One(subject) => Target::One(subject),
        };
        ways.add(power.grant, target, &power.what, false);
    }
    for other in acts_as(directory.cluster, directory.powers.members(), subject) {
        let target = Target::One(other.subject);
        if ways.known.insert(target.clone()) {
            let by = Means::Object(other.step);
            ways.all.push(Way { target, by });
        }
    }
    ways.all
}

/// Collects the ways of an identity.
struct Ways<'d, 'g, 'a> {
    directory: &'d Directory<'a>,
    grants: &'g HeldGrants<'a>,
    known: BTreeSet<Target>,
    all: Vec<Way<'g, 'a>>,
}

impl<'g> Ways<'_, 'g, '_> {
    fn add(&mut self, grant: usize, target: Target, what: &str, in_namespace: bool) {
        if self.known.insert(target.clone()) {
            self.all.push(Way {
                target,
                by: Means::Grant {
                    grant: &self.grants.all[grant],
                    what: what.to_owned(),
                    in_namespace,
                },
            });
        }
    }

    /// Takes the service accounts of namespaces: by pods, tokens, commands, impersonation, and by
    /// objects that an engine or an operator runs as an account.
    fn become_accounts(&mut self, level: &Level<'g>) {
        let ways = BECOME_ACCOUNT.into_iter().chain([&CREATE_PODS_BY_OPERATOR]);
        for capability in ways {
            for held in level
                .rules
                .iter()
                .filter(|held| gives(capability, held.rule))
            {
                let of_pods = self.accounts_of_pods(capability, held.rule, level.reach);
                let names = match capability.effect.names_accounts() {
                    true => &held.rule.names[..],
                    false => of_pods.as_deref().unwrap_or_default(),
                };
                let what = match capability.effect == CREATE_PODS_BY_OPERATOR.effect {
                    true => format!("makes pods by {}", texts(&held.rule.resources)),
                    false => capability.effect.predicate().to_owned(),
                };
                self.take_accounts(held.grant, level.reach, names, &what);
            }
        }
    }

    /// The accounts of the pods that a rule about commands in pods names; `None` if it names none, or
    /// one that the inputs do not hold.
    fn accounts_of_pods(
        &self,
        capability: &Capability,
        rule: &PolicyRule,
        reach: Reach<'_>,
    ) -> Option<Vec<Text>> {
        let enters = matches!(
            capability.effect,
            Effect::RunCommands | Effect::AddContainers
        );
        let Reach::Namespace(home) = reach else {
            return None;
        };
        if !enters || rule.names.is_empty() {
            return None;
        }

        let account = |name: &Text| {
            let mut workloads = self.directory.cluster.facts.workloads.iter();
            let pod = workloads.find(|workload| {
                workload.id.kind == "Pod"
                    && workload.id.namespace.as_str() == home
                    && workload.id.name == *name
            });
            pod.map(|pod| pod.account.clone())
        };
        rule.names.iter().map(account).collect()
    }

    /// Takes the accounts of the namespaces of a level, or those of some names.
    fn take_accounts(&mut self, grant: usize, reach: Reach<'_>, names: &[Text], what: &str) {
        if names.is_empty() {
            let target = match reach {
                Reach::Namespace(name) => Target::AccountsOf(name.into()),
                Reach::Cluster | Reach::EveryNamespace => Target::Accounts,
            };
            self.add(grant, target, what, true);
        }
        for name in names {
            let target = match reach {
                Reach::Namespace(home) if self.directory.has_account(home, name) => {
                    Target::One(Subject::ServiceAccount(home.into(), name.clone()))
                }
                Reach::Namespace(_) => continue,
                Reach::Cluster | Reach::EveryNamespace => Target::AccountsNamed(name.clone()),
            };
            self.add(grant, target, what, true);
        }
    }

    /// Takes the accounts whose tokens stand in Secrets, or can be made to stand in one.
    fn read_tokens(&mut self, level: &Level<'g>) {
        // A name that is known beforehand can be given to the new Secret.
        match (level.giving(&CREATE_SECRETS), level.giving(&READ_SECRETS)) {
            (Some(creates), Some(_)) => {
                let what = "makes a Secret with the token of an account, and reads it";
                self.take_accounts(creates.grant, level.reach, &[], what);
            }
            (_, None) => {}
            (None, Some(_)) => self.read_present_tokens(level),
        }
    }

    fn read_present_tokens(&mut self, level: &Level<'g>) {
        let tokens = &self.directory.tokens;
        let there: Vec<&TokenSecret> = match level.reach {
            Reach::Namespace(name) => tokens
                .get(&Text::from(name))
                .into_iter()
                .flatten()
                .copied()
                .collect(),
            Reach::Cluster | Reach::EveryNamespace => tokens.values().flatten().copied().collect(),
        };
        for held in level
            .rules
            .iter()
            .filter(|held| READ_SECRETS.is_given_by(held.rule))
        {
            let is_named = |secret: &&&TokenSecret| {
                held.rule.names.is_empty() || held.rule.names.contains(&secret.id.name)
            };
            for secret in there.iter().filter(is_named) {
                let what = format!("reads the token in {}", secret.id.called());
                let account = Target::One(account_of(secret));
                self.add(held.grant, account, &what, false);
            }
        }
    }

    /// Takes users, and groups together with a user or an account.
    fn impersonate(&mut self, level: &Level<'g>) {
        if level.reach == Reach::Cluster {
            for held in level
                .rules
                .iter()
                .filter(|held| IMPERSONATE_USERS.is_given_by(held.rule))
            {
                let what = "impersonates users";
                self.take_people(held, Target::Users, Subject::User, what);
            }
        }

        // The request names a user, or an account, besides the groups.
        if level.giving(&IMPERSONATE_USERS).is_none()
            && level.giving(&IMPERSONATE_ACCOUNTS).is_none()
        {
            return;
        }
        let groups = level.rules.iter().filter(|held| held.of_cluster);
        for held in groups.filter(|held| IMPERSONATE_GROUPS.is_given_by(held.rule)) {
            let what = "impersonates groups";
            self.take_people(held, Target::Groups, Subject::Group, what);
            if held.rule.names.is_empty() {
                let masters = Target::One(Subject::Group(MASTERS.into()));
                self.add(held.grant, masters, what, false);
            }
        }
    }

    /// Takes the users or groups that a rule names; all that are bound if it names none.
    fn take_people(
        &mut self,
        held: &HeldRule<'_>,
        all: Target,
        of: fn(Text) -> Subject,
        what: &str,
    ) {
        if held.rule.names.is_empty() {
            return self.add(held.grant, all, what, false);
        }
        for name in &held.rule.names {
            self.add(held.grant, Target::One(of(name.clone())), what, false);
        }
    }
}

fn gives(capability: &Capability, rule: &PolicyRule) -> bool {
    capability.given_by(std::slice::from_ref(rule)).is_some()
}

fn texts(list: &[Text]) -> String {
    let texts: Vec<&str> = list.iter().map(Text::as_str).collect();
    texts.join(", ")
}
