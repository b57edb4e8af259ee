//! Ranks among stores, from how many stores have which rate: exact, without a list of stores.

/// How many stores have a rate, as a group of the roll-up `acceptance` says it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Bucket {
    /// The rate, in thousandths.
    pub rate_per_mille: i64,
    /// How many stores have it.
    pub stores: i64,
}

impl Bucket {
    /// From a group's last dimension and its count; none if that is no rate.
    pub fn read(rate: &str, stores: i64) -> Option<Self> {
        Some(Self { rate_per_mille: rate.parse().ok()?, stores })
    }
}

/// How many of so many it is, in thousandths, rounded down; none of nothing.
pub fn per_mille(part: i64, of: i64) -> Option<i64> {
    let wide = (i128::from(part) * 1_000).checked_div(of.into()).filter(|_| of > 0)?;
    i64::try_from(wide).ok()
}

/// The rank of a rate: one more than there are stores with a better one, so that equal ones share
/// a rank and leave out those behind it, as in 1, 2, 2, 4.
pub fn rank_of(buckets: &[Bucket], rate_per_mille: i64) -> i64 {
    1 + stores(buckets.iter().filter(|bucket| bucket.rate_per_mille > rate_per_mille))
}

/// Among the first how many percent of all stores a rate is, rounded up; none of no stores.
pub fn top_percent(buckets: &[Bucket], rate_per_mille: i64) -> Option<i64> {
    let all = stores(buckets.iter());
    let rank = rank_of(buckets, rate_per_mille).min(all);
    (all > 0).then(|| (rank.saturating_mul(100).saturating_add(all - 1)) / all)
}

/// A group from which all stores went stays with a count of 0.
fn stores<'a>(buckets: impl Iterator<Item = &'a Bucket>) -> i64 {
    buckets.map(|bucket| bucket.stores.max(0)).fold(0, i64::saturating_add)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn buckets(rates: &[i64]) -> Vec<Bucket> {
        let bucket = |rate: &i64| Bucket { rate_per_mille: *rate, stores: 1 };
        rates.iter().map(bucket).collect()
    }

    #[test]
    fn equal_rates_share_a_rank_and_leave_out_those_behind() {
        let rates = [990, 950, 950, 900];
        let all = buckets(&rates);
        assert_eq!(rates.map(|rate| rank_of(&all, rate)), [1, 2, 2, 4]);
        assert_eq!(rates.map(|rate| top_percent(&all, rate)), [25, 50, 50, 100].map(Some));
        let counted = [
            Bucket { rate_per_mille: 950, stores: 2 },
            Bucket { rate_per_mille: 1_000, stores: 0 },
            Bucket { rate_per_mille: 990, stores: 1 },
            Bucket { rate_per_mille: 900, stores: 1 },
        ];
        assert_eq!(rates.map(|rate| rank_of(&counted, rate)), [1, 2, 2, 4]);
    }

    #[test]
    fn few_stores_and_none_have_percents_too() {
        assert_eq!(top_percent(&[], 500), None);
        assert_eq!(top_percent(&buckets(&[500]), 500), Some(100));
        assert_eq!(top_percent(&buckets(&[500]), 400), Some(100), "a rate that no store has");
        let thousand: Vec<i64> = (0..1_000).collect();
        assert_eq!(top_percent(&buckets(&thousand), 999), Some(1));
        assert_eq!(top_percent(&buckets(&thousand), 989), Some(2), "the eleventh of a thousand");
    }

    #[test]
    fn rates_are_whole_thousandths_and_read_back() {
        let table = [((2, 3), Some(666)), ((3, 3), Some(1_000)), ((0, 3), Some(0))];
        for ((part, of), rate) in table {
            assert_eq!(per_mille(part, of), rate);
        }
        assert_eq!(per_mille(1, 0), None);
        let read = Bucket { rate_per_mille: 66, stores: 3 };
        assert_eq!(Bucket::read("0066", 3), Some(read));
        assert_eq!(Bucket::read("sixty", 3), None);
    }
}
