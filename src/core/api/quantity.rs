//! Kubernetes quantities in the form that Kubernetes prints them.
//!
//! Owns the canonical form: no fraction, no lost precision, the largest suffix that allows for both. It leaves
//! alone comparing and arithmetic. Its invariant: what is not a quantity comes back as it is.

/// Powers of 1024 by suffix, largest first.
const BINARY: [(&str, u32); 6] = [("Ei", 60), ("Pi", 50), ("Ti", 40), ("Gi", 30), ("Mi", 20), ("Ki", 10)];

/// Powers of 10 by suffix, largest first.
const DECIMAL: [(&str, i32); 10] =
    [("E", 18), ("P", 15), ("T", 12), ("G", 9), ("M", 6), ("k", 3), ("", 0), ("m", -3), ("u", -6), ("n", -9)];

/// Smallest power of ten that a quantity can hold.
const NANO: i32 = -9;

/// `text` as Kubernetes prints it: `0.5` is `500m`, `1000m` is `1`, `1024Mi` is `1Gi`.
pub fn canonical(text: &str) -> String {
    let text = text.trim();
    parse(text).and_then(Quantity::print).unwrap_or_else(|| text.to_owned())
}

/// How a quantity is printed follows how it was written.
enum Form {
    Binary,
    Decimal,
    Exponent,
}

struct Quantity {
    nanos: i128,
    form: Form,
}

fn parse(text: &str) -> Option<Quantity> {
    let digits_end = text.find(|c: char| !matches!(c, '0'..='9' | '.' | '+' | '-')).unwrap_or(text.len());
    let (number, suffix) = text.split_at(digits_end);
    if let Some((_, power)) = BINARY.iter().find(|(name, _)| *name == suffix) {
        return Some(Quantity { nanos: nanos(number, 0, 1 << power)?, form: Form::Binary });
    }
    if let Some((_, power)) = DECIMAL.iter().find(|(name, _)| *name == suffix) {
        return Some(Quantity { nanos: nanos(number, *power, 1)?, form: Form::Decimal });
    }
    let power = suffix.strip_prefix(['e', 'E'])?.parse().ok()?;
    Some(Quantity { nanos: nanos(number, power, 1)?, form: Form::Exponent })
}

/// `number` · 10^`power` · `factor` in billionths, rounded away from zero as Kubernetes does.
fn nanos(number: &str, power: i32, factor: i128) -> Option<i128> {
    let (negative, unsigned) = match number.strip_prefix('-') {
        Some(rest) => (true, rest),
        None => (false, number.strip_prefix('+').unwrap_or(number)),
    };
    let (whole, fraction) = unsigned.split_once('.').unwrap_or((unsigned, ""));
    let digits = format!("{whole}{fraction}");
    if digits.is_empty() || !digits.bytes().all(|digit| digit.is_ascii_digit()) {
        return None;
    }
    let mantissa = digits.parse::<i128>().ok()?.checked_mul(factor)?;
    let scale = power.checked_sub(NANO)?.checked_sub(i32::try_from(fraction.len()).ok()?)?;
    let ten = |scale: u32| 10_i128.checked_pow(scale);
    let nanos = match u32::try_from(scale) {
        Ok(up) => mantissa.checked_mul(ten(up)?)?,
        Err(_) => {
            let divisor = ten(scale.unsigned_abs())?;
            mantissa / divisor + i128::from(mantissa % divisor != 0)
        }
    };
    Some(if negative { -nanos } else { nanos })
}

impl Quantity {
    fn print(self) -> Option<String> {
        const ONE: i128 = 1_000_000_000;
        // Kubernetes prints small or fractional binary quantities in decimal form.
        let binary =
            matches!(self.form, Form::Binary) && self.nanos % ONE == 0 && self.nanos.abs() >= 1024 * ONE;
        if self.nanos == 0 {
            return Some("0".to_owned());
        }
        if binary {
            let whole = self.nanos / ONE;
            let fits = BINARY.iter().find(|(_, power)| whole % (1_i128 << power) == 0);
            return Some(match fits {
                Some((suffix, power)) => format!("{}{suffix}", whole >> power),
                None => whole.to_string(),
            });
        }
        let divisor = |power: i32| 10_i128.pow((power - NANO).unsigned_abs());
        let (suffix, power) = DECIMAL.iter().find(|(_, power)| self.nanos % divisor(*power) == 0)?;
        let number = self.nanos / divisor(*power);
        Some(match self.form {
            Form::Exponent if *power != 0 => format!("{number}e{power}"),
            _ => format!("{number}{suffix}"),
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn canonical_form() {
        let check = |text: &str, wanted: &str| {
            assert_eq!(canonical(text), wanted, "{text}");
            assert_eq!(canonical(wanted), wanted, "twice: {text}");
        };
        check("200m", "200m");
        check("0.5", "500m");
        check(".5", "500m");
        check("1000m", "1");
        check("2", "2");
        check("2.0", "2");
        check("1500m", "1500m");
        check("2000", "2k");
        check("0", "0");
        check("0Mi", "0");
        check("256Mi", "256Mi");
        check("1024Mi", "1Gi");
        check("1.5Gi", "1536Mi");
        check("0.5Ki", "512");
        check("1073741824", "1073741824");
        check("128974848Ki", "123Gi");
        check("1e3", "1e3");
        check("12e6", "12e6");
        check("1E", "1E");
        check("100u", "100u");
        check("1n", "1n");
        check("0.1n", "1n");
        check("-1.5", "-1500m");
        check(" 1 ", "1");
        for nonsense in [
            "",
            "Mi",
            "1Mb",
            "1,5",
            "--1",
            "1-2",
            "1e",
            "1e99",
            "1.2.3",
            "99999999999999999999999999999999999999",
        ] {
            assert_eq!(canonical(nonsense), nonsense);
        }
    }
}
