//! The checks of the core group: quotas, limits, Services, volumes and their claims.
//!
//! Source: `pkg/apis/core/validation/validation.go`, `pkg/apis/core/helper/helpers.go` and
//! `pkg/apis/core/v1/defaults.go`.

use super::field::Field;
use super::meta::{labels, selector};
use super::networking::{network, port_number, sloppy_address};
use super::{Checked, RefusedBy, is_new_server, names};
use crate::document::{TreeValue, View};
use crate::kube::names::{AUDIT_VERSION_LABEL, ENFORCE_VERSION_LABEL, WARN_VERSION_LABEL};
use crate::kube::quantity::Quantity;
use std::collections::{BTreeMap, BTreeSet};
use std::net::IpAddr;

/// Resources without a domain that a quota may count.
const QUOTA_RESOURCES: [&str; 19] = [
    "cpu",
    "memory",
    "ephemeral-storage",
    "requests.cpu",
    "requests.memory",
    "requests.storage",
    "requests.ephemeral-storage",
    "limits.cpu",
    "limits.memory",
    "limits.ephemeral-storage",
    "pods",
    "resourcequotas",
    "services",
    "replicationcontrollers",
    "secrets",
    "persistentvolumeclaims",
    "configmaps",
    "services.nodeports",
    "services.loadbalancers",
];

/// Those of them that are counted in whole numbers.
const COUNTED: [&str; 9] = [
    "pods",
    "resourcequotas",
    "services",
    "replicationcontrollers",
    "secrets",
    "configmaps",
    "persistentvolumeclaims",
    "services.nodeports",
    "services.loadbalancers",
];

/// Those of them that a scope of pods may count.
const POD_RESOURCES: [&str; 7] = [
    "pods",
    "cpu",
    "memory",
    "limits.cpu",
    "limits.memory",
    "requests.cpu",
    "requests.memory",
];

/// The scopes of a quota.
const SCOPES: [&str; 7] = [
    "Terminating",
    "NotTerminating",
    "BestEffort",
    "NotBestEffort",
    "PriorityClass",
    "CrossNamespacePodAffinity",
    "VolumeAttributesClass",
];

/// Scopes that no pod is in at once.
const CONFLICTS: [[&str; 2]; 2] = [
    ["BestEffort", "NotBestEffort"],
    ["Terminating", "NotTerminating"],
];

/// One unit, in billionths.
const ONE: i128 = 1_000_000_000;

/// Checks the versions of Pod Security that a Namespace names, as the admission plugin does.
///
/// Source: k8s.io/pod-security-admission `api/helpers.go`, `ParseVersion`.
pub(super) fn namespace<T: TreeValue>(root: &Field<'_, T>) -> Checked {
    let metadata = root.child("metadata");
    let labels = metadata.child("labels");
    for key in [
        ENFORCE_VERSION_LABEL,
        AUDIT_VERSION_LABEL,
        WARN_VERSION_LABEL,
    ] {
        let version = labels.entry(key);
        let minor = version.text().strip_prefix("v1.");
        let is_minor = minor.is_some_and(|minor| {
            minor == "0" || minor.parse::<u32>().is_ok() && !minor.starts_with(['0', '+'])
        });
        let known = !version.is_set() || version.text() == "latest" || is_minor;
        version.require(known, "must be `latest` or a version such as `v1.30`")?;
    }
    Ok(())
}

/// The amount of a field in billionths; `None` if it is absent, or too large to be compared.
fn amount<T: TreeValue>(field: &Field<'_, T>) -> Option<i128> {
    let text = match field.view()? {
        View::String(text) => text.to_owned(),
        View::Number(number) => number.to_string(),
        // As Go reads an entry of a mapping.
        View::Null => return Some(0),
        _ => return None,
    };
    match text.strip_prefix('-') {
        Some(text) => Quantity::parse(text).ok().map(|amount| -amount.nanos()),
        None => Quantity::parse(&text).ok().map(|amount| amount.nanos()),
    }
}

fn is_negative<T: TreeValue>(field: &Field<'_, T>) -> bool {
    amount(field).is_some_and(|amount| amount < 0)
}

fn is_quota_resource(name: &str) -> bool {
    QUOTA_RESOURCES.contains(&name)
        || name.starts_with("hugepages-")
        || name.starts_with("requests.hugepages-")
}

/// Checks a ResourceQuota.
pub(super) fn resource_quota<T: TreeValue>(root: &Field<'_, T>) -> Checked {
    let spec = root.child("spec");
    let hard = spec.child("hard");
    for (name, amount) in hard.entries() {
        quota_amount(&hard, name, &amount)?;
    }

    let names: Vec<&str> = hard.entries().map(|(name, _)| name).collect();
    let scopes = spec.child("scopes");
    for scope in scopes.items() {
        check_scope(&scope, &names)?;
    }
    conflicting(&scopes, &scopes.texts().collect())?;

    let expressions = spec.child("scopeSelector");
    let expressions = expressions.child("matchExpressions");
    let mut selected = BTreeSet::new();
    for expression in expressions.items() {
        scope_expression(&expression, &names)?;
        selected.insert(expression.child("scopeName").text().to_owned());
    }
    conflicting(&expressions, &selected.iter().map(String::as_str).collect())
}

fn quota_amount<T: TreeValue>(hard: &Field<'_, T>, name: &str, value: &Field<'_, T>) -> Checked {
    if let Err(reason) = names::qualified_name(name) {
        return hard.refuse(format!("has the resource `{name}`, which {reason}"));
    }
    if !name.contains('/') && !is_quota_resource(name) {
        return hard.refuse(format!(
            "has the resource `{name}`, which is neither standard for quotas nor fully qualified"
        ));
    }

    value.require(!is_negative(value), "must not be negative")?;
    let is_extended = name.contains('/')
        && !name.contains("kubernetes.io/")
        && !name.starts_with("requests.")
        && names::qualified_name(&format!("requests.{name}")).is_ok();
    let is_whole = amount(value).is_none_or(|amount| amount % ONE == 0);
    value.require(
        is_whole || !(is_extended || COUNTED.contains(&name)),
        "must be a whole number",
    )
}

fn check_scope<T: TreeValue>(scope: &Field<'_, T>, resources: &[&str]) -> Checked {
    scope.one_of(&SCOPES)?;
    let counts: &[&str] = match scope.text() {
        "BestEffort" => &["pods"],
        "VolumeAttributesClass" => &["persistentvolumeclaims", "requests.storage"],
        _ => &POD_RESOURCES,
    };
    let other = resources
        .iter()
        .find(|name| is_quota_resource(name) && !counts.contains(name));
    match other {
        None => Ok(()),
        Some(other) => scope.refuse(format!("is a scope that does not count {other}")),
    }
}

fn conflicting<T: TreeValue>(field: &Field<'_, T>, scopes: &BTreeSet<&str>) -> Checked {
    let both = CONFLICTS
        .iter()
        .any(|pair| pair.iter().all(|scope| scopes.contains(scope)));
    field.require(!both, "has scopes that exclude each other")
}

fn scope_expression<T: TreeValue>(field: &Field<'_, T>, resources: &[&str]) -> Checked {
    let (scope, operator) = (field.child("scopeName"), field.child("operator"));
    check_scope(&scope, resources)?;

    operator.one_of(&["In", "NotIn", "Exists", "DoesNotExist"])?;
    let takes_values = ["PriorityClass", "VolumeAttributesClass"].contains(&scope.text());
    operator.require(
        takes_values || operator.text() == "Exists",
        "must be Exists for this scope",
    )?;

    let values = field.child("values");
    match operator.text() {
        "In" | "NotIn" => values.require(!values.is_empty(), "must have a value"),
        _ => values.require(values.is_empty(), "must have no value"),
    }
}

/// Checks a LimitRange.
pub(super) fn limit_range<T: TreeValue>(root: &Field<'_, T>) -> Checked {
    let spec = root.child("spec");
    let limits = spec.child("limits");
    let mut types = BTreeSet::new();
    for item in limits.items() {
        limit_item(&item)?;
        let kind = item.child("type");
        kind.require(types.insert(kind.text().to_owned()), "stands twice")?;
    }
    Ok(())
}

fn limit_item<T: TreeValue>(item: &Field<'_, T>) -> Checked {
    let kind = item.child("type");
    kind.named(names::qualified_name)?;
    if !kind.text().contains('/') {
        kind.one_of(&["Pod", "Container", "PersistentVolumeClaim"])?;
    }

    if kind.text() == "Pod" {
        for key in ["default", "defaultRequest"] {
            let field = item.child(key);
            field.require(field.is_empty(), "cannot stand in an item of type Pod")?;
        }
    }
    if kind.text() == "PersistentVolumeClaim" {
        let (min, max) = (item.child("min"), item.child("max"));
        let has_bound = min.has("storage") || max.has("storage");
        item.require(has_bound, "must have a min or a max of storage")?;
    }

    limit_amounts(item, kind.text())
}

/// The amounts of an item, by its type.
pub(super) fn limit_amounts<T: TreeValue>(item: &Field<'_, T>, kind: &str) -> Checked {
    let mut resources: BTreeMap<&str, ()> = BTreeMap::new();
    let parts = [
        "min",
        "defaultRequest",
        "default",
        "max",
        "maxLimitRequestRatio",
    ];
    let fields = parts.map(|key| item.child(key));
    for field in &fields {
        for (name, _) in field.entries() {
            limit_resource(field, kind, name)?;
            resources.insert(name, ());
        }
    }

    let [min, request, default, max, ratio] = &fields;
    for name in resources.into_keys() {
        let ladder = [min, request, default, max].map(|field| field.entry(name));
        in_order(&ladder)?;
        ratio_fits(&ratio.entry(name), &ladder[0], &ladder[3])?;

        let overcommits = (!name.contains('/') || name.contains("kubernetes.io/"))
            && !name.starts_with("hugepages-");
        if let (false, Some(request), Some(default)) =
            (overcommits, amount(&ladder[1]), amount(&ladder[2]))
        {
            ladder[1].require(request == default, "must be equal to the default")?;
        }
    }
    Ok(())
}

/// Checks that amounts do not fall: min, defaultRequest, default, max. Those that are not set are
/// left out.
fn in_order<T: TreeValue>(ladder: &[Field<'_, T>]) -> Checked {
    for (at, low) in ladder.iter().enumerate() {
        for high in &ladder[at + 1..] {
            if let (Some(less), Some(more)) = (amount(low), amount(high)) {
                low.require(less <= more, &format!("is over {}", high.path()))?;
            }
        }
    }
    Ok(())
}

fn ratio_fits<T: TreeValue>(
    ratio: &Field<'_, T>,
    min: &Field<'_, T>,
    max: &Field<'_, T>,
) -> Checked {
    let Some(most) = amount(ratio) else {
        return Ok(());
    };
    ratio.require(most >= ONE, "is below 1")?;

    if let (Some(min), Some(max)) = (amount(min), amount(max)) {
        let is_over = most as f64 / ONE as f64 > max as f64 / min as f64;
        ratio.require(!is_over, "is greater than max divided by min")?;
    }
    Ok(())
}

fn limit_resource<T: TreeValue>(field: &Field<'_, T>, kind: &str, name: &str) -> Checked {
    let refuse = |reason: &str| field.refuse(format!("has the resource `{name}`, which {reason}"));
    if let Err(reason) = names::qualified_name(name) {
        return refuse(reason);
    }
    if name.contains('/') {
        return Ok(());
    }

    let is_known = match kind {
        "Pod" | "Container" => {
            ["cpu", "memory", "ephemeral-storage"].contains(&name) || name.starts_with("hugepages-")
        }
        _ => name == "storage" || is_quota_resource(name),
    };
    match is_known {
        true => Ok(()),
        false => refuse("is neither standard nor fully qualified"),
    }
}

/// What decides which fields a Service may have.
struct ServiceShape<'a> {
    kind: &'a str,
    is_headless: bool,
    /// Whether it is reached from outside the cluster.
    is_external: bool,
}

/// Checks a Service, on servers of a minor or of any.
pub(super) fn service<T: TreeValue>(root: &Field<'_, T>, minor: Option<u32>) -> Checked {
    let spec = root.child("spec");
    let (kind, cluster_ip) = (spec.child("type"), spec.child("clusterIP"));
    kind.empty_or_one_of(&["ClusterIP", "NodePort", "LoadBalancer", "ExternalName"])?;

    let external_ips = spec.child("externalIPs");
    let shape = ServiceShape {
        kind: match kind.text() {
            "" => "ClusterIP",
            stated => stated,
        },
        is_headless: cluster_ip.text() == "None",
        is_external: ["NodePort", "LoadBalancer"].contains(&kind.text())
            || !external_ips.is_empty(),
    };

    cluster_addresses(&spec, &shape)?;
    service_ports(&spec.child("ports"), &shape)?;
    labels(&spec.child("selector"))?;
    for ip in external_ips.items() {
        external_ip(&ip, minor)?;
    }
    affinity(&spec)?;
    load_balancer(&spec, &shape, minor)?;
    traffic(&spec, &shape)
}

fn cluster_addresses<T: TreeValue>(spec: &Field<'_, T>, shape: &ServiceShape<'_>) -> Checked {
    let (one, all) = (spec.child("clusterIP"), spec.child("clusterIPs"));
    if shape.kind == "ExternalName" {
        let has_none = one.text().is_empty() && all.is_empty();
        one.require(has_none, "cannot be set for an ExternalName")?;
        let name = spec.child("externalName");
        let text = name.text().strip_suffix('.').unwrap_or(name.text());
        return match names::dns_subdomain(text) {
            Ok(()) => Ok(()),
            Err(reason) => name.refuse(reason),
        };
    }

    if shape.is_headless {
        one.require(shape.kind == "ClusterIP", "cannot be None for this type")?;
    }
    if !all.is_empty() {
        let first = all.texts().next();
        all.require(first == Some(one.text()), "must begin with clusterIP")?;
        all.require(all.len() <= 2, "has more than two items")?;
    }
    let is_address = ["", "None"].contains(&one.text()) || sloppy_address(one.text()).is_some();
    one.require(is_address, "is no IP address")?;

    spec.child("ipFamilyPolicy").unset_or_one_of(&[
        "SingleStack",
        "PreferDualStack",
        "RequireDualStack",
    ])?;
    for family in spec.child("ipFamilies").items() {
        family.one_of(&["IPv4", "IPv6"])?;
    }
    Ok(())
}

fn service_ports<T: TreeValue>(ports: &Field<'_, T>, shape: &ServiceShape<'_>) -> Checked {
    let may_be_empty = shape.is_headless || shape.kind == "ExternalName";
    ports.require(may_be_empty || !ports.is_empty(), "must have a port")?;

    let (mut taken, mut numbers) = (BTreeSet::new(), BTreeSet::new());
    for port in ports.items() {
        let (name, protocol) = (port.child("name"), port.child("protocol"));
        let number = port.child("port");
        if ports.len() > 1 || !name.text().is_empty() {
            name.named(names::dns_label)?;
            name.require(taken.insert(name.text().to_owned()), "stands twice")?;
        }

        port_number(&number)?;
        if !protocol.text().is_empty() {
            protocol.one_of(&["TCP", "UDP", "SCTP"])?;
        }
        let protocol = match protocol.text() {
            "" => "TCP",
            stated => stated,
        };
        let is_new = numbers.insert((protocol.to_owned(), number.number()));
        port.require(is_new, "has the port and the protocol of another")?;

        target_port(&port.child("targetPort"))?;
        let node_port = port.child("nodePort");
        let is_inner = shape.kind == "ClusterIP" && node_port.number().is_some_and(|n| n != 0);
        node_port.require(!is_inner, "cannot be set for a ClusterIP")?;
        let application = port.child("appProtocol");
        if application.is_set() {
            application.named(names::qualified_name)?;
        }
    }
    Ok(())
}

fn target_port<T: TreeValue>(field: &Field<'_, T>) -> Checked {
    match field.view() {
        // Filled in from the port.
        None | Some(View::String("")) => Ok(()),
        Some(View::String(_)) => field.named(names::port_name),
        Some(_) if field.number() == Some(0) => Ok(()),
        Some(_) => port_number(field),
    }
}

fn external_ip<T: TreeValue>(field: &Field<'_, T>, minor: Option<u32>) -> Checked {
    let Some(address) = sloppy_address(field.text()) else {
        return field.refuse("is no IP address");
    };
    let is_special = address.is_unspecified()
        || address.is_loopback()
        || match address {
            IpAddr::V4(four) => four.is_link_local() || four.octets()[..3] == [224, 0, 0],
            IpAddr::V6(six) => six.is_unicast_link_local() || six.segments()[0] == 0xff02,
        };
    field.require(!is_special, "is a special address")?;

    let is_strict = match field.text().parse::<IpAddr>() {
        Ok(IpAddr::V6(six)) => six.to_ipv4_mapped().is_none(),
        exact => exact.is_ok(),
    };
    match is_strict || !is_new_server(minor) {
        true => Ok(()),
        false => Err(field.refusal(
            RefusedBy::NewServers,
            "is an address in an unusual spelling",
        )),
    }
}

fn affinity<T: TreeValue>(spec: &Field<'_, T>) -> Checked {
    let (affinity, config) = (
        spec.child("sessionAffinity"),
        spec.child("sessionAffinityConfig"),
    );
    if ["", "None"].contains(&affinity.text()) {
        return config.require(!config.is_set(), "needs the affinity ClientIP");
    }
    affinity.one_of(&["ClientIP", "None"])
}

fn load_balancer<T: TreeValue>(
    spec: &Field<'_, T>,
    shape: &ServiceShape<'_>,
    minor: Option<u32>,
) -> Checked {
    let (class, ranges) = (
        spec.child("loadBalancerClass"),
        spec.child("loadBalancerSourceRanges"),
    );
    if shape.kind != "LoadBalancer" {
        let allocates = spec.child("allocateLoadBalancerNodePorts");
        let reason = "can only be set for a LoadBalancer";
        class.require(!class.is_set(), reason)?;
        allocates.require(!allocates.is_set(), reason)?;
        return ranges.require(ranges.is_empty(), reason);
    }

    if class.is_set() {
        class.named(names::qualified_name)?;
    }
    for range in ranges.items() {
        // Space around a range is allowed.
        if range.text().trim() == range.text() {
            network(&range, minor)?;
        }
    }
    Ok(())
}

fn traffic<T: TreeValue>(spec: &Field<'_, T>, shape: &ServiceShape<'_>) -> Checked {
    let outer = spec.child("externalTrafficPolicy");
    if !outer.text().is_empty() {
        let is_external = shape.is_external && shape.kind != "ExternalName";
        outer.require(
            is_external,
            "can only be set for a Service that is reached from outside",
        )?;
        outer.one_of(&["Cluster", "Local"])?;
    }

    let check = spec.child("healthCheckNodePort");
    let needs_check = shape.kind == "LoadBalancer" && outer.text() == "Local";
    let has_check = check.number().is_some_and(|number| number != 0);
    check.require(
        needs_check || !has_check,
        "can only be set for a LoadBalancer with local traffic",
    )?;

    spec.child("internalTrafficPolicy")
        .unset_or_one_of(&["Cluster", "Local"])?;
    spec.child("trafficDistribution").unset_or_one_of(&[
        "PreferClose",
        "PreferSameZone",
        "PreferSameNode",
    ])
}

const ACCESS_MODES: [&str; 4] = [
    "ReadWriteOnce",
    "ReadOnlyMany",
    "ReadWriteMany",
    "ReadWriteOncePod",
];

/// The kinds of volumes.
const VOLUMES: [&str; 22] = [
    "hostPath",
    "gcePersistentDisk",
    "awsElasticBlockStore",
    "glusterfs",
    "flocker",
    "nfs",
    "rbd",
    "quobyte",
    "cephfs",
    "iscsi",
    "cinder",
    "fc",
    "azureFile",
    "vsphereVolume",
    "photonPersistentDisk",
    "portworxVolume",
    "azureDisk",
    "scaleIO",
    "local",
    "storageos",
    "csi",
    "flexVolume",
];

/// Checks a PersistentVolume.
pub(super) fn persistent_volume<T: TreeValue>(root: &Field<'_, T>) -> Checked {
    let spec = root.child("spec");
    access_modes(&spec.child("accessModes"))?;

    let capacity = spec.child("capacity");
    let storage = capacity.child("storage");
    let is_alone = storage.is_set() && capacity.len() == 1;
    capacity.require(is_alone, "must have storage, and nothing else")?;
    is_positive(&storage)?;

    spec.child("persistentVolumeReclaimPolicy")
        .empty_or_one_of(&["Delete", "Recycle", "Retain"])?;
    class_and_mode(&spec)?;

    let volumes = VOLUMES.iter().filter(|kind| spec.child(kind).is_set());
    match volumes.count() {
        1 => volume_source(&spec),
        0 => spec.refuse("must have a kind of volume"),
        _ => spec.refuse("has more than one kind of volume"),
    }
}

fn volume_source<T: TreeValue>(spec: &Field<'_, T>) -> Checked {
    for (kind, fields) in [
        ("hostPath", &["path"][..]),
        ("local", &["path"]),
        ("nfs", &["server", "path"]),
        ("csi", &["driver", "volumeHandle"]),
    ] {
        let source = spec.child(kind);
        if source.is_set() {
            for key in fields {
                let field = source.child(key);
                field.require(!field.text().is_empty(), "must not be empty")?;
            }
            let path = source.child("path");
            let climbs = path.text().split('/').any(|part| part == "..");
            path.require(!climbs, "must not contain `..`")?;
        }
    }
    let path = spec.child("nfs");
    let path = path.child("path");
    let is_absolute = !path.is_set() || path.text().starts_with('/');
    path.require(is_absolute, "must be an absolute path")
}

/// Checks a PersistentVolumeClaim.
pub(super) fn persistent_volume_claim<T: TreeValue>(root: &Field<'_, T>) -> Checked {
    let spec = root.child("spec");
    access_modes(&spec.child("accessModes"))?;
    selector(&spec.child("selector"))?;

    let resources = spec.child("resources");
    let requests = resources.child("requests");
    is_positive(&requests.child("storage"))?;
    class_and_mode(&spec)
}

fn access_modes<T: TreeValue>(modes: &Field<'_, T>) -> Checked {
    modes.require(!modes.is_empty(), "must have a mode")?;
    for mode in modes.items() {
        mode.one_of(&ACCESS_MODES)?;
    }

    let of_one_pod = modes
        .texts()
        .filter(|mode| *mode == "ReadWriteOncePod")
        .count();
    modes.require(
        of_one_pod == 0 || of_one_pod == modes.len(),
        "has ReadWriteOncePod beside other modes",
    )
}

fn is_positive<T: TreeValue>(storage: &Field<'_, T>) -> Checked {
    let is_zero = amount(storage) == Some(0);
    let is_wrong = !storage.is_set() || is_negative(storage) || is_zero;
    storage.require(!is_wrong, "must be more than nothing")
}

fn class_and_mode<T: TreeValue>(spec: &Field<'_, T>) -> Checked {
    let class = spec.child("storageClassName");
    if !class.text().is_empty() {
        class.named(names::dns_subdomain)?;
    }
    spec.child("volumeMode")
        .unset_or_one_of(&["Block", "Filesystem"])
}
