//! Every integration test, in one binary: one link, not ten.

#[path = "../support/mod.rs"]
mod support;

mod artifacts;
mod attacker;
mod authorizer;
mod catalog;
mod cli;
mod commit;
mod conformance;
mod differential;
mod durations;
mod empty_graph;
mod faults;
mod fields;
mod fleets;
mod flux;
mod guards;
mod help;
mod isolation;
mod layers;
mod live;
mod live_edits;
mod live_faults;
mod live_holes;
mod live_ways;
mod output;
mod parity;
mod places;
mod prove;
mod questions;
mod readers;
mod readme;
mod records;
mod refused;
mod render;
mod replay;
mod server;
mod spec;
mod tables;
mod tamper;
mod waivers;
