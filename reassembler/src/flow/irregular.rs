//! What most flows never have, and so take no memory for.

use crate::cut_off::CutOff;

/// What is counted of a flow that is not as most are.
#[derive(Debug, Clone, Default)]
pub struct Irregular {
    /// What the snap length cut off.
    pub cut_off: CutOff,
    /// Bytes of frames that were not captured; less than none where a savefile has more than it says there were.
    pub uncaptured: i64,
    /// Where in the stream the part begins that lies in the present directory (`--rotate`).
    pub begins: u64,
    /// Bytes moved by shifts.
    pub moved: u64,
    /// Segments that began before the end of those that came earlier.
    pub out_of_order: u64,
    /// Segments that broke the rules.
    pub violations: u64,
}

/// Nothing of it.
pub static NOTHING: Irregular = Irregular {
    cut_off: CutOff::NOTHING,
    uncaptured: 0,
    begins: 0,
    moved: 0,
    out_of_order: 0,
    violations: 0,
};

impl Irregular {
    /// Counts anew, in a part of the stream that begins here.
    pub fn go_on_from(&mut self, begins: u64) {
        self.begins = begins;
        (self.uncaptured, self.out_of_order, self.violations) = (0, 0, 0);
    }

    /// Bytes of memory taken.
    pub fn size(&self) -> usize {
        self.cut_off.heap().saturating_add(size_of::<Self>())
    }
}
