//! Percent-encoding, as DSNs use it. A `+` is a plus: the offset in `2024-01-01T00:00:00+08:00` must survive.

/// Encodes all that any reader of a DSN could take for syntax.
pub(super) fn encode(text: &str) -> String {
    let mut encoded = String::with_capacity(text.len());
    for byte in text.bytes() {
        match byte {
            b'A'..=b'Z' | b'a'..=b'z' | b'0'..=b'9' | b'-' | b'_' | b'.' => encoded.push(char::from(byte)),
            _ => encoded.push_str(&format!("%{byte:02X}")),
        }
    }
    encoded
}

/// Decodes, or says what is wrong without showing the text, which may be a password.
pub(super) fn decode(text: &str) -> Result<String, &'static str> {
    let mut bytes = Vec::with_capacity(text.len());
    let mut rest = text.bytes();
    while let Some(byte) = rest.next() {
        if byte == b'%' {
            let digits = rest.next().zip(rest.next());
            let digits = digits.and_then(|(high, low)| Some(hex(high)? * 16 + hex(low)?));
            bytes.push(digits.ok_or("a `%` without two hexadecimal digits after it")?);
        } else {
            bytes.push(byte);
        }
    }
    let decoded = String::from_utf8(bytes).map_err(|_| "its percent-encoding is not UTF-8")?;
    match decoded.chars().any(char::is_control) {
        true => Err("a control character, such as a line end"),
        false => Ok(decoded),
    }
}

fn hex(digit: u8) -> Option<u8> {
    char::from(digit).to_digit(16).and_then(|value| u8::try_from(value).ok())
}
