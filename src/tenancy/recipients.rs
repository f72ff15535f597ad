//! SOPS recipients: one form for each key, however it is written.
//!
//! Sources: github.com/getsops/sops, the packages of `keyservice` and the `MasterKey` of each list;
//! docs.aws.amazon.com/kms, "Multi-Region keys".

/// The lists of recipients in the metadata of SOPS, and the fields that name a recipient.
pub static RECIPIENT_LISTS: [(&str, &[&str]); 7] = [
    ("age", &["recipient"]),
    ("azure_kv", &["vault_url", "name"]),
    ("gcp_kms", &["resource_id"]),
    ("hc_vault", &["vault_address", "engine_path", "key_name"]),
    ("hckms", &["key_id"]),
    ("kms", &["arn"]),
    ("pgp", &["fp"]),
];

/// The domains of Azure's vaults, in which an address of the form of SOPS' command line is read as
/// one of `azure_kv`.
const AZURE: [&str; 5] = [
    ".vault.azure.net",
    ".vault.azure.cn",
    ".vault.usgovcloudapi.net",
    ".vault.microsoftazure.de",
    ".managedhsm.azure.net",
];

/// Why a recipient cannot be compared with others.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct RecipientFault {
    /// What is wrong, as a predicate.
    pub reason: &'static str,
    /// What the reader can do.
    pub fix: &'static str,
}

const fn fault<T>(reason: &'static str, fix: &'static str) -> Result<T, RecipientFault> {
    Err(RecipientFault { reason, fix })
}

/// The one form of a recipient that an item of a list of SOPS names by these fields, in the order of
/// [`RECIPIENT_LISTS`].
pub fn recipient_of_list(list: &str, parts: &[&str]) -> Result<String, RecipientFault> {
    match (list, parts) {
        ("age", [key]) => age(key),
        ("pgp", [fingerprint]) => pgp(fingerprint),
        ("kms", [arn]) => kms(arn),
        ("gcp_kms", [resource]) => gcp_kms(resource),
        ("azure_kv", [vault, name]) => Ok(format!("{}/{}", address(vault)?, segment(name)?)),
        ("hc_vault", [vault, engine, key]) => {
            let engine = segments(engine)?;
            Ok(format!("{}/{}/{}", address(vault)?, engine, segment(key)?))
        }
        _ => Ok(visible(&parts.join("/"))?.to_ascii_lowercase()),
    }
}

/// The one form of a recipient that a fleet lists, which tells by itself what it is.
pub fn stated_recipient(text: &str) -> Result<String, RecipientFault> {
    let plain = text.trim().to_ascii_lowercase();
    if plain.starts_with("arn:") {
        return kms(text);
    }
    if plain.starts_with("projects/") {
        return gcp_kms(text);
    }
    if plain.contains("://") {
        return stated_address(&plain);
    }
    if plain.starts_with("age1") || plain.starts_with("ssh-") {
        return age(text);
    }
    let is_key_of_huawei = plain
        .split_once(':')
        .is_some_and(|(region, id)| region.contains('-') && id.len() == 36);
    if is_key_of_huawei {
        return Ok(visible(&plain)?.to_owned());
    }
    pgp(text)
}

/// A text of visible characters of ASCII alone.
fn visible(text: &str) -> Result<&str, RecipientFault> {
    let text = text.trim_matches([' ', '\t', '\n', '\r']);
    if text.is_empty() || !text.bytes().all(|byte| byte.is_ascii_graphic()) {
        return fault(
            "has invisible characters, or some that are no part of a recipient",
            "write it again, in plain characters",
        );
    }
    Ok(text)
}

fn age(key: &str) -> Result<String, RecipientFault> {
    let key = key
        .trim_matches([' ', '\t', '\n', '\r'])
        .to_ascii_lowercase();
    if key.starts_with("ssh-") {
        // What stands after the key is a comment.
        let mut words = key.split([' ', '\t']).filter(|word| !word.is_empty());
        let (kind, text) = (words.next().unwrap_or_default(), words.next());
        return Ok(format!(
            "{} {}",
            visible(kind)?,
            visible(text.unwrap_or_default())?
        ));
    }
    let is_plain = |byte: u8| byte.is_ascii_lowercase() || byte.is_ascii_digit() || byte == b'-';
    if !key.starts_with("age1") || !key.bytes().all(is_plain) {
        return fault(
            "is no recipient of age: it has other characters than `age1` and letters and digits",
            "write the public key again, as `age-keygen -y` prints it",
        );
    }
    Ok(key)
}

fn pgp(fingerprint: &str) -> Result<String, RecipientFault> {
    let digits: String = fingerprint.split_ascii_whitespace().collect();
    let digits = digits.to_ascii_lowercase();
    let digits = digits.strip_suffix('!').unwrap_or(&digits);
    let digits = digits.strip_prefix("0x").unwrap_or(digits);
    let is_hex = !digits.is_empty() && digits.bytes().all(|byte| byte.is_ascii_hexdigit());
    match (is_hex, digits.len()) {
        (true, 40 | 64) => Ok(digits.to_owned()),
        (true, _) => fault(
            "is not the full fingerprint of a PGP key, which has 40 digits",
            "write the full fingerprint, as `gpg --fingerprint` prints it",
        ),
        (false, _) => fault(
            "is no recipient of SOPS in a form that can be compared",
            "write a key of age, the full fingerprint of a PGP key, the arn of a key of AWS, the \
             resource of a key of Google Cloud, or the address of a key of Azure or Vault",
        ),
    }
}

/// The arn of a key, without a role. The regions of a multi-Region key have one key.
fn kms(arn: &str) -> Result<String, RecipientFault> {
    let arn: String = arn.split_ascii_whitespace().collect();
    let arn = arn
        .split('+')
        .next()
        .unwrap_or_default()
        .to_ascii_lowercase();
    let parts: Vec<&str> = visible(&arn)?.splitn(6, ':').collect();
    let (region, account, resource) = match parts.as_slice() {
        ["arn", _, "kms", region, account, resource] => (*region, *account, *resource),
        _ => return fault("is no arn of a key of AWS", "write the arn of the key"),
    };
    let Some(id) = resource.strip_prefix("key/") else {
        return fault(
            "names a key of AWS by an alias, which may stand for the key of another tenant",
            "write the arn of the key itself: aws kms describe-key --key-id ALIAS",
        );
    };
    let region = if id.starts_with("mrk-") { "*" } else { region };
    Ok(format!(
        "arn:{}:kms:{region}:{account}:key/{}",
        parts[1],
        segment(id)?
    ))
}

/// The resource of a key of Google Cloud, without a version.
fn gcp_kms(resource: &str) -> Result<String, RecipientFault> {
    // Names of keys and rings that differ in case are two.
    segments(resource)?;
    let parts: Vec<&str> = visible(resource)?
        .split('/')
        .filter(|part| !part.is_empty())
        .collect();
    let is_word = |at: usize, word: &str| {
        let part: Option<&&str> = parts.get(at);
        part.is_some_and(|part| part.eq_ignore_ascii_case(word))
    };
    let words = ["projects", "locations", "keyRings", "cryptoKeys"];
    let is_key = (0..4).all(|at| is_word(2 * at, words[at]));
    match parts.get(1..8).filter(|_| is_key) {
        Some([project, _, location, _, ring, _, key]) => Ok(format!(
            "projects/{project}/locations/{location}/keyRings/{ring}/cryptoKeys/{key}"
        )),
        _ => fault(
            "is no resource of a key of Google Cloud",
            "write projects/PROJECT/locations/LOCATION/keyRings/RING/cryptoKeys/KEY",
        ),
    }
}

/// The address of a key as SOPS' command line takes it, or as its parts in the metadata are joined.
fn stated_address(text: &str) -> Result<String, RecipientFault> {
    let (scheme, rest) = text.split_once("://").unwrap_or_default();
    let (host, path) = rest.split_once('/').unwrap_or((rest, ""));
    let vault = address(&format!("{scheme}://{host}"))?;
    if path.trim_matches('/').is_empty() {
        return fault(
            "is the address of a vault, and of no key in it",
            "write https://HOST/v1/ENGINE/keys/KEY, or https://VAULT.vault.azure.net/keys/NAME",
        );
    }
    let path = segments(path)?;
    let parts: Vec<&str> = path.split('/').collect();

    let is_azure = AZURE.iter().any(|domain| vault.ends_with(domain));
    match parts.as_slice() {
        ["keys", name] | ["keys", name, _] | [name] if is_azure => Ok(format!("{vault}/{name}")),
        _ if is_azure => fault(
            "is no address of a key of Azure",
            "write https://VAULT.vault.azure.net/keys/NAME",
        ),
        _ => {
            let parts = parts.strip_prefix(&["v1"]).unwrap_or(&parts);
            match parts {
                [engine @ .., "keys", key] | [engine @ .., key] if !engine.is_empty() => {
                    Ok(format!("{vault}/{}/{key}", engine.join("/")))
                }
                _ => fault(
                    "is no address of a key of Vault",
                    "write https://HOST/v1/ENGINE/keys/KEY",
                ),
            }
        }
    }
}

/// The address of a vault: its host, and a port that is not the scheme's own. One vault may answer by
/// both schemes.
fn address(text: &str) -> Result<String, RecipientFault> {
    let text = visible(text)?.trim_end_matches('/').to_ascii_lowercase();
    let (scheme, authority) = text.split_once("://").unwrap_or(("https", &text));
    let own_port = if scheme == "http" { 80 } else { 443 };
    let (host, port) = match authority.rsplit_once(':') {
        Some((host, "")) => (host, Some(own_port)),
        Some((host, port)) if !authority.ends_with(']') => (host, port.parse::<u16>().ok()),
        _ => (authority, Some(own_port)),
    };
    let (host, port) = match port {
        None => ("", own_port),
        Some(port) => (host.trim_end_matches('.'), port),
    };
    if host.is_empty() || host.contains(['/', '%', '@', '?', '#', '\\']) {
        return fault(
            "has an address that is no scheme, host and port alone",
            "write https://HOST, without a path, a user or escapes",
        );
    }
    match port == own_port {
        true => Ok(format!("https://{host}")),
        false => Ok(format!("https://{host}:{port}")),
    }
}

/// A path without empty parts at its ends, and between them.
fn segments(path: &str) -> Result<String, RecipientFault> {
    let path = visible(path)?.to_ascii_lowercase();
    let parts = path.split('/').filter(|part| !part.is_empty());
    let parts: Vec<String> = parts.map(segment).collect::<Result<_, _>>()?;
    Ok(parts.join("/"))
}

fn segment(name: &str) -> Result<String, RecipientFault> {
    let name = visible(name)?.trim_matches('/').to_ascii_lowercase();
    if name.is_empty() || matches!(&*name, "." | "..") || name.contains(['/', '%', '?', '#', '\\'])
    {
        return fault(
            "has a name with escapes or parts of a path, which servers read in several ways",
            "write the plain name of the key",
        );
    }
    Ok(name)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_spelling_of_a_key_has_one_form() {
        let full = "85d77543b3d624b63cea9e6dbc17301b491b3f21";
        /// A list, the fields of its items, and what a fleet lists.
        type Spellings<'a> = (&'a str, &'a [&'a [&'a str]], &'a [&'a str]);
        let same: [Spellings<'_>; 5] = [
            (
                "pgp",
                &[
                    &[full],
                    &["85D77543B3D624B63CEA  9E6DBC17301B491B3F21"],
                    &["0x85d77543b3d624b63cea9e6dbc17301b491b3f21!"],
                ],
                &[full],
            ),
            (
                "kms",
                &[
                    &["arn:aws:kms:eu-west-1:1:key/mrk-1"],
                    &["arn:aws:kms:us-east-1:1:key/mrk-1+arn:aws:iam::1:role/x"],
                ],
                &["arn:aws:kms:eu-west-2:1:key/mrk-1"],
            ),
            (
                "gcp_kms",
                &[
                    &["projects/p/locations/l/keyRings/r/cryptoKeys/k"],
                    &["projects/p/locations/l/keyRings/r/cryptoKeys/k/cryptoKeyVersions/7"],
                ],
                &["projects/p/locations/l/keyRings/r/cryptoKeys/k/"],
            ),
            (
                "azure_kv",
                &[
                    &["https://v.vault.azure.net", "k"],
                    &["https://V.vault.azure.net:443/", "k"],
                ],
                &[
                    "https://v.vault.azure.net/keys/k/0123",
                    "https://v.vault.azure.net/k",
                ],
            ),
            (
                "hc_vault",
                &[
                    &["https://vault.acme.org", "sops", "k"],
                    &["https://vault.acme.org:443/", "/sops/", "k"],
                    &["https://vault.acme.org.", "sops/", "k"],
                    &["https://vault.acme.org:0443", "sops", "k"],
                    &["https://vault.acme.org:", "sops", "k"],
                    &["http://vault.acme.org:80", "sops", "k"],
                ],
                &[
                    "https://vault.acme.org/v1/sops/keys/k",
                    "https://vault.acme.org/sops/k",
                ],
            ),
        ];
        for (list, spellings, stated) in same {
            let mut forms: Vec<_> = spellings
                .iter()
                .map(|parts| recipient_of_list(list, parts))
                .collect();
            forms.extend(stated.iter().map(|text| stated_recipient(text)));
            assert!(forms[0].is_ok(), "{list}: {forms:?}");
            forms.dedup();
            assert_eq!(forms.len(), 1, "{list}: {forms:?}");
        }
    }

    #[test]
    fn what_cannot_be_compared_is_a_fault() {
        for (list, parts) in [
            ("age", &["age1x\u{200b}"][..]),
            ("age", &["age1 x"]),
            ("pgp", &["bc17301b491b3f21"]),
            ("pgp", &["491b3f21"]),
            ("pgp", &["jane@acme.org"]),
            ("kms", &["arn:aws:kms:eu-west-1:1:alias/x"]),
            ("kms", &["1234"]),
            ("gcp_kms", &["projects/p"]),
            ("azure_kv", &["https://v.vault.azure.net", "a%6b"]),
            ("hc_vault", &["https://v", "a/../b", "k"]),
            ("hc_vault", &["https://u@v", "b", "k"]),
            ("hc_vault", &["https://v:port", "b", "k"]),
        ] {
            assert!(recipient_of_list(list, parts).is_err(), "{list} {parts:?}");
        }
    }
}
