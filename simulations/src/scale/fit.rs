//! Straight lines through what was measured, and how far off they are where they were not fitted.

/// `fixed + slope * n`.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Line {
    /// At nothing.
    pub fixed: f64,
    /// For each more.
    pub slope: f64,
}

impl Line {
    /// The line through points `(n, value)` with the least sum of squared relative errors: a point at ten million must not outweigh
    /// those at a hundred thousand. Of one point, the line through nothing. Nothing that is counted here is negative at nothing, so the fixed
    /// part is not either.
    #[must_use]
    pub fn fit(points: &[(f64, f64)]) -> Line {
        let (mut w, mut wx, mut wy, mut wxx, mut wxy) = (0.0, 0.0, 0.0, 0.0, 0.0);
        for (x, y) in points.iter().copied().filter(|(_, y)| *y > 0.0) {
            let weight = 1.0 / (y * y);
            w += weight;
            wx += weight * x;
            wy += weight * y;
            wxx += weight * x * x;
            wxy += weight * x * y;
        }
        let through_nothing = Line { fixed: 0.0, slope: if wxx > 0.0 { wxy / wxx } else { 0.0 } };
        let spread = w * wxx - wx * wx;
        if spread <= f64::EPSILON * w * wxx {
            return through_nothing;
        }
        let slope = (w * wxy - wx * wy) / spread;
        let fixed = (wy - slope * wx) / w;
        if fixed < 0.0 { through_nothing } else { Line { fixed, slope } }
    }

    /// What the line says at `n`.
    #[must_use]
    pub fn at(self, n: f64) -> f64 {
        self.fixed + self.slope * n
    }
}

/// How far the line through all points but the largest is off at the largest, as a part of what was measured there; `None` with fewer than three
/// points.
#[must_use]
pub fn error_at_largest(points: &[(f64, f64)]) -> Option<f64> {
    let mut ascending = points.to_vec();
    ascending.sort_by(|a, b| a.0.total_cmp(&b.0));
    let (x, y) = ascending.pop()?;
    (ascending.len() >= 2 && y > 0.0).then(|| (Line::fit(&ascending).at(x) - y) / y)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn close(a: f64, b: f64) -> bool {
        (a - b).abs() <= 1e-6 * b.abs().max(1.0)
    }

    #[test]
    fn a_line_is_found_again() {
        for (fixed, slope) in [(0.0, 3.0), (1_000.0, 0.25), (5e9, 700.0)] {
            let points: Vec<_> = [1e4, 1e5, 1e6].map(|n| (n, fixed + slope * n)).to_vec();
            let line = Line::fit(&points);
            assert!(close(line.fixed, fixed) && close(line.slope, slope), "{line:?}");
            assert!(error_at_largest(&points).unwrap().abs() < 1e-6);
        }
    }

    #[test]
    fn what_is_not_a_line_shows_in_the_error() {
        let points: Vec<_> = [1e4_f64, 1e5, 1e6].map(|n| (n, n * n.log2())).to_vec();
        let error = error_at_largest(&points).unwrap();
        assert!(error < -0.1, "a line falls behind n log n: {error}");
    }

    #[test]
    fn little_is_fitted_through_nothing() {
        assert!(close(Line::fit(&[(100.0, 50.0)]).at(1_000.0), 500.0));
        assert!(close(Line::fit(&[(100.0, 0.0)]).at(1_000.0), 0.0));
        assert!(close(Line::fit(&[(10.0, 1.0), (20.0, 100.0)]).fixed, 0.0), "nothing is negative at nothing");
        assert_eq!(error_at_largest(&[(1.0, 1.0), (2.0, 2.0)]), None);
    }
}
