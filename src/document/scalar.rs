//! What a plain scalar means: to YAML 1.2's core schema, which we read by, and to YAML 1.1 readers
//! such as kubectl's.
//!
//! Sources: YAML 1.2.2 section 10.3.2; the YAML 1.1 type repository (bool, int, float, timestamp,
//! merge, null), as implemented by `sigs.k8s.io/yaml` and PyYAML.

use super::NodeValue;
use serde_json::Number;

/// The value of a plain scalar by the core schema; `Err` for an integer or float that does not fit.
pub(super) fn resolve(text: &str) -> Result<NodeValue, ()> {
    Ok(match text {
        "" | "~" | "null" | "Null" | "NULL" => NodeValue::Null,
        "true" | "True" | "TRUE" => NodeValue::Bool(true),
        "false" | "False" | "FALSE" => NodeValue::Bool(false),
        _ => match number(text) {
            Some(Ok(n)) => NodeValue::Number(n, text.into()),
            Some(Err(())) => return Err(()),
            None => NodeValue::String(text.into()),
        },
    })
}

fn number(text: &str) -> Option<Result<Number, ()>> {
    let first = *text.as_bytes().first()?;
    if !(first.is_ascii_digit() || matches!(first, b'-' | b'+' | b'.')) {
        return None;
    }
    let unsigned = text.strip_prefix(['-', '+']).unwrap_or(text);

    if !unsigned.is_empty() && unsigned.bytes().all(|b| b.is_ascii_digit()) {
        let fits = text
            .parse::<i64>()
            .map(Number::from)
            .or_else(|_| text.parse::<u64>().map(Number::from));
        return Some(fits.map_err(|_| ()));
    }

    for (prefix, radix) in [("0o", 8), ("0x", 16)] {
        if let Some(digits) = text.strip_prefix(prefix)
            && !digits.is_empty()
            && digits.chars().all(|c| c.is_digit(radix))
        {
            return Some(
                u64::from_str_radix(digits, radix)
                    .map(Number::from)
                    .map_err(|_| ()),
            );
        }
    }

    if matches!(unsigned, ".inf" | ".Inf" | ".INF") || matches!(text, ".nan" | ".NaN" | ".NAN") {
        return Some(Err(()));
    }
    let shape = unsigned.starts_with(|c: char| c.is_ascii_digit() || c == '.')
        && unsigned
            .bytes()
            .all(|b| b.is_ascii_digit() || matches!(b, b'.' | b'e' | b'E' | b'+' | b'-'))
        && unsigned.bytes().any(|b| b.is_ascii_digit());

    if !shape {
        return None;
    }
    let float: f64 = text.parse().ok()?;
    Some(Number::from_f64(float).ok_or(()))
}

/// What YAML 1.1 readers take a plain scalar for, where that differs from what we read; `None`
/// where all agree.
///
/// `true`, `12`, `1.5` and `null` are the same to everybody; `yes`, `012`, `1_000`, `12:30:45`,
/// `1e3`, `2026-11-01` are not.
pub fn ambiguity(text: &str) -> Option<&'static str> {
    let bytes = text.as_bytes();
    let first = *bytes.first()?;

    if first.is_ascii_alphabetic() {
        let yes = matches!(text.len(), 1..=3)
            && ["y", "n", "yes", "no", "on", "off"]
                .iter()
                .any(|word| word.eq_ignore_ascii_case(text));
        return yes.then_some("a boolean");
    }

    if text == "=" {
        return Some("a value key");
    }
    let unsigned = text.strip_prefix(['-', '+']).unwrap_or(text);
    let lead = unsigned.as_bytes().first().copied()?;
    if !(lead.is_ascii_digit() || lead == b'.') {
        return None;
    }
    if is_date(text) {
        return Some("a date");
    }
    let digits = |s: &str| !s.is_empty() && s.bytes().all(|b| b.is_ascii_digit() || b == b'_');
    let plain_integer = unsigned.bytes().all(|b| b.is_ascii_digit());

    if plain_integer {
        // 012 is ten to YAML 1.1 and twelve to the core schema; +1 is a string to some readers.
        return (text.starts_with('+') || (unsigned.len() > 1 && lead == b'0'))
            .then_some("a number");
    }

    for prefix in ["0x", "0X", "0o", "0O", "0b", "0B"] {
        if let Some(rest) = unsigned.strip_prefix(prefix) {
            return (!rest.is_empty() && rest.bytes().all(|b| b.is_ascii_hexdigit() || b == b'_'))
                .then_some("a number");
        }
    }

    if unsigned.contains(':') {
        let sexagesimal = unsigned.split(':').all(|part| part.split('.').all(digits))
            && unsigned.split(':').count() > 1;
        return sexagesimal.then_some("a number");
    }

    let numeric = unsigned
        .bytes()
        .all(|b| b.is_ascii_digit() || matches!(b, b'_' | b'.' | b'e' | b'E' | b'+' | b'-'));
    if numeric && unsigned.bytes().any(|b| b.is_ascii_digit()) {
        let (mantissa, exponent) = unsigned
            .split_once(['e', 'E'])
            .map_or((unsigned, None), |(m, e)| (m, Some(e)));
        let mantissa_ok = mantissa.split('.').count() <= 2
            && mantissa
                .bytes()
                .all(|b| b.is_ascii_digit() || matches!(b, b'_' | b'.'))
            && mantissa.bytes().any(|b| b.is_ascii_digit());

        let exponent_ok = exponent.is_none_or(|e| digits(e.strip_prefix(['-', '+']).unwrap_or(e)));
        // 1.5 is a float to everybody. An exponent, an underscore or a bare leading or trailing dot
        // is not.
        let agreed = exponent.is_none()
            && !unsigned.contains('_')
            && !mantissa.starts_with('.')
            && !mantissa.ends_with('.')
            && !text.starts_with('+');

        return (mantissa_ok && exponent_ok && !agreed).then_some("a number");
    }

    None
}

/// `2026-11-22` and what may follow in a timestamp.
fn is_date(text: &str) -> bool {
    let mut parts = text.splitn(3, '-');
    let (Some(y), Some(m), Some(d)) = (parts.next(), parts.next(), parts.next()) else {
        return false;
    };
    let day: String = d.chars().take_while(char::is_ascii_digit).collect();
    let rest = &d[day.len()..];
    y.len() == 4
        && y.bytes().all(|b| b.is_ascii_digit())
        && matches!(m.len(), 1 | 2)
        && m.bytes().all(|b| b.is_ascii_digit())
        && matches!(day.len(), 1 | 2)
        && (rest.is_empty() || rest.starts_with(['T', 't', ' ', '\t']))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ambiguous_is_what_readers_disagree_on() {
        for text in [
            "no",
            "On",
            "y",
            "012",
            "1_000",
            "12:30:45",
            "1e3",
            "2026-11-01",
            "0x1F",
            "0b1",
            "+1",
            ".5",
            "1.",
            "=",
            "-1_0",
            "1:30.5",
            "2001-12-14 21:59:43",
        ] {
            assert!(ambiguity(text).is_some(), "{text} should be ambiguous");
        }
        for text in [
            "true",
            "null",
            "12",
            "-3",
            "1.5",
            "0",
            "yesterday",
            "1.2.3",
            "10m",
            "8Gi",
            "fd00::1",
            "10.0.0.0/8",
            "a:b",
            "500m",
            "-",
            "--",
            "12:30:aa",
            "2026-11",
            "v1",
            "1.34.2",
            "1h30m",
        ] {
            assert!(ambiguity(text).is_none(), "{text} should not be ambiguous");
        }
    }

    #[test]
    fn numbers_that_do_not_fit_are_faults() {
        assert!(resolve("18446744073709551616").is_err());
        assert!(resolve(".inf").is_err());
        assert!(matches!(
            resolve("18446744073709551615"),
            Ok(NodeValue::Number(..))
        ));
        assert!(matches!(resolve("1.2.3"), Ok(NodeValue::String(_))));
        assert!(matches!(resolve("-"), Ok(NodeValue::String(_))));
    }
}
