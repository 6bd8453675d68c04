//! What a role has in the place of the standard descriptors: /dev/null, or where a container has none an empty
//! file without a name that nobody can write to.

use std::fs::File;
use std::io;
use std::os::fd::OwnedFd;

use nix::fcntl::{FcntlArg, SealFlag, fcntl};
use nix::sys::memfd::{MFdFlags, memfd_create};

/// A descriptor from which nothing comes and into which nothing goes.
pub fn open() -> io::Result<OwnedFd> {
    match File::options().read(true).write(true).open("/dev/null") {
        Ok(null) => Ok(null.into()),
        Err(_) => Ok(sealed()?),
    }
}

fn sealed() -> nix::Result<OwnedFd> {
    let file = memfd_create("nothing", MFdFlags::MFD_CLOEXEC | MFdFlags::MFD_ALLOW_SEALING)?;
    fcntl(&file, FcntlArg::F_ADD_SEALS(SealFlag::all()))?;
    Ok(file)
}

#[cfg(test)]
mod tests {
    use std::io::{Read, Write};

    use super::*;

    #[test]
    fn nothing_comes_from_it_and_nothing_goes_into_it() {
        let mut file = File::from(sealed().unwrap());
        assert_eq!(file.read(&mut [0; 8]).unwrap(), 0);
        assert!(file.write(b"words").is_err());
        assert!(file.set_len(1).is_err());
    }
}
