//! What has no trace: calls by Zipf's law, alone, with scans between them, and in a loop.

use crate::Accesses;

const CALLS: usize = 500_000;
const KEYS: u64 = 20_000;

pub(crate) fn all() -> Vec<Accesses> {
    let zipf = zipf(0.9);
    let with_scans = zipf.chunks(5_000).zip(0_u64..).flat_map(|(calls, turn)| {
        let first = (turn + 1) << 32;
        calls.iter().copied().chain(first..first + 2_500)
    });
    // A little more than what fits, again and again: where an order by age answers nothing.
    let in_a_loop = (0..CALLS as u64).map(|call| call % KEYS);
    let named = |name: &str, keys: Vec<u64>| Accesses {
        name: name.to_owned(),
        keys,
    };
    vec![
        named("Zipf 0.9 with scans", with_scans.collect()),
        named("a loop", in_a_loop.collect()),
        named("Zipf 0.9", zipf),
    ]
}

/// Calls of which the key of rank `n` has a part as `n` to the power of `-skew`.
fn zipf(skew: f64) -> Vec<u64> {
    let mut sum = 0.0;
    let sums: Vec<f64> = (1..=u32::try_from(KEYS).unwrap_or(u32::MAX))
        .map(|rank| {
            sum += f64::from(rank).powf(-skew);
            sum
        })
        .collect();
    let mut state = 0x9E37_79B9_7F4A_7C15_u64;
    let mut random = || {
        // xorshift64*, by S. Vigna, "An experimental exploration of Marsaglia's xorshift generators, scrambled".
        state ^= state >> 12;
        state ^= state << 25;
        state ^= state >> 27;
        let bits = state.wrapping_mul(0x2545_F491_4F6C_DD1D) >> 32;
        f64::from(u32::try_from(bits).unwrap_or_default()) / f64::from(u32::MAX)
    };
    let draws = (0..CALLS).map(|_| {
        let at = random() * sum;
        sums.partition_point(|sum| *sum < at) as u64
    });
    draws.collect()
}
