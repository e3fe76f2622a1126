//! Bucketing `flagd-v2`: which of 10,000 buckets a key falls into, for ever.
//!
//! The bucket depends on the flag and the key alone, never on the share: growing the share only
//! adds users (monotone) and a user stays where it is (sticky). The flag is hashed with the key, so
//! two migrations do not move the same unlucky users first.

/// Number of buckets: a share grows in steps of 0.01 %.
pub const BUCKETS: u32 = 10_000;

/// The 32-bit hash of a flag and a key: murmur3_x86_32, seed 0, over the bytes of both.
#[must_use]
pub fn hash(flag: &[u8], key: &[u8]) -> u32 {
    FlagHash::new(flag).with(key)
}

/// The hash of a flag, to be continued with a key.
///
/// The flag never changes, so it is hashed once: that takes 7 of 13 ns off a decision. Crates hash
/// one slice, or stream through a hasher that cannot be copied after the flag.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct FlagHash {
    state: u32,
    /// The bytes of the flag after its last whole word, from the lowest up.
    rest: u32,
    /// Their number in bits: 0, 8, 16 or 24.
    rest_bits: u32,
    /// The length of the flag, as the hash counts it.
    length: u32,
}

impl FlagHash {
    pub(crate) fn new(flag: &[u8]) -> Self {
        let (words, rest) = flag.as_chunks::<4>();
        let state = words.iter().fold(0, |state, word| mixed(state, u32::from_le_bytes(*word)));
        let bits = [0, 8, 16];
        let joined = rest.iter().zip(bits).map(|(&byte, bits)| u32::from(byte) << bits).sum();
        let rest_bits = [0, 8, 16, 24][rest.len()];
        Self { state, rest: joined, rest_bits, length: counted(flag) }
    }

    /// The hash of the flag and a key.
    #[inline]
    pub(crate) fn with(self, key: &[u8]) -> u32 {
        let Self { mut state, rest, rest_bits, length } = self;
        // Words of flag and key together begin inside words of the key: what does not fit into one
        // is carried into the next.
        let mut carried = u64::from(rest);
        let (words, rest) = key.as_chunks::<4>();
        for word in words {
            carried |= u64::from(u32::from_le_bytes(*word)) << rest_bits;
            state = mixed(state, low(carried));
            carried >>= 32;
        }
        let mut bits = rest_bits;
        for &byte in rest {
            carried |= u64::from(byte) << bits;
            bits += 8;
        }
        if bits >= 32 {
            state = mixed(state, low(carried));
            carried >>= 32;
        }
        finished(state ^ scrambled(low(carried)) ^ length.wrapping_add(counted(key)))
    }
}

/// The length of a part, modulo 2^32.
#[inline]
fn counted(bytes: &[u8]) -> u32 {
    low(bytes.len() as u64)
}

#[inline]
fn low(word: u64) -> u32 {
    (word & 0xffff_ffff) as u32
}

// The constants and steps of MurmurHash3 by Austin Appleby, who put it into the public domain.
#[inline]
fn scrambled(word: u32) -> u32 {
    word.wrapping_mul(0xcc9e_2d51).rotate_left(15).wrapping_mul(0x1b87_3593)
}

#[inline]
fn mixed(state: u32, word: u32) -> u32 {
    (state ^ scrambled(word)).rotate_left(13).wrapping_mul(5).wrapping_add(0xe654_6b64)
}

#[inline]
fn finished(mut state: u32) -> u32 {
    state = (state ^ (state >> 16)).wrapping_mul(0x85eb_ca6b);
    state = (state ^ (state >> 13)).wrapping_mul(0xc2b2_ae35);
    state ^ (state >> 16)
}

/// The bucket of a hash, from 0 to [`BUCKETS`] - 1.
#[must_use]
#[inline]
pub fn bucket(hash: u32) -> u32 {
    // Below BUCKETS, so nothing is cut off.
    ((u64::from(hash) * u64::from(BUCKETS)) >> 32) as u32
}

#[cfg(test)]
mod tests {
    use super::{BUCKETS, bucket, hash};
    use proptest::prelude::{any, proptest};
    use proptest::{prop_assert, prop_assert_eq};

    #[test]
    fn buckets_are_those_of_flagd_v2() {
        let vectors = [
            ("orders.read", "user-1", 2_904_845_250, 6763),
            ("orders.read", "user-2", 2_161_082_115, 5031),
            ("orders.read", "user-42", 2_660_982_501, 6195),
            ("orders.read", "7", 3_161_068_357, 7359),
            ("users.read", "user-1", 2_007_731_361, 4674),
            ("orders.read", "用户-1", 2_594_527_556, 6040),
        ];
        for (flag, key, expected_hash, expected_bucket) in vectors {
            let hash = hash(flag.as_bytes(), key.as_bytes());
            assert_eq!((hash, bucket(hash)), (expected_hash, expected_bucket), "{flag} {key}");
        }
    }

    #[test]
    fn shares_of_sequential_ids_are_close_to_what_was_asked() {
        let count = 200_000_u32;
        for share in [1, 10, 100, 500, 1_000, 5_000] {
            let inside = (0..count)
                .filter(|id| bucket(hash(b"orders.read", id.to_string().as_bytes())) < share)
                .count();
            let expected = f64::from(count) * f64::from(share) / f64::from(BUCKETS);
            let off = (f64::from(u32::try_from(inside).unwrap()) - expected).abs();
            // Four standard deviations of a fair assignment.
            assert!(off < 4.0 * expected.sqrt(), "{share} of 10,000: {inside}, not {expected}");
        }
    }

    proptest! {
        #[test]
        fn flag_and_key_hash_as_one_string_as_another_implementation_does(
            flag in proptest::collection::vec(any::<u8>(), 0..12),
            key in proptest::collection::vec(any::<u8>(), 0..40),
        ) {
            let joined = [flag.as_slice(), key.as_slice()].concat();
            prop_assert_eq!(hash(&flag, &key), mur3::murmurhash3_x86_32(&joined, 0));
        }

        #[test]
        fn every_hash_has_a_bucket(hash in any::<u32>()) {
            prop_assert!(bucket(hash) < BUCKETS);
        }
    }
}
