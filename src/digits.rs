//! Numbers in messages for people.

/// A count with commas between thousands: `112,120`.
pub fn thousands(count: u64) -> String {
    let digits = count.to_string();
    let grouped = digits.as_bytes().rchunks(3).rev().map(String::from_utf8_lossy);
    grouped.collect::<Vec<_>>().join(",")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn thousands_are_set_apart() {
        assert_eq!([0, 999, 1000, 112_120].map(thousands), ["0", "999", "1,000", "112,120"]);
    }
}
