//! NCHAR on the 3.x wire: UCS-4, little endian, four bytes a character.

/// Appends the UCS-4 of UTF-8 text; what is not UTF-8 becomes U+FFFD.
pub(crate) fn push_ucs4(utf8: &[u8], out: &mut Vec<u8>) {
    if utf8.is_ascii() {
        out.extend(utf8.iter().flat_map(|byte| u32::from(*byte).to_le_bytes()));
        return;
    }
    let text = String::from_utf8_lossy(utf8);
    out.extend(text.chars().flat_map(|char| u32::from(char).to_le_bytes()));
}

/// Appends the UTF-8 of UCS-4; `None` if it is not a whole number of valid characters.
pub(crate) fn push_utf8(ucs4: &[u8], out: &mut Vec<u8>) -> Option<()> {
    let words = ucs4.chunks_exact(4);
    if !words.remainder().is_empty() {
        return None;
    }
    for word in words {
        let char = char::from_u32(u32::from_le_bytes(word.try_into().ok()?))?;
        out.extend_from_slice(char.encode_utf8(&mut [0; 4]).as_bytes());
    }
    Some(())
}
