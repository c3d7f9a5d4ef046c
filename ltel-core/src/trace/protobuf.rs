//! [Protobuf](https://protobuf.dev/programming-guides/encoding/), as far as OTLP's spans need it.

/// How a field's value is written.
#[derive(Clone, Copy)]
pub(super) enum Wire {
    Varint = 0,
    Fixed64 = 1,
    Bytes = 2,
    Fixed32 = 5,
}

/// Appends the number of a field, before its value.
#[inline]
pub(super) fn key(out: &mut Vec<u8>, field: u32, wire: Wire) {
    varint(out, u64::from(field << 3 | wire as u32));
}

/// Appends a number in groups of 7 bits.
#[inline]
#[allow(clippy::cast_possible_truncation)] // the lowest bits
pub(super) fn varint(out: &mut Vec<u8>, mut number: u64) {
    while number >= 0x80 {
        out.push(number as u8 | 0x80);
        number >>= 7;
    }
    out.push(number as u8);
}

/// The bytes of [`varint`].
#[inline]
pub(super) const fn varint_len(number: u64) -> usize {
    (number | 1).ilog2() as usize / 7 + 1
}

/// The bytes of a field below 16 that holds so many.
#[inline]
pub(super) const fn field_len(len: usize) -> usize {
    1 + varint_len(len as u64) + len
}

/// Appends a field with bytes or a text. Empty ones are its default.
#[inline]
pub(super) fn bytes(out: &mut Vec<u8>, field: u32, value: &[u8]) {
    if !value.is_empty() {
        bytes_of(out, field, value.len());
        out.extend_from_slice(value);
    }
}

/// Appends what precedes so many bytes of a field.
#[inline]
pub(super) fn bytes_of(out: &mut Vec<u8>, field: u32, len: usize) {
    key(out, field, Wire::Bytes);
    varint(out, len as u64);
}

/// Appends a field with a number. Zero is its default.
#[inline]
pub(super) fn number(out: &mut Vec<u8>, field: u32, value: u64) {
    if value != 0 {
        key(out, field, Wire::Varint);
        varint(out, value);
    }
}

/// Appends a field with a number of 64 bits. Zero is its default.
#[inline]
pub(super) fn fixed64(out: &mut Vec<u8>, field: u32, value: u64) {
    if value != 0 {
        key(out, field, Wire::Fixed64);
        out.extend_from_slice(&value.to_le_bytes());
    }
}

/// Appends a field with a number of 32 bits. Zero is its default.
#[inline]
pub(super) fn fixed32(out: &mut Vec<u8>, field: u32, value: u32) {
    if value != 0 {
        key(out, field, Wire::Fixed32);
        out.extend_from_slice(&value.to_le_bytes());
    }
}

/// Appends a field with a message, whose length is known when it is written.
#[inline]
pub(super) fn message(out: &mut Vec<u8>, field: u32, write: impl FnOnce(&mut Vec<u8>)) {
    key(out, field, Wire::Bytes);
    let at = out.len();
    out.push(0);
    write(out);
    let len = out.len() - at - 1;
    if let Ok(byte @ ..0x80) = u8::try_from(len) {
        out[at] = byte;
        return;
    }
    // The length has no room in one byte.
    out.remove(at);
    varint(out, len as u64);
    let all = &mut out[at..];
    all.rotate_right(all.len() - len);
}

/// A field's value.
#[derive(Clone, Copy, Debug)]
pub(super) enum Value<'a> {
    Varint(u64),
    Fixed64(u64),
    Bytes(&'a [u8]),
    Fixed32(u32),
}

/// Reads the fields of a message. It ends where the bytes are not as protobuf has them.
#[derive(Clone, Debug)]
pub(super) struct Fields<'a>(pub(super) &'a [u8]);

impl<'a> Fields<'a> {
    #[inline]
    fn varint(&mut self) -> Option<u64> {
        let (first, rest) = self.0.split_first()?;
        // Nearly all keys and lengths are one byte.
        if *first < 0x80 {
            self.0 = rest;
            return Some(u64::from(*first));
        }
        self.long_varint()
    }

    fn long_varint(&mut self) -> Option<u64> {
        let mut number = 0;
        for shift in (0..64).step_by(7) {
            let (byte, rest) = self.0.split_first()?;
            self.0 = rest;
            number |= u64::from(byte & 0x7f) << shift;
            if *byte < 0x80 {
                return Some(number);
            }
        }
        None
    }

    #[inline]
    fn take(&mut self, len: usize) -> Option<&'a [u8]> {
        let (taken, rest) = self.0.split_at_checked(len)?;
        self.0 = rest;
        Some(taken)
    }
}

impl<'a> Iterator for Fields<'a> {
    type Item = (u64, Value<'a>);

    #[inline]
    fn next(&mut self) -> Option<Self::Item> {
        let key = self.varint()?;
        let value = match key & 7 {
            0 => Value::Varint(self.varint()?),
            1 => Value::Fixed64(u64::from_le_bytes(self.take(8)?.try_into().ok()?)),
            2 => {
                let len = usize::try_from(self.varint()?).ok()?;
                Value::Bytes(self.take(len)?)
            }
            5 => Value::Fixed32(u32::from_le_bytes(self.take(4)?.try_into().ok()?)),
            _ => return None,
        };
        Some((key >> 3, value))
    }
}
