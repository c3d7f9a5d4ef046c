//! Response times of a short time, counted in wide buckets: many of them are kept.

// Buckets of the same width, before the width doubles: 32 from zero on, then 16 for each doubling of the value.
const HALF: u32 = 16;

/// How many requests took about how long. A bucket is at most a sixteenth as wide as its values, in whole microseconds.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Sketch {
    /// Each bucket that is not empty and its count, by bucket.
    pub counts: Vec<(u16, u32)>,
}

impl Sketch {
    /// The bucket of a time in microseconds.
    #[inline]
    #[must_use]
    #[allow(clippy::cast_possible_truncation)] // less than 16 * 64
    pub const fn bucket_of(us: u64) -> u16 {
        // How often the width has doubled.
        let doubled = ((2 * HALF as u64 - 1) | us).ilog2() - HALF.ilog2();
        (doubled * HALF + (us >> doubled) as u32) as u16
    }

    /// The least and the greatest number of microseconds of a bucket.
    #[must_use]
    pub const fn bounds_us(bucket: u16) -> (u64, u64) {
        let doubled = (bucket as u32 / HALF).saturating_sub(1);
        let within = (bucket as u32 - doubled * HALF) as u64;
        (within << doubled, ((within + 1) << doubled) - 1)
    }
}
