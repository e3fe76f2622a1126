//! Plans that are wrong, do not fit, or changed under way.

use super::{new, ready};
use faults::{Bed, differences};

/// Replaces a part of the plan, and returns the plan as it was.
fn rewrite(bed: &Bed, from: &str, to: &str) -> String {
    let plan = std::fs::read_to_string(bed.path("migration.toml")).unwrap();
    assert!(plan.contains(from), "{from}");
    std::fs::write(bed.path("migration.toml"), plan.replacen(from, to, 1)).unwrap();
    plan
}

#[tokio::test]
async fn a_plan_that_changed_under_way_is_refused_and_names_the_field() {
    let bed = ready().await;
    let plan = rewrite(&bed, r#"requirement = "constraint""#, r#"requirement = "section""#);
    bed.run("backfill", &["run"]).complains(7).names(&["columns[2].from"]);
    std::fs::write(bed.path("migration.toml"), plan).unwrap();
    drop(bed.run("backfill", &["run"]).ok());
    assert_eq!(differences(&bed).await, []);
}

#[tokio::test]
async fn a_key_that_the_plan_does_not_know_is_refused_with_its_place_and_what_is_meant() {
    let bed = new().await;
    rewrite(&bed, "batch_rows_max = 40", "batch_row_max = 40");
    bed.run("dual-write", &["check"]).complains(2).names(&[
        "batch_row_max",
        "line",
        "batch_rows_max",
    ]);
}

#[tokio::test]
async fn a_value_of_the_wrong_type_is_refused_with_its_place() {
    let bed = new().await;
    rewrite(&bed, "batch_rows_max = 40", r#"batch_rows_max = "many""#);
    bed.run("dual-write", &["check"]).complains(2).names(&["line", "column", "\"many\""]);
}

#[tokio::test]
async fn a_key_column_that_is_not_there_is_found_by_check() {
    let bed = new().await;
    rewrite(&bed, r#"key = ["package", "dependent"]"#, r#"key = ["package", "dependant"]"#);
    rewrite(&bed, r#"follower = "dependent""#, r#"follower = "dependant""#);
    rewrite(&bed, r#"follower = "dependent""#, r#"follower = "dependant""#);
    let check = bed.run("dual-write", &["check", "-o", "json"]);
    check.finds().names(&["dependant", "did you mean \"dependent\"?"]);
    bed.run("dual-write", &["set-up"]).complains(7).names(&["dependant"]);
}
