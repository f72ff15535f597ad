//! The Pod Security Standards: what the API server refuses of a pod in a namespace that enforces one.
//!
//! Source: `k8s.io/pod-security-admission/policy` of Kubernetes 1.36. A test sends changed pods to a real
//! API server and compares. A namespace that asks for the checks of an
//! older version is not checked: they differ from version to version.

use super::field::Field;
use super::{Checked, Refusal};
use crate::document::{TreeValue, View};
use crate::kube::ObjectId;

/// A level that a namespace enforces.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum PodLevel {
    /// Known ways to the node are closed.
    Baseline,
    /// Pods are hardened.
    Restricted,
}

impl PodLevel {
    /// Returns the level that a label's value names; `None` for `privileged` and for an unknown value.
    pub fn of(label: &str) -> Option<Self> {
        match label {
            "baseline" => Some(Self::Baseline),
            "restricted" => Some(Self::Restricted),
            _ => None,
        }
    }
}

/// Capabilities that a container of the level `baseline` may add.
pub static BASELINE_CAPABILITIES: [&str; 13] = [
    "AUDIT_WRITE",
    "CHOWN",
    "DAC_OVERRIDE",
    "FOWNER",
    "FSETID",
    "KILL",
    "MKNOD",
    "NET_BIND_SERVICE",
    "SETFCAP",
    "SETGID",
    "SETPCAP",
    "SETUID",
    "SYS_CHROOT",
];

/// Kernel parameters that a pod may set.
const SYSCTLS: [&str; 12] = [
    "kernel.shm_rmid_forced",
    "net.ipv4.ip_local_port_range",
    "net.ipv4.ip_local_reserved_ports",
    "net.ipv4.ip_unprivileged_port_start",
    "net.ipv4.ping_group_range",
    "net.ipv4.tcp_fin_timeout",
    "net.ipv4.tcp_keepalive_intvl",
    "net.ipv4.tcp_keepalive_probes",
    "net.ipv4.tcp_keepalive_time",
    "net.ipv4.tcp_rmem",
    "net.ipv4.tcp_syncookies",
    "net.ipv4.tcp_wmem",
];

/// Sources of volumes that a pod of the level `restricted` may have.
const VOLUMES: [&str; 9] = [
    "configMap",
    "csi",
    "downwardAPI",
    "emptyDir",
    "ephemeral",
    "image",
    "persistentVolumeClaim",
    "projected",
    "secret",
];

/// Checks the pod of a Pod, or the one that a workload makes. `None` if the level allows it, or if the
/// kind makes no pods.
pub fn check_pod<T: TreeValue>(id: &ObjectId, object: &T, level: PodLevel) -> Option<Box<Refusal>> {
    let root = Field::root(object);
    let path: &[&str] = match (id.group.as_str(), id.kind.as_str()) {
        ("", "Pod") => &[],
        ("batch", "CronJob") => &["spec", "jobTemplate", "spec", "template"],
        ("", "ReplicationController")
        | ("apps", "DaemonSet" | "Deployment" | "ReplicaSet" | "StatefulSet")
        | ("batch", "Job") => &["spec", "template"],
        _ => return None,
    };
    below(&root, path, level).err()
}

fn below<T: TreeValue>(field: &Field<'_, T>, path: &[&'static str], level: PodLevel) -> Checked {
    match path {
        [first, rest @ ..] => below(&field.child(first), rest, level),
        [] => {
            app_armor_annotations(field)?;
            let spec = field.child("spec");
            if !spec.is_set() {
                return Ok(());
            }
            baseline(&spec)?;
            match level {
                PodLevel::Baseline => Ok(()),
                PodLevel::Restricted => restricted(&spec),
            }
        }
    }
}

/// Runs a check for each container of a pod.
fn each_container<T: TreeValue>(
    spec: &Field<'_, T>,
    check: &dyn Fn(&Field<'_, T>) -> Checked,
) -> Checked {
    for list in ["initContainers", "containers", "ephemeralContainers"] {
        let list = spec.child(list);
        for container in list.items() {
            check(&container)?;
        }
    }
    Ok(())
}

/// Runs a check for the security context of a pod and of each of its containers.
fn each_context<T: TreeValue>(
    spec: &Field<'_, T>,
    check: &dyn Fn(&Field<'_, T>) -> Checked,
) -> Checked {
    check(&spec.child("securityContext"))?;
    each_container(spec, &|container| {
        check(&container.child("securityContext"))
    })
}

fn is<T: TreeValue>(field: &Field<'_, T>, flag: bool) -> bool {
    matches!(field.view(), Some(View::Bool(value)) if value == flag)
}

fn app_armor_annotations<T: TreeValue>(pod: &Field<'_, T>) -> Checked {
    let metadata = pod.child("metadata");
    let annotations = metadata.child("annotations");
    for (key, value) in annotations.entries() {
        let text = value.text();
        let is_open = !(matches!(text, "" | "runtime/default") || text.starts_with("localhost/"));
        let is_profile = key.starts_with("container.apparmor.security.beta.kubernetes.io/");
        value.require(!(is_profile && is_open), NOT_ALLOWED)?;
    }
    Ok(())
}

/// Why a value is refused.
const NOT_ALLOWED: &str = "is not allowed by the Pod Security level that the namespace enforces";

fn baseline<T: TreeValue>(spec: &Field<'_, T>) -> Checked {
    for key in ["hostNetwork", "hostPID", "hostIPC"] {
        let field = spec.child(key);
        field.require(!is(&field, true), NOT_ALLOWED)?;
    }
    for volume in spec.child("volumes").items() {
        let path = volume.child("hostPath");
        path.require(!path.is_set(), NOT_ALLOWED)?;
    }
    let context = spec.child("securityContext");
    for sysctl in context.child("sysctls").items() {
        let name = sysctl.child("name");
        name.require(SYSCTLS.contains(&name.text()), NOT_ALLOWED)?;
    }

    each_context(spec, &|context| {
        confined(context)?;
        let windows = context.child("windowsOptions");
        let host = windows.child("hostProcess");
        host.require(!is(&host, true), NOT_ALLOWED)
    })?;
    let has_own_users = is(&spec.child("hostUsers"), false);
    each_container(spec, &|container| {
        container_baseline(container, has_own_users)
    })
}

/// Checks the profiles of a security context.
fn confined<T: TreeValue>(context: &Field<'_, T>) -> Checked {
    let seccomp = context.child("seccompProfile");
    let kind = seccomp.child("type");
    kind.require(kind.text() != "Unconfined", NOT_ALLOWED)?;
    let app_armor = context.child("appArmorProfile");
    let kind = app_armor.child("type");
    kind.require(kind.text() != "Unconfined", NOT_ALLOWED)?;

    let options = context.child("seLinuxOptions");
    const TYPES: [&str; 5] = [
        "",
        "container_t",
        "container_init_t",
        "container_kvm_t",
        "container_engine_t",
    ];
    let kind = options.child("type");
    kind.require(TYPES.contains(&kind.text()), NOT_ALLOWED)?;
    for key in ["user", "role"] {
        let field = options.child(key);
        field.require(field.text().is_empty(), NOT_ALLOWED)?;
    }
    Ok(())
}

fn container_baseline<T: TreeValue>(container: &Field<'_, T>, has_own_users: bool) -> Checked {
    let context = container.child("securityContext");
    let privileged = context.child("privileged");
    privileged.require(!is(&privileged, true), NOT_ALLOWED)?;
    let mount = context.child("procMount");
    let is_default = matches!(mount.text(), "" | "Default");
    mount.require(is_default || has_own_users, NOT_ALLOWED)?;

    let capabilities = context.child("capabilities");
    let added = capabilities.child("add");
    for one in added.items() {
        one.require(BASELINE_CAPABILITIES.contains(&one.text()), NOT_ALLOWED)?;
    }
    for port in container.child("ports").items() {
        let host = port.child("hostPort");
        host.require(host.number().unwrap_or_default() == 0, NOT_ALLOWED)?;
    }
    Ok(())
}

fn restricted<T: TreeValue>(spec: &Field<'_, T>) -> Checked {
    for volume in spec.child("volumes").items() {
        let set = volume.entries().filter(|(_, field)| field.is_set());
        let sources: Vec<&str> = set
            .map(|(key, _)| key)
            .filter(|key| *key != "name")
            .collect();
        let is_known = |key: &&str| VOLUMES.contains(key);
        // A volume without a source is an emptyDir.
        let is_plain = sources.is_empty();
        volume.require(is_plain || sources.iter().any(is_known), NOT_ALLOWED)?;
    }

    let context = spec.child("securityContext");
    let system = spec.child("os");
    let is_windows = system.child("name").text() == "windows";
    if !is(&spec.child("hostUsers"), false) {
        as_other_than_root(spec, &context)?;
    }
    each_container(spec, &|container| match is_windows {
        true => Ok(()),
        false => container_restricted(container, &context),
    })
}

/// Checks that no container runs as root.
fn as_other_than_root<T: TreeValue>(spec: &Field<'_, T>, of_pod: &Field<'_, T>) -> Checked {
    let flag = of_pod.child("runAsNonRoot");
    flag.require(!is(&flag, false), NOT_ALLOWED)?;
    let is_set_for_all = is(&flag, true);
    each_context(spec, &|context| {
        let user = context.child("runAsUser");
        user.require(user.number() != Some(0), NOT_ALLOWED)
    })?;
    each_container(spec, &|container| {
        let context = container.child("securityContext");
        let own = context.child("runAsNonRoot");
        own.require(!is(&own, false), NOT_ALLOWED)?;
        container.require(
            is_set_for_all || own.is_set(),
            "must set securityContext.runAsNonRoot: true, or its pod must, for the Pod Security level \
             of the namespace",
        )
    })
}

fn container_restricted<T: TreeValue>(container: &Field<'_, T>, of_pod: &Field<'_, T>) -> Checked {
    let context = container.child("securityContext");
    container.require(
        is(&context.child("allowPrivilegeEscalation"), false),
        "must have securityContext.allowPrivilegeEscalation: false, for the Pod Security level of the \
         namespace",
    )?;

    let (own, inherited) = (
        context.child("seccompProfile"),
        of_pod.child("seccompProfile"),
    );
    let kind = match own.is_set() {
        true => own.child("type"),
        false => inherited.child("type"),
    };
    let is_confined = matches!(kind.text(), "RuntimeDefault" | "Localhost");
    container.require(
        is_confined,
        "must have a seccompProfile of type RuntimeDefault or Localhost, or its pod, for the Pod \
         Security level of the namespace",
    )?;

    let capabilities = context.child("capabilities");
    let dropped = capabilities.child("drop");
    container.require(
        dropped.texts().any(|name| name == "ALL"),
        "must drop ALL in securityContext.capabilities, for the Pod Security level of the namespace",
    )?;
    let added = capabilities.child("add");
    for one in added.items() {
        one.require(one.text() == "NET_BIND_SERVICE", NOT_ALLOWED)?;
    }
    Ok(())
}
