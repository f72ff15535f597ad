//! Suggestions among many names.

use super::did_you_mean_or;

/// Names among which the one that was meant is looked for, in a time that hardly grows with their
/// number.
pub struct NameIndex<'a> {
    /// In order.
    names: Vec<&'a str>,
    /// In the order of their reversed texts.
    by_end: Vec<(String, &'a str)>,
}

/// How many names before and after the wanted one are compared, in either order.
const NEIGHBOURS: usize = 16;

impl<'a> NameIndex<'a> {
    /// An index of some names.
    pub fn new(names: impl IntoIterator<Item = &'a str>) -> Self {
        let mut names: Vec<&str> = names.into_iter().collect();
        names.sort_unstable();
        names.dedup();
        let mut by_end: Vec<(String, &str)> =
            names.iter().map(|name| (reversed(name), *name)).collect();
        by_end.sort_unstable();
        Self { names, by_end }
    }

    /// Asks whether the nearest of the names was meant; another text if none is near. Of many names,
    /// those are compared that begin or end as the unknown one does.
    pub fn did_you_mean_or(&self, unknown: &str, otherwise: impl FnOnce() -> String) -> String {
        if self.names.len() <= 4 * NEIGHBOURS {
            return did_you_mean_or(unknown, self.names.iter().copied(), otherwise);
        }

        let at = self.names.partition_point(|name| *name < unknown);
        let like_start = around(&self.names, at).iter().copied();
        let end = reversed(unknown);
        let at = self.by_end.partition_point(|(name, _)| *name < end);
        let like_end = around(&self.by_end, at).iter().map(|(_, name)| *name);
        did_you_mean_or(unknown, like_start.chain(like_end), otherwise)
    }
}

fn reversed(name: &str) -> String {
    name.chars().rev().collect()
}

fn around<T>(all: &[T], at: usize) -> &[T] {
    let last = (at + NEIGHBOURS).min(all.len());
    &all[at.saturating_sub(NEIGHBOURS)..last]
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_slip_anywhere_in_a_name_is_found_among_many() {
        let many: Vec<String> = (0..5000)
            .map(|number| format!("team-{number:04}"))
            .collect();
        let names = many.iter().map(String::as_str);
        let index = NameIndex::new(names.chain(["payments", "observability"]));
        for (unknown, meant) in [
            ("paymants", "payments"),
            ("apyments", "payments"),
            ("payment", "payments"),
            ("observabilty", "observability"),
            ("xbservability", "observability"),
        ] {
            let text = index.did_you_mean_or(unknown, String::new);
            assert_eq!(text, format!("did you mean `{meant}`?"), "{unknown}");
        }
        assert_eq!(index.did_you_mean_or("zzz", || "none".into()), "none");
    }
}
