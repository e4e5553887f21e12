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

/// Names in a sentence; of more than four, the number of the rest: `a, b, c, d and 3 more`.
pub fn several(names: &[String]) -> String {
    const SHOWN: usize = 4;
    let shown = names.iter().take(SHOWN).map(String::as_str).collect::<Vec<_>>().join(", ");
    match names.len().saturating_sub(SHOWN) {
        0 => shown,
        more => format!("{shown} and {} more", thousands(more as u64)),
    }
}

/// A time that something takes, with the two largest units at most: `40 s`, `3 min`, `2 h 05 min`, `3 d 4 h`.
pub fn span(seconds: f64) -> String {
    let seconds = seconds.round().max(0.0) as u64;
    match seconds {
        0..60 => format!("{seconds} s"),
        60..3600 => format!("{} min", seconds / 60),
        3600..172_800 => format!("{} h {:02} min", seconds / 3600, seconds % 3600 / 60),
        _ => format!("{} d {} h", seconds / 86_400, seconds % 86_400 / 3600),
    }
}

/// A number of bytes in the units of disks: `512 B`, `3.4 MB`.
pub fn size(bytes: u64) -> String {
    let mut value = bytes as f64;
    let mut unit = "B";
    for larger in ["kB", "MB", "GB", "TB"] {
        // What would be shown as 1000.0 is one of the next unit.
        if value < if unit == "B" { 1000.0 } else { 999.95 } {
            break;
        }
        (value, unit) = (value / 1000.0, larger);
    }
    if unit == "B" { format!("{bytes} B") } else { format!("{value:.1} {unit}") }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn thousands_are_set_apart() {
        assert_eq!([0, 999, 1000, 112_120].map(thousands), ["0", "999", "1,000", "112,120"]);
    }

    #[test]
    fn times_and_sizes_have_the_unit_that_fits() {
        assert_eq!(
            [0.4, 59.6, 3599.0, 7500.0, 273_600.0].map(span),
            ["0 s", "1 min", "59 min", "2 h 05 min", "3 d 4 h"]
        );
        assert_eq!(
            [0, 999, 1000, 999_949, 999_950, 3_400_000_000].map(size),
            ["0 B", "999 B", "1.0 kB", "999.9 kB", "1.0 MB", "3.4 GB"]
        );
    }

    #[test]
    fn a_noun_is_in_the_plural_but_for_one() {
        assert_eq!([0, 1, 2000].map(|n| counted(n, "image")), ["0 images", "1 image", "2,000 images"]);
    }
}
