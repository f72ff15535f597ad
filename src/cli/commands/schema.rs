//! `schema`: the JSON Schemas.

use crate::cli::args::{Cli, SchemaArgs};
use crate::cli::workspace::working_folder;
use crate::cli::write::replace;
use crate::cli::{CliError, Outcome, output};
use std::path::{Path, PathBuf};
use tenantry::report::fields_table;
use tenantry::spec::schema::{DocumentKind, schema_text};

/// Runs the command.
pub fn run(cli: &Cli, args: &SchemaArgs) -> Result<Outcome, CliError> {
    if let Some(folder) = &args.write {
        write(&working_folder(cli)?.join(folder))?;
        return Ok(Outcome::Clean);
    }

    if let Some(file) = &args.docs {
        replace(&working_folder(cli)?.join(file), fields_table().as_bytes())?;
        return Ok(Outcome::Clean);
    }

    let wanted = args.kind.as_deref().unwrap_or("tenant").to_lowercase();
    let kind = DocumentKind::ALL
        .into_iter()
        .find(|k| k.name().to_lowercase() == wanted);
    let kind = kind.ok_or_else(|| {
        CliError::Usage(format!(
            "`{wanted}` is not a kind of document; the kinds are fleet, profile, tenant, waiver"
        ))
    })?;

    output::each(cli, |_| schema_text(kind))?;
    Ok(Outcome::Clean)
}

/// The paths of the schemas in a folder.
pub fn paths(folder: &Path) -> impl Iterator<Item = PathBuf> {
    let kinds = DocumentKind::ALL.into_iter();
    kinds.map(|kind| folder.join(kind.file()))
}

/// Writes every schema's file into a folder.
pub fn write(folder: &Path) -> Result<(), CliError> {
    std::fs::create_dir_all(folder).map_err(CliError::io(folder))?;
    DocumentKind::ALL
        .into_iter()
        .try_for_each(|kind| replace(&folder.join(kind.file()), schema_text(kind).as_bytes()))
}
