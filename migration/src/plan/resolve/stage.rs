//! The stages of the read switch.

use super::{Result, invalid};
use crate::plan::StagePlan;

/// Hundredths of a percent in everything.
const WHOLE: u32 = 10_000;

/// Reads the stages and holds them to their order: mirror, whitelist, growing shares, everything.
pub(super) fn resolve(written: &[String]) -> Result<Vec<StagePlan>> {
    let mut stages: Vec<StagePlan> = Vec::with_capacity(written.len());
    for (i, text) in written.iter().enumerate() {
        let field = format!("cutover.stages[{i}]");
        let stage = parse(text).ok_or_else(|| {
            invalid(
                &field,
                "be \"mirror\", \"whitelist\" or a share such as \"0.01%\", in steps of 0.01%",
                format!("{text:?}"),
            )
        })?;
        if let Some(before) = stages.last()
            && rank(*before) >= rank(stage)
        {
            return Err(invalid(
                &field,
                "come after the stage before it: mirror, whitelist, then growing shares",
                format!("{text:?} after {:?}", written[i - 1]),
            ));
        }
        stages.push(stage);
    }
    if stages.last() == Some(&StagePlan::Share { basis_points: WHOLE }) {
        return Ok(stages);
    }
    let last = written.last().map_or("none".to_owned(), |text| format!("{text:?} at the end"));
    Err(invalid("cutover.stages", "end with \"100%\"", last)
        .hint("add \"100%\": a switch that never reaches everybody is never done"))
}

fn rank(stage: StagePlan) -> (u8, u32) {
    match stage {
        StagePlan::Mirror => (0, 0),
        StagePlan::Whitelist => (1, 0),
        StagePlan::Share { basis_points } => (2, basis_points),
    }
}

fn parse(text: &str) -> Option<StagePlan> {
    match text {
        "mirror" => return Some(StagePlan::Mirror),
        "whitelist" => return Some(StagePlan::Whitelist),
        _ => {}
    }
    let number = text.strip_suffix('%')?.trim_end();
    let (whole, fraction) = number.split_once('.').unwrap_or((number, "0"));
    let digits = |text: &str| !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_digit());
    if !digits(whole) || !digits(fraction) || fraction.len() > 2 {
        return None;
    }
    // Decimal by hand: 0.29 as a float is not 29 hundredths.
    let hundredths: u32 = format!("{fraction:0<2}").parse().ok()?;
    let basis_points = whole.parse::<u32>().ok()?.checked_mul(100)?.checked_add(hundredths)?;
    (1..=WHOLE).contains(&basis_points).then_some(StagePlan::Share { basis_points })
}
