// SPDX-License-Identifier: GPL-2.0 OR MIT

//! What can go wrong when the kernel is asked for something.

use std::fmt;

use rustix::io::Errno;

/// The steps in which an idmapped mount is made, and those around it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Step {
    /// Opening a user namespace that exists.
    OpenNamespace,
    /// Starting the process that a new user namespace begins with.
    NewNamespace,
    /// Writing the map of users of a new user namespace.
    WriteUidMap,
    /// Writing the map of groups of a new user namespace.
    WriteGidMap,
    /// Copying a mount or a tree of mounts, `open_tree()`.
    CopyMount,
    /// Setting the map and the other attributes of the copy, `mount_setattr()`.
    SetAttributes,
    /// Placing the copy in the file system tree, `move_mount()`.
    Attach,
    /// Removing a mount, `umount2()`.
    Unmount,
    /// Listing mounts, `listmount()` or `/proc/self/mountinfo`.
    ListMounts,
    /// Looking at a mount, `statmount()`.
    LookAtMount,
    /// Reading the map of a process.
    ReadMap,
    /// Looking at the files of a tree.
    ReadTree,
    /// Finding out who a caller is.
    LookAtCaller,
    /// Looking at an object for what decides upon it.
    LookAtObject,
    /// Becoming a caller, in a process of its own.
    BecomeCaller,
    /// Trying an operation without a change to what exists.
    Try,
    /// Removing what an attempt has made.
    CleanUp,
}

impl Step {
    /// What was being done, to be followed by its object.
    fn doing(self) -> &'static str {
        match self {
            Self::OpenNamespace => "opening the user namespace",
            Self::NewNamespace => "making a user namespace",
            Self::WriteUidMap => "writing the map of users",
            Self::WriteGidMap => "writing the map of groups",
            Self::CopyMount => "copying the mount of",
            Self::SetAttributes => "setting the map and attributes of the copy of",
            Self::Attach => "mounting the copy on",
            Self::Unmount => "unmounting",
            Self::ListMounts => "listing the mounts",
            Self::LookAtMount => "looking at the mount of",
            Self::ReadMap => "reading the map of",
            Self::ReadTree => "looking at",
            Self::LookAtCaller => "finding out who the caller is",
            Self::LookAtObject => "looking at",
            Self::BecomeCaller => "becoming the caller",
            Self::Try => "trying it without changing anything",
            Self::CleanUp => "removing what was made to try it",
        }
    }
}

impl Step {
    /// What is between the step and its object.
    fn separator(self) -> &'static str {
        match self {
            Self::LookAtCaller | Self::Try | Self::CleanUp => ": ",
            _ => " ",
        }
    }
}

/// A step that failed, what it was done to, and the likely cause.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct Error {
    /// The step.
    pub step: Step,
    /// What it was done to, as the caller named it.
    pub object: String,
    /// What the kernel answered.
    pub errno: Errno,
    /// The likely cause, where one can be told.
    pub cause: Option<String>,
}

impl Error {
    pub(crate) fn new(step: Step, object: impl Into<String>, errno: Errno) -> Self {
        Self {
            step,
            object: object.into(),
            errno,
            cause: None,
        }
    }

    pub(crate) fn because(mut self, cause: Option<String>) -> Self {
        self.cause = cause;
        self
    }
}

impl fmt::Display for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.step.doing())?;
        if !self.object.is_empty() {
            write!(f, "{}{}", self.step.separator(), self.object)?;
        }
        write!(f, ": {}", Named(self.errno))?;
        match &self.cause {
            Some(cause) => write!(f, ": {cause}"),
            None => Ok(()),
        }
    }
}

/// The source is the error number.
impl std::error::Error for Error {
    fn source(&self) -> Option<&(dyn std::error::Error + 'static)> {
        Some(&self.errno)
    }
}

/// The name that manuals know an error number by; empty for the less common ones.
pub fn errno_name(errno: Errno) -> &'static str {
    match errno {
        Errno::ACCESS => "EACCES",
        Errno::BADF => "EBADF",
        Errno::BUSY => "EBUSY",
        Errno::CONNREFUSED => "ECONNREFUSED",
        Errno::FBIG => "EFBIG",
        Errno::NXIO => "ENXIO",
        Errno::TXTBSY => "ETXTBSY",
        Errno::EXIST => "EEXIST",
        Errno::INVAL => "EINVAL",
        Errno::ISDIR => "EISDIR",
        Errno::LOOP => "ELOOP",
        Errno::NAMETOOLONG => "ENAMETOOLONG",
        Errno::NODATA => "ENODATA",
        Errno::NOENT => "ENOENT",
        Errno::NOSPC => "ENOSPC",
        Errno::NOSYS => "ENOSYS",
        Errno::NOTDIR => "ENOTDIR",
        Errno::NOTEMPTY => "ENOTEMPTY",
        Errno::NOTTY => "ENOTTY",
        Errno::OPNOTSUPP => "EOPNOTSUPP",
        Errno::OVERFLOW => "EOVERFLOW",
        Errno::PERM => "EPERM",
        Errno::ROFS => "EROFS",
        Errno::SRCH => "ESRCH",
        Errno::USERS => "EUSERS",
        Errno::XDEV => "EXDEV",
        _ => "",
    }
}

/// An error number by its name and its description.
struct Named(Errno);

impl fmt::Display for Named {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let name = errno_name(self.0);
        let text = std::io::Error::from(self.0).to_string();
        match text.split_once(" (os error") {
            Some((words, _)) if !name.is_empty() => write!(f, "{words} ({name})"),
            _ => f.write_str(&text),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_error_names_step_object_number_and_cause() {
        let error = Error::new(Step::Attach, "/mnt", Errno::NOENT);
        assert_eq!(
            error.to_string(),
            "mounting the copy on /mnt: No such file or directory (ENOENT)"
        );
        let error = Error::new(Step::SetAttributes, "/proc", Errno::INVAL)
            .because(Some("proc does not do that".to_owned()));
        assert_eq!(
            error.to_string(),
            "setting the map and attributes of the copy of /proc: \
             Invalid argument (EINVAL): proc does not do that"
        );
        let error = Error::new(Step::NewNamespace, "", Errno::NOMEM);
        assert_eq!(
            error.to_string(),
            "making a user namespace: Cannot allocate memory (os error 12)"
        );
    }
}
