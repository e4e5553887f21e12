//! Times in records: text, which people and other tools read, always in one form.
//!
//! A record may come from a stranger. Times are sorted as text, shown, and added to seconds, so a record with any other
//! text in their place is refused when it is read.

/// First and last year of a time: what lies outside is a mistake, and later sums of times and seconds stay far from the
/// year 9999, where calendars end.
const YEARS: std::ops::RangeInclusive<u32> = 1970..=2999;

/// The form of a time for JSON Schema, which does not know how long months are.
pub(super) const PATTERN: &str = "^(19[7-9][0-9]|2[0-9]{3})-(0[1-9]|1[0-2])-(0[1-9]|[12][0-9]|3[01])T([01][0-9]|2[0-3]):[0-5][0-9]:[0-5][0-9]Z$";

/// Asserts that the field `name` is a time as reg writes it: `2026-11-05T08:30:00Z`, in UTC, to the second.
pub(super) fn check_time(name: &str, text: &str) -> Result<(), String> {
    match is_time(text) {
        true => Ok(()),
        false => Err(format!(
            "its `{name}` is {text:?}, but must be a time of the years {} to {} such as 2026-11-05T08:30:00Z",
            YEARS.start(),
            YEARS.end()
        )),
    }
}

/// Whether a text is a time as reg writes it.
pub(crate) fn is_time(text: &str) -> bool {
    let form = b"dddd-dd-ddTdd:dd:ddZ";
    let fits = |(found, wanted): (u8, &u8)| match wanted {
        b'd' => found.is_ascii_digit(),
        wanted => found == *wanted,
    };
    if text.len() != form.len() || !text.bytes().zip(form).all(fits) {
        return false;
    }
    let number = |range: std::ops::Range<usize>| text[range].parse::<u32>().unwrap_or(u32::MAX);
    let (year, month, day) = (number(0..4), number(5..7), number(8..10));
    let leap = year % 4 == 0 && (year % 100 != 0 || year % 400 == 0);
    let days = match month {
        1 | 3 | 5 | 7 | 8 | 10 | 12 => 31,
        4 | 6 | 9 | 11 => 30,
        2 => 28 + u32::from(leap),
        _ => 0,
    };
    YEARS.contains(&year)
        && (1..=days).contains(&day)
        && number(11..13) < 24
        && number(14..16) < 60
        && number(17..19) < 60
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_a_moment_of_the_calendar_in_one_form_is_a_time() {
        for text in
            ["2026-11-05T08:30:00Z", "2028-02-29T23:59:59Z", "1970-01-01T00:00:00Z", "2999-12-31T00:00:00Z"]
        {
            assert_eq!(check_time("time", text), Ok(()), "{text}");
        }
        for text in [
            "",
            "yesterday",
            "9999-12-31T23:59:59Z",
            "1969-12-31T23:59:59Z",
            "2026-02-29T00:00:00Z",
            "2100-02-29T00:00:00Z",
            "2026-13-01T00:00:00Z",
            "2026-00-01T00:00:00Z",
            "2026-04-31T00:00:00Z",
            "2026-11-05T24:00:00Z",
            "2026-11-05T08:60:00Z",
            "2026-11-05T08:30:60Z",
            "2026-11-05 08:30:00Z",
            "2026-11-05T08:30:00.5Z",
            "2026-11-05T08:30:00+01:00",
            "2026-11-05T08:30:00z",
            "+026-11-05T08:30:00Z",
            "２０26-11-05T08:3Z",
            "-2026-11-05T08:30:0Z",
        ] {
            let said = check_time("time", text).unwrap_err();
            assert!(said.starts_with("its `time` is ") && said.contains("2026-11-05T08:30:00Z"), "{said}");
        }
    }
}
