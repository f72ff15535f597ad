//! The findings that a baseline or a revision has already.

use super::CliError;
use super::args::KnownArgs;
use super::bounded::{self, MAX_REPORT};
use std::collections::BTreeSet;
use std::path::{Path, PathBuf};
use tenantry::report::baseline::{Baseline, Clusters, Fingerprint};

/// The known findings, and where they are written.
pub struct KnownFindings {
    all: Baseline,
    /// The entries of the file alone, which may be stale.
    file: Baseline,
    /// The file that is to be written, if one is.
    target: Option<PathBuf>,
}

impl KnownFindings {
    /// Reads the file of `--baseline`. One that is to be written need not be there.
    ///
    /// # Errors
    /// A file that cannot be read, that is no baseline, or that is not named.
    pub fn read(args: &KnownArgs) -> Result<Self, CliError> {
        let target = match &args.write_baseline {
            None => None,
            Some(named) => Some(named.clone().or_else(|| args.baseline.clone()).ok_or_else(
                || {
                    CliError::Usage(
                        "--write-baseline: name the file, here or with --baseline".into(),
                    )
                },
            )?),
        };

        // One that is to be written need not be there yet.
        let is_read = |path: &&Path| target.is_none() || path.exists();
        let file = read_baseline(args.baseline.as_deref().filter(is_read))?;

        Ok(Self {
            all: file.clone(),
            file,
            target,
        })
    }

    /// Adds the findings of a revision.
    pub fn add(&mut self, more: Baseline) {
        self.all.extend(more);
    }

    /// Every known finding.
    pub const fn all(&self) -> &Baseline {
        &self.all
    }

    /// The entries of the file that were not found again, of those that this run could find.
    pub fn stale(
        &self,
        found: &Baseline,
        could_find: impl Fn(&Fingerprint, &Clusters) -> bool,
    ) -> BTreeSet<Fingerprint> {
        let entries = self.file.entries();
        entries
            .filter(|(known, clusters)| could_find(known, clusters) && !found.has(known))
            .map(|(known, _)| known.clone())
            .collect()
    }

    /// Writes the findings to the file, with its entries that this run could not find. Returns
    /// whether a file is written.
    ///
    /// # Errors
    /// A file that cannot be written.
    pub fn write(
        &self,
        mut found: Baseline,
        could_find: impl Fn(&Fingerprint, &Clusters) -> bool,
    ) -> Result<bool, CliError> {
        let Some(path) = &self.target else {
            return Ok(false);
        };
        for (known, clusters) in self.file.entries() {
            if !could_find(known, clusters) {
                found.add(known.clone(), clusters.clone());
            }
        }
        std::fs::write(path, found.json()).map_err(CliError::io(path))?;
        Ok(true)
    }
}

/// Reads the file of `--baseline`; an empty baseline if none is named.
///
/// # Errors
/// A file that cannot be read, or that is no baseline.
pub fn read_baseline(path: Option<&Path>) -> Result<Baseline, CliError> {
    let Some(path) = path else {
        return Ok(Baseline::default());
    };
    let text = bounded::read_text(path, MAX_REPORT).map_err(CliError::io(path))?;
    Baseline::parse(&text).map_err(|why| {
        CliError::Usage(format!(
            "--baseline {}: it is neither a baseline nor a report of --format json: {why}",
            path.display()
        ))
    })
}
