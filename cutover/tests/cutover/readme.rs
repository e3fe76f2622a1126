//! What the README shows of the library is what compiles.

const README: &str = include_str!("../../../README.md");

/// The example in the documentation of the crate, which the doc tests compile.
const LIBRARY: &str = include_str!("../../src/lib.rs");

#[test]
fn the_readme_shows_the_example_that_is_compiled() {
    let (_, rest) = README.split_once("```rust\n").unwrap();
    let (shown, _) = rest.split_once("```").unwrap();
    let (_, rest) = LIBRARY.split_once("//! ```no_run\n").unwrap();
    let (compiled, _) = rest.split_once("//! ```").unwrap();
    let lines = compiled.lines().map(|line| line.trim_start_matches("//!"));
    let lines = lines.map(|line| line.strip_prefix(' ').unwrap_or(line));
    let visible: Vec<_> = lines.filter(|line| !line.starts_with("# ")).collect();
    assert_eq!(shown.lines().collect::<Vec<_>>(), visible);
}
