//! Texts in Markdown. Names of users, roles and files may hold anything, and must not become links,
//! HTML, or cells of a table.
//!
//! Source: spec.commonmark.org, "Code spans" and "Entity and numeric character references";
//! github.github.com/gfm, "Tables".

use super::plain;
use std::fmt::Write;

/// A text within a line or within a cell of a table. What stands between two backticks is code.
pub(super) fn cell(text: &str) -> String {
    let text = plain(text);
    let is_paired = text.matches('`').count().is_multiple_of(2) && !text.contains("``");
    if !is_paired {
        return literal(&text);
    }

    let mut out = String::with_capacity(text.len());
    for (at, part) in text.split('`').enumerate() {
        match at % 2 == 1 {
            // A code span shows the `\` before a `|` where there is no table.
            true if part.contains('|') => {
                let _ = write!(out, "<code>{}</code>", literal(part));
            }
            true => {
                let _ = write!(out, "`{part}`");
            }
            false => out.push_str(&literal(part)),
        }
    }
    out
}

/// A text that Markdown, and HTML within it, shows as it is.
pub(super) fn literal(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    for c in plain(text).chars() {
        if "&<>[]*_~\\|`".contains(c) {
            let _ = write!(out, "&#{};", u32::from(c));
        } else {
            out.push(c);
        }
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_name_stays_within_its_cell_and_its_code() {
        for (text, wanted) in [
            ("role `a` lets", "role `a` lets"),
            ("role `a|b`", "role <code>a&#124;b</code>"),
            ("role `a`b`", "role &#96;a&#96;b&#96;"),
            ("`a``b`", "&#96;a&#96;&#96;b&#96;"),
            ("`a` [x](y) `b`", "`a` &#91;x&#93;(y) `b`"),
            (
                "<img> *b* | c\nd",
                "&#60;img&#62; &#42;b&#42; &#124; c\u{fffd}d",
            ),
        ] {
            assert_eq!(cell(text), wanted, "{text}");
        }
    }
}
