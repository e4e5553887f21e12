//! Numbers in messages for people.

/// A count with commas between thousands: `112,120`.
pub fn thousands(count: u64) -> String {
    let digits = count.to_string();
    let grouped = digits.as_bytes().rchunks(3).rev().map(String::from_utf8_lossy);
    grouped.collect::<Vec<_>>().join(",")
}

/// A count with its noun: `1 image`, `112,120 images`.
pub fn counted(count: u64, noun: &str) -> String {
    format!("{} {noun}{}", thousands(count), if count == 1 { "" } else { "s" })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn thousands_are_set_apart() {
        assert_eq!([0, 999, 1000, 112_120].map(thousands), ["0", "999", "1,000", "112,120"]);
    }

    #[test]
    fn a_noun_is_in_the_plural_but_for_one() {
        assert_eq!([0, 1, 2000].map(|n| counted(n, "image")), ["0 images", "1 image", "2,000 images"]);
    }
}
