//! Options of pcapng blocks, draft-ietf-opsawg-pcapng, section 3.5: code, length, value, padding.

use crate::bytes::Order;

/// The code that ends a list before the block does.
pub const END_OF_OPTIONS: u16 = 0;

/// An option.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Opt<'a> {
    /// What it is.
    pub code: u16,
    /// Its value.
    pub value: &'a [u8],
}

/// The block ends within an option.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Short;

/// The options of a block, one after the other.
#[derive(Debug, Clone, Copy)]
pub struct Options<'a> {
    order: Order,
    rest: &'a [u8],
}

impl<'a> Options<'a> {
    /// Those in these bytes.
    pub fn new(order: Order, bytes: &'a [u8]) -> Self {
        Self { order, rest: bytes }
    }

    /// Those that follow data of this length in a block.
    pub fn after(order: Order, data: &'a [u8], length: usize) -> Self {
        Self::new(order, data.get(length.next_multiple_of(4)..).unwrap_or_default())
    }

    /// Those before the end of the list, or what is malformed in it: for blocks whose options are only looked
    /// at in passing.
    pub fn lenient(self) -> impl Iterator<Item = Opt<'a>> {
        self.map_while(Result::ok).take_while(|option| option.code != END_OF_OPTIONS)
    }

    fn take(&mut self) -> Option<Opt<'a>> {
        let (code, length) = (self.order.u16(self.rest, 0)?, self.order.u16(self.rest, 2)?.into());
        let (value, rest) = self.rest.get(4..)?.split_at_checked(usize::next_multiple_of(length, 4))?;
        self.rest = rest;
        Some(Opt { code, value: value.get(..length)? })
    }
}

impl<'a> Iterator for Options<'a> {
    type Item = Result<Opt<'a>, Short>;

    fn next(&mut self) -> Option<Self::Item> {
        if self.rest.is_empty() {
            return None;
        }
        let option = self.take().ok_or(Short);
        if option.is_err() {
            self.rest = &[];
        }
        Some(option)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_list_ends_with_its_block_its_mark_or_where_it_is_malformed() {
        let codes = |bytes: &[u8]| -> Vec<u16> {
            Options::new(Order::Big, bytes).lenient().map(|option| option.code).collect()
        };
        assert_eq!(codes(&[0, 5, 0, 1, 9, 0, 0, 0, 0, 6, 0, 0]), [5, 6]);
        assert_eq!(codes(&[0, 5, 0, 0, 0, 0, 0, 0, 0, 6, 0, 0]), [5]);
        assert_eq!(codes(&[0, 5, 0, 0, 0, 6, 0, 9, 1, 2, 3, 4]), [5]);
        assert_eq!(codes(&[0, 5, 0]), [0; 0]);
        let mut cut = Options::new(Order::Big, &[0, 6, 0, 9, 1]);
        assert_eq!((cut.next(), cut.next()), (Some(Err(Short)), None));
    }
}
