//! The plan that the README shows is one.

use migration::plan::Plan;
use std::path::Path;

const README: &str = include_str!("../../../README.md");

#[test]
fn the_plan_in_the_readme_is_read_as_it_stands() {
    let (_, rest) = README.split_once("```toml\n").unwrap();
    let (text, _) = rest.split_once("```").unwrap();
    let plan = Plan::parse(text, Path::new("/srv")).unwrap();
    assert_eq!((plan.id.as_str(), plan.tables.len()), ("followers", 1));
    assert_eq!(plan.cutover.rollback_file, Path::new("/srv/rollback"));
}
