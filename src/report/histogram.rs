//! Horizontal bars of counts for the terminal, such as the ages of figure 3 of the paper.

use crate::digits::thousands;
use crate::escape::line;

/// A bar's label and count.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Bar {
    /// Its label.
    pub label: String,
    /// Its length.
    pub count: u64,
}

/// Minimum length of the longest bar in columns, however narrow the terminal is.
const MIN_LENGTH: usize = 10;
/// Left eighths of a block; 0 eighths are empty.
const EIGHTHS: [&str; 8] = ["", "▏", "▎", "▍", "▌", "▋", "▊", "▉"];

/// Draws one bar per line: label, count, and a bar in units of an eighth of a column; the longest bar fills
/// `width`.
///
/// Every count except zero is at least an eighth long.
pub fn bars(bars: &[Bar], width: u16) -> String {
    let columns = |text: &str| text.chars().count();
    let lines: Vec<_> = bars.iter().map(|bar| (line(&bar.label), thousands(bar.count), bar.count)).collect();
    let label_width = lines.iter().map(|(label, ..)| columns(label)).max().unwrap_or(0);
    let count_width = lines.iter().map(|(_, count, _)| columns(count)).max().unwrap_or(0);
    let largest = u128::from(bars.iter().map(|bar| bar.count).max().unwrap_or(0).max(1));
    let length = usize::from(width).saturating_sub(label_width + count_width + 4).max(MIN_LENGTH);
    let line = |(label, count, value): &(String, String, u64)| {
        let scaled = (u128::from(*value) * 8 * length as u128 + largest / 2) / largest;
        // At most 8 * length.
        let eighths = (scaled as usize).max(usize::from(*value > 0));
        let bar = "█".repeat(eighths / 8) + EIGHTHS[eighths % 8];
        let line = format!("{label:>label_width$}  {count:>count_width$}  {bar}");
        line.trim_end().to_owned() + "\n"
    };
    lines.iter().map(line).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn of(counts: &[u64]) -> Vec<Bar> {
        (0..)
            .zip(counts)
            .map(|(i, count)| Bar { label: format!("{}-{}", 2 * i, 2 * i + 1), count: *count })
            .collect()
    }

    #[test]
    fn bars_are_in_proportion_and_the_longest_fills_the_width() {
        insta::assert_snapshot!(bars(&of(&[800, 1600, 50, 1, 0, 1300]), 34), @r"
          0-1    800  ██████████
          2-3  1,600  ████████████████████
          4-5     50  ▋
          6-7      1  ▏
          8-9      0
        10-11  1,300  ████████████████▎
        ");
    }

    #[test]
    fn no_bars_or_only_zeros_or_huge_counts_or_no_width_do_not_fail() {
        assert_eq!(bars(&[], 80), "");
        assert_eq!(bars(&of(&[0, 0]), 80), "0-1  0\n2-3  0\n");
        assert!(bars(&of(&[u64::MAX, 1]), 0).contains("██████████"));
    }
}
