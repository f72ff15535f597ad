//! Files of known findings: written once, and compared with each later run.

use super::plain;
use crate::diagnostic::Diagnostic;
use crate::plain::plain_json;
use crate::source::SourceMap;
use serde::Serialize;
use serde_json::Value;
use std::collections::btree_map::Entry;
use std::collections::{BTreeMap, BTreeSet};
use std::fmt;

/// What makes a finding the same one in two runs. Its line does not: lines move.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Fingerprint {
    /// The id of the rule.
    pub rule: String,
    /// The path of the file.
    pub path: String,
    /// The text.
    pub message: String,
}

impl Fingerprint {
    /// The fingerprint of a finding.
    pub fn of(sources: &SourceMap, finding: &Diagnostic) -> Self {
        Self {
            rule: finding.rule.id.to_owned(),
            path: sources.path(finding.span).to_owned(),
            message: finding.message.clone(),
        }
    }
}

impl fmt::Display for Fingerprint {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let line = format!("{} {}: {}", self.rule, self.path, self.message);
        f.write_str(&plain(&line))
    }
}

/// The clusters that a finding is of; empty if it is not of one cluster alone.
pub type Clusters = BTreeSet<String>;

/// Known findings, each with its clusters.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Baseline(BTreeMap<Fingerprint, Clusters>);

impl Baseline {
    /// Reads what [`Baseline::json`] writes, or a report of `--format json`: each finding has a
    /// rule, a message and `location.path`.
    ///
    /// # Errors
    /// Why the text is neither.
    pub fn parse(text: &str) -> Result<Self, String> {
        let report: Value = serde_json::from_str(text).map_err(|fault| fault.to_string())?;
        let findings = report.get("findings").and_then(Value::as_array);
        let findings = findings.ok_or("it has no list `findings`")?;

        let mut known = Self::default();
        for (at, finding) in findings.iter().enumerate() {
            let text = |pointer: &str| finding.pointer(pointer).and_then(Value::as_str);
            let (Some(rule), Some(path), Some(message)) =
                (text("/rule"), text("/location/path"), text("/message"))
            else {
                return Err(format!(
                    "findings[{at}] has no rule, message or location.path"
                ));
            };
            let clusters = finding.get("clusters").and_then(Value::as_array);
            let clusters = clusters.into_iter().flatten().filter_map(Value::as_str);
            // A waived finding that is no longer waived is new.
            if text("/state") != Some("waived") {
                let fingerprint = Fingerprint {
                    rule: rule.to_owned(),
                    path: path.to_owned(),
                    message: message.to_owned(),
                };
                known.add(fingerprint, clusters.map(str::to_owned).collect());
            }
        }
        Ok(known)
    }

    /// Adds a finding, of some clusters.
    pub fn add(&mut self, fingerprint: Fingerprint, clusters: Clusters) {
        match self.0.entry(fingerprint) {
            Entry::Vacant(free) => _ = free.insert(clusters),
            // Without clusters it is known on all.
            Entry::Occupied(known) if known.get().is_empty() => {}
            Entry::Occupied(mut known) if clusters.is_empty() => known.get_mut().clear(),
            Entry::Occupied(mut known) => known.get_mut().extend(clusters),
        }
    }

    /// Whether a finding is known on each of its clusters. One without clusters in the file is known
    /// on all.
    pub fn knows(&self, fingerprint: &Fingerprint, clusters: &Clusters) -> bool {
        let known = self.0.get(fingerprint);
        known.is_some_and(|known| known.is_empty() || clusters.is_subset(known))
    }

    /// Adds the findings of another.
    pub fn extend(&mut self, other: Self) {
        for (fingerprint, clusters) in other.0 {
            self.add(fingerprint, clusters);
        }
    }

    /// Whether it has a finding, on any cluster.
    pub fn has(&self, fingerprint: &Fingerprint) -> bool {
        self.0.contains_key(fingerprint)
    }

    /// Its findings, sorted, each with its clusters.
    pub fn entries(&self) -> impl Iterator<Item = (&Fingerprint, &Clusters)> {
        self.0.iter()
    }

    /// A JSON document, ended by a newline. It has one finding a line, sorted, so that two of them
    /// merge.
    pub fn json(&self) -> String {
        let lines: Vec<String> = self
            .0
            .iter()
            .map(|(known, clusters)| {
                let entry = EntryReport {
                    rule: &known.rule,
                    message: &known.message,
                    location: Place { path: &known.path },
                    clusters,
                };
                let line = serde_json::to_string(&entry).unwrap_or_default();
                format!("    {}", plain_json(line))
            })
            .collect();

        match lines.is_empty() {
            true => "{\n  \"schemaVersion\": 1,\n  \"findings\": []\n}\n".to_owned(),
            false => format!(
                "{{\n  \"schemaVersion\": 1,\n  \"findings\": [\n{}\n  ]\n}}\n",
                lines.join(",\n")
            ),
        }
    }
}

#[derive(Serialize)]
struct EntryReport<'a> {
    rule: &'a str,
    message: &'a str,
    location: Place<'a>,
    #[serde(skip_serializing_if = "Clusters::is_empty")]
    clusters: &'a Clusters,
}

#[derive(Serialize)]
struct Place<'a> {
    path: &'a str,
}

#[cfg(test)]
mod tests {
    use super::*;

    fn fingerprint(message: &str) -> Fingerprint {
        Fingerprint {
            rule: "api/cluster-binding".into(),
            path: "infra/rbac.yaml".into(),
            message: message.into(),
        }
    }

    #[test]
    fn what_is_written_is_read() {
        let mut known = Baseline::default();
        assert_eq!(Baseline::parse(&known.json()), Ok(known.clone()));
        known.add(fingerprint("one"), Clusters::from(["prod".into()]));
        known.add(fingerprint("\"two\"\n"), Clusters::new());
        assert_eq!(Baseline::parse(&known.json()), Ok(known));
    }

    #[test]
    fn a_finding_on_another_cluster_is_new() {
        let mut known = Baseline::default();
        known.add(fingerprint("one"), Clusters::from(["prod".into()]));
        let on = |names: &[&str]| names.iter().map(|name| (*name).to_owned()).collect();
        assert!(known.knows(&fingerprint("one"), &on(&["prod"])));
        assert!(!known.knows(&fingerprint("one"), &on(&["prod", "staging"])));
        assert!(!known.knows(&fingerprint("two"), &on(&["prod"])));
    }

    #[test]
    fn what_is_no_baseline_is_refused() {
        for text in ["", "[]", "{}", "{\"findings\": [{}]}", "{\"findings\": {}}"] {
            assert!(Baseline::parse(text).is_err(), "{text}");
        }
    }
}
