//! A fingerprint of the keyspace, to compare two stores. It is not etcd's own.

use super::{History, KeyRange};

/// FNV-1a, 32 bits: its parameters.
const OFFSET: u32 = 0x811c_9dc5;
const PRIME: u32 = 0x0100_0193;

/// Over every live key after transaction `at`, with its revisions, version, lease and value.
pub(crate) fn hash(history: &History, at: i64) -> u32 {
    let mut sum = OFFSET;
    let mut add = |bytes: &[u8]| {
        for byte in bytes {
            sum = (sum ^ u32::from(*byte)).wrapping_mul(PRIME);
        }
    };
    for kv in history.range(&KeyRange::everything(), at) {
        let numbers = [kv.value.created, kv.modified, kv.value.version, kv.value.lease];
        add(&(kv.key.len() as u64).to_be_bytes());
        add(kv.key);
        numbers.iter().for_each(|number| add(&number.to_be_bytes()));
        add(&(kv.value.bytes.len() as u64).to_be_bytes());
        add(&kv.value.bytes);
    }
    sum
}
