//! What the judge holds against a flight.

use std::collections::BTreeMap;

/// Examples kept of each kind: enough to look further, few enough to read.
const EXAMPLES: usize = 3;

/// Findings, by what is wrong. Empty is good.
#[derive(Debug, Default)]
pub(crate) struct Findings(BTreeMap<&'static str, Finding>);

/// One kind of finding.
#[derive(Debug, Default)]
struct Finding {
    count: u64,
    examples: Vec<String>,
}

impl Findings {
    /// Adds one. The example names keys and times, never values.
    pub(crate) fn add(&mut self, wrong: &'static str, example: impl FnOnce() -> String) {
        let finding = self.0.entry(wrong).or_default();
        finding.count += 1;
        if finding.examples.len() < EXAMPLES {
            finding.examples.push(example());
        }
    }

    /// Whether there are none.
    pub(crate) fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// One line for each kind and each example.
    pub(crate) fn lines(&self) -> impl Iterator<Item = String> {
        self.0.iter().flat_map(|(wrong, finding)| {
            let first = format!("  {} x {wrong}", finding.count);
            std::iter::once(first)
                .chain(finding.examples.iter().map(|example| format!("      {example}")))
        })
    }
}
