//! Bucketing `flagd-v2`: which of 10,000 buckets a key falls into, for ever.
//!
//! The bucket depends on the flag and the key alone, never on the share: growing the share only
//! adds users (monotone) and a user stays where it is (sticky). The flag is hashed with the key, so
//! two migrations do not move the same unlucky users first.

use std::hash::Hasher;

/// Number of buckets: a share grows in steps of 0.01 %.
pub const BUCKETS: u32 = 10_000;

// Flag and key are joined on the stack up to this length: hashing one slice costs 13 ns where the
// streaming hasher costs 16 (17 + 10 bytes, one core of a small VM).
const JOINED_BYTES_MAX: usize = 96;

/// The 32-bit hash of a flag and a key: murmur3_x86_32, seed 0, over the bytes of both.
#[must_use]
#[inline]
pub fn hash(flag: &[u8], key: &[u8]) -> u32 {
    let length = flag.len() + key.len();
    if length <= JOINED_BYTES_MAX {
        let mut joined = [0; JOINED_BYTES_MAX];
        joined[..flag.len()].copy_from_slice(flag);
        joined[flag.len()..length].copy_from_slice(key);
        return mur3::murmurhash3_x86_32(&joined[..length], 0);
    }
    let mut hasher = mur3::Hasher32::with_seed(0);
    hasher.write(flag);
    hasher.write(key);
    hasher.finish32()
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
    use super::{BUCKETS, JOINED_BYTES_MAX, bucket, hash};
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
        fn long_and_short_inputs_hash_as_one_string(
            flag in "[a-z.]{1,40}",
            key in proptest::collection::vec(any::<u8>(), 0..(2 * JOINED_BYTES_MAX)),
        ) {
            let joined = [flag.as_bytes(), key.as_slice()].concat();
            prop_assert_eq!(hash(flag.as_bytes(), &key), mur3::murmurhash3_x86_32(&joined, 0));
        }

        #[test]
        fn every_hash_has_a_bucket(hash in any::<u32>()) {
            prop_assert!(bucket(hash) < BUCKETS);
        }
    }
}
