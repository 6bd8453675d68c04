//! `-S workers`: what cannot be had of several, because it takes one who sees all packets.

use super::super::error::Error;
use super::super::settings::{Input, Settings};

/// Refuses what several workers cannot do.
pub fn check(settings: &Settings) -> Result<(), Error> {
    let by_size = settings.rotation.as_ref().is_some_and(|rotation| rotation.size.is_some());
    let why = if settings.workers == 1 {
        return Ok(());
    } else if matches!(settings.input, Input::Savefiles(_)) {
        "savefiles are read in their order, by one; workers share an interface"
    } else if settings.charts.is_some() {
        "netviz counts the traffic as a whole, which no worker sees; -x netviz does without"
    } else if settings.networks.is_some() {
        "wifiviz tells of networks by all that is sent, which no worker sees; -x wifiviz does without"
    } else if by_size {
        "--rotate by size takes one who counts all that is stored; by time and by SIGUSR2 it can be had"
    } else {
        return Ok(());
    };
    Err(Error::Usage(format!("-S workers={}: {why}", settings.workers)))
}
