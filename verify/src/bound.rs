//! The upper confidence bound on a rate of differences.

use statrs::function::beta::beta_reg;

/// Bisection steps: each halves the logarithm's interval, so this many reach the precision of a
/// double from any start.
const STEPS: usize = 100;

/// The one-sided Clopper-Pearson upper bound on the rate behind `differing` of `compared`, at
/// `confidence` (such as 0.95). One where nothing was compared.
///
/// It is the rate at which seeing `differing` or fewer has the probability `1 - confidence`
/// (Clopper and Pearson, Biometrika 26, 1934): the root of the regularised incomplete beta
/// function, found by bisection over the rate's logarithm, because that is where small rates
/// differ.
#[must_use]
pub fn upper_bound(differing: u64, compared: u64, confidence: f64) -> f64 {
    if differing >= compared {
        return 1.0;
    }
    #[expect(clippy::cast_precision_loss, reason = "counts beyond 2^53 are out of reach")]
    let (k, n) = (differing as f64, compared as f64);
    if differing == 0 {
        return -f64::exp_m1(f64::ln(1.0 - confidence) / n);
    }
    let (mut low, mut high) = (f64::ln(k / n), 0.0_f64);
    for _ in 0..STEPS {
        let middle = f64::midpoint(low, high);
        if beta_reg(k + 1.0, n - k, middle.exp()) < confidence {
            low = middle;
        } else {
            high = middle;
        }
    }
    // The upper end errs on the safe side.
    high.exp()
}

/// How many records a sample without a difference needs for its bound to be at most `rate`.
#[must_use]
pub fn sample_needed(rate: f64, confidence: f64) -> u64 {
    let records = (f64::ln(1.0 - confidence) / f64::ln_1p(-rate)).ceil();
    #[expect(
        clippy::cast_possible_truncation,
        clippy::cast_sign_loss,
        reason = "float to integer casts saturate, which is right for an absurd rate"
    )]
    let records = records as u64;
    records
}

#[cfg(test)]
mod tests {
    use super::{sample_needed, upper_bound};

    /// From scipy: `beta.ppf(0.95, k + 1, n - k)`.
    const REFERENCE: [(u64, u64, f64); 8] = [
        (0, 1_000_000, 2.995_727_786_352_543e-6),
        (0, 2_995_733, 9.999_992_575_068_324e-7),
        (0, 3_000_000, 9.985_769_259_397_262e-7),
        (1, 5_000_000, 9.487_725_484_035_199e-7),
        (2, 10_000_000, 6.295_792_269_428_931e-7),
        (3, 1_000_000, 7.753_638_098_840_06e-6),
        (10, 100_000_000, 1.696_221_865_183_931e-7),
        (500, 1_000_000_000, 5.383_764_846_258_841e-7),
    ];

    #[test]
    fn the_bound_agrees_with_the_reference_to_six_digits() {
        for (differing, compared, expected) in REFERENCE {
            let bound = upper_bound(differing, compared, 0.95);
            assert!((bound / expected - 1.0).abs() < 1e-6, "{differing}/{compared}: {bound:e}");
        }
    }

    #[test]
    fn nothing_compared_and_everything_different_bound_nothing() {
        assert!((upper_bound(0, 0, 0.95) - 1.0).abs() < f64::EPSILON);
        assert!((upper_bound(5, 5, 0.95) - 1.0).abs() < f64::EPSILON);
    }

    #[test]
    fn six_nines_need_three_million_records_at_95_percent_and_4_6_million_at_99() {
        assert_eq!(sample_needed(1e-6, 0.95), 2_995_731);
        assert_eq!(sample_needed(1e-6, 0.99), 4_605_168);
    }
}
