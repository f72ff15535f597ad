//! Findings as JUnit test results, which each CI reads.
//!
//! Source: the schema of Jenkins' xUnit plugin, and testmo.com, "JUnit XML file format": a suite has
//! cases; a case fails (`failure`), could not be run (`error`), was skipped, or passed.

use super::plain;
use std::fmt::Write;

/// A test suite.
#[derive(Clone, Debug)]
pub struct Suite {
    /// Its name.
    pub name: String,
    /// Its cases.
    pub cases: Vec<Case>,
}

/// A test case.
#[derive(Clone, Debug)]
pub struct Case {
    /// Its name.
    pub name: String,
    /// How it ended.
    pub outcome: CaseOutcome,
}

/// How a case ended.
#[derive(Clone, Debug)]
pub enum CaseOutcome {
    /// Nothing is wrong. The text says more; it may be empty.
    Passed(String),
    /// It was not asked for.
    Skipped(String),
    /// Something is wrong: the headline, and the whole text.
    Failed(String, String),
    /// The tool could not do its work: the headline, and the whole text.
    Error(String, String),
}

impl Case {
    /// A case.
    pub fn new(name: impl Into<String>, outcome: CaseOutcome) -> Self {
        Self {
            name: name.into(),
            outcome,
        }
    }
}

/// A document of some suites. `name` is the command's.
pub fn junit(name: &str, suites: &[Suite]) -> String {
    let cases = || suites.iter().flat_map(|suite| &suite.cases);
    let mut out = String::from("<?xml version=\"1.0\" encoding=\"UTF-8\"?>\n");
    let _ = writeln!(
        out,
        "<testsuites name=\"{}\" {}>",
        xml_text(name),
        counts(cases())
    );

    for suite in suites {
        let _ = writeln!(
            out,
            "  <testsuite name=\"{}\" {}>",
            xml_text(&suite.name),
            counts(suite.cases.iter())
        );
        for case in &suite.cases {
            add_case(&mut out, &suite.name, case);
        }
        out.push_str("  </testsuite>\n");
    }

    out.push_str("</testsuites>\n");
    out
}

/// A document of a run that could not do its work.
pub fn junit_error(name: &str, fault: &str) -> String {
    let headline = fault.lines().next().unwrap_or_default().to_owned();
    let case = Case::new("(run)", CaseOutcome::Error(headline, fault.to_owned()));
    let suite = Suite {
        name: name.to_owned(),
        cases: vec![case],
    };
    junit(name, &[suite])
}

/// The attributes that count cases.
fn counts<'a>(cases: impl Iterator<Item = &'a Case>) -> String {
    let (mut tests, mut failures, mut errors, mut skipped) = (0, 0, 0, 0);
    for case in cases {
        tests += 1;
        match case.outcome {
            CaseOutcome::Passed(_) => {}
            CaseOutcome::Skipped(_) => skipped += 1,
            CaseOutcome::Failed(..) => failures += 1,
            CaseOutcome::Error(..) => errors += 1,
        }
    }
    format!("tests=\"{tests}\" failures=\"{failures}\" errors=\"{errors}\" skipped=\"{skipped}\"")
}

fn add_case(out: &mut String, suite: &str, case: &Case) {
    let _ = write!(
        out,
        "    <testcase classname=\"{}\" name=\"{}\"",
        xml_text(suite),
        xml_text(&case.name)
    );

    let element = |name: &str, headline: &str, text: &str| {
        let (headline, text) = (xml_text(headline), xml_text(text));
        format!(">\n      <{name} message=\"{headline}\">{text}</{name}>\n    </testcase>\n")
    };
    out.push_str(&match &case.outcome {
        CaseOutcome::Passed(text) if text.is_empty() => "/>\n".to_owned(),
        CaseOutcome::Passed(text) => format!(
            ">\n      <system-out>{}</system-out>\n    </testcase>\n",
            xml_text(text)
        ),
        CaseOutcome::Skipped(why) => format!(
            ">\n      <skipped message=\"{}\"/>\n    </testcase>\n",
            xml_text(why)
        ),
        CaseOutcome::Failed(headline, text) => element("failure", headline, text),
        CaseOutcome::Error(headline, text) => element("error", headline, text),
    });
}

/// A text as XML has it. XML 1.0 has no way to write control characters: they are replaced. Lines
/// stay.
fn xml_text(text: &str) -> String {
    let lines: Vec<String> = text.split('\n').map(plain).collect();
    let text = lines.join("\n");

    text.replace('&', "&amp;")
        .replace('<', "&lt;")
        .replace('>', "&gt;")
        .replace('"', "&quot;")
}
