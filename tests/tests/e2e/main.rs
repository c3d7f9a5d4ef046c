//! End to end: real Locust, real receivers, the binary as people run it. One module for each part of what ltel promises.

// A test fails by panicking, in its helpers too.
#![allow(clippy::unwrap_used)]
// Counts that come as floats are whole and small.
#![allow(clippy::cast_possible_truncation, clippy::cast_sign_loss)]

// Each test is `#[apply(e2e)]`, which makes it one that can be skipped.
#[macro_use]
extern crate ltel_tests;
#[macro_use]
extern crate macro_rules_attribute;

mod attack;
mod backend_walls;
mod backends;
mod browser;
mod check;
mod catalog;
mod cli;
mod collectors;
mod command_line;
mod completions;
mod compare;
mod config;
mod dashboards;
mod demo;
mod documents;
mod ends;
mod exact;
mod example_pods;
mod examples;
mod exemplars;
mod faults;
mod figures;
mod folders;
mod foreign;
mod health;
mod help;
mod hostile;
mod init;
mod internal;
mod intervals;
mod labels;
mod listen_tls;
mod locustfiles;
mod man;
mod log;
mod measuring;
mod membership;
mod memory;
mod names;
mod new;
mod otlp;
mod own_backend;
mod packages;
mod page;
mod panics;
mod plugin;
mod prometheus;
mod protocol;
mod python;
mod rate;
mod readme;
mod receivers;
mod recorded;
mod reload;
mod report;
mod restart;
mod run_files;
mod runs;
mod schema;
mod signals;
mod stated_backends;
mod terminal;
mod thresholds;
mod tls;
mod traces;
mod versions;
mod workers;
