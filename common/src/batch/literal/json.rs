//! Numbers in the text of a JSON tag that a 3.x server must not be sent. It judges no other part of the text.

/// Beyond every whole number of 64 bits. A 3.3.1 that was given `{"emoji":"😀","big":1e300}` overran its heap and answered
/// nobody any more; 12345678901.5 it takes (measured). What lies between was not tried: a server is not worth it.
const TOO_LARGE: f64 = 2e19;

/// Whether a JSON tag holds a number that a 3.x server may not survive.
pub fn is_too_large_in(text: &str) -> bool {
    let (mut in_text, mut escaped, mut number) = (false, false, String::new());
    for c in text.chars().chain([' ']) {
        if !in_text && (c.is_ascii_digit() || matches!(c, '+' | '-' | '.' | 'e' | 'E')) {
            number.push(c);
            continue;
        }
        // words such as `true` leave an `e` behind, which is no number
        if std::mem::take(&mut number).parse::<f64>().is_ok_and(|number| number.abs() >= TOO_LARGE) {
            return true;
        }
        in_text ^= c == '"' && !escaped;
        escaped = in_text && c == '\\' && !escaped;
    }
    false
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_number_beyond_64_bits_is_found_wherever_it_stands_and_however_it_is_written() {
        let long = format!(r#"{{"a":1{}}}"#, "0".repeat(300));
        for text in [
            r#"{"emoji":"😀","big":1e300}"#,
            r#"{"big":-1E+300,"b":true}"#,
            r#"{"a":"\\","big": 2e19 }"#,
            r#"{"a":"\"","big":1e400}"#,
            &long,
        ] {
            assert!(is_too_large_in(text), "{text}");
        }
    }

    #[test]
    fn other_numbers_and_digits_in_text_are_left_alone() {
        for text in [
            r#"{"k":18446744073709551615,"n":-9223372036854775808}"#,
            r#"{"emoji":"😀","big":12345678901.5,"small":1e-300}"#,
            r#"{"a":"1e300","1e300":true,"b":"\"1e300"}"#,
            r#"{"e":false,"E":null}"#,
            "",
        ] {
            assert!(!is_too_large_in(text), "{text}");
        }
    }
}
