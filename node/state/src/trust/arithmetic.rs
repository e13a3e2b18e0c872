//! The arithmetic: integers, rounded down, of values that are never negative. No result reaches 2^53.

use super::constants::{ACCUMULATOR_CAP_Q12, DECAY_TABLE_Q16, HALVINGS_MAX, ONE_Q12, STEPS_PER_HALF_LIFE};

/// What is left on `to_day` of the value of log day `from_day`, halved every `half_life_days`.
///
/// The 24 steps of a half-life stand at fixed places of the log's calendar, so how often an agent is touched in between makes
/// no difference to their number.
pub(crate) fn decay(value: u64, from_day: u64, to_day: u64, half_life_days: u64) -> u64 {
    let place = |day: u64| STEPS_PER_HALF_LIFE * day / half_life_days;
    let steps = place(to_day) - place(from_day);
    let halvings = steps / STEPS_PER_HALF_LIFE;
    if halvings >= HALVINGS_MAX {
        return 0;
    }
    // The remainder is below 24, the length of the table.
    let factor = DECAY_TABLE_Q16[(steps % STEPS_PER_HALF_LIFE) as usize];
    ((value * factor) >> 16) >> halvings
}

/// log2 of `1 <= count < 2^32` with eight fraction bits, each found by a squaring that rounds down.
pub(crate) fn log2_q8(count: u64) -> u64 {
    let whole = u64::from(count.ilog2());
    // Between 2^15 and 2^16, standing for 1 <= m < 2.
    let mut mantissa = (count << 15) >> whole;
    let mut fraction = 0;
    for _ in 0..8 {
        mantissa = (mantissa * mantissa) >> 15;
        fraction <<= 1;
        if mantissa >= 1 << 16 {
            mantissa >>= 1;
            fraction |= 1;
        }
    }
    whole << 8 | fraction
}

/// The accumulator with whole units of evidence more, at most its cap.
pub(crate) fn add(accumulator_q12: u64, units: u64) -> u64 {
    ACCUMULATOR_CAP_Q12.min(accumulator_q12 + units * ONE_Q12)
}

/// Moves by at most `max_step`: a median that needs no history.
pub(crate) fn step_towards(value: u64, target: u64, max_step: u64) -> u64 {
    if target > value { value + max_step.min(target - value) } else { value - max_step.min(value - target) }
}

#[cfg(test)]
mod tests {
    use super::super::constants::{COUNT_CAP, DAY_MS, MAX_INTEGER};
    use super::*;

    #[test]
    fn the_table_is_what_its_formula_says() {
        // T = floor(2^16 * 2^(-j/24))  <=>  T^24 * 2^j <= 2^384 < (T+1)^24 * 2^j, in big integers of 32-bit limbs.
        let power = |base: u64, shift: u32| {
            let mut limbs = vec![1u64];
            let mut times = |factor: u64| {
                let mut carry = 0;
                for limb in &mut limbs {
                    let product = *limb * factor + carry;
                    *limb = product & 0xffff_ffff;
                    carry = product >> 32;
                }
                if carry > 0 {
                    limbs.push(carry);
                }
            };
            (0..24).for_each(|_| times(base));
            times(1 << shift);
            limbs
        };
        // 2^384 is the smallest number of thirteen limbs.
        let limit = [vec![0; 12], vec![1]].concat();
        for (j, &value) in (0u32..).zip(&DECAY_TABLE_Q16) {
            let (low, high) = (power(value, j), power(value + 1, j));
            assert!(low.len() < 13 || low == limit, "entry {j} is too large");
            assert!(high.len() == 13 && high != limit, "entry {j} is too small");
        }
    }

    #[test]
    fn log2_never_falls_and_is_exact_at_powers_of_two() {
        let mut previous = 0;
        for count in 1..5_000u64 {
            let level = log2_q8(count);
            let exact = (count as f64).log2() * 256.0;
            assert!(level >= previous && level as f64 <= exact && exact < (level + 3) as f64, "{count}");
            previous = level;
        }
        for bit in 0..32 {
            assert_eq!(log2_q8(1 << bit), bit << 8);
        }
        assert_eq!(log2_q8(COUNT_CAP), (32 << 8) - 1);
        assert_eq!(log2_q8(81), 1622, "one below the true value, as the algorithm rounds");
        assert_eq!(log2_q8(46_341), (15 << 8) + 128, "a square that is 2^16 exactly");
    }

    #[test]
    fn a_half_life_leaves_half_however_often_one_looks() {
        let start = 1_000 * ONE_Q12;
        for half_life in [7, 30, 60, 90] {
            for first in [0, 20_454] {
                let last = first + half_life;
                assert_eq!(decay(start, first, last, half_life), start / 2);
                let daily = (first..last).fold(start, |value, day| decay(value, day, day + 1, half_life));
                assert!(daily.abs_diff(start / 2) <= start / 1_000, "{half_life} {first}: {daily}");
            }
        }
        assert_eq!(decay(ACCUMULATOR_CAP_Q12, 0, 40 * 7, 7), 0);
        assert_eq!(decay(ACCUMULATOR_CAP_Q12, 0, MAX_INTEGER / DAY_MS, 7), 0);
        assert_eq!(decay(ACCUMULATOR_CAP_Q12, 0, 39 * 7, 7), 0, "36 bits are gone before");
        assert_eq!(decay(ACCUMULATOR_CAP_Q12, 0, 36 * 7, 7), 1);
    }

    #[test]
    fn steps_and_caps() {
        assert_eq!(add(ACCUMULATOR_CAP_Q12 - 1, 1), ACCUMULATOR_CAP_Q12);
        assert_eq!((step_towards(10, 100, 4), step_towards(10, 0, 4)), (14, 6));
        assert_eq!((step_towards(10, 12, 4), step_towards(10, 7, 4), step_towards(10, 10, 4)), (12, 7, 10));
    }
}
