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
        Ok(self.send(message, payload)?)
    }
}

impl Sink for Vec<(FromReassembler, Vec<u8>)> {
    fn put(&mut self, message: &FromReassembler, payload: &[u8]) -> Result<(), Error> {
        self.push((message.clone(), payload.to_vec()));
        Ok(())
    }
}
