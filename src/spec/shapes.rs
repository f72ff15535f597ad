//! The choices within a document that its JSON Schema does not state: one of several fields, a field
//! that needs another.

use super::check::{INVALID_VALUE, ONE_OF};
use super::schema::DocumentKind;
use crate::diagnostic::Diagnostic;
use crate::document::{Node, NodeValue};

/// Fields of a mapping, of which it has one.
struct Choice {
    /// The mapping in a message: `a subject`.
    noun: &'static str,
    fields: &'static [&'static str],
    /// Whether the mapping must have one of the fields. It never has two.
    is_required: bool,
}

/// The principal that a subject names.
static SUBJECT: Choice = Choice {
    noun: "a subject",
    fields: &["group", "user", "serviceAccount"],
    is_required: true,
};
static OWNER_ROLE: Choice = Choice {
    noun: "a subject",
    fields: &["role", "clusterRole"],
    is_required: false,
};
static MEMBER_ROLE: Choice = Choice {
    is_required: true,
    ..OWNER_ROLE
};
static TENANT_CLUSTERS: Choice = Choice {
    noun: "the tenant",
    fields: &["clusters", "clusterSelector"],
    is_required: false,
};
static OVERRIDE_CLUSTERS: Choice = Choice {
    noun: "an override",
    fields: &["clusters", "clusterSelector"],
    is_required: true,
};
static PEER: Choice = Choice {
    noun: "a peer",
    fields: &["fqdn", "cidr", "tenant", "platform"],
    is_required: true,
};
static AUDIENCE: Choice = Choice {
    noun: "an offer",
    fields: &["any", "tenantSelector"],
    is_required: true,
};
static SYNC_SOURCE: Choice = Choice {
    noun: "a sync",
    fields: &["git", "oci", "helm", "bucket"],
    is_required: true,
};
static GIT_REVISION: Choice = Choice {
    noun: "a Git source",
    fields: &["branch", "tag", "semver", "commit"],
    is_required: false,
};
static OCI_REVISION: Choice = Choice {
    noun: "an OCI source",
    fields: &["tag", "semver", "digest"],
    is_required: false,
};

impl Choice {
    /// Reports a mapping with two of the fields, or with none although one is required.
    fn check(&self, node: &Node, out: &mut Vec<Diagnostic>) {
        if !matches!(node.value, NodeValue::Map(_)) {
            // The schema has reported it.
            return;
        }

        let noun = self.noun;
        let mut chosen = node
            .entries()
            .iter()
            .filter(|entry| self.fields.contains(&entry.key.as_str()));

        match (chosen.next(), chosen.next()) {
            (None, _) if self.is_required => {
                let fields = self.fields.join(", ");
                let message = format!("{noun} names none of {fields}");
                out.push(
                    Diagnostic::new(&ONE_OF, node.span, message)
                        .fix(format!("add one of {fields}")),
                );
            }
            (Some(first), Some(second)) => {
                let message = format!("{noun} names both `{}` and `{}`", first.key, second.key);
                out.push(
                    Diagnostic::new(&ONE_OF, second.key_span, message)
                        .related(first.key_span, format!("`{}`", first.key))
                        .fix("split it in two, or remove one"),
                );
            }
            _ => {}
        }
    }
}

/// Checks the choices within the spec of a document.
pub(super) fn check(kind: DocumentKind, spec: &Node, out: &mut Vec<Diagnostic>) {
    match kind {
        DocumentKind::Tenant => check_tenant(spec, out),
        DocumentKind::Profile => {
            for part in ["defaults", "ceiling"] {
                if let Some(part) = spec.get(part) {
                    check_tenant(part, out);
                }
            }
        }
        DocumentKind::Fleet => {
            for subject in items(spec, &["sharedSubjects"]) {
                SUBJECT.check(subject, out);
            }
        }
        DocumentKind::Waiver => {}
    }
}

/// Checks the choices within a tenant's spec, its namespaces and overrides.
fn check_tenant(spec: &Node, out: &mut Vec<Diagnostic>) {
    TENANT_CLUSTERS.check(spec, out);
    check_settings(spec, out);

    for namespace in items(spec, &["namespaces"]) {
        check_settings(namespace, out);
    }
    for part in items(spec, &["overrides"]) {
        OVERRIDE_CLUSTERS.check(part, out);
        check_settings(part, out);
    }
}

/// The items of the list at a path; empty if there is no list.
fn items<'a>(node: &'a Node, path: &[&str]) -> &'a [Node] {
    node.at(path).map_or(&[], Node::items)
}

/// Checks the fields that a tenant, a namespace and an override have in common.
fn check_settings(spec: &Node, out: &mut Vec<Diagnostic>) {
    for (list, role) in [("owners", &OWNER_ROLE), ("members", &MEMBER_ROLE)] {
        for subject in items(spec, &[list]) {
            SUBJECT.check(subject, out);
            role.check(subject, out);
            check_level(subject, out);
        }
    }

    for direction in ["egress", "ingress"] {
        for peer in items(spec, &["network", direction]) {
            check_peer(peer, out);
        }
    }

    for offer in items(spec, &["network", "provides"]) {
        if let Some(audience) = offer.get("to") {
            AUDIENCE.check(audience, out);
        }
    }
    for sync in items(spec, &["sync"]) {
        check_sync(sync, out);
    }
}

/// Checks that a subject lists namespaces exactly if its level is `namespace`.
fn check_level(subject: &Node, out: &mut Vec<Diagnostic>) {
    let (level, namespaces) = (subject.get("level"), subject.get("namespaces"));
    let needs_namespaces = level.and_then(Node::as_str) == Some("namespace");
    if namespaces.is_some() == needs_namespaces {
        return;
    }

    let span = level.or(namespaces).map_or(subject.span, |node| node.span);
    let message = "namespaces are listed exactly where the level is `namespace`";
    out.push(
        Diagnostic::new(&ONE_OF, span, message)
            .fix("add `level: namespace` and `namespaces`, or neither"),
    );
}

fn check_peer(peer: &Node, out: &mut Vec<Diagnostic>) {
    PEER.check(peer, out);

    if let (Some(namespace), None) = (peer.entry("namespace"), peer.entry("tenant")) {
        let message = "`namespace` narrows a `tenant`, and there is none";
        out.push(
            Diagnostic::new(&ONE_OF, namespace.key_span, message)
                .fix("remove it, or name the tenant"),
        );
    }

    for port in items(peer, &["ports"]) {
        check_port_range(port, out);
    }
}

fn check_port_range(port: &Node, out: &mut Vec<Diagnostic>) {
    let Some(end) = port.get("endPort") else {
        return;
    };
    let number = |node: &Node| match &node.value {
        NodeValue::Number(number, _) => number.as_u64(),
        _ => None,
    };

    let range = (port.get("port").and_then(number), number(end));
    if !matches!(range, (Some(first), Some(last)) if first <= last) {
        let message = "endPort needs a numeric port that is not above it";
        out.push(
            Diagnostic::new(&INVALID_VALUE, end.span, message)
                .fix("write the range as port: 8000, endPort: 8010"),
        );
    }
}

fn check_sync(sync: &Node, out: &mut Vec<Diagnostic>) {
    SYNC_SOURCE.check(sync, out);
    if let Some(git) = sync.get("git") {
        GIT_REVISION.check(git, out);
    }
    if let Some(oci) = sync.get("oci") {
        OCI_REVISION.check(oci, out);
    }

    if let (Some(verify), None) = (sync.entry("verify"), sync.entry("oci")) {
        let message = "`verify.cosign` is for OCI artifacts";
        out.push(
            Diagnostic::new(&ONE_OF, verify.key_span, message).fix("remove it, or deliver by oci"),
        );
    }
}
