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

/// The value of a plain scalar as kubectl and Flux read it; `Err` for an integer or float that does not
/// fit.
///
/// Source: `resolve` of `sigs.k8s.io/yaml/goyaml.v2`: an integer may have a prefix, underscores and a
/// leading zero, which makes it octal.
pub(super) fn resolve_as_go(text: &str) -> Result<NodeValue, ()> {
    let plain = text.replace('_', "");
    let starts = text.starts_with(|c: char| c.is_ascii_digit() || "+-".contains(c));
    let integer = starts.then(|| go_integer(&plain)).flatten();
    match integer {
        Some(found) => found.map(|number| NodeValue::Number(number, text.into())),
        None if starts => resolve(&plain).map(|value| match value {
            NodeValue::Number(number, _) => NodeValue::Number(number, text.into()),
            _ => NodeValue::String(text.into()),
        }),
        None => resolve(text),
    }
}

/// The integer that a text states, as digits alone or with a prefix. `None` if the text is not an
/// integer.
fn go_integer(plain: &str) -> Option<Result<Number, ()>> {
    let unsigned = plain.strip_prefix(['-', '+']).unwrap_or(plain);
    let (radix, digits) = match unsigned.as_bytes() {
        [b'0', b'x' | b'X', ..] => (16, &unsigned[2..]),
        [b'0', b'o' | b'O', ..] => (8, &unsigned[2..]),
        [b'0', b'b' | b'B', ..] => (2, &unsigned[2..]),
        [b'0', _, ..] => (8, &unsigned[1..]),
        _ => (10, unsigned),
    };
    if digits.is_empty() || !digits.chars().all(|digit| digit.is_digit(radix)) {
        return None;
    }

    let sign = if plain.starts_with('-') { "-" } else { "" };
    let signed = i64::from_str_radix(&format!("{sign}{digits}"), radix).map(Number::from);
    let found = match signed {
        Err(_) if sign.is_empty() => u64::from_str_radix(digits, radix).map(Number::from),
        found => found,
    };
    Some(found.map_err(|_| ()))
}

fn number(text: &str) -> Option<Result<Number, ()>> {
    let first = *text.as_bytes().first()?;
    if !(first.is_ascii_digit() || matches!(first, b'-' | b'+' | b'.')) {
        return None;
    }
    let unsigned = text.strip_prefix(['-', '+']).unwrap_or(text);

    if !unsigned.is_empty() && unsigned.bytes().all(|byte| byte.is_ascii_digit()) {
        let fits = text
            .parse::<i64>()
            .map(Number::from)
            .or_else(|_| text.parse::<u64>().map(Number::from));
        return Some(fits.map_err(|_| ()));
    }

    for (prefix, radix) in [("0o", 8), ("0x", 16)] {
        if let Some(digits) = text.strip_prefix(prefix)
            && !digits.is_empty()
            && digits.chars().all(|digit| digit.is_digit(radix))
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
    let shape = unsigned.starts_with(|first: char| first.is_ascii_digit() || first == '.')
        && unsigned
            .bytes()
            .all(|byte| byte.is_ascii_digit() || matches!(byte, b'.' | b'e' | b'E' | b'+' | b'-'))
        && unsigned.bytes().any(|byte| byte.is_ascii_digit());

    if !shape {
        return None;
    }
    let float: f64 = text.parse().ok()?;
    Some(Number::from_f64(float).ok_or(()))
}

/// The type that YAML 1.1 readers give a plain scalar, if it differs from the one that tenantry
/// gives it. `None` if all readers agree.
///
/// All readers agree on `true`, `12`, `1.5` and `null`. They disagree on `yes`, `012`, `1_000`,
/// `12:30:45`, `1e3` and `2026-11-01`.
pub fn ambiguity(text: &str) -> Option<&'static str> {
    let first = *text.as_bytes().first()?;
    if first.is_ascii_alphabetic() {
        static BOOLEANS: [&str; 6] = ["y", "n", "yes", "no", "on", "off"];
        let is_boolean = BOOLEANS.iter().any(|word| word.eq_ignore_ascii_case(text));
        return is_boolean.then_some("a boolean");
    }

    if text == "=" {
        return Some("a value key");
    }
    let unsigned = text.strip_prefix(['-', '+']).unwrap_or(text);
    let lead = *unsigned.as_bytes().first()?;
    if !(lead.is_ascii_digit() || lead == b'.') {
        return None;
    }
    if is_date(text) {
        return Some("a date");
    }
    is_ambiguous_number(text, unsigned).then_some("a number")
}

/// Whether YAML 1.1 readers take a scalar as a number, or as another number, where tenantry does
/// not. `unsigned` is the text without its sign.
fn is_ambiguous_number(text: &str, unsigned: &str) -> bool {
    let is_signed = text.starts_with('+');
    if unsigned.bytes().all(|byte| byte.is_ascii_digit()) {
        // 012 is ten to YAML 1.1 and twelve to the core schema; +1 is a string to some readers.
        return is_signed || (unsigned.len() > 1 && unsigned.starts_with('0'));
    }

    for prefix in ["0x", "0X", "0o", "0O", "0b", "0B"] {
        if let Some(rest) = unsigned.strip_prefix(prefix) {
            let is_digit = |byte: u8| byte.is_ascii_hexdigit() || byte == b'_';
            return !rest.is_empty() && rest.bytes().all(is_digit);
        }
    }

    if unsigned.contains(':') {
        let mut parts = unsigned.split(':');
        return parts.all(|part| part.split('.').all(are_digits));
    }
    is_ambiguous_float(unsigned, is_signed)
}

/// Whether a text is a float to YAML 1.1 readers, and not to all others.
fn is_ambiguous_float(unsigned: &str, is_signed: bool) -> bool {
    let (mantissa, exponent) = unsigned
        .split_once(['e', 'E'])
        .map_or((unsigned, None), |(mantissa, exponent)| {
            (mantissa, Some(exponent))
        });

    let is_mantissa = mantissa.split('.').count() <= 2
        && mantissa
            .bytes()
            .all(|byte| byte.is_ascii_digit() || matches!(byte, b'_' | b'.'))
        && mantissa.bytes().any(|byte| byte.is_ascii_digit());
    let is_exponent = exponent
        .is_none_or(|exponent| are_digits(exponent.strip_prefix(['-', '+']).unwrap_or(exponent)));

    // 1.5 is a float to all. An exponent, an underscore or a bare leading or trailing dot is not.
    let is_agreed = exponent.is_none()
        && !unsigned.contains('_')
        && !mantissa.starts_with('.')
        && !mantissa.ends_with('.')
        && !is_signed;
    is_mantissa && is_exponent && !is_agreed
}

/// Whether a text has digits and underscores alone.
fn are_digits(text: &str) -> bool {
    !text.is_empty()
        && text
            .bytes()
            .all(|byte| byte.is_ascii_digit() || byte == b'_')
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
        && y.bytes().all(|byte| byte.is_ascii_digit())
        && matches!(m.len(), 1 | 2)
        && m.bytes().all(|byte| byte.is_ascii_digit())
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
