//! A list of short texts in one piece of memory: the records of ten thousand files hold two hundred
//! thousand of them.

use serde::de::{Deserialize, DeserializeSeed, Deserializer, Error, SeqAccess, Visitor};
use serde::ser::{Serialize, Serializer};
use std::fmt;

/// Texts, one behind the other.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Names {
    text: String,
    /// Where each ends.
    ends: Vec<u32>,
}

impl Names {
    /// How many there are.
    pub const fn len(&self) -> usize {
        self.ends.len()
    }

    /// Whether there are none.
    pub const fn is_empty(&self) -> bool {
        self.ends.is_empty()
    }

    /// Each, in order.
    pub fn iter(&self) -> impl Iterator<Item = &str> {
        let mut from = 0;
        self.ends.iter().map(move |end| {
            let start = std::mem::replace(&mut from, *end as usize);
            &self.text[start..from]
        })
    }

    /// Adds one at the end. All together are those of one file, which is far below 4 GiB.
    pub fn push(&mut self, name: &str) {
        self.text.push_str(name);
        self.ends.push(self.text.len() as u32);
    }
}

impl<S: AsRef<str>> FromIterator<S> for Names {
    fn from_iter<I: IntoIterator<Item = S>>(names: I) -> Self {
        let mut all = Self::default();
        names.into_iter().for_each(|name| all.push(name.as_ref()));
        all
    }
}

impl Serialize for Names {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_seq(self.iter())
    }
}

impl<'de> Deserialize<'de> for Names {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct List;
        impl<'de> Visitor<'de> for List {
            type Value = Names;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("a list of strings")
            }
            fn visit_seq<A: SeqAccess<'de>>(self, mut from: A) -> Result<Names, A::Error> {
                let mut names = Names::default();
                while from.next_element_seed(Next(&mut names))?.is_some() {}
                names.text.shrink_to_fit();
                names.ends.shrink_to_fit();
                Ok(names)
            }
        }
        deserializer.deserialize_seq(List)
    }
}

/// Reads the next text onto the end of a list.
struct Next<'n>(&'n mut Names);

impl<'de> DeserializeSeed<'de> for Next<'_> {
    type Value = ();

    fn deserialize<D: Deserializer<'de>>(self, deserializer: D) -> Result<(), D::Error> {
        deserializer.deserialize_str(self)
    }
}

impl Visitor<'_> for Next<'_> {
    type Value = ();

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a string")
    }
    fn visit_str<E: Error>(self, name: &str) -> Result<(), E> {
        self.0.push(name);
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_written_and_read_as_a_list_of_strings() {
        for list in [vec![], vec![""], vec!["a", "", "é\n\"", "ConfigMap/a/b"]] {
            let names: Names = list.iter().collect();
            assert_eq!(names.iter().collect::<Vec<_>>(), list);
            let json = serde_json::to_string(&names).unwrap();
            assert_eq!(json, serde_json::to_string(&list).unwrap());
            assert_eq!(serde_json::from_str::<Names>(&json).unwrap(), names);
            assert_eq!(
                (names.len(), names.is_empty()),
                (list.len(), list.is_empty())
            );
        }
        assert!(serde_json::from_str::<Names>("[1]").is_err());
        assert!(serde_json::from_str::<Names>("\"a\"").is_err());
    }
}
