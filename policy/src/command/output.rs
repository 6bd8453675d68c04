//! The places that output goes to, opened before any privilege is dropped: the output directory, the files
//! that `-X` and `-w` name, standard output where flows are printed.

use std::fs::File;
use std::io::IsTerminal;
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::os::unix::ffi::OsStrExt;
use std::path::{Path, PathBuf};

use nix::errno::Errno;
use nix::fcntl::{AT_FDCWD, AtFlags, Flock, FlockArg, OFlag, OpenHow, ResolveFlag, openat2};
use nix::sys::stat::{FileStat, Mode, SFlag, fstat, fstatat, mkdirat};
use nix::unistd::{Gid, Uid, fchownat};
use proto::plan::Identity;

use super::error::Error;
use super::identity::Identities;
use super::metrics;
use super::settings::{Events, Settings};
use super::tell;

/// What a missing directory is made with, less umask, as tcpflow does.
const DIRECTORY_MODE: Mode = Mode::from_bits_truncate(0o777);
/// What a file is made with, less umask.
const FILE_MODE: Mode = Mode::from_bits_truncate(0o666);

/// Where output goes.
#[derive(Debug)]
pub struct Places {
    /// The output directory.
    pub directory: OwnedFd,
    /// The report that `-X` names.
    pub report: Option<File>,
    /// The savefile that `-w` names.
    pub unprocessed: Option<File>,
    /// Standard output, where flows are printed.
    pub console: Option<OwnedFd>,
    /// Where `--events` go.
    pub events: Option<Told>,
    /// Where `--metrics` are.
    pub metrics: Option<metrics::Place>,
    /// Whom the writer becomes.
    pub writer: Option<Identity>,
}

/// Where events go.
#[derive(Debug)]
pub struct Told {
    /// The file, or standard output.
    pub file: File,
    /// Whether it is a file that nobody else writes to.
    pub own: bool,
}

impl Places {
    /// Whether someone may read output as it comes, and keep the run waiting by reading it slowly.
    pub fn have_readers(&self) -> bool {
        self.console.is_some() || self.events.as_ref().is_some_and(|events| !events.own)
    }
}

/// Opens the output directory, made if missing, and the report.
pub fn prepare(settings: &Settings, identities: &Identities) -> Result<Places, Error> {
    let console = settings.console.is_some().then(tell::output).transpose()?;
    let base = Base::of(settings)?;
    let (directory, made) = if fills_directory(settings) {
        base.output_directory(&settings.output)?
    } else {
        (base.any_directory(&settings.output)?, false)
    };
    let status = fstat(&directory).map_err(|e| told(&settings.output, e))?;
    let mut writer = identities.writer;
    if made {
        give(&directory, writer).map_err(|e| told(&settings.output, e))?;
    } else if settings.user.is_none() {
        writer = owner_where_root_cannot_write(writer, &status);
    }
    if settings.report_enabled {
        tell::line(&format!("reportfilename: {}", shown(settings).display()));
    }
    let report = match &settings.report {
        Some(path) if settings.report_enabled => Some(base.file(path, identities.writer, OFlag::empty())?),
        Some(_) | None => None,
    };
    let unprocessed = settings
        .unprocessed
        .as_ref()
        .map(|path| base.file(path, identities.writer, OFlag::empty()))
        .transpose()?;
    let events = settings.events.as_ref().map(|events| told_of(events, &base, identities)).transpose()?;
    if let Some(events) = &events {
        refuse_shared(events, report.as_ref(), unprocessed.as_ref(), console.as_ref())?;
    }
    let metrics = settings.metrics.as_ref().map(|path| base.replaced(path, writer)).transpose()?;
    if let Some(user) = &settings.user {
        tell::line(&format!("dropped privs to {user}"));
    }
    Ok(Places { directory, report, unprocessed, console, events, metrics, writer })
}

/// Keeps the output directory, for as long as what this gives lives, for the one run that rotates there: any of its
/// subdirectories but the newest is then finished.
pub fn lock(settings: &Settings, places: &Places) -> Result<Option<Flock<OwnedFd>>, Error> {
    if settings.rotation.is_none() {
        return Ok(None);
    }
    let how = OpenHow::new().flags(OFlag::O_RDONLY | OFlag::O_DIRECTORY | OFlag::O_CLOEXEC);
    let directory = openat2(&places.directory, ".", how).map_err(|e| told(&settings.output, e))?;
    match Flock::lock(directory, FlockArg::LockExclusiveNonblock) {
        Ok(lock) => Ok(Some(lock)),
        Err((_, Errno::EWOULDBLOCK)) => {
            Err(Error::Told(format!("{}: another tcpflow rotates there", settings.output.display())))
        }
        Err((_, e)) => Err(told(&settings.output, e)),
    }
}

/// Whether this run needs the output directory. One that stores nothing (`-FX`) makes it as tcpflow does; one
/// that only prints does not.
fn fills_directory(settings: &Settings) -> bool {
    let report = settings.report_enabled && settings.report.is_none();
    settings.console.is_none() || settings.packets || settings.charts.is_some() || report
}

/// The report's name as tcpflow shows it; with `--rotate` there are several.
fn shown(settings: &Settings) -> PathBuf {
    let inside = |path: &Path| match &settings.chroot {
        Some(base) => PathBuf::from(format!("{}/{}", base.display(), path.display())),
        None => path.to_path_buf(),
    };
    match &settings.report {
        Some(path) => inside(path),
        None => {
            let each = if settings.rotation.is_some() { "*/" } else { "" };
            PathBuf::from(format!("{}/{each}report.xml", inside(&settings.output).display()))
        }
    }
}

/// Root without capabilities cannot write into the directory of another user, as tcpflow could. The
/// writer then becomes that user: what it makes there is his.
fn owner_where_root_cannot_write(writer: Option<Identity>, directory: &FileStat) -> Option<Identity> {
    let Identity { uid, gid } = writer?;
    let writable = |bit: libc::mode_t| directory.st_mode & bit == bit;
    let allowed = match (directory.st_uid == uid, directory.st_gid == gid) {
        (true, _) => writable(libc::S_IWUSR | libc::S_IXUSR),
        (false, true) => writable(libc::S_IWGRP | libc::S_IXGRP),
        (false, false) => writable(libc::S_IWOTH | libc::S_IXOTH),
    };
    if allowed || directory.st_uid == uid {
        return writer;
    }
    Some(Identity { uid: directory.st_uid, gid: directory.st_gid })
}

/// What paths of output start from: the working directory, or with `-z` the directory that they cannot leave.
struct Base {
    chroot: Option<OwnedFd>,
    name: Option<PathBuf>,
}

impl Base {
    fn of(settings: &Settings) -> Result<Self, Error> {
        let Some(name) = &settings.chroot else { return Ok(Self { chroot: None, name: None }) };
        let how = OpenHow::new().flags(OFlag::O_PATH | OFlag::O_DIRECTORY | OFlag::O_CLOEXEC);
        let opened = openat2(AT_FDCWD, name, how).map_err(|e| {
            Error::Told(format!("Couldn't chroot/chdir to '{}': {}", name.display(), e.desc()))
        })?;
        Ok(Self { chroot: Some(opened), name: Some(name.clone()) })
    }

    /// The directory, if it is there.
    fn existing_directory(&self, path: &Path) -> Result<Option<OwnedFd>, Error> {
        match self.open_directory(path) {
            Ok(directory) => Ok(Some(directory)),
            Err(Errno::ENOENT) => Ok(None),
            Err(Errno::ENOTDIR) => {
                Err(Error::Plain(format!("outdir is not a directory: {}", self.shown(path).display())))
            }
            Err(e) => Err(told(&self.shown(path), e)),
        }
    }

    /// A directory for a writer that makes nothing in it: where there is none of that name, it is not made.
    fn any_directory(&self, path: &Path) -> Result<OwnedFd, Error> {
        if let Some(directory) = self.existing_directory(path)? {
            return Ok(directory);
        }
        let here = Path::new(".");
        self.open_directory(here).map_err(|e| told(&self.shown(here), e))
    }

    /// The directory, and whether it had to be made.
    fn output_directory(&self, path: &Path) -> Result<(OwnedFd, bool), Error> {
        if let Some(directory) = self.existing_directory(path)? {
            return Ok((directory, false));
        }
        let cannot =
            |e: Errno| Error::Plain(format!("cannot create {}: {}", self.shown(path).display(), e.desc()));
        self.make_directory(path).map_err(cannot)?;
        self.open_directory(path).map(|directory| (directory, true)).map_err(cannot)
    }

    fn open_directory(&self, path: &Path) -> Result<OwnedFd, Errno> {
        self.open(path, OFlag::O_PATH | OFlag::O_DIRECTORY, Mode::empty())
    }

    /// Makes the last component of `path`; its parent has to be there.
    fn make_directory(&self, path: &Path) -> Result<(), Errno> {
        let parent = path.parent().filter(|parent| !parent.as_os_str().is_empty()).unwrap_or(Path::new("."));
        let name = path.file_name().ok_or(Errno::EINVAL)?;
        let parent = self.open_directory(parent)?;
        mkdirat(&parent, name, DIRECTORY_MODE)
    }

    /// A file that the command line names, made or emptied.
    fn file(&self, path: &Path, owner: Option<Identity>, more: OFlag) -> Result<File, Error> {
        let shown = self.shown(path);
        let failed = |e: Errno| Error::Plain(format!("{}: {}", shown.display(), e.desc()));
        let flags = OFlag::O_WRONLY | OFlag::O_CREAT | OFlag::O_TRUNC | OFlag::O_NOCTTY | more;
        let file = self.open(path, flags, FILE_MODE).map_err(failed)?;
        let status = fstat(&file).map_err(failed)?;
        if SFlag::from_bits_truncate(status.st_mode & SFlag::S_IFMT.bits()) == SFlag::S_IFREG {
            give(&file, owner).map_err(failed)?;
        }
        Ok(File::from(file))
    }

    /// The place of a file that is made anew each time. What stands there and is no file stays.
    fn replaced(&self, path: &Path, user: Option<Identity>) -> Result<metrics::Place, Error> {
        let shown = self.shown(path).display().to_string();
        let failed = |why: &str| Error::Plain(format!("{shown}: {why}"));
        let name =
            path.file_name().and_then(|name| name.to_str()).ok_or_else(|| failed("no name of a file"))?;
        let parent = path.parent().filter(|parent| !parent.as_os_str().is_empty()).unwrap_or(Path::new("."));
        let directory = self.open_directory(parent).map_err(|e| failed(e.desc()))?;
        match fstatat(&directory, name, AtFlags::AT_SYMLINK_NOFOLLOW) {
            Ok(status) if status.st_mode & SFlag::S_IFMT.bits() != SFlag::S_IFREG.bits() => {
                return Err(failed("is there and is no file"));
            }
            Ok(_) | Err(Errno::ENOENT) => {}
            Err(e) => return Err(failed(e.desc())),
        }
        Ok(metrics::Place { directory, name: name.to_owned(), shown: shown.clone(), user })
    }

    fn open(&self, path: &Path, flags: OFlag, mode: Mode) -> Result<OwnedFd, Errno> {
        let how = OpenHow::new().flags(flags | OFlag::O_CLOEXEC).mode(mode);
        match &self.chroot {
            None => openat2(AT_FDCWD, path, how),
            // The same as chroot(2) would have it: neither `..` nor a link leads out.
            Some(root) => openat2(root, path, how.resolve(ResolveFlag::RESOLVE_IN_ROOT)),
        }
    }

    fn shown(&self, path: &Path) -> PathBuf {
        match &self.name {
            Some(name) => PathBuf::from(format!("{}/{}", name.display(), path.display())),
            None => path.to_path_buf(),
        }
    }
}

/// Opens where events go. A file of their own is only appended to, so that it can be cut back to its last whole line.
fn told_of(events: &Events, base: &Base, identities: &Identities) -> Result<Told, Error> {
    match events {
        Events::Output => Ok(Told { file: tell::output()?.into(), own: false }),
        Events::File(path) => {
            let file = base.file(path, identities.writer, OFlag::O_APPEND)?;
            let own = file.metadata().is_ok_and(|status| status.is_file());
            Ok(Told { file, own })
        }
    }
}

/// Two kinds of output in one place would be neither. To nowhere any number may go.
fn refuse_shared(
    events: &Told,
    report: Option<&File>,
    unprocessed: Option<&File>,
    console: Option<&OwnedFd>,
) -> Result<(), Error> {
    let place = |fd: BorrowedFd<'_>| {
        let status = fstat(fd).ok()?;
        let is_device = SFlag::from_bits_truncate(status.st_mode & SFlag::S_IFMT.bits()) == SFlag::S_IFCHR;
        (!is_device || fd.is_terminal()).then_some((status.st_dev, status.st_ino))
    };
    let others = [
        (report.map(AsFd::as_fd), "the report goes"),
        (unprocessed.map(AsFd::as_fd), "-w goes"),
        (console.map(AsFd::as_fd), "payload goes"),
    ];
    let here = place(events.file.as_fd());
    match others.iter().find(|(other, _)| here.is_some() && other.and_then(place) == here) {
        Some((_, what)) => Err(Error::Usage(format!("--events: {what} to the same place"))),
        None => Ok(()),
    }
}

/// Makes `owner` the owner of what this run made.
fn give(file: impl AsFd, owner: Option<Identity>) -> Result<(), Errno> {
    let Some(Identity { uid, gid }) = owner else { return Ok(()) };
    fchownat(file, "", Some(Uid::from_raw(uid)), Some(Gid::from_raw(gid)), AtFlags::AT_EMPTY_PATH)
}

fn told(path: &Path, errno: Errno) -> Error {
    Error::Told(format!("{}: {}", path.display(), errno.desc()))
}

/// The output directory's name as it stands before flow names in the report.
pub fn name_in_report(settings: &Settings) -> Vec<u8> {
    settings.output.as_os_str().as_bytes().to_vec()
}
