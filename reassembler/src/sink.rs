//! Where messages for the writer go: its channel, or a list when testing.

use policy::channel::Sender;
use proto::flow::FromReassembler;

use crate::Error;

/// Takes messages for the writer, in order.
pub trait Sink {
    /// Takes one message and the payload that belongs to it.
    fn put(&mut self, message: &FromReassembler, payload: &[u8]) -> Result<(), Error>;
}

impl Sink for Sender<FromReassembler> {
    fn put(&mut self, message: &FromReassembler, payload: &[u8]) -> Result<(), Error> {
        self.send(message, payload)?;
        if matches!(message, FromReassembler::Rotate(_)) {
            // Where there are other reassemblers the writer waits for them here: nothing may lie behind it in the batch.
            self.flush()?;
        }
        Ok(())
    }
}

impl Sink for Vec<(FromReassembler, Vec<u8>)> {
    fn put(&mut self, message: &FromReassembler, payload: &[u8]) -> Result<(), Error> {
        self.push((message.clone(), payload.to_vec()));
        Ok(())
    }
}
