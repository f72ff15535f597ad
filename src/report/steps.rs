//! The numbered steps of a chain, each with its place.

use super::plain;
use crate::isolation::Step;
use crate::source::{SourceMap, Span};
use serde::Serialize;
use std::fmt::Write;

/// Writes steps as numbered lines, each with its place below it, behind a margin of spaces.
pub fn numbered_steps(sources: &SourceMap, steps: &[Step], margin: usize) -> String {
    let mut out = String::new();
    for (number, step) in (1..).zip(steps) {
        let (text, place) = (plain(&step.text), plain(&sources.place(step.span)));
        let _ = writeln!(out, "{:margin$}{number}. {text}", "");
        let _ = writeln!(out, "{:margin$}   {place}", "");
    }
    out
}

/// A step of a chain, or another text about a place.
#[derive(Serialize)]
pub(super) struct StepReport<'a> {
    text: &'a str,
    location: LocationReport<'a>,
}

impl<'a> StepReport<'a> {
    pub(super) fn of(sources: &'a SourceMap, text: &'a str, span: Span) -> Self {
        Self {
            text,
            location: LocationReport::of(sources, span),
        }
    }
}

/// Line and column from 1, columns in characters.
#[derive(Serialize)]
pub(super) struct LocationReport<'a> {
    path: &'a str,
    line: u32,
    column: u32,
}

impl<'a> LocationReport<'a> {
    pub(super) fn of(sources: &'a SourceMap, span: Span) -> Self {
        let source = sources.file(span);
        let start = source.position(span.start);
        Self {
            path: &source.path,
            line: start.line,
            column: start.column,
        }
    }
}
