//! Batches: no more items and bytes than a receiver accepts in one request.

/// As in the SDK's own batch processors (`OTEL_BSP_MAX_EXPORT_BATCH_SIZE`).
const MAX_ITEMS: usize = 512;

/// Half of the default limit of gRPC servers, 4 MiB, since sizes are estimates.
const MAX_BYTES: usize = 2 << 20;

/// Items that wait to be sent together.
#[derive(Debug)]
pub(super) struct Batch<T> {
    items: Vec<T>,
    bytes: usize,
}

impl<T> Default for Batch<T> {
    fn default() -> Self {
        Self { items: Vec::new(), bytes: 0 }
    }
}

impl<T> Batch<T> {
    /// Adds an item of about this size in bytes. If it does not fit, returns the waiting items, to be sent first.
    pub(super) fn push(&mut self, item: T, bytes: usize) -> Option<Vec<T>> {
        let is_full = self.items.len() >= MAX_ITEMS || self.bytes + bytes > MAX_BYTES;
        let full = if is_full { self.take() } else { None };
        self.items.push(item);
        self.bytes += bytes;
        full
    }

    /// Takes out the waiting items, if there are any.
    pub(super) fn take(&mut self) -> Option<Vec<T>> {
        self.bytes = 0;
        Some(std::mem::take(&mut self.items)).filter(|items| !items.is_empty())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Guarantees: every item comes out once, in order, and no batch exceeds the limits, except for a single item that is
    /// too large.
    #[test]
    fn batches_are_cut_by_number_and_by_size() {
        let cut = |sizes: &[usize]| {
            let mut batch = Batch::default();
            let full: Vec<_> = sizes.iter().enumerate().filter_map(|(n, &size)| batch.push(n, size)).collect();
            let all: Vec<_> = full.into_iter().chain(batch.take()).collect();
            assert_eq!(all.concat(), (0..sizes.len()).collect::<Vec<_>>());
            all.iter().map(Vec::len).collect::<Vec<_>>()
        };
        assert_eq!(cut(&[]), [0; 0]);
        assert_eq!(cut(&[1; 1_100]), [512, 512, 76]);
        assert_eq!(cut(&[MAX_BYTES / 2; 5]), [2, 2, 1]);
        assert_eq!(cut(&[1, 3 * MAX_BYTES, 1]), [1, 1, 1]);
    }
}
