//! Where to begin looking for the smallest connection counter that names no file.
//!
//! Without this, the n-th flow of a name would try n names. What is remembered is bounded, and the oldest forgotten first: a
//! name that was forgotten is searched from 0 again, which is slower and just as right as soon as its files are made.

use std::hash::{BuildHasher, RandomState};
use std::ops::Range;

use hashbrown::HashTable;

/// The last names are remembered, so many at least and twice as many at most: more than flows can be named before the
/// file of one that is over, or kept as a beginning, is made. What a table has room for at a power of two.
const REMEMBERED: usize = 57_344;

/// Counters given to names so far.
#[derive(Debug, Default)]
pub struct Counters {
    /// Names that came last.
    recent: Names,
    /// Those before them.
    former: Names,
    /// Hashes with a key: names are what anybody may have chosen.
    hasher: RandomState,
}

/// Names, and the next counter of each.
#[derive(Debug, Default)]
struct Names {
    /// Where each name is, and its next counter.
    next: HashTable<(Range<usize>, u64)>,
    /// One behind the other: each by itself would be memory to be found and given back for every flow.
    text: String,
}

impl Counters {
    /// The counter to try for what is named `base` with counter 0: the next one each time.
    pub fn take(&mut self, base: &str) -> u64 {
        let hash = self.hasher.hash_one(base);
        if let Some(next) = self.recent.find(hash, base) {
            let counter = *next;
            *next = counter.saturating_add(1);
            return counter;
        }
        let counter = self.former.find(hash, base).map_or(0, |next| *next);
        if self.recent.next.len() >= REMEMBERED {
            std::mem::swap(&mut self.recent, &mut self.former);
            self.recent.next.clear();
            self.recent.text.clear();
        }
        self.recent.insert(hash, base, counter.saturating_add(1), &self.hasher);
        counter
    }
}

impl Names {
    fn find(&mut self, hash: u64, name: &str) -> Option<&mut u64> {
        let Self { next, text } = self;
        next.find_mut(hash, |(place, _)| text.get(place.clone()) == Some(name)).map(|(_, next)| next)
    }

    fn insert(&mut self, hash: u64, name: &str, next: u64, hasher: &RandomState) {
        let begin = self.text.len();
        self.text.push_str(name);
        let text = &self.text;
        let hash_of =
            |(place, _): &(Range<usize>, u64)| hasher.hash_one(text.get(place.clone()).unwrap_or_default());
        self.next.insert_unique(hash, (begin..text.len(), next), hash_of);
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
        for number in 0..3 * REMEMBERED {
            assert_eq!(counters.take(&number.to_string()), 0);
        }
        for names in [&counters.recent, &counters.former] {
            assert!(names.next.len() <= REMEMBERED && names.text.len() <= REMEMBERED * 6);
        }
    }

    #[test]
    fn the_last_names_are_remembered() {
        for before in [0, 1, REMEMBERED / 2, REMEMBERED - 1, REMEMBERED] {
            let mut counters = Counters::default();
            for number in 0..before {
                counters.take(&number.to_string());
            }
            assert_eq!(counters.take("a"), 0);
            for number in 0..REMEMBERED {
                counters.take(&format!("other {number}"));
            }
            assert_eq!(counters.take("a"), 1, "{before}");
            assert_eq!(counters.take("a"), 2, "{before}");
        }
    }
}
