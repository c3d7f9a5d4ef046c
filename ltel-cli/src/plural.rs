//! Numbers of things in messages.

/// `1 request`, `2 requests`: a number and a noun, which is given in the plural with `s`.
pub(crate) fn counted(count: u64, plural: &str) -> String {
    let singular = plural.strip_suffix('s').filter(|_| count == 1);
    format!("{count} {}", singular.unwrap_or(plural))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_one_is_singular() {
        assert_eq!([0, 1, 2].map(|count| counted(count, "requests")), ["0 requests", "1 request", "2 requests"]);
    }
}
