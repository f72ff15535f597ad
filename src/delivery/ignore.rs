//! The files of a source that an engine leaves out, by patterns like those of `.gitignore`.
//!
//! Source: fluxcd/pkg `sourceignore`, which reads the file `.sourceignore` of every folder and decides
//! for each file alone: the last pattern that matches its path, or a folder on the way to it, counts.
//! Git's own rule, by which nothing below an excluded folder can be included again, does not hold.

use crate::source::{Source, SourceId, Span, parent};

/// A pattern, and where it stands.
#[derive(Clone, Debug)]
pub struct IgnorePattern {
    /// The place; `None` for a pattern of the engine itself.
    pub span: Option<Span>,
    /// The names on the path of the folder that it is about; none for the root.
    folder: Vec<String>,
    parts: Vec<PatternPart>,
    /// Whether it includes what an earlier pattern leaves out.
    includes: bool,
    folders_only: bool,
}

impl IgnorePattern {
    /// Reads a line; `None` for a comment and an empty line.
    fn parse(line: &str, folder: &str, span: Option<Span>) -> Option<Self> {
        if line.starts_with('#') || line.trim().is_empty() {
            return None;
        }
        let (includes, text) = match line.strip_prefix('!') {
            Some(rest) => (true, rest),
            None => (false, line),
        };
        let text = match text.ends_with("\\ ") {
            true => text,
            false => text.trim_end_matches(' '),
        };
        let (folders_only, text) = match text.strip_suffix('/') {
            Some(rest) => (true, rest),
            None => (false, text),
        };
        Some(Self {
            span,
            folder: names_on(folder).map(str::to_owned).collect(),
            parts: text.split('/').map(PatternPart::new).collect(),
            includes,
            folders_only,
        })
    }

    /// Whether it is about a file, by the names on its path.
    fn matches(&self, path: &[&str]) -> bool {
        let Some((folder, names)) = path.split_at_checked(self.folder.len()) else {
            return false;
        };
        if names.is_empty() || folder != self.folder {
            return false;
        }
        match self.parts.as_slice() {
            [name] => self.matches_a_name(name, names),
            _ => self.matches_from_the_start(names),
        }
    }

    /// A pattern without a slash: any name on the path.
    fn matches_a_name(&self, pattern: &PatternPart, names: &[&str]) -> bool {
        let at = names.iter().position(|name| pattern.matches(name));
        at.is_some_and(|at| !(self.folders_only && at + 1 == names.len()))
    }

    /// A pattern with a slash: the names from the start of the path, `**` for any number of them.
    fn matches_from_the_start(&self, names: &[&str]) -> bool {
        let (mut rest, mut matched, mut skips) = (names, false, false);

        for (at, part) in self.parts.iter().enumerate() {
            match part.text.as_str() {
                "" => skips = false,
                "**" if at + 1 == self.parts.len() => break,
                "**" => skips = true,
                text if text.contains("**") => return false,
                _ => {
                    let found = match skips {
                        true => rest.iter().position(|name| part.matches(name)),
                        false => rest.first().filter(|name| part.matches(name)).map(|_| 0),
                    };
                    match found {
                        Some(at) => (rest, matched) = (&rest[at + 1..], true),
                        // The engine goes on with the rest of the pattern, of which nothing is left to
                        // match.
                        None if skips && !rest.is_empty() => (rest, matched) = (&[], false),
                        None => return false,
                    }
                    skips = false;
                }
            }
        }

        matched && !(self.folders_only && rest.is_empty())
    }
}

/// The patterns of a source, the earlier ones first.
#[derive(Clone, Debug, Default)]
pub struct IgnorePatterns {
    patterns: Vec<IgnorePattern>,
    /// How many of them are of files.
    stated: usize,
}

impl IgnorePatterns {
    /// The patterns of some files, and those that an engine has of its own: `always` hold beside those of files; `otherwise`
    /// hold only if no file has any.
    pub fn new(always: &[&str], otherwise: &[&str], files: &[(SourceId, &Source)]) -> Self {
        let mut stated = Vec::new();
        for (id, source) in files {
            let folder = parent(&source.path);
            for number in 1..=source.line_count() {
                let line = source.line(number).trim_end_matches('\r');
                let start = source.line_start(number);
                let span = Span {
                    source: *id,
                    start,
                    end: start + line.len() as u32,
                };
                stated.extend(IgnorePattern::parse(line, folder, Some(span)));
            }
        }

        let otherwise = match stated.is_empty() {
            true => otherwise,
            false => &[],
        };
        let own = always.iter().chain(otherwise);
        let own = own.filter_map(|line| IgnorePattern::parse(line, "", None));
        Self {
            stated: stated.len(),
            patterns: own.chain(stated).collect(),
        }
    }

    /// How many patterns the files have.
    pub const fn stated(&self) -> usize {
        self.stated
    }

    /// The pattern that leaves a file out; `None` if the engine reads it. The path is from the root of
    /// the source.
    pub fn hides(&self, path: &str) -> Option<&IgnorePattern> {
        let names: Vec<&str> = names_on(path).collect();
        let mut last_first = self.patterns.iter().rev();
        let decisive = last_first.find(|pattern| pattern.matches(&names))?;
        (!decisive.includes).then_some(decisive)
    }
}

/// The names on a path; none on the empty path, which is the root.
fn names_on(path: &str) -> impl Iterator<Item = &str> {
    path.split('/').filter(|_| !path.is_empty())
}

/// A part of a pattern between slashes: a text of `*`, `?`, `[a-z]`, `[^a-z]` and `\` before a
/// character that means itself.
///
/// Source: Go's `path/filepath.Match`.
#[derive(Clone, Debug)]
struct PatternPart {
    text: String,
    /// `None` if the part is malformed: it matches nothing then.
    tokens: Option<Vec<Token>>,
}

impl PatternPart {
    fn new(text: &str) -> Self {
        let characters: Vec<char> = text.chars().collect();
        Self {
            text: text.to_owned(),
            tokens: tokens(&characters),
        }
    }

    fn matches(&self, name: &str) -> bool {
        self.tokens
            .as_ref()
            .is_some_and(|tokens| glob(tokens, name))
    }
}

/// Whether a name matches the parts of a pattern.
fn glob(tokens: &[Token], name: &str) -> bool {
    let name: Vec<char> = name.chars().collect();

    // The last `*`, and how much of the name it takes.
    let (mut at, mut done, mut star) = (0, 0, None);
    while done < name.len() {
        match tokens.get(at) {
            Some(Token::Any) => {
                star = Some((at, done));
                at += 1;
            }
            Some(token) if token.is(name[done]) => {
                at += 1;
                done += 1;
            }
            _ => {
                let Some((token, taken)) = star else {
                    return false;
                };
                star = Some((token, taken + 1));
                (at, done) = (token + 1, taken + 1);
            }
        }
    }
    tokens[at..].iter().all(|token| matches!(token, Token::Any))
}

/// A character of a name, or any number of them, as a pattern asks for it.
#[derive(Clone, Debug)]
enum Token {
    /// Any number of characters.
    Any,
    /// Any one character.
    One,
    /// This character.
    Char(char),
    /// A character of these ranges, or of none of them.
    Class(bool, Vec<(char, char)>),
}

impl Token {
    fn is(&self, c: char) -> bool {
        match self {
            Self::Any => false,
            Self::One => true,
            Self::Char(own) => *own == c,
            Self::Class(negated, ranges) => {
                let is_in = ranges.iter().any(|(low, high)| (*low..=*high).contains(&c));
                is_in != *negated
            }
        }
    }
}

/// The parts of a pattern; `None` if it is malformed.
fn tokens(pattern: &[char]) -> Option<Vec<Token>> {
    let mut tokens = Vec::new();
    let mut rest = pattern;
    while let Some((first, after)) = rest.split_first() {
        rest = after;
        tokens.push(match first {
            '*' => Token::Any,
            '?' => Token::One,
            '[' => class(&mut rest)?,
            '\\' => {
                let (escaped, after) = rest.split_first()?;
                rest = after;
                Token::Char(*escaped)
            }
            other => Token::Char(*other),
        });
    }
    Some(tokens)
}

/// Reads a class, after its bracket.
fn class(rest: &mut &[char]) -> Option<Token> {
    let negated = rest.first() == Some(&'^');
    if negated {
        *rest = &rest[1..];
    }
    let mut ranges = Vec::new();
    loop {
        if rest.first() == Some(&']') && !ranges.is_empty() {
            *rest = &rest[1..];
            return Some(Token::Class(negated, ranges));
        }
        let low = class_character(rest)?;
        let mut high = low;
        if rest.first() == Some(&'-') {
            *rest = &rest[1..];
            high = class_character(rest)?;
        }
        ranges.push((low, high));
    }
}

/// Reads a character of a class. Go refuses `-` and `]` that are not escaped, and a class that ends
/// with the pattern.
fn class_character(rest: &mut &[char]) -> Option<char> {
    let (mut first, mut after) = rest.split_first()?;
    if matches!(first, '-' | ']') {
        return None;
    }
    if *first == '\\' {
        (first, after) = after.split_first()?;
    }
    *rest = after;
    (!after.is_empty()).then_some(*first)
}
