//! `report.pdf` (`-e netviz`): one page of charts of the traffic, and with `-S netviz_histogram_dump` every address in
//! a text file beside it.
//!
//! The page is made of what the reassembler counted, which is bounded; so is the page. Drawing asks the kernel for
//! nothing, and opens no font: what of it is needed was taken out when the writer was built.

mod canvas;
mod figures;
mod font;
mod page;
mod ranking;
mod timeline;

use std::fmt::Write;
use std::io::IoSlice;
use std::os::fd::OwnedFd;

use nix::errno::Errno;
use proto::Breach;
use proto::traffic::{MAX_ADDRESSES, Share, Traffic};

use crate::contents;
use crate::directory::Directory;

/// The page's name, as tcpflow's.
const PAGE: &str = "report.pdf";
/// The name of the list of all addresses.
const LIST: &str = "netviz_histogram.txt";

/// What the charts are made of.
#[derive(Debug, Default)]
pub struct Charts {
    traffic: Option<Box<Traffic>>,
    shares: Vec<Share>,
}

impl Charts {
    /// Takes the traffic, once.
    pub fn traffic(&mut self, traffic: Box<Traffic>) -> Result<(), Breach> {
        match self.traffic.replace(traffic) {
            None => Ok(()),
            Some(_) => Err(Breach::Forbidden("the traffic twice")),
        }
    }

    /// Takes what one address sent or received.
    pub fn share(&mut self, share: Share) -> Result<(), Breach> {
        // A limit for each direction.
        let most = usize::try_from(MAX_ADDRESSES).unwrap_or(usize::MAX).saturating_mul(2);
        if self.shares.len() >= most {
            return Err(Breach::Forbidden("more addresses than are kept"));
        }
        self.shares.push(share);
        Ok(())
    }

    /// Writes the page, if the traffic came, and the list, if one is wanted, with this before their names. What failed,
    /// with its name.
    pub fn write(
        &self,
        directory: &Directory,
        prefix: &str,
        list: bool,
    ) -> Result<(), (&'static str, Errno)> {
        let Some(traffic) = &self.traffic else { return Ok(()) };
        // Compressing into memory cannot fail.
        let page = page::draw(traffic).map_err(|_| (PAGE, Errno::EIO))?;
        put(directory, prefix, PAGE, &page)?;
        if list { put(directory, prefix, LIST, self.list().as_bytes()) } else { Ok(()) }
    }

    fn list(&self) -> String {
        let mut text = "# direction\taddress or prefix\tbytes\n".to_owned();
        for Share { sent, prefix, bytes } in &self.shares {
            let direction = if *sent { "source" } else { "destination" };
            // Writing to memory cannot fail.
            let _ = writeln!(text, "{direction}\t{prefix}\t{bytes}");
        }
        text
    }
}

fn put(
    directory: &Directory,
    prefix: &str,
    name: &'static str,
    bytes: &[u8],
) -> Result<(), (&'static str, Errno)> {
    let write = |file: OwnedFd| contents::write(&file, &mut [IoSlice::new(bytes)], 0);
    directory.create(&format!("{prefix}{name}")).and_then(write).map_err(|errno| (name, errno))
}

#[cfg(test)]
mod tests;
