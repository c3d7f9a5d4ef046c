//! Numbers that an instrument can record.

use serde_json::Value;

use crate::event::ResponseTime;

/// A type that an instrument of `N` can record. An absent value, or one out of the range of `N` (a negative number for a
/// counter), is not recorded.
///
/// ```
/// use ltel_core::event::ResponseTime;
/// use ltel_core::number::AsNumber;
///
/// assert_eq!(AsNumber::<f64>::as_number(&ResponseTime::from_ms(12.5)), Some(12.5));
/// assert_eq!(AsNumber::<f64>::as_number(&ResponseTime::ABSENT), None);
/// assert_eq!(AsNumber::<u64>::as_number(&-1), None);
/// ```
#[diagnostic::on_unimplemented(
    message = "`{Self}` cannot be recorded by an instrument of `{N}`",
    label = "not a number for an instrument of `{N}`",
    note = "instruments of `f64` record all numbers and response times, those of `u64` and `i64` whole numbers; or an `Option` \
            of these. `Counter` and `Counter<u64>` are the same, `Counter<f64>` counts in fractions"
)]
pub trait AsNumber<N> {
    /// The number, if there is one.
    fn as_number(&self) -> Option<N>;
}

macro_rules! whole {
    ($($type:ty),*) => {$(
        impl AsNumber<u64> for $type {
            #[inline]
            fn as_number(&self) -> Option<u64> {
                u64::try_from(*self).ok()
            }
        }

        impl AsNumber<i64> for $type {
            #[inline]
            fn as_number(&self) -> Option<i64> {
                i64::try_from(*self).ok()
            }
        }

        impl AsNumber<f64> for $type {
            #[inline]
            #[allow(clippy::cast_lossless)] // not for all of them
            fn as_number(&self) -> Option<f64> {
                Some(*self as f64)
            }
        }
    )*};
}
whole!(u8, u16, u32, u64, usize, i8, i16, i32, i64, isize);

impl AsNumber<f64> for f64 {
    #[inline]
    fn as_number(&self) -> Option<f64> {
        self.is_finite().then_some(*self)
    }
}

impl AsNumber<f64> for f32 {
    #[inline]
    fn as_number(&self) -> Option<f64> {
        f64::from(*self).as_number()
    }
}

impl AsNumber<f64> for ResponseTime {
    #[inline]
    fn as_number(&self) -> Option<f64> {
        self.ms()
    }
}

impl AsNumber<f64> for Value {
    fn as_number(&self) -> Option<f64> {
        self.as_f64()
    }
}

impl AsNumber<u64> for Value {
    fn as_number(&self) -> Option<u64> {
        self.as_u64()
    }
}

impl AsNumber<i64> for Value {
    fn as_number(&self) -> Option<i64> {
        self.as_i64()
    }
}

impl<N, T: AsNumber<N>> AsNumber<N> for Option<T> {
    #[inline]
    fn as_number(&self) -> Option<N> {
        self.as_ref().and_then(AsNumber::as_number)
    }
}

impl<N, T: AsNumber<N> + ?Sized> AsNumber<N> for &T {
    #[inline]
    fn as_number(&self) -> Option<N> {
        (**self).as_number()
    }
}
