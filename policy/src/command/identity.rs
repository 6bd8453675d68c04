//! Users: whom each role becomes, and whom the command itself becomes while packets flow.

use nix::unistd::{Gid, Uid, User, geteuid, getgid, getuid, setgroups, setresgid, setresuid};
use policy::Role;
use proto::plan::Identity;

use super::error::Error;
use super::settings::Settings;

/// Users that the roles which touch hostile bytes become, when root starts tcpflow and names none: the package's, and
/// where that is not installed the one that every system has.
const FALLBACKS: [&str; 2] = ["tcpflow", "nobody"];

/// Whom the roles become; all none when not started as root, or by a root of a user namespace that has no other
/// user.
#[derive(Debug, Clone, Copy)]
pub struct Identities {
    /// For capture and reassembler.
    pub reader: Option<Identity>,
    /// For the writer, and so the owner of files.
    pub writer: Option<Identity>,
}

impl Identities {
    /// The identities that the settings ask for.
    pub fn of(settings: &Settings) -> Result<Self, Error> {
        let named = settings.user.as_deref().map(lookup).transpose()?;
        if !geteuid().is_root() {
            return match named {
                Some(_) => Err(Error::Told(format!(
                    "Couldn't change to '{}': Operation not permitted",
                    settings.user.as_deref().unwrap_or_default()
                ))),
                None => Ok(Self { reader: None, writer: None }),
            };
        }
        if let Some(user) = named {
            return Ok(Self { reader: Some(user), writer: Some(user) });
        }
        let [own, any] = FALLBACKS;
        let reader = std::fs::read_to_string("/etc/passwd").ok().and_then(|users| entry(&users, own));
        let reader = reader.or_else(|| lookup(any).ok());
        let reader = reader.ok_or_else(|| Error::User(FALLBACKS.join("' or '")))?;
        if !exists_here(reader) {
            return Ok(Self { reader: None, writer: None });
        }
        let root = Identity { uid: getuid().as_raw(), gid: getgid().as_raw() };
        Ok(Self { reader: Some(reader), writer: Some(root) })
    }

    /// Whom this role becomes.
    pub fn becomes(&self, role: Role) -> Option<Identity> {
        match role {
            Role::CaptureLive | Role::CaptureFiles | Role::Reassembler => self.reader,
            Role::Writer
            | Role::WriterRetaining
            | Role::WriterOfSeveral
            | Role::WriterOfSeveralRetaining
            | Role::Runner => self.writer,
        }
    }
}

/// Whether the user namespace that this runs in has this user and group: one made with `unshare -r` has none
/// but its root. user_namespaces(7).
fn exists_here(Identity { uid, gid }: Identity) -> bool {
    [("uid_map", uid), ("gid_map", gid)].into_iter().all(|(file, number)| {
        // Where there is no telling, the attempt tells.
        std::fs::read_to_string(format!("/proc/self/{file}")).map_or(true, |map| has(&map, number))
    })
}

/// Whether a line of such a map, which has a first number inside, one outside and a length, covers a number.
fn has(map: &str, number: u32) -> bool {
    map.lines().any(|line| {
        let mut numbers = line.split_whitespace().map(str::parse::<u64>);
        let (Some(Ok(first)), Some(_), Some(Ok(length))) = (numbers.next(), numbers.next(), numbers.next())
        else {
            return false;
        };
        (first..first.saturating_add(length)).contains(&number.into())
    })
}

/// A user of passwd(5), where a package's user is. Other databases of users are not asked for a name that nobody gave: they
/// may be on the network, and to be told by all of them that there is none takes as long as starting a role.
fn entry(users: &str, name: &str) -> Option<Identity> {
    let mut entries = users.lines().map(|line| line.split(':'));
    let mut fields = entries.find_map(|mut fields| (fields.next() == Some(name)).then_some(fields))?;
    let (uid, gid) = (fields.nth(1)?, fields.next()?);
    Some(Identity { uid: uid.parse().ok()?, gid: gid.parse().ok()? })
}

/// Finds a user by name, or by `uid[:gid]`.
fn lookup(name: &str) -> Result<Identity, Error> {
    let missing = || Error::User(name.to_owned());
    if let Ok(Some(user)) = User::from_name(name) {
        return Ok(Identity { uid: user.uid.as_raw(), gid: user.gid.as_raw() });
    }
    let (uid, gid) = name.split_once(':').map_or((name, None), |(uid, gid)| (uid, Some(gid)));
    let uid: u32 = uid.parse().map_err(|_| missing())?;
    let gid = match gid {
        Some(gid) => gid.parse().map_err(|_| missing())?,
        None => match User::from_uid(Uid::from_raw(uid)) {
            Ok(Some(user)) => user.gid.as_raw(),
            Ok(None) | Err(_) => return Err(missing()),
        },
    };
    Ok(Identity { uid, gid })
}

/// Gives up what the command itself holds, now that the roles are started: it has nothing left to open.
///
/// It keeps the users of the roles, one as its real and one as its effective user, and no capability:
/// that is what the kernel asks for to deliver its death to them (PDEATHSIG) and to end them.
pub fn relinquish(identities: &Identities) -> Result<(), Error> {
    let told = |what: &str| Error::Told(format!("cannot drop privileges: {what}"));
    if let (Some(reader), Some(writer)) = (identities.reader, identities.writer) {
        let (ruid, euid) = (Uid::from_raw(writer.uid), Uid::from_raw(reader.uid));
        let (rgid, egid) = (Gid::from_raw(writer.gid), Gid::from_raw(reader.gid));
        setgroups(&[]).map_err(|e| told(&format!("setgroups: {e}")))?;
        setresgid(rgid, egid, egid).map_err(|e| told(&format!("setresgid: {e}")))?;
        let change = || setresuid(ruid, euid, euid).map_err(|e| format!("setresuid: {e}"));
        policy::sandbox::relinquish(change).map_err(|e| told(&e))?;
    } else {
        policy::sandbox::relinquish(|| Ok(())).map_err(|e| told(&e))?;
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use proto::plan::Identity;

    use super::{entry, has};

    #[test]
    fn a_namespace_has_the_users_of_its_map() {
        assert!(has("         0          0 4294967295\n", 65534));
        assert!(!has("         0       1000          1\n", 65534));
        let containers = "         0       1000          1\n         1     100000      65536\n";
        assert!(has(containers, 65534) && !has(containers, 65537));
        assert!(!has("", 0) && !has("0 0\n", 0));
    }

    #[test]
    fn a_user_is_the_one_of_that_name() {
        let users = "root:x:0:0:root:/root:/bin/sh\ntcpflows:x:1:1::/:\ntcpflow:!:981:980::/:/bin/false\ntcpflow:x:0:0::/:\n";
        assert_eq!(entry(users, "tcpflow"), Some(Identity { uid: 981, gid: 980 }));
        for broken in ["", "tcpflow", "tcpflow:x:", "tcpflow:x::5:", "tcpflow:x:-1:5:", "# tcpflow:x:1:1:"] {
            assert_eq!(entry(broken, "tcpflow"), None, "{broken}");
        }
    }
}
