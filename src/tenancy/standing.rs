//! The standing of each tenant in a run: whether it is rendered, and if not, why.

use super::{Tenancy, failing};
use crate::diagnostic::{Diagnostic, Level, Scope};
use crate::source::SourceMap;
use std::collections::{BTreeMap, BTreeSet};

/// The standing of a tenant in a run.
///
/// Permission to remove a tenant (`--allow-removal`) is no standing: it may be given for a tenant
/// that is rendered, and loses a namespace. Nor is a tombstone, which is of one cluster alone.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Standing {
    /// Its objects are rendered.
    Rendered,
    /// It cannot be rendered: its last rendered files stay as they are.
    Held(Reason),
    /// Other tenants were asked for: its last rendered files stay as they are.
    Skipped,
}

/// Why a tenant is held.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Reason {
    /// It has an error.
    Error,
    /// The file that it was rendered from before has an error, and may hold it still.
    File,
    /// The source that defines it was not given.
    Source,
    /// A finding stops the whole fleet.
    Fleet,
}

impl Standing {
    /// The phase that `status` shows.
    pub const fn phase(self) -> &'static str {
        match self {
            Self::Rendered | Self::Skipped => "Valid",
            Self::Held(_) => "Held",
        }
    }

    /// Whether the tenant is rendered.
    pub const fn is_rendered(self) -> bool {
        match self {
            Self::Rendered => true,
            Self::Held(_) | Self::Skipped => false,
        }
    }

    /// Whether the tenant is held.
    pub const fn is_held(self) -> bool {
        match self {
            Self::Held(_) => true,
            Self::Rendered | Self::Skipped => false,
        }
    }

    /// Whether the last rendered files stay as they are.
    pub const fn keeps_files(self) -> bool {
        match self {
            Self::Rendered => false,
            Self::Held(_) | Self::Skipped => true,
        }
    }
}

/// The standing of each tenant of a fleet, and of the records.
#[derive(Clone, Debug, Default)]
pub struct Standings {
    by_tenant: BTreeMap<String, Standing>,
}

impl Standings {
    /// The standings of linked tenants. `recorded` names each tenant of the records with the file
    /// that it was rendered from.
    pub fn new(
        tenancy: &Tenancy,
        recorded: &BTreeMap<&str, &str>,
        findings: &[Diagnostic],
        sources: &SourceMap,
        is_selected: &dyn Fn(&str) -> bool,
    ) -> Self {
        let mut standings = Self::default();
        let mut set = |tenant: &str, standing| {
            standings.by_tenant.insert(tenant.to_owned(), standing);
        };

        for tenant in &tenancy.tenants {
            let name = tenant.name.value.as_str();
            set(
                name,
                match is_selected(name) {
                    true => Standing::Rendered,
                    false => Standing::Skipped,
                },
            );
        }

        let broken_files = files_with_errors(findings, sources);
        for (tenant, file) in recorded {
            if broken_files.contains(file) {
                set(tenant, Standing::Held(Reason::File));
            } else if tenancy.absent.contains(*tenant) {
                set(tenant, Standing::Held(Reason::Source));
            } else if !is_selected(tenant) {
                set(tenant, Standing::Skipped);
            }
        }

        standings.hold(findings);
        standings
    }

    /// Holds the tenants that have an error.
    pub fn hold(&mut self, findings: &[Diagnostic]) {
        let held = failing(findings).into_iter();
        self.by_tenant
            .extend(held.map(|tenant| (tenant, Standing::Held(Reason::Error))));
    }

    /// Holds these tenants because a finding stops the fleet. One that is held keeps its own reason.
    pub fn stop(&mut self, tenants: impl IntoIterator<Item = String>) {
        for tenant in tenants {
            if !self.is_held(&tenant) {
                self.by_tenant.insert(tenant, Standing::Held(Reason::Fleet));
            }
        }
    }

    /// Each tenant with its standing, in the order of the names.
    pub fn iter(&self) -> impl Iterator<Item = (&str, Standing)> {
        let all = self.by_tenant.iter();
        all.map(|(tenant, standing)| (tenant.as_str(), *standing))
    }

    /// The standing of a tenant; `None` if neither the fleet nor the records have it.
    pub fn of(&self, tenant: &str) -> Option<Standing> {
        self.by_tenant.get(tenant).copied()
    }

    /// Whether a tenant is rendered.
    pub fn is_rendered(&self, tenant: &str) -> bool {
        self.of(tenant).is_some_and(Standing::is_rendered)
    }

    /// Whether a tenant is held.
    pub fn is_held(&self, tenant: &str) -> bool {
        self.of(tenant).is_some_and(Standing::is_held)
    }

    /// The tenants that are held, in the order of their names.
    pub fn held(&self) -> impl Iterator<Item = &str> {
        let held = self.by_tenant.keys();
        held.map(String::as_str).filter(|name| self.is_held(name))
    }

    /// Whether the last rendered files of a tenant stay as they are.
    pub fn keeps_files(&self, tenant: &str) -> bool {
        self.of(tenant).is_some_and(Standing::keeps_files)
    }
}

/// The paths of the files that have an error.
fn files_with_errors<'a>(findings: &[Diagnostic], sources: &'a SourceMap) -> BTreeSet<&'a str> {
    findings
        .iter()
        .filter(|finding| finding.level == Level::Error)
        .filter_map(|finding| match &finding.scope {
            Scope::File(id) => Some(sources.get(*id).path.as_str()),
            _ => None,
        })
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::tenancy::FLEET;

    #[test]
    fn a_tenant_keeps_its_files_unless_it_is_rendered() {
        let mut sources = SourceMap::default();
        let broken = sources.add_path("tenants/broken.yaml");
        let tenancy = Tenancy {
            absent: BTreeSet::from(["absent".to_owned()]),
            ..Tenancy::default()
        };

        let recorded = BTreeMap::from([
            ("absent", "search:absent.yaml"),
            ("lost", "tenants/broken.yaml"),
            ("other", "tenants/other.yaml"),
            ("removed", "tenants/removed.yaml"),
        ]);

        let findings = [
            Diagnostic::new(&FLEET, broken, "unreadable").scope(Scope::File(broken.source)),
            Diagnostic::new(&FLEET, broken, "wrong").tenant("wrong"),
        ];

        let selected = |name: &str| name != "other";

        let mut standings = Standings::new(&tenancy, &recorded, &findings, &sources, &selected);
        let expected = [
            ("absent", Some(Standing::Held(Reason::Source))),
            ("lost", Some(Standing::Held(Reason::File))),
            ("other", Some(Standing::Skipped)),
            ("removed", None),
            ("wrong", Some(Standing::Held(Reason::Error))),
        ];

        for (tenant, standing) in expected {
            assert_eq!(standings.of(tenant), standing, "{tenant}");
            assert_eq!(
                standings.keeps_files(tenant),
                standing.is_some(),
                "{tenant}"
            );
        }

        assert_eq!(
            standings.held().collect::<Vec<_>>(),
            ["absent", "lost", "wrong"]
        );

        standings.hold(&[Diagnostic::new(&FLEET, broken, "moves").tenant("other")]);
        assert!(standings.is_held("other"));

        standings.stop(["wrong", "declared"].map(str::to_owned));
        let reasons = ["wrong", "declared"].map(|name| standings.of(name));
        assert_eq!(
            reasons,
            [Reason::Error, Reason::Fleet].map(|reason| Some(Standing::Held(reason)))
        );
    }
}
