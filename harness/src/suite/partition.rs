//! Parts of the cases, for several CI jobs.

use std::collections::{BTreeMap, HashMap};
use std::str::FromStr;

use crate::case::{Case, CaseName};
use crate::suite::run::image_spec::ImageSpec;
use crate::suite::store::run_results::Results;
use crate::vm::Accelerator;

/// One part of several: `2/5` is the second of five.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Partition {
    /// From 1.
    number: usize,
    of: usize,
}

/// A text that names no partition.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("expected NUMBER/OF with a number from 1 to OF, such as 2/5")]
pub(crate) struct PartitionError;

impl FromStr for Partition {
    type Err = PartitionError;

    fn from_str(text: &str) -> Result<Self, PartitionError> {
        let (number, of) = text.split_once('/').ok_or(PartitionError)?;
        let parse = |text: &str| text.parse::<usize>().map_err(|_| PartitionError);
        let (number, of) = (parse(number)?, parse(of)?);
        if (1..=of).contains(&number) { Ok(Self { number, of }) } else { Err(PartitionError) }
    }
}

impl Partition {
    /// The cases of this part, in their order. The parts take about the same time, and cases on one image are in one part
    /// where possible. Every case is in exactly one part, provided that all parts are made from the same cases and `earlier`
    /// results; without these, each duration is estimated from the case.
    pub(crate) fn of<'c>(self, cases: &[&'c Case], earlier: Option<&Results>) -> Vec<&'c Case> {
        let mut known: BTreeMap<&CaseName, u64> = BTreeMap::new();
        for one in earlier.iter().flat_map(|results| &results.cases) {
            *known.entry(&one.case).or_default() += one.took_ms;
        }
        let mut images: HashMap<ImageSpec, usize> = HashMap::new();
        let mut order: Vec<(usize, usize)> = Vec::new();
        for (at, case) in cases.iter().enumerate() {
            let next = images.len();
            order.push((*images.entry(ImageSpec::of(case, Accelerator::Exact)).or_insert(next), at));
        }
        order.sort_unstable();
        let duration = |case: &Case| known.get(&case.name).copied().unwrap_or_else(|| estimate_ms(case));
        let durations: Vec<u64> = order.iter().map(|(_, at)| duration(cases[*at])).collect();
        let parts = parts(&durations, self.of);
        let mine = order.iter().zip(parts).filter(|(_, part)| *part + 1 == self.number);
        let mut mine: Vec<usize> = mine.map(|((_, at), _)| *at).collect();
        mine.sort_unstable();
        mine.into_iter().map(|at| cases[at]).collect()
    }
}

/// About how long a case takes, in milliseconds: two restored guests, and its iterations.
fn estimate_ms(case: &Case) -> u64 {
    200 + 2 * u64::from(case.iterations)
}

/// The part, from 0, of each item: consecutive items are in one part until it has its share of the total.
fn parts(durations: &[u64], of: usize) -> Vec<usize> {
    // An item that takes no time counts too, so that many such items are distributed.
    let total: u128 = durations.iter().map(|one| u128::from(*one) + 1).sum();
    let mut before = 0;
    let part = |duration: &u64| {
        let duration = u128::from(*duration) + 1;
        let middle = 2 * before + duration;
        before += duration;
        (middle * of as u128 / (2 * total)) as usize
    };
    durations.iter().map(part).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::case::load_all;
    use proptest::prelude::*;
    use std::path::Path;

    proptest! {
        #[test]
        fn each_item_is_in_exactly_one_part_and_no_part_is_more_than_one_item_too_long(
            durations in prop::collection::vec(0u64..10_000, 0..60), of in 1usize..9
        ) {
            let parts = parts(&durations, of);
            prop_assert_eq!(parts.len(), durations.len());
            prop_assert!(parts.is_sorted() && parts.iter().all(|part| *part < of));
            let sum = |of: &mut dyn Iterator<Item = u64>| of.map(|one| one + 1).sum::<u64>();
            let (total, longest) = (sum(&mut durations.iter().copied()), durations.iter().max().copied().unwrap_or(0) + 1);
            for part in 0..of {
                let mine = sum(&mut durations.iter().zip(&parts).filter(|(_, at)| **at == part).map(|(one, _)| *one));
                prop_assert!(mine <= total / of as u64 + longest + 1, "{mine} of {total}");
            }
        }
    }

    #[test]
    fn every_case_of_the_repository_is_in_exactly_one_of_five_parts() {
        let cases = load_all(Path::new(env!("CARGO_MANIFEST_DIR"))).unwrap();
        let all: Vec<&Case> = cases.iter().collect();
        let parts: Vec<Vec<&Case>> = (1..=5).map(|number| Partition { number, of: 5 }.of(&all, None)).collect();
        let mut found: Vec<&CaseName> = parts.iter().flatten().map(|case| &case.name).collect();
        found.sort();
        let mut expected: Vec<&CaseName> = cases.iter().map(|case| &case.name).collect();
        expected.sort();
        assert_eq!(found, expected);
        assert!(
            parts.iter().all(|part| part.len() * 8 > all.len()),
            "{:?}",
            parts.iter().map(Vec::len).collect::<Vec<_>>()
        );
    }

    #[test]
    fn a_partition_is_a_number_of_several() {
        assert_eq!("2/5".parse(), Ok(Partition { number: 2, of: 5 }));
        for wrong in ["", "2", "0/5", "6/5", "1/0", "a/5", "-1/5", "1/5/7"] {
            assert_eq!(wrong.parse::<Partition>(), Err(PartitionError), "{wrong}");
        }
    }
}
