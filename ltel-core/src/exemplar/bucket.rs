//! Which bucket of a histogram a value falls into.

/// A bucket. Those of an exponential histogram are numbered apart for values above and below zero.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct Bucket {
    /// -1 below zero, 0 at zero and for explicit bounds, 1 above.
    pub(super) sign: i8,
    pub(super) index: i32,
}

/// The finest buckets of the SDK's exponential histograms.
pub(super) const FINEST: i8 = 20;

impl Bucket {
    /// By explicit upper bounds, ascending; each bound is in its bucket.
    pub(super) fn explicit(bounds: &[f64], value: f64) -> Self {
        let index = bounds.partition_point(|bound| *bound < value);
        Self { sign: 0, index: i32::try_from(index).unwrap_or(i32::MAX) }
    }

    /// By bounds that are powers of `2^(2^-scale)`; each upper bound is in its bucket.
    /// <https://opentelemetry.io/docs/specs/otel/metrics/data-model/#exponentialhistogram>
    pub(super) fn exponential(scale: i8, value: f64) -> Self {
        if value == 0.0 {
            return Self { sign: 0, index: 0 };
        }
        let (mantissa, exponent) = parts(value.abs());
        let index = if scale > 0 {
            #[allow(clippy::cast_possible_truncation)] // at most 2^20
            let within = (mantissa.log2() * f64::from(1 << scale)).ceil() as i32;
            (exponent << scale) + within - 1
        } else {
            // At scale 0 a bucket holds (2^n, 2^(n+1)].
            let whole = if mantissa > 1.0 { exponent } else { exponent - 1 };
            whole >> -scale
        };
        Self { sign: if value < 0.0 { -1 } else { 1 }, index }
    }

    /// The bucket that holds it and its neighbour, in buckets of one scale less.
    pub(super) const fn coarser(self) -> Self {
        Self { sign: self.sign, index: self.index >> 1 }
    }
}

/// A positive number as `mantissa * 2^exponent`, with the mantissa in [1, 2).
fn parts(value: f64) -> (f64, i32) {
    const FRACTION: u64 = (1 << 52) - 1;
    if value < f64::MIN_POSITIVE {
        let (mantissa, exponent) = parts(value * 2_f64.powi(64));
        return (mantissa, exponent - 64);
    }
    let bits = value.to_bits();
    let exponent = i32::try_from(bits >> 52).unwrap_or_default() - 1_023;
    (f64::from_bits((bits & FRACTION) | 1.0_f64.to_bits()), exponent)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_bound_is_in_its_bucket() {
        let bounds = [0.0, 5.0, 10.0];
        for (value, index) in [(-1.0, 0), (0.0, 0), (0.1, 1), (5.0, 1), (5.1, 2), (10.0, 2), (11.0, 3)] {
            assert_eq!(Bucket::explicit(&bounds, value), Bucket { sign: 0, index }, "{value}");
        }
        assert_eq!(Bucket::explicit(&[], 3.0).index, 0);
        // At scale 0: (1, 2] is bucket 0. At scale 1 it is two, (1, 1.41] and (1.41, 2].
        for (value, whole, half, pair) in
            [(1.0, -1, -1, -1), (1.1, 0, 0, 0), (1.5, 0, 1, 0), (2.0, 0, 1, 0), (2.1, 1, 2, 0), (4.0, 1, 3, 0)]
        {
            let index = |scale| Bucket::exponential(scale, value).index;
            assert_eq!((index(0), index(1), index(-1)), (whole, half, pair), "{value}");
            assert_eq!(Bucket::exponential(0, -value), Bucket { sign: -1, index: whole });
        }
        assert_eq!(Bucket::exponential(5, 0.0), Bucket { sign: 0, index: 0 });
        assert_eq!(Bucket::exponential(0, 5e-324).index, -1_075, "the least number");
    }
}
