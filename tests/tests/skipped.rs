//! Says which end-to-end tests were skipped, and how to get what they need. Cargo runs it behind them, in the order of names.

use ltel_tests::skipped;

#[allow(clippy::print_stderr)] // for people
fn main() {
    // nextest asks every target for its tests; this one has none.
    if std::env::args().any(|arg| arg == "--list") {
        return;
    }
    let skipped = skipped();
    if skipped.is_empty() {
        return;
    }
    let count: usize = skipped.values().map(std::collections::BTreeSet::len).sum();
    eprintln!("\n{count} end-to-end tests were SKIPPED, though they are listed as ok:");
    let mut said = None;
    for (need, tests) in skipped {
        eprintln!("\n{} for want of {}", tests.len(), need.what);
        eprintln!("  {}", need.why.replace('\n', "\n  "));
        eprintln!("  To get it: {}", if said.as_ref() == Some(&need.how) { "as above" } else { &need.how });
        said = Some(need.how);
        for test in tests {
            eprintln!("    {test}");
        }
    }
    eprintln!();
}
