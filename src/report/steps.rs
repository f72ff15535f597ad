//! The numbered steps of a chain, each with its place.

use super::plain;
use crate::isolation::Step;
use crate::source::SourceMap;
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
