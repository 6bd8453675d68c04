//! `create FROM TO`: makes in the new directory TO a file for each beneath FROM, of its name, its size and its time, and
//! prints the seconds that this took: what the kernel takes to store flows, whoever finds them.
//!
//! As little as it can be: a directory is opened once, a file is opened, written at once, given its times, and closed.

use std::fs::File;
use std::io;
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::time::Instant;

use nix::dir::Dir;
use nix::fcntl::{AtFlags, OFlag, openat};
use nix::sys::stat::{FileStat, Mode, SFlag, fstatat, futimens, mkdirat};
use nix::sys::time::TimeSpec;
use nix::sys::uio::pwrite;

fn main() -> ExitCode {
    let words: Vec<PathBuf> = std::env::args_os().skip(1).map(PathBuf::from).collect();
    let [from, to] = &words[..] else {
        eprintln!("usage: create FROM TO");
        return ExitCode::from(2);
    };
    match run(from, to) {
        Ok(seconds) => {
            println!("{seconds:.6}");
            ExitCode::SUCCESS
        }
        Err(error) => {
            eprintln!("create: {error}");
            ExitCode::FAILURE
        }
    }
}

fn run(from: &Path, to: &Path) -> io::Result<f64> {
    let tree = Tree::read(&File::open(from)?.into())?;
    let bytes = vec![b'f'; tree.largest()];
    std::fs::create_dir(to)?;
    let to = File::open(to)?;
    let start = Instant::now();
    tree.make(to.as_fd(), &bytes)?;
    Ok(start.elapsed().as_secs_f64())
}

/// What a directory holds.
#[derive(Debug)]
struct Tree {
    files: Vec<(PathBuf, usize, TimeSpec)>,
    directories: Vec<(PathBuf, Tree)>,
}

impl Tree {
    fn read(directory: &OwnedFd) -> io::Result<Self> {
        let mut tree = Self { files: Vec::new(), directories: Vec::new() };
        for entry in Dir::from_fd(directory.try_clone()?)? {
            let name = PathBuf::from(entry?.file_name().to_str().map_err(io::Error::other)?);
            if name.as_os_str() == "." || name.as_os_str() == ".." {
                continue;
            }
            let stat = fstatat(directory, &name, AtFlags::AT_SYMLINK_NOFOLLOW)?;
            if kind(&stat) == SFlag::S_IFDIR {
                let flags = OFlag::O_DIRECTORY | OFlag::O_CLOEXEC;
                tree.directories
                    .push((name.clone(), Self::read(&openat(directory, &name, flags, Mode::empty())?)?));
            } else {
                let size = usize::try_from(stat.st_size).map_err(io::Error::other)?;
                tree.files.push((name, size, TimeSpec::new(stat.st_mtime, stat.st_mtime_nsec)));
            }
        }
        Ok(tree)
    }

    fn largest(&self) -> usize {
        let here = self.files.iter().map(|(_, size, _)| *size);
        here.chain(self.directories.iter().map(|(_, tree)| tree.largest())).max().unwrap_or_default()
    }

    fn make(&self, directory: BorrowedFd<'_>, bytes: &[u8]) -> io::Result<()> {
        for (name, size, time) in &self.files {
            let flags = OFlag::O_WRONLY | OFlag::O_CREAT | OFlag::O_EXCL | OFlag::O_CLOEXEC;
            let file = openat(directory, name, flags, Mode::from_bits_truncate(0o644))?;
            let mut offset = 0;
            while offset < *size {
                offset += pwrite(&file, &bytes[offset..*size], i64::try_from(offset).unwrap())?;
            }
            futimens(&file, time, time)?;
        }
        for (name, tree) in &self.directories {
            mkdirat(directory, name, Mode::from_bits_truncate(0o755))?;
            let flags = OFlag::O_DIRECTORY | OFlag::O_CLOEXEC;
            tree.make(openat(directory, name, flags, Mode::empty())?.as_fd(), bytes)?;
        }
        Ok(())
    }
}

fn kind(stat: &FileStat) -> SFlag {
    SFlag::from_bits_truncate(stat.st_mode) & SFlag::S_IFMT
}
