//! The hosts of the predicates of Skipper: a regular expression in `Host`, names in `HostAny`.
//!
//! Sources: opensource.zalando.com/skipper/reference/predicates; zalando/skipper, `eskip/lexer.go`.

use super::{HostPattern, Levels};

/// A predicate that names hosts.
struct Predicate {
    name: &'static str,
    read: fn(&str) -> HostPattern,
}

/// Each has texts as its arguments.
const PREDICATES: [Predicate; 3] = [
    Predicate {
        name: "Host",
        read: HostPattern::regex,
    },
    Predicate {
        name: "ForwardedHost",
        read: HostPattern::regex,
    },
    Predicate {
        name: "HostAny",
        read: |name| HostPattern::parse(name, Levels::One),
    },
];

/// A token of a route.
#[derive(Debug, PartialEq)]
enum Token<'r> {
    Word(&'r str),
    Text(String),
    /// A regular expression between slashes, a number, or any other character.
    Other(char),
    /// The rest of a route, from a text or an expression that does not end.
    Unread(&'r str),
}

/// The hosts of the predicates of a route.
pub fn hosts(route: &str) -> Vec<HostPattern> {
    let mut lexer = Lexer { rest: route };
    let mut all = Vec::new();
    let mut next = lexer.next();
    while let Some(token) = next {
        let predicate = match &token {
            Token::Unread(rest) => {
                all.push(HostPattern::Unread((*rest).into()));
                break;
            }
            Token::Word(word) => PREDICATES.iter().find(|predicate| predicate.name == *word),
            _ => None,
        };
        let behind = lexer.rest;
        next = lexer.next();
        if let (Some(predicate), Some(Token::Other('('))) = (predicate, &next) {
            match arguments(&mut lexer) {
                Some(texts) => all.extend(texts.iter().map(|text| (predicate.read)(text))),
                None => {
                    let call = format!("{}{behind}", predicate.name);
                    all.push(HostPattern::Unread(call.into()));
                    break;
                }
            }
            next = lexer.next();
        }
    }
    all
}

/// The texts of a call, after its opening bracket; `None` if it has other arguments.
fn arguments(lexer: &mut Lexer<'_>) -> Option<Vec<String>> {
    let mut texts = Vec::new();
    loop {
        let Token::Text(text) = lexer.next()? else {
            return None;
        };
        texts.push(text);
        match lexer.next()? {
            Token::Other(',') => {}
            Token::Other(')') => return Some(texts),
            _ => return None,
        }
    }
}

/// Takes the tokens of a route from its beginning.
struct Lexer<'r> {
    rest: &'r str,
}

impl<'r> Iterator for Lexer<'r> {
    type Item = Token<'r>;

    fn next(&mut self) -> Option<Token<'r>> {
        loop {
            self.rest = self.rest.trim_start();
            if !self.rest.starts_with("//") {
                break;
            }
            let (_, behind) = self.rest.split_once('\n').unwrap_or_default();
            self.rest = behind;
        }

        let (start, first) = (self.rest, self.rest.chars().next()?);
        let is_part = |letter: char| letter.is_alphanumeric() || letter == '_';
        let (token, behind) = match first {
            '"' | '`' | '/' => match delimited(&start[1..], first) {
                Some((_, behind)) if first == '/' => (Token::Other('/'), behind),
                Some((text, behind)) => (Token::Text(text), behind),
                None => (Token::Unread(start), ""),
            },
            _ if is_part(first) => {
                let end = start.find(|letter| !is_part(letter));
                let (word, behind) = start.split_at(end.unwrap_or(start.len()));
                (Token::Word(word), behind)
            }
            other => (Token::Other(other), &start[other.len_utf8()..]),
        };
        self.rest = behind;
        Some(token)
    }
}

/// A text up to its delimiter, and the rest behind it; `None` if it does not end. A backslash stays,
/// but before the delimiter and before another one. A slash in brackets does not end an expression.
fn delimited(text: &str, delimiter: char) -> Option<(String, &str)> {
    let mut read = String::new();
    let mut in_class = false;
    let mut letters = text.char_indices();
    while let Some((at, letter)) = letters.next() {
        match letter {
            '\\' => {
                let (_, escaped) = letters.next()?;
                if escaped != delimiter && escaped != '\\' {
                    read.push('\\');
                }
                read.push(escaped);
                continue;
            }
            '[' | ']' if delimiter == '/' => in_class = letter == '[',
            _ if letter == delimiter && !in_class => {
                return Some((read, &text[at + letter.len_utf8()..]));
            }
            _ => {}
        }
        read.push(letter);
    }
    None
}

#[cfg(test)]
mod tests {
    use super::*;

    fn name(name: &str) -> HostPattern {
        HostPattern::Name(name.into())
    }

    #[test]
    fn predicates_are_read_as_skipper_reads_them() {
        let expression = HostPattern::regex(r"^a\.org$");
        for (route, expected) in [
            (r#"Host("^a\.org$")"#, vec![expression.clone()]),
            (r"Host(`^a\.org$`)", vec![expression.clone()]),
            (r#"Host ( "^a\\.org$" )"#, vec![expression.clone()]),
            ("Host(\n  \"^a\\.org$\"\n)", vec![expression.clone()]),
            (
                r#"Host("^(a|b)[.]org$")"#,
                vec![HostPattern::regex("^(a|b)[.]org$")],
            ),
            (
                r#"HostAny( "a.org" , `b.org`)"#,
                vec![name("a.org"), name("b.org")],
            ),
            (
                r#"Method("GET") && HostAny("a.org") && HostAny("b.org") -> <shunt>"#,
                vec![name("a.org"), name("b.org")],
            ),
            (
                r#"PathRegexp(/["/]\/"/) && HostAny("a.org")"#,
                vec![name("a.org")],
            ),
            ("// Host(\"b\nHostAny(\"a.org\")", vec![name("a.org")]),
            (
                r#"Header("X", "HostAny(\"b.org\")") && HostAny("a.org")"#,
                vec![name("a.org")],
            ),
            (r#"Traffic(.3, "x", "y")"#, vec![]),
        ] {
            assert_eq!(hosts(route), expected, "{route}");
        }
    }

    #[test]
    fn what_is_no_text_is_unread() {
        for route in [
            r#"Host("a"#,
            "Host(a)",
            "Host()",
            r#"HostAny("a.org" "b.org")"#,
            r#"HostAny("a.org", 5)"#,
            r#"Host(/a/)"#,
            r#"Path("/x) && Host("a")"#,
        ] {
            let found = hosts(route);
            let is_unread = |pattern: &HostPattern| matches!(pattern, HostPattern::Unread(_));
            assert!(found.iter().any(is_unread), "{route}: {found:?}");
        }
    }
}
