//! The texts of credentials: read from files within a bound, and refused where no header or client
//! can hold them.

use super::credential_error::CredentialError;
use crate::cli::bounded::{self, MAX_CREDENTIAL_FILE};
use k8s_openapi::ByteString;
use kube::config::{AuthInfo, Cluster};
use std::path::Path;
use tenantry::report::plain;

/// Checks the values that become headers by which the user acts as another one.
pub fn check_identity(auth: &AuthInfo, user: &str) -> Result<(), CredentialError> {
    let named = [
        ("as", auth.impersonate.as_ref()),
        ("as-uid", auth.impersonate_uid.as_ref()),
    ];
    let named = named
        .into_iter()
        .filter_map(|(field, value)| Some((field, value?)));
    let groups = auth.impersonate_groups.iter().flatten();
    let extra = auth.impersonate_user_extra.iter().flatten();
    let extra = extra.flat_map(|(key, values)| std::iter::once(key).chain(values));

    named
        .chain(groups.map(|group| ("as-groups", group)))
        .chain(extra.map(|value| ("as-user-extra", value)))
        .try_for_each(|(field, value)| {
            refuse_control_character(value, &format!("`{field}` of {user}"))
        })
}

/// Reads the files of the client certificate and of its key into the entry of the user. The client's
/// library would read them without a limit, and again for each client.
///
/// # Errors
/// One of them is there alone, a file cannot be read, or is not PEM.
pub fn take_certificate(auth: &mut AuthInfo, user: &str) -> Result<(), CredentialError> {
    let has_certificate =
        auth.client_certificate_data.is_some() || auth.client_certificate.is_some();
    let has_key = auth.client_key_data.is_some() || auth.client_key.is_some();
    if has_certificate != has_key {
        let has = match has_key {
            true => "client-key",
            false => "client-certificate",
        };
        return Err(CredentialError::refused(format!(
            "{user} has `{has}` alone: a client certificate and its key go together"
        )));
    }

    // The data come before the file, as with kubectl.
    if auth.client_certificate_data.is_none()
        && let Some(file) = auth.client_certificate.take()
    {
        let text = read_pem(&file, &format!("`client-certificate` of {user}"))?;
        auth.client_certificate_data = base64(text);
    }
    if auth.client_key_data.is_none()
        && let Some(file) = auth.client_key.take()
    {
        let text = read_pem(&file, &format!("`client-key` of {user}"))?;
        auth.client_key_data = base64(text).map(Into::into);
    }
    Ok(())
}

/// Reads the file of the cluster's certificate authority into the entry of the cluster. The client's
/// library would read it without a limit.
///
/// # Errors
/// The file cannot be read, or is not PEM.
pub fn take_authority(cluster: &mut Cluster, name: &str) -> Result<(), CredentialError> {
    // The data come before the file, as with kubectl.
    if cluster.certificate_authority_data.is_some() {
        return Ok(());
    }
    let Some(file) = &cluster.certificate_authority else {
        return Ok(());
    };

    let text = read_pem(
        file,
        &format!("`certificate-authority` of the cluster `{name}`"),
    )?;
    cluster.certificate_authority_data = base64(text);
    Ok(())
}

/// Reads a file in the form PEM, up to [`MAX_CREDENTIAL_FILE`].
fn read_pem(file: &str, what: &str) -> Result<String, CredentialError> {
    let what = format!("{what}: {}", plain(file));
    let text = read_limited(Path::new(file))
        .map_err(|why| CredentialError::refused(format!("{what} cannot be read: {why}")))?;

    check_pem(&text, &what)?;
    Ok(text)
}

/// Checks that a text may be PEM.
pub fn check_pem(text: &str, what: &str) -> Result<(), CredentialError> {
    let is_text = |c: char| !c.is_control() || matches!(c, '\n' | '\r' | '\t');
    let fault = match text.chars().find(|c| !is_text(*c)) {
        Some(control) => format!(
            "has the control character U+{:04X} inside",
            u32::from(control)
        ),
        None if !text.contains("-----BEGIN ") => "has no line `-----BEGIN …`".to_owned(),
        None => return Ok(()),
    };

    let what = plain(what);
    Err(CredentialError::refused(format!(
        "{what} {fault}: name a file in the form PEM"
    )))
}

/// Returns a token without the white space around it.
///
/// # Errors
/// It is empty, or has a control character inside.
pub fn sendable(token: &str, what: &str) -> Result<String, CredentialError> {
    let token = token.trim();
    if token.is_empty() {
        return Err(CredentialError::refused(format!("{what} is empty")));
    }

    refuse_control_character(token, what)?;
    Ok(token.to_owned())
}

/// Checks that a text has no control character, which no header may hold.
pub fn refuse_control_character(text: &str, what: &str) -> Result<(), CredentialError> {
    let Some((at, control)) = text.char_indices().find(|(_, c)| c.is_control()) else {
        return Ok(());
    };

    Err(CredentialError::refused(format!(
        "{} has the control character U+{:04X} inside, at byte {}: write the value alone, in one \
         line",
        plain(what),
        u32::from(control),
        at + 1
    )))
}

/// Reads a token from its file, without the white space around it, as client-go does.
pub fn read_token(file: &Path) -> Result<String, CredentialError> {
    let name = plain(&file.display().to_string());
    let text = read_limited(file).map_err(|why| {
        CredentialError::refused(format!("the token file {name} cannot be read: {why}"))
    })?;

    sendable(&text, &format!("the token in {name}"))
}

/// Reads a file of the user up to [`MAX_CREDENTIAL_FILE`].
fn read_limited(file: &Path) -> Result<String, String> {
    bounded::read_text(file, MAX_CREDENTIAL_FILE).map_err(|e| e.to_string())
}

/// A text as a kubeconfig holds it in its `data` fields.
pub fn base64(text: String) -> Option<String> {
    let value = serde_json::to_value(ByteString(text.into_bytes())).ok()?;
    value.as_str().map(str::to_owned)
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Each file is read once, and with a limit: the client's library finds the texts alone.
    #[test]
    fn the_files_of_a_client_certificate_become_texts() {
        let folder = tempfile::tempdir().expect("a folder");
        let file = |name: &str| {
            let path = folder.path().join(name).display().to_string();
            std::fs::write(&path, format!("-----BEGIN {name}-----\n")).expect("written");
            Some(path)
        };
        let mut auth = AuthInfo {
            client_certificate: file("CERTIFICATE"),
            client_key: file("KEY"),
            ..AuthInfo::default()
        };
        take_certificate(&mut auth, "user")
            .map_err(|error| error.text)
            .expect("taken");

        let base64_of = |text: &str| base64(text.to_owned());
        assert_eq!(
            auth.client_certificate_data,
            base64_of("-----BEGIN CERTIFICATE-----\n")
        );
        assert!(auth.client_key_data.is_some());
        assert_eq!((auth.client_certificate, auth.client_key), (None, None));
    }
}
