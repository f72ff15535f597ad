//! How a subject comes to act as others: the identities that it can take, and the roles that it can
//! give itself.
//!
//! Source: kubernetes.io/docs/concepts/security/rbac-good-practices;
//! kubernetes.io/docs/reference/access-authn-authz/rbac (privilege escalation prevention),
//! .../authentication (impersonation) and .../certificate-signing-requests; the attacks of
//! DataDog/KubeHound and of ReversecLabs/IceKube.

mod doubts;
mod held;
mod nodes;
mod people;
mod powers;
mod ways;

pub use doubts::{Doubt, DoubtKind, doubts};
pub use held::HeldGrants;
pub use powers::Powers;
pub use ways::{CertificatePowers, Directory, Target, Way, certified, ways};

use super::Step;
use super::capability::Permission;
use crate::graph::rbac::Subject;
use std::collections::{BTreeSet, VecDeque};

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

/// An identity that a subject can take.
pub struct Identity {
    /// The subject.
    pub subject: Subject,
    /// How it is taken.
    pub steps: Vec<Step>,
    /// How many identities were taken on the way to it.
    pub taken: usize,
}

impl Identity {
    /// The identity that a subject has.
    fn own(subject: Subject) -> Self {
        Self {
            subject,
            steps: Vec::new(),
            taken: 0,
        }
    }
}

/// The identities that a subject can take, the nearest first.
pub struct Identities<'d, 'a> {
    directory: &'d Directory<'a>,
    seen: BTreeSet<Subject>,
    queue: VecDeque<Identity>,
    /// The targets of which every subject was taken.
    used: BTreeSet<Target>,
    /// How a certificate is asked for, and how one is approved: by two identities too.
    powers: CertificatePowers,
    certified: bool,
}

impl<'d, 'a> Identities<'d, 'a> {
    /// Begins with a subject.
    pub fn new(directory: &'d Directory<'a>, subject: &Subject) -> Self {
        Self {
            directory,
            seen: BTreeSet::from([subject.clone()]),
            queue: VecDeque::from([Identity::own(subject.clone())]),
            used: BTreeSet::new(),
            powers: CertificatePowers::default(),
            certified: false,
        }
    }

    /// The next identity, with everything that it may do: what it is bound to, and what it can bind
    /// itself to.
    pub fn next_identity(&mut self) -> Option<(Identity, HeldGrants<'a>)> {
        let identity = self.queue.pop_front()?;
        let grants = HeldGrants::of(self.directory.powers().cluster(), &identity.subject);
        Some((identity, grants))
    }

    /// Adds the identities that one can take.
    pub fn follow(&mut self, from: &Identity, grants: &HeldGrants<'a>) {
        for way in ways(self.directory, &from.subject, grants) {
            if !self.used.insert(way.target.clone()) {
                continue;
            }
            for subject in self.directory.subjects(&way.target) {
                self.take(from, subject, |subject| {
                    [&from.steps[..], &way.steps(subject)].concat()
                });
            }
        }
        self.ask_for_certificates(from, grants);
    }

    /// Adds an identity, unless it is known.
    fn take(
        &mut self,
        from: &Identity,
        subject: Subject,
        steps: impl FnOnce(&Subject) -> Vec<Step>,
    ) {
        if self.seen.insert(subject.clone()) {
            self.queue.push_back(Identity {
                steps: steps(&subject),
                taken: from.taken + 1,
                subject,
            });
        }
    }

    /// Takes everybody by a client certificate, once a request can be made and approved.
    fn ask_for_certificates(&mut self, from: &Identity, grants: &HeldGrants<'a>) {
        if self.certified {
            return;
        }
        let more = CertificatePowers::of(grants);
        let after = |steps: Vec<Step>| [&from.steps[..], &steps].concat();
        if self.powers.asks.is_none() {
            self.powers.asks = more.asks.map(after);
        }
        if self.powers.approves.is_none() {
            self.powers.approves = more.approves.map(after);
        }

        let (Some(asks), Some(approves)) = (&self.powers.asks, &self.powers.approves) else {
            return;
        };
        let (asks, approves) = (asks.clone(), approves.clone());
        self.certified = true;
        let everybody: Vec<Subject> = self.directory.certifiable().cloned().collect();
        for subject in everybody {
            self.take(from, subject, |subject| {
                certified(&asks, &approves, subject)
            });
        }
    }
}
