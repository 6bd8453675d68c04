//! Reads configuration files: with the rights of whoever started `tcpflow`, before anything else is opened.

use std::fs::File;
use std::io::Read;
use std::path::Path;

use super::cli::config::MAX_LENGTH;
use super::error::Error;

/// All of a file, which may also be a pipe; one that is longer than a configuration can be is refused.
pub fn read(path: &Path) -> Result<Vec<u8>, Error> {
    let refused = |why: String| Error::Configuration { place: path.display().to_string(), why };
    let failed = |error: std::io::Error| refused(words(&error));
    let limit = u64::try_from(MAX_LENGTH).unwrap_or(u64::MAX).saturating_add(1);
    let mut text = Vec::new();
    File::open(path).and_then(|file| file.take(limit).read_to_end(&mut text)).map_err(failed)?;
    if text.len() > MAX_LENGTH {
        return Err(refused(format!("longer than {MAX_LENGTH} bytes")));
    }
    Ok(text)
}

/// The system's words for an error, without its number.
fn words(error: &std::io::Error) -> String {
    error
        .raw_os_error()
        .map_or_else(|| error.to_string(), |number| nix::errno::Errno::from_raw(number).desc().to_owned())
}
