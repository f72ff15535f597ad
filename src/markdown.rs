//! Texts in Markdown. Names of users, roles and files may hold anything, and must not become links,
//! HTML, or cells of a table.
//!
//! Source: spec.commonmark.org, "Code spans" and "Entity and numeric character references";
//! github.github.com/gfm, "Tables" and "Autolinks".

use crate::plain::plain;
use std::fmt::Write;

/// A text within a line or within a cell of a table. What stands between two backticks is code.
pub fn cell(text: &str) -> String {
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

/// A text that Markdown, and HTML within it, shows as it is. No address in it becomes a link, and no
/// `@team` a notification: GitHub and GitLab look for those in what is no code.
pub fn literal(text: &str) -> String {
    let text = plain(text);
    let mut out = String::with_capacity(text.len());
    let number = text.bytes().take_while(u8::is_ascii_digit).count();
    for (at, c) in text.char_indices() {
        if c == '@' {
            out.push_str("<code>@</code>");
            continue;
        }
        let means_more = match c {
            // A heading or a list begins so.
            '#' | '-' | '+' | '=' => at == 0,
            '.' | ')' if at == number => true,
            ':' => text[at..].starts_with("://"),
            '.' => has_www_before(&text, at),
            _ => "&<>[]*_~\\|`".contains(c),
        };
        if means_more {
            let _ = write!(out, "&#{};", u32::from(c));
        } else {
            out.push(c);
        }
    }
    out
}

/// Whether `www` stands before a byte of a text.
fn has_www_before(text: &str, at: usize) -> bool {
    let before = at.checked_sub(3).and_then(|from| text.get(from..at));
    before.is_some_and(|before| before.eq_ignore_ascii_case("www"))
}

/// A text as code, within a line or a cell of a table.
pub fn code(text: &str) -> String {
    format!("<code>{}</code>", literal(text))
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
            ("role `a`@team`b`", "role `a`<code>@</code>team`b`"),
            (
                "<img> *b* | c\nd",
                "&#60;img&#62; &#42;b&#42; &#124; c\u{fffd}d",
            ),
        ] {
            assert_eq!(cell(text), wanted, "{text}");
        }
    }
}
