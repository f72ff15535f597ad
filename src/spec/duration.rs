//! Durations as Go reads them.
//!
//! Source: Go's `time.ParseDuration`, which Kubernetes' `metav1.Duration` calls. A controller whose
//! list holds one duration that Go refuses cannot decode the list, so it stops for everybody.

/// Nanoseconds in one unit, by the unit's name.
const UNITS: [(&str, u64); 8] = [
    ("ns", 1),
    ("us", 1_000),
    ("µs", 1_000),
    ("μs", 1_000),
    ("ms", 1_000_000),
    ("s", 1_000_000_000),
    ("m", 60_000_000_000),
    ("h", 3_600_000_000_000),
];

/// The longest duration that Go holds: 2^63 − 1 nanoseconds.
pub const LONGEST: &str = "2562047h47m16.854775807s";

/// Why a text is not a duration.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum DurationError {
    /// The text does not have a duration's form.
    Form,
    /// The text has the form, and the value does not fit into 64 bits.
    OutOfRange,
}

/// Reads a duration: a sign, then numbers with units, such as `1h30m` or `-1.5s`. Returns
/// nanoseconds.
///
/// # Errors
/// See [`DurationError`]. A text of the right form is either in range or `OutOfRange`, so a text
/// that a pattern accepts and Go does not can be told from any other string.
pub fn parse(text: &str) -> Result<i64, DurationError> {
    let (negative, number) = match text.as_bytes().first() {
        Some(b'-') => (true, &text[1..]),
        Some(b'+') => (false, &text[1..]),
        _ => (false, text),
    };

    if number == "0" {
        return Ok(0);
    }

    let sum = sum(number)?.ok_or(DurationError::OutOfRange)?;
    let signed = if negative {
        0i64.checked_sub_unsigned(sum)
    } else {
        0i64.checked_add_unsigned(sum)
    };

    signed.ok_or(DurationError::OutOfRange)
}

/// The sum of all parts in nanoseconds; `None` if it does not fit.
fn sum(text: &str) -> Result<Option<u64>, DurationError> {
    if text.is_empty() {
        return Err(DurationError::Form);
    }

    let mut total = Some(0u64);
    let mut rest = text;

    while !rest.is_empty() {
        let (whole, after) = split_digits(rest);
        let (fraction, after) = match after.strip_prefix('.') {
            Some(after) => split_digits(after),
            None => ("", after),
        };

        if whole.is_empty() && fraction.is_empty() {
            return Err(DurationError::Form);
        }

        let end = after
            .find(|character: char| character == '.' || character.is_ascii_digit())
            .unwrap_or(after.len());
        let (unit, after) = after.split_at(end);
        let scale = UNITS.iter().find(|(name, _)| *name == unit);
        let (_, scale) = scale.ok_or(DurationError::Form)?;

        let part = nanoseconds(whole, fraction, *scale);
        total = total
            .zip(part)
            .and_then(|(sum, part)| sum.checked_add(part));
        rest = after;
    }

    Ok(total)
}

fn split_digits(text: &str) -> (&str, &str) {
    let end = text
        .find(|character: char| !character.is_ascii_digit())
        .unwrap_or(text.len());
    text.split_at(end)
}

/// A number of units in nanoseconds, rounded down; `None` if it does not fit.
fn nanoseconds(whole: &str, fraction: &str, scale: u64) -> Option<u64> {
    let whole: u64 = if whole.is_empty() {
        0
    } else {
        whole.parse().ok()?
    };

    let mut nanos = whole.checked_mul(scale)?;

    // Each digit is worth a tenth of the one before; digits past the 14th are under a nanosecond.
    let mut worth = u128::from(scale) * 1_000_000;
    let mut parts = 0u128;

    for digit in fraction.bytes() {
        worth /= 10;
        parts += u128::from(digit - b'0') * worth;
    }

    nanos = nanos.checked_add(u64::try_from(parts / 1_000_000).ok()?)?;
    Some(nanos)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn reads_what_go_reads() {
        for (text, nanos) in [
            ("0", 0),
            ("45s", 45_000_000_000),
            ("1h30m", 5_400_000_000_000),
            ("1.5s", 1_500_000_000),
            (".5ms", 500_000),
            ("1.m", 60_000_000_000),
            ("-2us", -2_000),
            ("3µs", 3_000),
            (LONGEST, i64::MAX),
            ("-2562047h47m16.854775808s", i64::MIN),
        ] {
            assert_eq!(parse(text), Ok(nanos), "{text}");
        }
    }

    #[test]
    fn tells_overflow_from_another_form() {
        for text in [
            "9999999999999h",
            "2562047h47m16.854775808s",
            "2562048h",
            "99999999999999999999999s",
            "1h9223372036854775807ns",
            "-9999999999999h",
        ] {
            assert_eq!(parse(text), Err(DurationError::OutOfRange), "{text}");
        }
        for text in [
            "", "1", "h", "1d", "1h30", "1 h", "-", ".s", "1h-1m", "9.9.9s",
        ] {
            assert_eq!(parse(text), Err(DurationError::Form), "{text}");
        }
    }
}
