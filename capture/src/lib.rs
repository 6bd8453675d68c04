//! `tcpflow-capture`: opens what packets come from, gives up every privilege, relays frames undecoded.
//!
//! The only process of tcpflow that ever holds a privilege, and that only until [`policy::sandbox::enter`].
//! What reads hostile files, [`source`], a [`window`] over one, [`savefile`] and what it says in [`record`], is
//! public so that tests and fuzz targets reach it without a process around it.

mod bytes;
mod classic;
pub mod defect;
mod error;
mod filter;
mod inputs;
mod interface;
mod link;
mod live;
mod options;
mod pcapng;
mod reading;
pub mod record;
mod relay;
mod resolution;
mod run;
pub mod savefile;
pub mod source;
mod statistics;
mod sys;
mod together;
pub mod window;

pub use run::run;
