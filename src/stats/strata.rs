//! Drawing patients for a bootstrap within strata, so that both classes stay in every resample.

/// Draws patients with replacement, as many of each stratum as it has, and gives `drawn` each in turn.
///
/// `below(n)` gives a random number from 0 to below n. `strata` are numbers of patients. Patients with a positive image of
/// a rare label are a stratum of their own: otherwise, of a label with a single positive patient, a third of the resamples
/// would have none.
pub fn draw_within(strata: &[Vec<u32>], mut below: impl FnMut(u64) -> u64, mut drawn: impl FnMut(u32)) {
    for stratum in strata {
        for _ in stratum {
            drawn(stratum[below(stratum.len() as u64) as usize]);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_stratum_gives_as_many_as_it_has() {
        let mut times = [0usize; 6];
        let mut next = 0;
        let below = |n: u64| {
            next += 1;
            next * 7 % n
        };
        draw_within(&[vec![1, 4], vec![0, 2, 3], vec![]], below, |patient| times[patient as usize] += 1);
        assert_eq!((times[1] + times[4], times[0] + times[2] + times[3], times[5]), (2, 3, 0));
    }
}
