//! Exact tests for shares of few operations.
//!
//! A second of traffic to one node may hold sixty operations. No percentile of sixty means
//! anything; how likely so many failures are, if nothing were wrong, does.

/// The chance of a false alarm that a single test may have.
pub(crate) const ALPHA: f64 = 0.01;

/// The 97.5 % point of the normal distribution: both ends of a 95 % interval.
const Z_95: f64 = 1.959_964;

/// Whether `hits` of `n` are too many for a share of `p`: P(X >= hits) < alpha.
pub(crate) fn too_many(hits: u64, n: u64, p: f64) -> bool {
    upper_tail(hits, n, p) < ALPHA
}

/// Whether `hits` of `n` are too few for a share of `p`: P(X <= hits) < alpha.
pub(crate) fn too_few(hits: u64, n: u64, p: f64) -> bool {
    upper_tail(n - hits.min(n), n, 1.0 - p) < ALPHA
}

/// P(X >= hits) for X ~ Bin(n, p).
#[expect(clippy::cast_precision_loss, reason = "counts of one window are far below 2^53")]
fn upper_tail(hits: u64, n: u64, p: f64) -> f64 {
    if hits == 0 {
        return 1.0;
    }
    if hits > n || p <= 0.0 {
        return 0.0;
    }
    if p >= 1.0 {
        return 1.0;
    }
    // Below the mean the tail is at least about a half: no test at this level rejects there.
    if (hits as f64) <= n as f64 * p {
        return 1.0;
    }
    let odds = p / (1.0 - p);
    let mut term = ln_probability(hits, n, p).exp();
    let mut sum = term;
    for k in hits..n {
        term *= (n - k) as f64 / (k + 1) as f64 * odds;
        sum += term;
        if term < sum * 1e-12 {
            break;
        }
    }
    sum.min(1.0)
}

/// ln P(X = k) for X ~ Bin(n, p).
#[expect(clippy::cast_precision_loss, reason = "counts of one window are far below 2^53")]
fn ln_probability(k: u64, n: u64, p: f64) -> f64 {
    ln_factorial(n) - ln_factorial(k) - ln_factorial(n - k)
        + k as f64 * p.ln()
        + (n - k) as f64 * (1.0 - p).ln()
}

/// ln n!, exact sums for small n and Stirling's series (an error below 1e-12) for the rest.
#[expect(clippy::cast_precision_loss, reason = "counts of one window are far below 2^53")]
fn ln_factorial(n: u64) -> f64 {
    if n < 32 {
        return (2..=n).map(|k| (k as f64).ln()).sum();
    }
    let n = n as f64;
    let series = (1.0 / 12.0 - (1.0 / 360.0 - 1.0 / (1260.0 * n * n)) / (n * n)) / n;
    n * n.ln() - n + 0.5 * (std::f64::consts::TAU * n).ln() + series
}

/// The upper end of Wilson's 95 % interval for a share seen as `hits` of `n`.
#[expect(clippy::cast_precision_loss, reason = "counts of one phase are far below 2^53")]
pub(crate) fn wilson_upper(hits: u64, n: u64) -> f64 {
    if n == 0 {
        return 1.0;
    }
    let (n, share) = (n as f64, hits as f64 / n as f64);
    let z2 = Z_95 * Z_95;
    let middle = share + z2 / (2.0 * n);
    let spread = Z_95 * (share * (1.0 - share) / n + z2 / (4.0 * n * n)).sqrt();
    ((middle + spread) / (1.0 + z2 / n)).min(1.0)
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Catches a tail that is off: reference values summed term by term in exact rationals (Python
    /// 3.11 `fractions` and `math.comb`, rounded to six digits).
    #[test]
    fn tails_match_exact_sums() {
        for (hits, n, p, tail) in [
            (1, 60, 0.01, 0.452_843),
            (3, 60, 0.01, 0.022_420),
            (4, 60, 0.01, 0.003_123),
            (7, 200, 0.01, 0.004_296),
            (60, 60, 0.5, 8.673_62e-19),
            (25, 1000, 0.01, 0.000_042_03),
        ] {
            let told = upper_tail(hits, n, p);
            assert!((told - tail).abs() <= tail * 0.001, "P(X >= {hits}; {n}, {p}) = {told}");
        }
    }

    /// Catches a test that rejects what is ordinary or passes what is not.
    #[test]
    fn decisions_at_the_edge() {
        assert!(!too_many(3, 60, 0.01), "2.2 % is not yet rare");
        assert!(too_many(4, 60, 0.01));
        assert!(!too_many(0, 0, 0.01), "nothing proves nothing");
        assert!(!too_few(50, 60, 0.855));
        assert!(too_few(40, 60, 0.855));
        assert!(too_few(0, 60, 0.5));
        assert!(!too_few(60, 60, 0.95));
    }

    /// Catches a bound below what was seen, and certainty from no data.
    #[test]
    fn wilson_bounds() {
        assert!((wilson_upper(0, 1000) - 0.003_827).abs() < 1e-5);
        assert!((wilson_upper(10, 1000) - 0.018_309).abs() < 1e-5);
        assert!((wilson_upper(0, 0) - 1.0).abs() < 1e-9);
    }

    /// Catches a series that loses its terms for the sizes that a busy second has.
    #[test]
    fn large_windows_stay_exact() {
        let n = 100_000;
        assert!(!too_many(1073, n, 0.01), "2.3 sigma is just within one percent");
        assert!(too_many(1080, n, 0.01));
    }
}
