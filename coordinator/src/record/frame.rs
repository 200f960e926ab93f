//! What all records share: a version in front, a checksum behind, and fixed-width fields between.
//!
//! Layout: version (1 byte), payload, CRC-32 of both (4 bytes). Numbers are big endian.

/// The checksum behind every record.
const CRC_BYTES: usize = 4;

/// Why bytes are not a record of the wanted kind. The caller adds the key.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub(crate) enum Damage {
    /// The checksum does not fit the bytes, or there are too few of them.
    #[error("its checksum does not fit its {0} bytes")]
    Checksum(usize),
    /// Written by a version of tdferry that this one does not know.
    #[error("it has format version {found}, and this tdferry reads up to {known}; upgrade this coordinator")]
    Version {
        /// What was found.
        found: u8,
        /// The newest this version reads.
        known: u8,
    },
    /// The checksum fits, but a field does not.
    #[error("its field {0} cannot be read")]
    Field(&'static str),
}

/// Puts version and checksum around a payload.
pub(super) fn seal(version: u8, payload: &[u8]) -> Vec<u8> {
    let mut bytes = Vec::with_capacity(1 + payload.len() + CRC_BYTES);
    bytes.push(version);
    bytes.extend_from_slice(payload);
    let crc = crc32fast::hash(&bytes);
    bytes.extend_from_slice(&crc.to_be_bytes());
    bytes
}

/// The payload of a record of exactly this version.
pub(super) fn open(known: u8, bytes: &[u8]) -> Result<&[u8], Damage> {
    let damaged = Damage::Checksum(bytes.len());
    let Some((body, crc)) = bytes.split_last_chunk::<CRC_BYTES>() else { return Err(damaged) };
    if crc32fast::hash(body) != u32::from_be_bytes(*crc) {
        return Err(damaged);
    }
    match body.split_first() {
        Some((version, payload)) if *version == known => Ok(payload),
        Some((version, _)) => Err(Damage::Version { found: *version, known }),
        None => Err(damaged),
    }
}

/// The payload of a record of this version or one before it, and of which.
pub(super) fn open_since(oldest: u8, known: u8, bytes: &[u8]) -> Result<(u8, &[u8]), Damage> {
    match bytes.first() {
        Some(version) if (oldest..known).contains(version) => Ok((*version, open(*version, bytes)?)),
        _ => Ok((known, open(known, bytes)?)),
    }
}

/// Writes fixed-width fields one after the other.
#[derive(Default)]
pub(super) struct Writer(pub(super) Vec<u8>);

impl Writer {
    pub(super) fn bytes(&mut self, bytes: &[u8]) {
        self.0.extend_from_slice(bytes);
    }

    /// One byte that says whether there is a value, then the value.
    pub(super) fn option<const N: usize>(&mut self, value: Option<[u8; N]>) {
        self.bytes(&[u8::from(value.is_some())]);
        self.bytes(&value.unwrap_or([0; N]));
    }

    /// A text cut to at most `most` bytes, its length in two bytes before it.
    pub(super) fn text(&mut self, text: &str, most: u16) {
        let kept = &text[..text.floor_char_boundary(usize::from(most))];
        let len = u16::try_from(kept.len()).unwrap_or(most);
        self.bytes(&len.to_be_bytes());
        self.bytes(kept.as_bytes());
    }
}

/// Reads what [`Writer`] wrote; each field is named for the error.
pub(super) struct Reader<'a>(pub(super) &'a [u8]);

impl<'a> Reader<'a> {
    pub(super) fn take<const N: usize>(&mut self, field: &'static str) -> Result<[u8; N], Damage> {
        let (head, tail) = self.0.split_first_chunk::<N>().ok_or(Damage::Field(field))?;
        self.0 = tail;
        Ok(*head)
    }

    pub(super) fn option<const N: usize>(&mut self, field: &'static str) -> Result<Option<[u8; N]>, Damage> {
        let there = self.take::<1>(field)?;
        let value = self.take::<N>(field)?;
        match there {
            [0] => Ok(None),
            [1] => Ok(Some(value)),
            _ => Err(Damage::Field(field)),
        }
    }

    pub(super) fn slice(&mut self, len: usize, field: &'static str) -> Result<&'a [u8], Damage> {
        let (head, tail) = self.0.split_at_checked(len).ok_or(Damage::Field(field))?;
        self.0 = tail;
        Ok(head)
    }

    pub(super) fn text(&mut self, field: &'static str) -> Result<&'a str, Damage> {
        let len = u16::from_be_bytes(self.take(field)?);
        std::str::from_utf8(self.slice(usize::from(len), field)?).map_err(|_| Damage::Field(field))
    }

    /// Nothing may be left over.
    pub(super) fn end(self) -> Result<(), Damage> {
        if self.0.is_empty() { Ok(()) } else { Err(Damage::Field("end")) }
    }
}
