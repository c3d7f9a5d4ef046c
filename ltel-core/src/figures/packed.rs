//! Counts of buckets, in a few bytes each.

use std::iter::Peekable;

/// Buckets that are not empty and their counts, ascending. Two or three bytes each where they follow one another: each is the
/// distance from the bucket before it and the count, seven bits per byte with the least significant ones first.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct PackedCounts(Box<[u8]>);

impl PackedCounts {
    /// Each bucket and its count, ascending.
    #[must_use]
    pub fn iter(&self) -> Unpacked<'_> {
        Unpacked { bytes: self.0.iter(), next: 0 }
    }

    /// Whether there is none.
    #[must_use]
    pub const fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// The bytes that they take.
    #[must_use]
    pub const fn bytes(&self) -> usize {
        self.0.len()
    }

    /// The sum of both.
    #[must_use]
    pub fn merged(&self, other: &Self) -> Self {
        Merged { ours: self.iter().peekable(), theirs: other.iter().peekable() }.collect()
    }
}

impl FromIterator<(u32, u64)> for PackedCounts {
    /// Buckets must ascend. Those without a count are left out.
    fn from_iter<I: IntoIterator<Item = (u32, u64)>>(counts: I) -> Self {
        let mut bytes = Vec::new();
        let mut next = 0;
        for (bucket, count) in counts.into_iter().filter(|(_, count)| *count > 0) {
            debug_assert!(bucket >= next, "buckets ascend");
            put(&mut bytes, u64::from(bucket.saturating_sub(next)));
            put(&mut bytes, count);
            next = bucket + 1;
        }
        Self(bytes.into())
    }
}

impl<'a> IntoIterator for &'a PackedCounts {
    type Item = (u32, u64);
    type IntoIter = Unpacked<'a>;

    fn into_iter(self) -> Unpacked<'a> {
        self.iter()
    }
}

#[inline]
#[allow(clippy::cast_possible_truncation)] // the least significant bits
fn put(bytes: &mut Vec<u8>, mut number: u64) {
    while number >= 0x80 {
        bytes.push(number as u8 | 0x80);
        number >>= 7;
    }
    bytes.push(number as u8);
}

/// Each bucket and its count: see [`PackedCounts::iter`].
#[derive(Clone, Debug)]
pub struct Unpacked<'a> {
    bytes: std::slice::Iter<'a, u8>,
    // The least bucket that may come.
    next: u32,
}

impl Unpacked<'_> {
    #[inline]
    fn number(&mut self) -> Option<u64> {
        let (mut number, mut shift) = (0, 0);
        loop {
            let byte = *self.bytes.next()?;
            number |= u64::from(byte & 0x7f) << shift;
            if byte < 0x80 {
                return Some(number);
            }
            shift += 7;
        }
    }
}

impl Iterator for Unpacked<'_> {
    type Item = (u32, u64);

    #[inline]
    #[allow(clippy::cast_possible_truncation)] // it was an `u32`
    fn next(&mut self) -> Option<(u32, u64)> {
        let bucket = self.next + self.number()? as u32;
        self.next = bucket + 1;
        Some((bucket, self.number()?))
    }
}

struct Merged<'a> {
    ours: Peekable<Unpacked<'a>>,
    theirs: Peekable<Unpacked<'a>>,
}

impl Iterator for Merged<'_> {
    type Item = (u32, u64);

    fn next(&mut self) -> Option<(u32, u64)> {
        match (self.ours.peek(), self.theirs.peek()) {
            (Some(a), Some(b)) if a.0 == b.0 => {
                let sum = (a.0, a.1.saturating_add(b.1));
                self.ours.next();
                self.theirs.next();
                Some(sum)
            }
            (Some(a), Some(b)) if a.0 > b.0 => self.theirs.next(),
            (Some(_), _) => self.ours.next(),
            (None, _) => self.theirs.next(),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_packed_comes_out_again() {
        let counts = [(0, 1), (1, u64::MAX), (2, 127), (3, 128), (400, 1 << 40), (70_000, 3), (1 << 20, 1)];
        let packed: PackedCounts = counts.into_iter().chain([(1 << 21, 0)]).collect();
        assert_eq!(packed.iter().collect::<Vec<_>>(), counts);
        assert_eq!(packed, packed.iter().collect());
        assert!(PackedCounts::default().iter().next().is_none());
        let few: PackedCounts = (500..600).map(|bucket| (bucket, 100)).collect();
        assert_eq!(few.bytes(), 201);
    }

    #[test]
    fn sums() {
        let all = |counts: &[(u32, u64)]| counts.iter().copied().collect::<PackedCounts>();
        let (a, b) = (all(&[(1, 1), (5, u64::MAX)]), all(&[(0, 2), (5, 1), (9, 1)]));
        assert_eq!(a.merged(&b), all(&[(0, 2), (1, 1), (5, u64::MAX), (9, 1)]));
        assert_eq!(b.merged(&a), a.merged(&b));
        assert_eq!(a.merged(&PackedCounts::default()), a);
    }
}
