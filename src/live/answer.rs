//! Bounds of what a server may answer: before an answer is parsed, and over the lists of a run.

use super::listing::ServedKind;
use super::page::Page;
use crate::kube::{RBAC, kinds};
use crate::value::Value;
use std::sync::atomic::{AtomicU64, Ordering};

/// The most of one answer that is read.
///
/// A parsed answer takes up to a hundred times its bytes: `[]` has two bytes, and a value with its
/// place some 64. So the number of elements is bounded too, and counted before the answer is parsed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct AnswerLimit {
    /// Bytes.
    pub bytes: usize,
    /// Members of all lists and mappings; an empty one counts as a member.
    pub elements: usize,
}

impl AnswerLimit {
    /// One object or a status.
    pub const OBJECT: Self = Self {
        bytes: 4 << 20,
        elements: 200_000,
    };
    /// A page of many objects, or the kinds that a server serves. A usual page of 500 objects has
    /// 1 MiB and 60,000 elements.
    pub const PAGE: Self = Self {
        bytes: 16 << 20,
        elements: 500_000,
    };
    /// A page of one object, or a list of a server that does not make pages. An object has at most
    /// some MiB, since etcd refuses requests of more than 1.5 MiB.
    pub const LARGE_PAGE: Self = Self {
        bytes: 48 << 20,
        elements: 2_000_000,
    };

    /// Checks the number of elements in an answer.
    ///
    /// # Errors
    /// There are more than the limit.
    pub fn check(&self, answer: &[u8]) -> Result<(), String> {
        // The shortest elements are `[],`: two in three bytes.
        let may_exceed = answer.len() > self.elements + self.elements / 2;
        if may_exceed && elements(answer) > self.elements {
            return Err(format!(
                "the answer has more than {} elements",
                self.elements
            ));
        }
        Ok(())
    }
}

/// Counts the members of all lists and mappings in a text of JSON; an empty one counts as a member.
/// For another text, it returns some number.
fn elements(json: &[u8]) -> usize {
    let (mut count, mut at) = (0, 0);

    while let Some(byte) = json.get(at) {
        at += 1;
        match byte {
            b'[' | b'{' | b',' => count += 1,
            b'"' => at = string_end(json, at),
            _ => {}
        }
    }
    count
}

/// The offset after the string that begins before an offset.
fn string_end(json: &[u8], start: usize) -> usize {
    let mut at = start;

    while let Some(found) = memchr::memchr2(b'"', b'\\', &json[at..]) {
        match json[at + found] {
            b'"' => return at + found + 1,
            _ => at = (at + found + 2).min(json.len()),
        }
    }
    json.len()
}

/// The most objects of all lists of a run together: twice those of the largest cluster that
/// Kubernetes supports (150,000 pods, 10,000 namespaces), with half a million ReplicaSets and 30
/// other objects in each namespace.
/// <https://kubernetes.io/docs/setup/best-practices/cluster-large/>
pub const MAX_OBJECTS: u64 = 2_000_000;

/// The most bytes of all lists of a run together: twice the largest size of etcd's database that is
/// recommended. <https://etcd.io/docs/v3.6/dev-guide/limit/>
pub const MAX_BYTES: u64 = 16 << 30;

/// The most elements of all network policies, roles and bindings of a run together, of which the
/// proof keeps each: those of 10,000 namespaces with 15 policies and 15 bindings of 40 elements each.
pub const MAX_RULE_ELEMENTS: u64 = 12_000_000;

/// The most elements of pods, of objects that make pods, and of CRDs together: 150,000 pods of 300
/// elements, half a million ReplicaSets of 200, and 2,000 CRDs of 20,000.
pub const MAX_POD_ELEMENTS: u64 = 200_000_000;

/// The most elements of all other objects together: 200 for each of 150,000 objects.
pub const MAX_OTHER_ELEMENTS: u64 = 32_000_000;

/// The kinds whose objects are large and many.
const HOLDS_PODS: [&str; 9] = [
    "CronJob",
    "CustomResourceDefinition",
    "DaemonSet",
    "Deployment",
    "Job",
    "Pod",
    "ReplicaSet",
    "ReplicationController",
    "StatefulSet",
];

/// What a mapping counts: an empty rule has some hundred bytes in the proof.
const MAPPING_ELEMENTS: u64 = 4;

/// The sums over the lists of a run so far.
#[derive(Debug, Default)]
pub struct ListTotals {
    objects: AtomicU64,
    bytes: AtomicU64,
    rule_elements: AtomicU64,
    pod_elements: AtomicU64,
    other_elements: AtomicU64,
}

/// The sums over the pages of one list.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct ListSums {
    objects: u64,
    bytes: u64,
    elements: u64,
}

impl ListTotals {
    /// Adds a page of a list of a kind, also to the sums of the list.
    ///
    /// # Errors
    /// A sum is larger than a run reads.
    pub fn add(
        &self,
        kind: &ServedKind,
        page: &Page,
        bytes: usize,
        list: &mut ListSums,
    ) -> Result<(), String> {
        let objects = (page.items.len() + page.unread.len()) as u64;
        let content: u64 = page.items.iter().map(content_elements).sum();
        let elements = content + objects * MAPPING_ELEMENTS;

        list.objects += objects;
        list.bytes += bytes as u64;
        list.elements += elements;

        // Every sum has the page, also if one is too large: the list can be subtracted.
        let objects = add(&self.objects, objects, MAX_OBJECTS, "objects");
        let bytes = add(&self.bytes, bytes as u64, MAX_BYTES, "bytes");
        let (total, most, what) = self.elements_of(kind);
        objects.and(bytes).and(add(total, elements, most, what))
    }

    /// Subtracts a list of a kind that is fetched again from its first page.
    pub fn subtract(&self, kind: &ServedKind, list: &ListSums) {
        let (elements, ..) = self.elements_of(kind);
        self.objects.fetch_sub(list.objects, Ordering::Relaxed);
        self.bytes.fetch_sub(list.bytes, Ordering::Relaxed);
        elements.fetch_sub(list.elements, Ordering::Relaxed);
    }

    /// The sum of the elements of a kind, its limit, and what it counts.
    fn elements_of(&self, kind: &ServedKind) -> (&AtomicU64, u64, &'static str) {
        let is_rule = kind.group == RBAC || kinds::governs_network(&kind.kind);
        if is_rule {
            let what = "elements of network policies, roles and bindings";
            (&self.rule_elements, MAX_RULE_ELEMENTS, what)
        } else if HOLDS_PODS.contains(&kind.kind.as_str()) {
            let what = "elements of pods, of objects that make pods, and of CRDs";
            (&self.pod_elements, MAX_POD_ELEMENTS, what)
        } else {
            let what = "elements of other objects";
            (&self.other_elements, MAX_OTHER_ELEMENTS, what)
        }
    }
}

fn add(total: &AtomicU64, more: u64, most: u64, what: &str) -> Result<(), String> {
    let before = total.fetch_add(more, Ordering::Relaxed);
    if before.saturating_add(more) > most {
        return Err(format!(
            "the lists of the server have more than {most} {what} together"
        ));
    }
    Ok(())
}

/// The elements of an object outside of its metadata.
fn content_elements(object: &Value) -> u64 {
    let content = object.entries().iter().filter(|(key, _)| key != "metadata");
    content.map(|(_, value)| value_elements(value)).sum()
}

/// The elements of a value with all values in it. The parser bounds the depth.
fn value_elements(value: &Value) -> u64 {
    match value {
        Value::Seq(items) => 1 + items.iter().map(value_elements).sum::<u64>(),
        Value::Map(entries) => {
            let members = entries.iter().map(|(_, value)| value_elements(value));
            MAPPING_ELEMENTS + members.sum::<u64>()
        }
        Value::Null | Value::Bool(_) | Value::Number(_) | Value::String(_) => 1,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn elements_are_counted_outside_of_strings() {
        for (json, count) in [
            ("1", 0),
            ("[]", 1),
            (r#"{"a": [1, 2, {}], "b,[{": "\"[,\\"}"#, 6),
            (r#"["\"#, 1),
            (r#"["a"#, 1),
        ] {
            assert_eq!(elements(json.as_bytes()), count, "{json}");
        }
    }

    #[test]
    fn a_list_that_is_fetched_again_counts_once() {
        let kind = ServedKind {
            group: "".into(),
            version: "v1".into(),
            kind: "ConfigMap".into(),
            plural: "configmaps".into(),
            namespaced: true,
        };
        let page = Page {
            items: vec![Value::Null; 1000],
            unread: Vec::new(),
            next: None,
        };
        let (totals, mut first) = (ListTotals::default(), ListSums::default());
        let bytes = MAX_BYTES as usize - 1;
        assert_eq!(totals.add(&kind, &page, bytes, &mut first), Ok(()));

        totals.subtract(&kind, &first);
        let mut second = ListSums::default();
        assert_eq!(totals.add(&kind, &page, bytes, &mut second), Ok(()));
        assert_eq!(first, second);
        assert!(totals.add(&kind, &page, bytes, &mut second).is_err());

        totals.subtract(&kind, &second);
        for sum in [&totals.objects, &totals.bytes, &totals.other_elements] {
            assert_eq!(sum.load(Ordering::Relaxed), 0);
        }
    }

    #[test]
    fn an_answer_within_its_limit_is_read() {
        let limit = AnswerLimit {
            bytes: 100,
            elements: 3,
        };
        assert!(limit.check(b"[1,2,3]").is_ok());
        assert!(limit.check(br#"["aaaa,,,,,,,,,,,,"]"#).is_ok());
        assert!(limit.check(b"[1,2,3,4]").is_err());
        assert!(limit.check(b"[[],[]]").is_err());
    }
}
