//! Values of arguments: each is refused with the form that it must have.

use crate::cli::session::is_day;
use tenantry::graph::rbac::Subject;
use tenantry::kube::validation::names::{dns_label, qualified_name};
use tenantry::netpol::{Port, Ports, Protocol};

type Parsed<T> = Result<T, String>;

/// A value that must not be empty.
pub fn not_empty(text: &str) -> Parsed<String> {
    match text.trim().is_empty() {
        true => Err("it is empty".to_owned()),
        false => Ok(text.to_owned()),
    }
}

/// A verb, in lower case.
pub fn verb(text: &str) -> Parsed<String> {
    not_empty(&text.to_lowercase())
}

/// A path, with the name of its cluster or without.
pub fn cluster_path(text: &str) -> Parsed<String> {
    match text.split_once('=') {
        Some(("", _)) => {
            Err("no cluster is named: write it as CLUSTER=PATH, or as PATH".to_owned())
        }
        Some((cluster, "")) if !cluster.contains('/') => {
            Err(format!("no path is named: write it as {cluster}=PATH"))
        }
        _ => not_empty(text),
    }
}

/// The name of a Namespace.
pub fn namespace(text: &str) -> Parsed<String> {
    match dns_label(text) {
        Ok(()) => Ok(text.to_owned()),
        Err(must) => Err(format!("the name of a namespace {must}")),
    }
}

/// A pattern of names of Namespaces.
pub fn namespace_pattern(text: &str) -> Parsed<String> {
    let is_part = |c: char| c.is_ascii_lowercase() || c.is_ascii_digit() || "-*?".contains(c);
    match !text.is_empty() && text.chars().all(is_part) {
        true => Ok(text.to_owned()),
        false => {
            Err("the name of a namespace has a-z, 0-9 and `-`, a pattern `*` and `?` too".into())
        }
    }
}

/// The key of a label or an annotation.
pub fn label_key(text: &str) -> Parsed<String> {
    match qualified_name(text) {
        Ok(()) => Ok(text.to_owned()),
        Err(must) => Err(format!("the key of a label {must}")),
    }
}

/// A day.
pub fn day(text: &str) -> Parsed<String> {
    match is_day(text) {
        true => Ok(text.to_owned()),
        false => Err("write a day as 2026-11-22".to_owned()),
    }
}

/// A port with its protocol.
pub fn port(text: &str) -> Parsed<Port> {
    let bad = || "write a port of 1 to 65535 as 8080, or 53/UDP".to_owned();
    let (number, protocol) = text.split_once('/').unwrap_or((text, "TCP"));
    let is_plain = !number.starts_with('0') && number.bytes().all(|byte| byte.is_ascii_digit());
    let number: u16 = number.parse().ok().filter(|_| is_plain).ok_or_else(bad)?;
    let protocol = Protocol::parse(&protocol.to_uppercase()).ok_or_else(bad)?;
    Ok(Port {
        protocol,
        ports: Ports::Range(number, number),
    })
}

/// A subject of RBAC.
pub fn subject(text: &str) -> Parsed<Subject> {
    Subject::parse(text)
}
