//! Which minors of Kubernetes 1 have a kind or a field.

use std::fmt;

/// The oldest minor whose kinds and fields are known. It counts for older ones too.
pub const OLDEST_MINOR: u32 = 30;

/// The newest minor whose kinds and fields are known. It counts for newer ones too.
pub const NEWEST_MINOR: u32 = 37;

/// The minors of Kubernetes 1 that have a kind or a field, from the first to the last of those that
/// are known.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct MinorRange {
    first: u32,
    last: u32,
}

impl MinorRange {
    /// All minors that are known.
    pub(super) const ALL: Self = Self {
        first: OLDEST_MINOR,
        last: NEWEST_MINOR,
    };

    /// Reads what stands before the `@` of a word, and the range behind it: `36-`, `-35`, `33-35`.
    pub(super) fn split(word: &'static str) -> (&'static str, Self) {
        let Some((text, mark)) = word.rsplit_once('@') else {
            return (word, Self::ALL);
        };
        let (first, last) = mark.split_once('-').unwrap_or_default();
        let range = Self {
            first: first.parse().unwrap_or(OLDEST_MINOR),
            last: last.parse().unwrap_or(NEWEST_MINOR),
        };
        (text, range)
    }

    /// Whether a minor has it. If the minor is not known, any minor counts.
    pub(super) fn has(self, minor: Option<u32>) -> bool {
        minor.is_none_or(|minor| {
            let minor = minor.clamp(OLDEST_MINOR, NEWEST_MINOR);
            self.first <= minor && minor <= self.last
        })
    }

    /// The first minor that has it; `None` if it is at least as old as the oldest that is known.
    pub fn since(self) -> Option<u32> {
        (self.first > OLDEST_MINOR).then_some(self.first)
    }

    /// The last minor that has it; `None` if the newest that is known still has it.
    pub fn until(self) -> Option<u32> {
        (self.last < NEWEST_MINOR).then_some(self.last)
    }
}

/// A clause, such as `it was added in 1.34`.
impl fmt::Display for MinorRange {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { first, last } = *self;
        match (self.since(), self.until()) {
            (None, None) => write!(f, "it is in 1.{first} to 1.{last}"),
            (Some(first), None) => write!(f, "it was added in 1.{first}"),
            (None, Some(last)) => write!(f, "it was removed in 1.{}", last + 1),
            (Some(_), Some(_)) if first == last => write!(f, "only 1.{first} has it"),
            (Some(first), Some(last)) => write!(f, "only 1.{first} to 1.{last} have it"),
        }
    }
}

/// The version of Kubernetes that counts for a cluster of a minor, or of one that is not known.
pub(super) fn describe(minor: Option<u32>) -> String {
    match minor {
        None => format!("Kubernetes 1.{OLDEST_MINOR} to 1.{NEWEST_MINOR}"),
        Some(minor) if minor > NEWEST_MINOR => {
            format!("Kubernetes 1.{NEWEST_MINOR}, the newest version that tenantry knows")
        }
        Some(minor) if minor < OLDEST_MINOR => {
            format!("Kubernetes 1.{OLDEST_MINOR}, the oldest version that tenantry knows")
        }
        Some(minor) => format!("Kubernetes 1.{minor}"),
    }
}
