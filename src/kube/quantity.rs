//! Kubernetes quantities, exactly.
//!
//! Source: k8s.io/apimachinery `resource.Quantity`: a decimal number and a suffix (`n u m "" k M G
//! T P E`, `Ki … Ei`, or an exponent). Values are kept in nanos; a value over 2^63 − 1 whole units
//! is refused, as no quota can hold it.

use schemars::{JsonSchema, Schema, SchemaGenerator, json_schema};
use serde::{Deserialize, Deserializer, Serialize, Serializer, de};
use std::borrow::Cow;
use std::fmt;

/// The name of the format in the schema.
pub const FORMAT: &str = "quantity";
const NANO: i128 = 1_000_000_000;
const BINARY: [(&str, u32); 6] = [
    ("Ei", 60),
    ("Pi", 50),
    ("Ti", 40),
    ("Gi", 30),
    ("Mi", 20),
    ("Ki", 10),
];
const DECIMAL: [(&str, i64); 10] = [
    ("n", -9),
    ("u", -6),
    ("m", -3),
    ("", 0),
    ("k", 3),
    ("M", 6),
    ("G", 9),
    ("T", 12),
    ("P", 15),
    ("E", 18),
];

/// An amount of a resource: the text as written, and its value.
#[derive(Clone, Debug)]
pub struct Quantity {
    text: String,
    nanos: i128,
    /// Whether it was written with a binary suffix.
    binary: bool,
}

impl Quantity {
    /// Reads a quantity.
    ///
    /// # Errors
    /// The reason why it is none.
    pub fn parse(text: &str) -> Result<Self, String> {
        let fault = || "write it as 500m, 2, 1.5 or 8Gi".to_owned();
        let split = text
            .char_indices()
            .find(|(i, c)| {
                !(c.is_ascii_digit() || *c == '.' || (*i == 0 && matches!(c, '+' | '-')))
            })
            .map_or(text.len(), |(i, _)| i);

        let (number, suffix) = text.split_at(split);
        if number.starts_with('-') {
            return Err("it is negative".into());
        }
        let number = number.strip_prefix('+').unwrap_or(number);
        let (whole, fraction) = number.split_once('.').unwrap_or((number, ""));
        if whole.is_empty() && fraction.is_empty() || number.matches('.').count() > 1 {
            return Err(fault());
        }
        let digits = if fraction.is_empty() {
            Cow::Borrowed(whole)
        } else {
            format!("{whole}{fraction}").into()
        };

        let value: i128 = digits
            .parse()
            .map_err(|_| "it is out of range".to_owned())?;
        let scale = fraction.len() as i64;
        let binary = BINARY.iter().find(|(s, _)| *s == suffix);
        let nanos = if let Some((_, power)) = binary {
            value
                .checked_mul(1i128 << power)
                .and_then(|v| shift(v, 9 - scale))
        } else {
            let power = match DECIMAL.iter().find(|(s, _)| *s == suffix) {
                Some((_, power)) => *power,
                None => suffix
                    .strip_prefix(['e', 'E'])
                    .and_then(|e| e.parse::<i32>().ok())
                    .map(i64::from)
                    .ok_or_else(fault)?,
            };
            shift(value, power + 9 - scale)
        }
        .ok_or("it is out of range")?;

        if nanos > i128::from(i64::MAX) * NANO {
            return Err("it is over 2^63 - 1, more than a quota can hold".into());
        }
        Ok(Self {
            text: text.to_owned(),
            nanos,
            binary: binary.is_some(),
        })
    }

    /// The text as written.
    pub fn text(&self) -> &str {
        &self.text
    }

    /// The value in billionths of a unit.
    pub const fn nanos(&self) -> i128 {
        self.nanos
    }

    /// Whether it is a whole number of units.
    pub const fn is_whole(&self) -> bool {
        self.nanos % NANO == 0
    }

    /// A quantity of some nanos, written with the largest suffix that is exact.
    pub fn from_nanos(nanos: i128, binary: bool) -> Self {
        let text = canonical(nanos, binary);
        Self {
            text,
            nanos,
            binary,
        }
    }

    /// Splits into equal parts of whole `step`s (in nanos), rounded down; the first part takes the
    /// remainder.
    ///
    /// A single part keeps the text as it is.
    pub fn split(&self, parts: usize, step: i128) -> Vec<Self> {
        if parts <= 1 {
            return vec![self.clone(); parts];
        }
        let each = self.nanos / parts as i128 / step * step;
        let first = self.nanos - each * (parts as i128 - 1);
        (0..parts)
            .map(|i| Self::from_nanos(if i == 0 { first } else { each }, self.binary))
            .collect()
    }

    /// This one less another, not below nothing.
    #[must_use]
    pub fn minus(&self, nanos: i128) -> Self {
        Self::from_nanos((self.nanos - nanos).max(0), self.binary)
    }
}

/// A value times a power of ten; `None` if it is out of range. Kubernetes rounds a fraction of a
/// nano up.
fn shift(value: i128, power: i64) -> Option<i128> {
    let factor = 10i128.checked_pow(u32::try_from(power.unsigned_abs()).ok()?);
    if power >= 0 {
        return if value == 0 {
            Some(0)
        } else {
            value.checked_mul(factor?)
        };
    }
    // A divisor beyond 128 bits leaves less than a nano of any value.
    let (quotient, remainder) = factor.map_or((0, value), |f| (value / f, value % f));
    quotient.checked_add(i128::from(remainder != 0))
}

fn canonical(nanos: i128, binary: bool) -> String {
    if nanos == 0 {
        return "0".to_owned();
    }
    if binary && nanos % NANO == 0 {
        let units = nanos / NANO;
        for (suffix, power) in BINARY {
            if units % (1i128 << power) == 0 {
                return format!("{}{suffix}", units >> power);
            }
        }
        return units.to_string();
    }

    for (suffix, power) in DECIMAL.iter().rev() {
        let unit = 10i128.pow((power + 9) as u32);
        if nanos % unit == 0 {
            return format!("{}{suffix}", nanos / unit);
        }
    }

    format!("{nanos}n")
}

impl fmt::Display for Quantity {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.text)
    }
}

impl PartialEq for Quantity {
    fn eq(&self, other: &Self) -> bool {
        self.nanos == other.nanos
    }
}

impl PartialOrd for Quantity {
    fn partial_cmp(&self, other: &Self) -> Option<std::cmp::Ordering> {
        self.nanos.partial_cmp(&other.nanos)
    }
}

impl Serialize for Quantity {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(&self.text)
    }
}

impl<'de> Deserialize<'de> for Quantity {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct V;
        impl de::Visitor<'_> for V {
            type Value = Quantity;
            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("a quantity")
            }
            fn visit_str<E: de::Error>(self, text: &str) -> Result<Quantity, E> {
                Quantity::parse(text).map_err(E::custom)
            }
            fn visit_i64<E: de::Error>(self, n: i64) -> Result<Quantity, E> {
                Quantity::parse(&n.to_string()).map_err(E::custom)
            }
            fn visit_u64<E: de::Error>(self, n: u64) -> Result<Quantity, E> {
                Quantity::parse(&n.to_string()).map_err(E::custom)
            }
        }

        deserializer.deserialize_any(V)
    }
}

impl JsonSchema for Quantity {
    fn inline_schema() -> bool {
        true
    }
    fn schema_name() -> Cow<'static, str> {
        "Quantity".into()
    }
    fn json_schema(_: &mut SchemaGenerator) -> Schema {
        json_schema!({"type": ["string", "integer"], "format": FORMAT, "minimum": 0})
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn values_are_exact() {
        for (text, nanos) in [
            ("1", NANO),
            ("500m", NANO / 2),
            ("1.5", NANO * 3 / 2),
            ("1Ki", 1024 * NANO),
            ("0.5Gi", (1i128 << 29) * NANO),
            ("2k", 2000 * NANO),
            ("1e3", 1000 * NANO),
            ("1E", 1_000_000_000_000_000_000 * NANO),
            (".5", NANO / 2),
        ] {
            assert_eq!(Quantity::parse(text).unwrap().nanos(), nanos, "{text}");
        }
        for text in [
            "",
            "x",
            "1x",
            "-1",
            "1.2.3",
            "9223372036854775808",
            "16Ei",
            "1 Gi",
            "1e",
            ".",
        ] {
            assert!(Quantity::parse(text).is_err(), "{text}");
        }
    }

    /// The nanos of `digits`e`power`, by decimal digits alone, or `None` if over 2^63 − 1 units.
    fn nanos_by_digits(digits: &str, power: i64) -> Option<i128> {
        let digits = digits.trim_start_matches('0');
        let shift = power + 9;
        let (kept, cut) = if shift >= 0 {
            let zeros = if digits.is_empty() {
                0
            } else {
                shift.min(100) as usize
            };
            (format!("{digits}{}", "0".repeat(zeros)), "")
        } else {
            let cut = digits.len().min(shift.unsigned_abs() as usize);
            let at = digits.len() - cut;
            (digits[..at].to_owned(), &digits[at..])
        };

        if kept.len() > 30 {
            return None;
        }
        let whole: i128 = if kept.is_empty() {
            0
        } else {
            kept.parse().unwrap()
        };

        let nanos = whole + i128::from(cut.bytes().any(|digit| digit != b'0'));
        (nanos <= i128::from(i64::MAX) * NANO).then_some(nanos)
    }

    #[test]
    fn no_number_wraps() {
        use proptest::prelude::*;
        let exponent = prop_oneof![-60i64..60, any::<i32>().prop_map(i64::from)];
        proptest!(|(digits in "[0-9]{1,45}", power in exponent)| {
            let parsed = Quantity::parse(&format!("{digits}e{power}")).ok();
            let right = nanos_by_digits(&digits, power);
            // More digits than 128 bits hold are refused, whatever the exponent.
            if digits.parse::<i128>().is_ok() {
                prop_assert_eq!(parsed.map(|q| q.nanos()), right);
            } else {
                prop_assert!(parsed.is_none());
            }
        });

        let largest = i128::MAX.to_string();
        for power in [
            -10,
            -11,
            -48,
            -49,
            -100,
            i64::from(i32::MIN),
            i64::from(i32::MAX),
        ] {
            let parsed = Quantity::parse(&format!("{largest}e{power}")).ok();
            assert_eq!(
                parsed.map(|q| q.nanos()),
                nanos_by_digits(&largest, power),
                "e{power}"
            );
        }
    }

    #[test]
    fn parts_sum_up() {
        let split = |text: &str, parts, step| -> Vec<String> {
            Quantity::parse(text)
                .unwrap()
                .split(parts, step)
                .iter()
                .map(ToString::to_string)
                .collect()
        };

        assert_eq!(split("50", 3, NANO), ["18", "16", "16"]);
        assert_eq!(
            split("16Gi", 3, NANO),
            ["5726623062", "5726623061", "5726623061"]
        );

        assert_eq!(split("1", 4, NANO / 1000), ["250m", "250m", "250m", "250m"]);
        assert_eq!(split("1.50", 1, NANO), ["1.50"]);
        assert_eq!(split("2", 3, NANO), ["2", "0", "0"]);
    }
}
