//! Where to begin looking for the smallest connection counter that names no file.
//!
//! Without this, the n-th flow of a name would try n names. What is remembered is bounded: a name that
//! was forgotten is searched from 0 again, which is slower and just as right.

use std::hash::{BuildHasher, RandomState};
use std::ops::Range;

use hashbrown::HashTable;

/// Names remembered at once.
const REMEMBERED: usize = 65_536;

/// Counters given to names so far.
#[derive(Debug, Default)]
pub struct Counters {
    /// Where each name is, and its next counter. Hashed with a key: names are what anybody may have chosen.
    next: HashTable<(Range<usize>, u64)>,
    hasher: RandomState,
    /// The names, one behind the other: each by itself would be memory to be found and given back for every flow.
    names: String,
}

impl Counters {
    /// The counter to try for what is named `base` with counter 0: the next one each time.
    pub fn take(&mut self, base: &str) -> u64 {
        let hash = self.hasher.hash_one(base);
        let names = &self.names;
        if let Some((_, next)) = self.next.find_mut(hash, |(place, _)| names.get(place.clone()) == Some(base))
        {
            let counter = *next;
            *next = counter.saturating_add(1);
            return counter;
        }
        if self.next.len() >= REMEMBERED {
            self.next.clear();
            self.names.clear();
        }
        let begin = self.names.len();
        self.names.push_str(base);
        let Self { next, hasher, names } = self;
        let hash_of =
            |(place, _): &(Range<usize>, u64)| hasher.hash_one(names.get(place.clone()).unwrap_or_default());
        next.insert_unique(hash, (begin..names.len(), 1), hash_of);
        0
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_name_goes_on_where_it_was() {
        let mut counters = Counters::default();
        assert_eq!(["a", "a", "b", "a"].map(|name| counters.take(name)), [0, 1, 0, 2]);
    }

    #[test]
    fn memory_is_bounded() {
        let mut counters = Counters::default();
        for number in 0..=REMEMBERED {
            assert_eq!(counters.take(&number.to_string()), 0);
        }
        assert!(counters.next.len() <= REMEMBERED);
        assert!(counters.names.len() <= REMEMBERED * 5);
    }
}
