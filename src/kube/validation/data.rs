//! The checks of ConfigMaps and Secrets.
//!
//! Source: `ValidateConfigMap` and `ValidateSecret` of `pkg/apis/core/validation`.

use super::Checked;
use super::field::Field;
use crate::document::TreeValue;

/// The keys that a Secret of a type must have: all of them, or one of them.
struct TypedSecret {
    name: &'static str,
    all: &'static [&'static str],
    any: &'static [&'static str],
}

const fn secret(name: &'static str, all: &'static [&'static str]) -> TypedSecret {
    TypedSecret {
        name,
        all,
        any: &[],
    }
}

/// The most bytes that the values of a ConfigMap or a Secret have together.
const MAX_DATA: usize = 1 << 20;

static SECRETS: [TypedSecret; 5] = [
    secret("kubernetes.io/tls", &["tls.crt", "tls.key"]),
    secret("kubernetes.io/dockerconfigjson", &[".dockerconfigjson"]),
    secret("kubernetes.io/dockercfg", &[".dockercfg"]),
    secret("kubernetes.io/ssh-auth", &["ssh-privatekey"]),
    TypedSecret {
        name: "kubernetes.io/basic-auth",
        all: &[],
        any: &["password", "username"],
    },
];

/// Checks a ConfigMap.
pub(super) fn config_map<T: TreeValue>(root: &Field<'_, T>) -> Checked {
    let (data, binary) = (root.child("data"), root.child("binaryData"));
    keys(&data)?;
    keys(&binary)?;
    for (key, field) in binary.entries() {
        field.require(!data.has(key), "has the key of an entry of data")?;
    }
    let size = text_bytes(&data) + decoded_bytes(&binary);
    data.require(size <= MAX_DATA, "has more than 1 MiB, with binaryData")
}

/// Checks a Secret.
pub(super) fn secret_data<T: TreeValue>(root: &Field<'_, T>) -> Checked {
    let (data, texts) = (root.child("data"), root.child("stringData"));
    keys(&data)?;
    keys(&texts)?;

    let size = decoded_bytes(&data) + text_bytes(&texts);
    data.require(size <= MAX_DATA, "has more than 1 MiB, with stringData")?;

    let kind = root.child("type");
    let Some(typed) = SECRETS.iter().find(|typed| typed.name == kind.text()) else {
        return Ok(());
    };
    let has = |key: &&&str| data.has(key) || texts.has(key);
    for key in typed.all.iter().filter(|key| !has(key)) {
        data.refuse(format!("must have the key `{key}` for this type"))?;
    }
    let is_complete = typed.any.is_empty() || typed.any.iter().any(|key| has(&key));
    data.require(is_complete, "has no key that this type needs")
}

fn text_bytes<T: TreeValue>(data: &Field<'_, T>) -> usize {
    data.entries().map(|(_, field)| field.text().len()).sum()
}

/// The bytes that base64 texts stand for, at least.
fn decoded_bytes<T: TreeValue>(data: &Field<'_, T>) -> usize {
    let bytes = |text: &str| {
        let digit = |byte: &u8| byte.is_ascii_alphanumeric() || b"+/".contains(byte);
        text.as_bytes().iter().filter(|byte| digit(byte)).count() * 3 / 4
    };
    data.entries().map(|(_, field)| bytes(field.text())).sum()
}

/// Checks keys of data: names of files.
fn keys<T: TreeValue>(data: &Field<'_, T>) -> Checked {
    for (key, field) in data.entries() {
        let is_name = (1..=253).contains(&key.len())
            && key
                .bytes()
                .all(|byte| byte.is_ascii_alphanumeric() || b"-._".contains(&byte));
        let climbs = key == "." || key.starts_with("..");
        field.require(
            is_name && !climbs,
            "has a key that is no name of a file: letters, digits, `-`, `_` and `.`",
        )?;
    }
    Ok(())
}
