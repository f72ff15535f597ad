//! The reader of annotations by which a program sends the requests of people as a service account.

use super::{Facts, ObjectRef};
use crate::document::TreeValue;
use crate::graph::membership::Membership;
use crate::graph::rbac::Subject;
use crate::kube::labels::at;
use crate::value::Text;
use std::iter::Peekable;
use std::vec::IntoIter;

/// How an annotation names people.
#[derive(Clone, Copy)]
enum Form {
    /// A rule in the language of expr: `'admins' in groups`.
    Rule,
    /// An object of JSON: a claim, and its value or its values.
    Claims,
    /// Groups, with commas between them.
    Groups,
    /// Users, with commas between them.
    Users,
}

/// Annotations of a service account by which a program sends the requests of people as it.
///
/// Sources: argo-workflows.readthedocs.io/en/latest/argo-server-sso (SSO RBAC),
/// docs.kargo.io/user-guide/security/access-controls.
const CLAIMS: [(&str, Form); 5] = [
    ("workflows.argoproj.io/rbac-rule", Form::Rule),
    ("rbac.kargo.akuity.io/claims", Form::Claims),
    ("rbac.kargo.akuity.io/claim.groups", Form::Groups),
    ("rbac.kargo.akuity.io/claim.sub", Form::Users),
    ("rbac.kargo.akuity.io/claim.email", Form::Users),
];

/// Claims of a token whose value is one person.
const OF_ONE: [&str; 3] = ["sub", "email", "preferred_username"];

/// Whom an annotation lets act as an account.
#[derive(Debug, PartialEq)]
enum People {
    /// These users and groups.
    Named(Vec<Subject>),
    /// People whom it does not name.
    Anyone,
}

impl People {
    fn user(claim: &str, name: &str) -> Self {
        match OF_ONE.contains(&claim) {
            true => Self::Named(vec![Subject::User(name.into())]),
            false => Self::Anyone,
        }
    }

    /// Those of either.
    fn or(self, other: Self) -> Self {
        match (self, other) {
            (Self::Named(mut all), Self::Named(more)) => {
                all.extend(more);
                Self::Named(all)
            }
            _ => Self::Anyone,
        }
    }

    /// The smaller of the two: whoever is in both is in it.
    fn and(self, other: Self) -> Self {
        match (&self, &other) {
            (Self::Named(all), Self::Named(more)) if more.len() < all.len() => other,
            (Self::Named(_), _) => self,
            (Self::Anyone, _) => other,
        }
    }
}

/// Reads whom the annotations of a service account let act as it.
pub fn read_account<T: TreeValue>(facts: &mut Facts, object: &ObjectRef, node: &T) {
    let annotations = at(node, &["metadata", "annotations"]);
    for (key, form) in CLAIMS {
        let value = annotations.and_then(|all| all.member(key));
        let Some((value, written)) = value.and_then(|value| Some((value, value.text()?))) else {
            continue;
        };
        let People::Named(people) = form.people(written) else {
            let reason =
                format!("its annotation `{key}` lets people act as it whom it does not name");
            facts.unevaluated.push(object.unevaluated(reason));
            continue;
        };

        let (namespace, name) = (object.id.namespace.clone(), object.id.name.clone());
        let person = format!("{key} of {namespace}/{name}");
        let mut subjects = vec![Subject::ServiceAccount(namespace, name)];
        subjects.extend(people);
        facts.memberships.push(Membership {
            id: object.id.clone(),
            person: person.into(),
            subjects,
            access: Vec::new(),
            span: value.span(),
            origin: object.origin,
        });
    }
}

impl Form {
    /// The people whom an annotation of this form names.
    fn people(self, written: &str) -> People {
        let listed = |of: fn(Text) -> Subject| {
            let names = written.split(',').map(str::trim);
            let names = names.filter(|name| !name.is_empty());
            People::Named(names.map(|name| of(name.into())).collect())
        };
        match self {
            Self::Groups => listed(Subject::Group),
            Self::Users => listed(Subject::User),
            Self::Claims => claims(written).map_or(People::Anyone, People::Named),
            Self::Rule => Rule::read(written).unwrap_or(People::Anyone),
        }
    }
}

/// The people whom claims in JSON name; `None` if it cannot be read.
fn claims(written: &str) -> Option<Vec<Subject>> {
    let claims: serde_json::Value = serde_json::from_str(written).ok()?;
    let mut all = Vec::new();
    for (claim, value) in claims.as_object()? {
        let values = match value {
            serde_json::Value::Array(values) => values.iter().collect(),
            one => vec![one],
        };
        for name in values {
            let name: Text = name.as_str()?.into();
            all.push(match claim.as_str() {
                "groups" => Subject::Group(name),
                _ => Subject::User(name),
            });
        }
    }
    Some(all)
}

/// A token of a rule.
#[derive(Debug, PartialEq)]
enum Token<'r> {
    Word(&'r str),
    Quoted(String),
    Sign(&'static str),
}

/// The signs of a rule.
const SIGNS: [&str; 8] = ["||", "&&", "==", "(", ")", "[", "]", ","];

/// Most brackets of a rule that stand within each other.
const MAX_DEPTH: usize = 16;

/// A rule of Argo Workflows that compares the groups and the claims of a user with quoted names.
///
/// Source: expr-lang.org/docs/language-definition.
struct Rule<'r> {
    tokens: Peekable<IntoIter<Token<'r>>>,
    depth: usize,
}

impl<'r> Rule<'r> {
    /// The people for whom a rule holds; `None` if it says more than names.
    fn read(written: &'r str) -> Option<People> {
        let mut rule = Self {
            tokens: tokens(written)?.into_iter().peekable(),
            depth: 0,
        };
        let people = rule.any()?;
        rule.tokens.next().is_none().then_some(people)
    }

    fn takes(&mut self, tokens: &[Token<'_>]) -> bool {
        self.tokens.next_if(|next| tokens.contains(next)).is_some()
    }

    fn any(&mut self) -> Option<People> {
        let mut people = self.each()?;
        while self.takes(&[Token::Sign("||"), Token::Word("or")]) {
            people = people.or(self.each()?);
        }
        Some(people)
    }

    fn each(&mut self) -> Option<People> {
        let mut people = self.one()?;
        while self.takes(&[Token::Sign("&&"), Token::Word("and")]) {
            people = people.and(self.one()?);
        }
        Some(people)
    }

    fn one(&mut self) -> Option<People> {
        match self.tokens.next()? {
            Token::Sign("(") if self.depth < MAX_DEPTH => {
                self.depth += 1;
                let people = self.any()?;
                self.depth -= 1;
                self.takes(&[Token::Sign(")")]).then_some(people)
            }
            Token::Quoted(name) => match (self.tokens.next()?, self.tokens.next()?) {
                (Token::Word("in"), Token::Word("groups")) => {
                    Some(People::Named(vec![Subject::Group(name.into())]))
                }
                (Token::Sign("=="), Token::Word(claim)) => Some(People::user(claim, &name)),
                _ => None,
            },
            Token::Word("true") => Some(People::Anyone),
            Token::Word("false") => Some(People::Named(Vec::new())),
            Token::Word(claim) => match (self.tokens.next()?, self.tokens.next()?) {
                (Token::Sign("=="), Token::Quoted(name)) => Some(People::user(claim, &name)),
                (Token::Word("in"), Token::Sign("[")) => self.listed(claim),
                _ => None,
            },
            Token::Sign(_) => None,
        }
    }

    /// The people of a list, after its opening bracket.
    fn listed(&mut self, claim: &str) -> Option<People> {
        let mut people = People::Named(Vec::new());
        loop {
            let Token::Quoted(name) = self.tokens.next()? else {
                return None;
            };
            people = people.or(People::user(claim, &name));
            match self.tokens.next()? {
                Token::Sign(",") => {}
                Token::Sign("]") => return Some(people),
                _ => return None,
            }
        }
    }
}

/// The tokens of a rule; `None` if it has one of another kind.
fn tokens(written: &str) -> Option<Vec<Token<'_>>> {
    let mut all = Vec::new();
    let mut rest = written.trim_start();
    while let Some(first) = rest.chars().next() {
        if let Some(sign) = SIGNS.iter().find(|sign| rest.starts_with(**sign)) {
            all.push(Token::Sign(sign));
            rest = &rest[sign.len()..];
        } else if ['\'', '"', '`'].contains(&first) {
            let (text, after) = quoted(&rest[1..], first)?;
            all.push(Token::Quoted(text));
            rest = after;
        } else {
            let is_part = |letter: char| letter.is_ascii_alphanumeric() || letter == '_';
            let end = rest.find(|letter| !is_part(letter)).unwrap_or(rest.len());
            if end == 0 {
                return None;
            }
            all.push(Token::Word(&rest[..end]));
            rest = &rest[end..];
        }
        rest = rest.trim_start();
    }
    Some(all)
}

/// A text up to its closing quote, and the rest behind it; `None` if it does not end, or has an escape
/// that stands for another character than itself.
fn quoted(text: &str, quote: char) -> Option<(String, &str)> {
    let mut read = String::new();
    let mut letters = text.char_indices();
    while let Some((at, letter)) = letters.next() {
        match letter {
            _ if letter == quote => return Some((read, &text[at + 1..])),
            '\\' if quote != '`' => {
                let (_, escaped) = letters.next()?;
                if !['\\', '\'', '"'].contains(&escaped) {
                    return None;
                }
                read.push(escaped);
            }
            _ => read.push(letter),
        }
    }
    None
}

#[cfg(test)]
mod tests {
    use super::*;

    fn group(name: &str) -> Subject {
        Subject::Group(name.into())
    }

    fn user(name: &str) -> Subject {
        Subject::User(name.into())
    }

    #[test]
    fn a_rule_names_people_in_quotes() {
        for (rule, expected) in [
            ("'admin' in groups", vec![group("admin")]),
            (
                "'Platform Admins' in groups",
                vec![group("Platform Admins")],
            ),
            (
                r#""a" in groups || `b` in groups or sub == 'it\'s'"#,
                vec![group("a"), group("b"), user("it's")],
            ),
            (
                "('a' in groups or 'b' in groups) and email == 'c@d.org'",
                vec![user("c@d.org")],
            ),
            ("'a' in groups && iss == 'argo-server'", vec![group("a")]),
            ("sub in ['a', 'b']", vec![user("a"), user("b")]),
            ("false", vec![]),
        ] {
            assert_eq!(Form::Rule.people(rule), People::Named(expected), "{rule}");
        }
    }

    #[test]
    fn a_rule_that_says_more_than_names_is_for_anyone() {
        let deep = format!("{}'a' in groups{}", "(".repeat(9999), ")".repeat(9999));
        for rule in [
            "true",
            "true || 'a' in groups",
            "false == false",
            "!('a' in groups)",
            "not ('a' in groups)",
            "sub != 'a'",
            "iss == 'argo-server'",
            "email endsWith '@a.org'",
            "any(groups, {# startsWith 'a'})",
            "'a' in groups 'b' in groups",
            "'a",
            "'a\\x41' in groups",
            "",
            &deep,
        ] {
            assert_eq!(Form::Rule.people(rule), People::Anyone, "{rule}");
        }
    }

    #[test]
    fn claims_of_kargo_are_values_and_not_their_names() {
        let written = r#"{"sub": ["a", "b"], "email": "c@d.org", "groups": ["Dev Ops"]}"#;
        let mut found = claims(written).unwrap();
        found.sort();
        let mut expected = vec![user("a"), user("b"), user("c@d.org"), group("Dev Ops")];
        expected.sort();
        assert_eq!(found, expected);

        assert_eq!(Form::Claims.people("groups: [a]"), People::Anyone);
        let listed = People::Named(vec![group("a b"), group("c")]);
        assert_eq!(Form::Groups.people("a b, c"), listed);
    }
}
