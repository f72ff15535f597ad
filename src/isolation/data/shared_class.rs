use super::Findings;
use super::claimants::Claimants;
use crate::diagnostic::rule;
use crate::graph::Cluster;
use crate::isolation::Finding;

rule! {
    /// A StorageClass gives the volumes of every tenant one folder.
    ///
    /// ## What it finds
    /// A parameter that chooses the folder of each volume, such as `subDir` or `pathPattern`, and
    /// that names neither the namespace of the claim nor the volume; if two tenants have claims of
    /// the class, or may create them.
    ///
    /// ## Why it matters
    /// Volumes that a provisioner makes are as separate as its parameters say. Here each tenant
    /// reads what the others write.
    ///
    /// ## Fix
    /// Name the namespace and the claim in the parameter:
    /// `subDir: ${pvc.metadata.namespace}/${pvc.metadata.name}`.
    ///
    /// ## References
    /// The parameters of csi-driver-nfs, csi-driver-smb, aws-efs-csi-driver, azurefile-csi-driver and
    /// local-path-provisioner
    pub static SHARED_CLASS = "data/shared-class", Error;
}

pub(super) fn check(cluster: &Cluster, out: &mut Findings<'_>) {
    let classes = cluster.facts.storage_classes.iter();
    let mut shared = classes
        .filter_map(|class| Some((class, class.shared_by.as_ref()?)))
        .peekable();
    if shared.peek().is_none() {
        return;
    }

    let claimants = Claimants::new(cluster);
    for (class, (parameter, value)) in shared {
        let tenants = claimants.of_class(&class.id.name);
        let [first, second] = tenants.as_slice() else {
            continue;
        };
        let [first, second] = [first, second].map(|at| &cluster.tenants[*at as usize].name);
        let span = class.origin.span;
        let message = format!(
            "{} gives tenants `{first}` and `{second}` one folder: {parameter} is `{value}`",
            class.id.called()
        );
        out.push(
            Finding::refuted(&SHARED_CLASS, span, message)
                .by(second)
                .reaching(first)
                .step(
                    span,
                    format!("`{value}` names neither the namespace nor the volume"),
                )
                .fix(format!("name the namespace and the claim in {parameter}")),
        );
    }
}
