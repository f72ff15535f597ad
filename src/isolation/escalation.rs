//! How a subject comes to act as others: the identities that it can take, and the roles that it can
//! give itself.
//!
//! Source: kubernetes.io/docs/concepts/security/rbac-good-practices;
//! kubernetes.io/docs/reference/access-authn-authz/rbac (privilege escalation prevention),
//! .../authentication (impersonation) and .../certificate-signing-requests; the attacks of
//! DataDog/KubeHound and of ReversecLabs/IceKube.

mod held;

use super::Step;
use super::admission::pods::CREATE_PODS_BY_OPERATOR;
use super::capability::{BECOME_ACCOUNT, Capability, Permission};
use super::question::with_groups;
use crate::graph::Cluster;
use crate::graph::rbac::{PolicyRule, Subject};
use crate::kube::RBAC;
use crate::value::Text;
use held::{HeldGrant, HeldGrants, Level, Reach};
use std::collections::{BTreeMap, BTreeSet, VecDeque};

const CERTIFICATES: &str = "certificates.k8s.io";

/// Reads the content of Secrets. The answer to a `patch` and to a `deletecollection` shows them too.
const READ_SECRETS: Permission = Permission::new(
    "",
    &["secrets"],
    &["get", "list", "watch", "patch", "deletecollection"],
);
const CREATE_SECRETS: Permission = Permission::new("", &["secrets"], &["create"]);
const IMPERSONATE_USERS: Permission = Permission::new("", &["users"], &["impersonate"]);
const IMPERSONATE_GROUPS: Permission = Permission::new("", &["groups"], &["impersonate"]);
const IMPERSONATE_ACCOUNTS: Permission =
    Permission::new("", &["serviceaccounts"], &["impersonate"]);
const REQUEST: Permission =
    Permission::new(CERTIFICATES, &["certificatesigningrequests"], &["create"]);
const APPROVAL: Permission = Permission::new(
    CERTIFICATES,
    &["certificatesigningrequests/approval"],
    &["update", "patch"],
);
const APPROVE: Permission = Permission::new(CERTIFICATES, &["signers"], &["approve"]);

/// The signer of client certificates, by its own name and by its domain's.
const CLIENT_SIGNERS: [&str; 2] = ["kubernetes.io/kube-apiserver-client", "kubernetes.io/*"];

/// The group that the API server authorizes for everything. No certificate is issued for it.
const MASTERS: &str = "system:masters";

/// An identity that a subject can take.
pub struct Identity {
    /// The subject.
    pub subject: Subject,
    /// How it is taken.
    pub steps: Vec<Step>,
}

/// The identities that a subject can take, the nearest first.
pub struct Identities<'a> {
    cluster: &'a Cluster,
    seen: BTreeSet<Subject>,
    queue: VecDeque<Identity>,
    accounts: Accounts,
    /// The rules that gave every identity that they can give.
    used: BTreeSet<(Text, String)>,
    /// How a certificate is asked for, and how one is approved: by two identities too.
    requests: Option<Vec<Step>>,
    approves: Option<Vec<Step>>,
    certified: bool,
}

impl<'a> Identities<'a> {
    /// Begins with a subject.
    pub fn new(cluster: &'a Cluster, subject: &Subject) -> Self {
        Self {
            cluster,
            seen: BTreeSet::from([subject.clone()]),
            queue: VecDeque::from([Identity {
                subject: subject.clone(),
                steps: Vec::new(),
            }]),
            accounts: all_accounts(cluster),
            used: BTreeSet::new(),
            requests: None,
            approves: None,
            certified: false,
        }
    }

    /// The next identity, with everything that it may do: what it is bound to, and what it can bind
    /// itself to.
    pub fn next_identity(&mut self) -> Option<(Identity, HeldGrants<'a>)> {
        let identity = self.queue.pop_front()?;
        let subjects = with_groups(&identity.subject);
        let mut grants = HeldGrants::bound(self.cluster, &subjects);
        while grants.extend(self.cluster) {}
        Some((identity, grants))
    }

    /// Adds the identities that one can take.
    pub fn follow(&mut self, from: &Identity, grants: &HeldGrants<'a>) {
        for level in grants.levels() {
            self.become_accounts(from, grants, &level);
            self.read_tokens(from, grants, &level);
            self.impersonate(from, grants, &level);
            if level.reach == Reach::Cluster {
                self.ask_for_certificates(from, grants, &level);
            }
        }
    }

    /// Adds an identity, unless it is known.
    fn take(&mut self, from: &[Step], subject: Subject, how: &[Step], by: &str) {
        if !self.seen.insert(subject.clone()) {
            return;
        }
        let mut steps = from.to_vec();
        if let Some((last, before)) = how.split_last() {
            steps.extend_from_slice(before);
            let text = format!("{}{by} and so acts as {subject}", last.text);
            steps.push(Step::new(last.span, text));
        }
        self.queue.push_back(Identity { subject, steps });
    }

    /// Takes the service accounts of namespaces: by pods, tokens, commands, impersonation, and by
    /// objects that an engine or an operator runs as an account.
    fn become_accounts(&mut self, from: &Identity, grants: &HeldGrants<'a>, level: &Level<'_>) {
        let ways = BECOME_ACCOUNT.into_iter().chain([&CREATE_PODS_BY_OPERATOR]);
        for capability in ways {
            for held in level
                .rules
                .iter()
                .filter(|held| gives(capability, held.rule))
            {
                let names = match capability.effect.names_accounts() {
                    true => &held.rule.names[..],
                    false => &[],
                };
                let what = match capability.effect == CREATE_PODS_BY_OPERATOR.effect {
                    true => format!("makes pods by {}", texts(&held.rule.resources)),
                    false => capability.effect.predicate().to_owned(),
                };
                self.take_accounts(from, &grants.all[held.grant], level, names, &what);
            }
        }
    }

    /// Takes the accounts of the namespaces of a level, or those of some names.
    fn take_accounts(
        &mut self,
        from: &Identity,
        grant: &HeldGrant<'_>,
        level: &Level<'_>,
        names: &[Text],
        what: &str,
    ) {
        let home = level.reach.namespace();
        if names.is_empty() && !self.used.insert((home.into(), String::new())) {
            return;
        }

        let namespaces: Vec<(Text, Vec<Text>)> = match level.reach {
            Reach::Namespace(name) => self
                .accounts
                .get_key_value(name)
                .map(|(name, accounts)| (name.clone(), accounts.clone()))
                .into_iter()
                .collect(),
            Reach::Cluster | Reach::EveryNamespace => self
                .accounts
                .iter()
                .map(|(name, accounts)| (name.clone(), accounts.clone()))
                .collect(),
        };

        for (namespace, accounts) in namespaces {
            let how = grant.how(&format!("{what} in `{namespace}`"));
            for name in accounts {
                if names.is_empty() || names.contains(&name) {
                    let account = Subject::ServiceAccount(namespace.clone(), name);
                    self.take(&from.steps, account, &how, ",");
                }
            }
        }
    }

    /// Takes the accounts whose tokens stand in Secrets, or can be made to stand in one.
    fn read_tokens(&mut self, from: &Identity, grants: &HeldGrants<'a>, level: &Level<'_>) {
        let Some(creates) = level.giving(&CREATE_SECRETS) else {
            return self.read_present_tokens(from, grants, level);
        };
        // A name that is known beforehand can be given to the new Secret.
        match level.giving(&READ_SECRETS) {
            Some(_) => {
                let what = "makes a Secret with the token of an account, and reads it";
                self.take_accounts(from, &grants.all[creates.grant], level, &[], what);
            }
            None => self.read_present_tokens(from, grants, level),
        }
    }

    fn read_present_tokens(&mut self, from: &Identity, grants: &HeldGrants<'a>, level: &Level<'_>) {
        for held in level
            .rules
            .iter()
            .filter(|held| READ_SECRETS.is_given_by(held.rule))
        {
            let cluster = self.cluster;
            let secrets = cluster.facts.token_secrets.iter().filter(|secret| {
                level.reach.holds(&secret.id.namespace)
                    && (held.rule.names.is_empty() || held.rule.names.contains(&secret.id.name))
            });
            for secret in secrets {
                let grant = &grants.all[held.grant];
                let what = format!("reads the token in {}", secret.id.called());
                let account = secret.account.clone();
                let account = Subject::ServiceAccount(secret.id.namespace.clone(), account);
                self.take(&from.steps, account, &grant.how(&what), ",");
            }
        }
    }

    /// Takes users, and groups together with a user or an account.
    fn impersonate(&mut self, from: &Identity, grants: &HeldGrants<'a>, level: &Level<'_>) {
        let of_cluster = level.reach == Reach::Cluster;
        for held in level.rules.iter().filter(|_| of_cluster) {
            if IMPERSONATE_USERS.is_given_by(held.rule) {
                let users = people(self.cluster, &held.rule.names, Subject::User);
                let how = grants.all[held.grant].how("impersonates users");
                for user in users {
                    self.take(&from.steps, user, &how, ",");
                }
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
            let mut groups = people(self.cluster, &held.rule.names, Subject::Group);
            if held.rule.names.is_empty() {
                groups.push(Subject::Group(MASTERS.into()));
            }
            let how = grants.all[held.grant].how("impersonates groups");
            for group in groups {
                self.take(&from.steps, group, &how, ",");
            }
        }
    }

    /// Takes everybody by a client certificate, once a request can be made and approved.
    fn ask_for_certificates(
        &mut self,
        from: &Identity,
        grants: &HeldGrants<'a>,
        level: &Level<'_>,
    ) {
        let signs = |held: &&held::HeldRule<'_>| {
            let names = &held.rule.names;
            APPROVE.is_given_by(held.rule)
                && (names.is_empty()
                    || names
                        .iter()
                        .any(|name| CLIENT_SIGNERS.contains(&name.as_str())))
        };
        let steps = |held: &held::HeldRule<'_>, what: &str| {
            let mut steps = from.steps.clone();
            steps.extend(grants.all[held.grant].how(what));
            steps
        };

        if let Some(held) = level.giving(&REQUEST) {
            let asks = || {
                steps(
                    held,
                    "asks for a client certificate (certificatesigningrequests)",
                )
            };
            self.requests.get_or_insert_with(asks);
        }
        if let (Some(_), Some(held)) = (level.giving(&APPROVAL), level.rules.iter().find(signs)) {
            let approves = || {
                steps(
                    held,
                    "approves client certificates (certificatesigningrequests/approval)",
                )
            };
            self.approves.get_or_insert_with(approves);
        }

        let (Some(asked), Some(approved)) = (&self.requests, &self.approves) else {
            return;
        };
        if std::mem::replace(&mut self.certified, true) {
            return;
        }
        let mut how = asked.clone();
        how.extend(
            approved
                .iter()
                .filter(|step| !asked.contains(step))
                .cloned(),
        );
        self.take_everybody(&how);
    }

    fn take_everybody(&mut self, how: &[Step]) {
        let bound: Vec<Subject> = self.cluster.rbac.subjects().cloned().collect();
        for subject in bound {
            if !matches!(&subject, Subject::Group(name) if name == MASTERS) {
                self.take(&[], subject, how, ", has a certificate for any name,");
            }
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

/// The users, or the groups, of some names; all that are bound without names.
fn people(cluster: &Cluster, names: &[Text], of: fn(Text) -> Subject) -> Vec<Subject> {
    if !names.is_empty() {
        return names.iter().cloned().map(of).collect();
    }
    let is_one = |subject: &&Subject| {
        let sample = of(Text::default());
        std::mem::discriminant(*subject) == std::mem::discriminant(&sample)
    };
    cluster.rbac.subjects().filter(is_one).cloned().collect()
}

/// The names of service accounts, by namespace.
type Accounts = BTreeMap<Text, Vec<Text>>;

/// The accounts that the inputs hold, or that a binding names.
fn all_accounts(cluster: &Cluster) -> Accounts {
    let present = cluster
        .facts
        .accounts
        .iter()
        .map(|account| (account.id.namespace.clone(), account.id.name.clone()));
    let bound = cluster.rbac.subjects().filter_map(|subject| match subject {
        Subject::ServiceAccount(namespace, name) => Some((namespace.clone(), name.clone())),
        _ => None,
    });

    let sorted: BTreeSet<(Text, Text)> = present.chain(bound).collect();
    let mut accounts = Accounts::new();
    for (namespace, name) in sorted {
        accounts.entry(namespace).or_default().push(name);
    }
    accounts
}
