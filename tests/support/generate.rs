//! A fleet of any size, for benchmarks and for tests at size: the same bytes for the same number.
//!
//! Fourteen objects a tenant on average, of all that tenants really differ in: one namespace or
//! two, an edge to a neighbour, people in three roles, a quota, a repository of their own.

use std::fmt::Write;
use std::path::Path;

/// The fleet's file.
pub const FLEET: &str = "\
                         apiVersion: tenantry.dev/v1alpha1
kind: Fleet
metadata:
  name: acme
spec:
  tenantMetadata:
    labels:
      - team
  clusters:
    - name: prod
      podCIDRs:
        - 10.0.0.0/16
      serviceCIDRs:
        - 10.96.0.0/16
      nodeCIDRs:
        - 192.168.0.0/24
      apiServer:
        - 192.168.0.10/32
      endpoints:
        - name: web
          namespace: ingress
          podLabels:
            app: gateway
";

/// The file of tenant number `index` of `count`, from 0.
fn tenant(index: usize, count: usize) -> String {
    let name = format!("tenant-{index:06}");
    let next = format!("tenant-{:06}", (index + 1) % count);
    let last = format!("tenant-{:06}", (index + count - 1) % count);
    let mut out = format!(
        "\
         # yaml-language-server: $schema=../schemas/tenant.json
apiVersion: tenantry.dev/v1alpha1
kind: Tenant
metadata:
  name: {name}
  labels:
    team: team-{team}
spec:
  displayName: Team {index}
  description: |
    The tenant number {index}.
    It belongs to the team {team}.
  owners:
    - group: {name}-admins
  members:
    - group: {name}-devs
      role: developer
    - group: {name}-oncall
      role: operator
  namespaces:
    - name: {name}
",
        team = index / 5,
    );

    if index % 8 == 3 {
        let _ = writeln!(out, "    - name: {name}-jobs");
    }
    out.push_str("  quota:\n    pods: \"80\"\n    limits.cpu: \"16\"\n    limits.memory: 64Gi\n");
    let _ = write!(
        out,
        "  network:\
         \n    egress:\
         \n      - tenant: {next}\
         \n        ports:\
         \n          - port: 8080\
         \n      - cidr: 192.0.2.0/24\
         \n        ports:\
         \n          - port: 5432\
         \n    ingress:\
         \n      - tenant: {last}\
         \n        ports:\
         \n          - port: 8080\n",
    );

    if !index.is_multiple_of(3) {
        out.push_str("      - platform: web\n");
    }
    if index.is_multiple_of(4) {
        let _ = write!(
            out,
            "  sync:\
             \n    - name: apps\
             \n      git:\
             \n        url: https://git.example/{name}\
             \n        branch: main\
             \n      path: ./deploy\n"
        );
    }

    out
}

/// Writes a fleet into a folder. What is there already and is the same is left alone.
pub fn write(folder: &Path, count: usize) -> std::io::Result<()> {
    let tenants = folder.join("tenants");
    std::fs::create_dir_all(&tenants)?;
    put(&tenants.join("fleet.yaml"), FLEET)?;
    (0..count).try_for_each(|index| {
        let file = format!("tenant-{index:06}.yaml");
        put(&tenants.join(file), &tenant(index, count))
    })
}

fn put(path: &Path, text: &str) -> std::io::Result<()> {
    match std::fs::read(path) {
        Ok(bytes) if bytes == text.as_bytes() => Ok(()),
        _ => std::fs::write(path, text),
    }
}
