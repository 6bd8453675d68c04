//! br (RFC 7932). Its window is 16 MiB at most and is taken as bytes are made; larger windows, which the
//! coding of HTTP does not have, are refused.

use std::cell::Cell;
use std::fmt;
use std::rc::Rc;

use brotli_decompressor::{
    Allocator, BrotliDecompressStream, BrotliResult, BrotliState, HuffmanCode, SliceWrapper, SliceWrapperMut,
};

use super::{Stop, Taker};

/// Undoes br.
pub struct Brotli {
    state: BrotliState<Counting, Counting, Counting>,
    heap: Rc<Cell<usize>>,
    over: bool,
}

impl Default for Brotli {
    fn default() -> Self {
        let heap = Rc::new(Cell::new(0));
        let counting = || Counting(Rc::clone(&heap));
        Self { state: BrotliState::new_strict(counting(), counting(), counting()), heap, over: false }
    }
}

impl fmt::Debug for Brotli {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Brotli").field("heap", &self.heap).field("over", &self.over).finish_non_exhaustive()
    }
}

impl Brotli {
    /// Bytes of heap taken.
    pub fn heap(&self) -> usize {
        size_of::<Self>().saturating_add(self.heap.get())
    }

    /// Whether it has come to its end.
    pub fn is_whole(&self) -> bool {
        self.over
    }

    /// Undoes what can be undone of `input`.
    pub fn undo(&mut self, input: &[u8], piece: &mut [u8], take: &mut Taker<'_>) -> Result<(), Stop> {
        let (mut left, mut at) = (input.len(), 0);
        while !self.over {
            let (mut room, mut made) = (piece.len(), 0);
            let result = BrotliDecompressStream(
                &mut left,
                &mut at,
                input,
                &mut room,
                &mut made,
                piece,
                &mut 0,
                &mut self.state,
            );
            take(piece.get(..made).unwrap_or_default())?;
            match result {
                BrotliResult::ResultSuccess => self.over = true,
                BrotliResult::NeedsMoreOutput => {}
                BrotliResult::NeedsMoreInput => return Ok(()),
                BrotliResult::ResultFailure => return Err(Stop::Broken),
            }
        }
        Ok(())
    }
}

/// Takes memory from the heap and counts it.
struct Counting(Rc<Cell<usize>>);

/// Memory that is counted.
struct Counted<T> {
    memory: Box<[T]>,
    heap: Rc<Cell<usize>>,
}

impl<T> Default for Counted<T> {
    fn default() -> Self {
        Self { memory: Box::default(), heap: Rc::default() }
    }
}

impl<T> Drop for Counted<T> {
    fn drop(&mut self) {
        self.heap.set(self.heap.get().saturating_sub(size_of_val(&*self.memory)));
    }
}

impl<T> SliceWrapper<T> for Counted<T> {
    fn slice(&self) -> &[T] {
        &self.memory
    }
}

impl<T> SliceWrapperMut<T> for Counted<T> {
    fn slice_mut(&mut self) -> &mut [T] {
        &mut self.memory
    }
}

impl<T: Clone + Default> Allocator<T> for Counting {
    type AllocatedMemory = Counted<T>;

    fn alloc_cell(&mut self, len: usize) -> Counted<T> {
        let memory = vec![T::default(); len].into_boxed_slice();
        self.0.set(self.0.get().saturating_add(size_of_val(&*memory)));
        Counted { memory, heap: Rc::clone(&self.0) }
    }

    fn free_cell(&mut self, memory: Counted<T>) {
        drop(memory);
    }
}

/// Names the type that the state needs of its third allocator.
const _: fn() = || {
    fn is_allocator<A: Allocator<HuffmanCode>>() {}
    is_allocator::<Counting>();
};
