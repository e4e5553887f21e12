//! Times in the form that records use. The only file of this module that uses the jiff crate.

use jiff::{SignedDuration, Timestamp};

/// The time `seconds` after `started`, in the form that records use; `None` if that is not a valid time.
pub(super) fn after(started: &str, seconds: f64) -> Option<String> {
    Some(moment(started, seconds)?.to_string())
}

/// The same to the millisecond and with a numeric offset, which the validators of RO-Crate require.
pub(super) fn with_offset(started: &str, seconds: f64) -> Option<String> {
    Some(moment(started, seconds)?.strftime("%Y-%m-%dT%H:%M:%S.%3f+00:00").to_string())
}

/// The same in milliseconds since 1970.
pub(super) fn milliseconds_after(started: &str, seconds: f64) -> Option<i64> {
    Some(moment(started, seconds)?.as_millisecond())
}

fn moment(started: &str, seconds: f64) -> Option<Timestamp> {
    let duration = SignedDuration::try_from_secs_f64(seconds).ok()?;
    // Microseconds, because readers support no finer unit.
    let moment = started.parse::<Timestamp>().ok()?.checked_add(duration).ok()?;
    Timestamp::from_microsecond(moment.as_microsecond()).ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_end_is_its_start_and_the_seconds() {
        let started = "2026-02-28T23:59:59Z";
        assert_eq!(after(started, 1.5).unwrap(), "2026-03-01T00:00:00.5Z");
        assert_eq!(with_offset(started, 1.5).unwrap(), "2026-03-01T00:00:00.500+00:00");
        assert_eq!(milliseconds_after("1970-01-01T00:00:00Z", 0.25), Some(250));
        assert_eq!(
            [after("yesterday", 1.0), after(started, f64::NAN), after(started, 1e300)],
            [None, None, None]
        );
    }
}
