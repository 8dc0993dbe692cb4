// SPDX-License-Identifier: GPL-2.0 OR MIT

//! What a caller may want to do.

use std::{fmt, path::PathBuf, str::FromStr};

/// How a file is opened.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum OpenMode {
    /// `O_RDONLY`
    Read,
    /// `O_WRONLY`
    Write,
    /// `O_RDWR`
    ReadWrite,
    /// `O_WRONLY | O_APPEND`
    Append,
    /// `O_WRONLY | O_CREAT`
    Create,
    /// `O_RDONLY | O_NOATIME`
    NoAtime,
}

/// Whom an entry of an ACL is for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum AclEntry {
    /// A user, by the caller's name.
    User(u32),
    /// A group.
    Group(u32),
}

/// What a caller may want to do with a path.
///
/// # Examples
///
/// ```
/// use idmap::explain::{OpenMode, Operation};
///
/// assert_eq!("open:rw".parse(), Ok(Operation::Open(OpenMode::ReadWrite)));
/// assert_eq!("chmod:2755".parse(), Ok(Operation::Chmod(0o2755)));
/// assert_eq!("chown:1000".parse::<Operation>().map(|it| it.to_string()), Ok("chown:1000".into()));
/// assert!("chmod:9".parse::<Operation>().unwrap_err().to_string().contains("octal"));
/// ```
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Operation {
    /// `stat()`.
    Stat,
    /// `open()`.
    Open(OpenMode),
    /// `execve()`, up to where the file's contents matter.
    Exec,
    /// `connect()` to a socket.
    Connect,
    /// `open(O_CREAT | O_EXCL | O_WRONLY, 0666)`.
    Create,
    /// `mkdir(0777)`.
    Mkdir,
    /// `mkfifo(0666)`.
    Mkfifo,
    /// `symlink()`.
    Symlink,
    /// `open(O_TMPFILE | O_WRONLY, 0666)` in the directory.
    Tmpfile,
    /// `unlink()`.
    Unlink,
    /// `rmdir()`.
    Rmdir,
    /// `rename()` to this.
    Rename(PathBuf),
    /// `link()`: this becomes another name.
    Link(PathBuf),
    /// `chmod()` to this mode.
    Chmod(u32),
    /// `chown()`, by the caller's names; [`None`] stays as it is.
    Chown(Option<u32>, Option<u32>),
    /// `utimensat()` to now.
    Touch,
    /// `utimensat()` to another time.
    SetTimes,
    /// `truncate()` to the size that the file has.
    Truncate,
    /// `setxattr()` of this attribute.
    SetXattr(String),
    /// `setxattr()` of `security.capability`, for the root 0 or for one of the caller's ids.
    SetCap(Option<u32>),
    /// `setxattr()` of an access ACL with one more entry.
    SetFacl(AclEntry),
    /// `mount_setattr()` of `MOUNT_ATTR_IDMAP` for a new copy of the mount, with a user namespace
    /// that the caller makes.
    Idmap,
    /// `BTRFS_IOC_SUBVOL_CREATE`.
    SubvolCreate,
    /// `BTRFS_IOC_SNAP_DESTROY`.
    SubvolDelete,
    /// `BTRFS_IOC_SNAP_CREATE` of a subvolume: this becomes the snapshot.
    SubvolSnapshot(PathBuf),
}

/// Why a text is no operation.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct OperationError(String);

impl fmt::Display for OperationError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl std::error::Error for OperationError {}

impl Operation {
    /// All forms, for help texts.
    pub const FORMS: &'static str = "stat, open:r, open:w, open:rw, open:a (append), open:c \
        (create if missing), open:noatime, exec, connect, create, mkdir, mkfifo, symlink, tmpfile, unlink, rmdir, \
        rename:TO, link:TO, chmod:MODE, chown:UID[:GID], chgrp:GID, touch, settimes, truncate, \
        setxattr:NAME, setcap, setcap:ROOT, setfacl:u:UID, setfacl:g:GID, idmap, subvol-create, \
        subvol-delete, subvol-snapshot:TO";
}

impl FromStr for Operation {
    type Err = OperationError;

    fn from_str(text: &str) -> Result<Self, OperationError> {
        let (name, rest) = match text.split_once(':') {
            Some((name, rest)) => (name, Some(rest)),
            None => (text, None),
        };
        let unknown = || {
            OperationError(format!(
                "'{text}' is no operation; there are {}",
                Self::FORMS
            ))
        };
        let id = |word: &str| match word.parse() {
            Ok(u32::MAX) | Err(_) => Err(OperationError(format!(
                "in '{text}', '{word}' is not an id: expected a number below 4294967295"
            ))),
            Ok(id) => Ok(id),
        };
        Ok(match (name, rest) {
            ("stat", None) => Self::Stat,
            ("open", Some("r")) => Self::Open(OpenMode::Read),
            ("open", Some("w")) => Self::Open(OpenMode::Write),
            ("open", Some("rw")) => Self::Open(OpenMode::ReadWrite),
            ("open", Some("a")) => Self::Open(OpenMode::Append),
            ("open", Some("c")) => Self::Open(OpenMode::Create),
            ("open", Some("noatime")) => Self::Open(OpenMode::NoAtime),
            ("exec", None) => Self::Exec,
            ("connect", None) => Self::Connect,
            ("create", None) => Self::Create,
            ("mkdir", None) => Self::Mkdir,
            ("mkfifo", None) => Self::Mkfifo,
            ("symlink", None) => Self::Symlink,
            ("tmpfile", None) => Self::Tmpfile,
            ("unlink", None) => Self::Unlink,
            ("rmdir", None) => Self::Rmdir,
            ("rename", Some(to)) if !to.is_empty() => Self::Rename(to.into()),
            ("link", Some(to)) if !to.is_empty() => Self::Link(to.into()),
            ("chmod", Some(mode)) => match u32::from_str_radix(mode, 8) {
                Ok(mode) if mode <= 0o7777 => Self::Chmod(mode),
                _ => {
                    return Err(OperationError(format!(
                        "'{mode}' is no mode: expected octal digits, up to 7777"
                    )));
                }
            },
            ("chown", Some(ids)) => match ids.split_once(':') {
                Some(("", group)) => Self::Chown(None, Some(id(group)?)),
                Some((user, group)) => Self::Chown(Some(id(user)?), Some(id(group)?)),
                None => Self::Chown(Some(id(ids)?), None),
            },
            ("chgrp", Some(group)) => Self::Chown(None, Some(id(group)?)),
            ("touch", None) => Self::Touch,
            ("settimes", None) => Self::SetTimes,
            ("truncate", None) => Self::Truncate,
            ("setxattr", Some(name)) if name.contains('.') => Self::SetXattr(name.to_owned()),
            ("setcap", None) => Self::SetCap(None),
            ("setcap", Some(root)) => Self::SetCap(Some(id(root)?)),
            ("setfacl", Some(entry)) => match entry.split_once(':') {
                Some(("u", user)) => Self::SetFacl(AclEntry::User(id(user)?)),
                Some(("g", group)) => Self::SetFacl(AclEntry::Group(id(group)?)),
                _ => return Err(unknown()),
            },
            ("idmap", None) => Self::Idmap,
            ("subvol-create", None) => Self::SubvolCreate,
            ("subvol-delete", None) => Self::SubvolDelete,
            ("subvol-snapshot", Some(to)) if !to.is_empty() => Self::SubvolSnapshot(to.into()),
            _ => return Err(unknown()),
        })
    }
}

/// In the form in which it is read.
impl fmt::Display for Operation {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Stat => f.write_str("stat"),
            Self::Open(OpenMode::Read) => f.write_str("open:r"),
            Self::Open(OpenMode::Write) => f.write_str("open:w"),
            Self::Open(OpenMode::ReadWrite) => f.write_str("open:rw"),
            Self::Open(OpenMode::Append) => f.write_str("open:a"),
            Self::Open(OpenMode::Create) => f.write_str("open:c"),
            Self::Open(OpenMode::NoAtime) => f.write_str("open:noatime"),
            Self::Exec => f.write_str("exec"),
            Self::Connect => f.write_str("connect"),
            Self::Create => f.write_str("create"),
            Self::Mkdir => f.write_str("mkdir"),
            Self::Mkfifo => f.write_str("mkfifo"),
            Self::Symlink => f.write_str("symlink"),
            Self::Tmpfile => f.write_str("tmpfile"),
            Self::Unlink => f.write_str("unlink"),
            Self::Rmdir => f.write_str("rmdir"),
            Self::Rename(to) => write!(f, "rename:{}", to.display()),
            Self::Link(to) => write!(f, "link:{}", to.display()),
            Self::Chmod(mode) => write!(f, "chmod:{mode:o}"),
            Self::Chown(Some(user), Some(group)) => write!(f, "chown:{user}:{group}"),
            Self::Chown(Some(user), None) => write!(f, "chown:{user}"),
            Self::Chown(None, Some(group)) => write!(f, "chgrp:{group}"),
            Self::Chown(None, None) => f.write_str("chown"),
            Self::Touch => f.write_str("touch"),
            Self::SetTimes => f.write_str("settimes"),
            Self::Truncate => f.write_str("truncate"),
            Self::SetXattr(name) => write!(f, "setxattr:{name}"),
            Self::SetCap(None) => f.write_str("setcap"),
            Self::SetCap(Some(root)) => write!(f, "setcap:{root}"),
            Self::SetFacl(AclEntry::User(user)) => write!(f, "setfacl:u:{user}"),
            Self::SetFacl(AclEntry::Group(group)) => write!(f, "setfacl:g:{group}"),
            Self::Idmap => f.write_str("idmap"),
            Self::SubvolCreate => f.write_str("subvol-create"),
            Self::SubvolDelete => f.write_str("subvol-delete"),
            Self::SubvolSnapshot(to) => write!(f, "subvol-snapshot:{}", to.display()),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_read_is_written_the_same() {
        for text in [
            "stat",
            "open:r",
            "open:w",
            "open:rw",
            "open:a",
            "open:c",
            "open:noatime",
            "exec",
            "connect",
            "create",
            "mkdir",
            "mkfifo",
            "symlink",
            "tmpfile",
            "unlink",
            "rmdir",
            "rename:/a:b",
            "link:/c",
            "chmod:4755",
            "chown:1",
            "chown:1:2",
            "chgrp:3",
            "touch",
            "settimes",
            "truncate",
            "setxattr:user.a",
            "setcap",
            "setcap:5",
            "setfacl:u:6",
            "setfacl:g:7",
            "idmap",
            "subvol-create",
            "subvol-delete",
            "subvol-snapshot:a",
        ] {
            assert_eq!(text.parse::<Operation>().unwrap().to_string(), text);
        }
    }

    #[test]
    fn what_is_wrong_is_named() {
        let error = |text: &str| text.parse::<Operation>().unwrap_err().to_string();
        assert!(error("fly").contains("'fly' is no operation; there are stat"));
        assert!(error("open").contains("is no operation"));
        assert!(error("rename:").contains("is no operation"));
        assert!(error("chown:4294967295").contains("is not an id"));
        assert!(error("chmod:17777").contains("up to 7777"));
        assert!(error("setfacl:x:1").contains("is no operation"));
    }
}
